//! Another configuration in a running Envoy, in an order in which no request
//! finds less than it needs.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::envoy::Envoy;
use super::files::{Folder, Parts, both};

/// How long a cluster stays when the filter does not name it any more: requests
/// may still be under way there, for as long as a route lets them be silent.
const KEPT: Duration = Duration::from_secs(300);
/// How long Envoy may take to read a file, or to look up a server's name.
const APPLIED_WITHIN: Duration = Duration::from_secs(5);

const CLUSTERS: &str = "cluster_manager.cds";
const FILTER: &str = "extension_config_discovery.http_filter.mcp-gateway";

/// What Envoy has.
pub(crate) struct Reload {
    folder: Folder,
    parts: Parts,
    started_with: Value,
    /// What stands in the file of the clusters.
    clusters: Vec<Value>,
    /// When the clusters that nobody names go.
    tidy_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Applied,
    Refused,
}

impl Reload {
    /// The files that Envoy starts with.
    ///
    /// # Errors
    /// They cannot be written.
    pub(crate) fn start(folder: &Folder, parts: Parts) -> io::Result<Self> {
        folder.write_clusters(&parts.clusters)?;
        folder.write_filter(&parts.filter)?;
        Ok(Self {
            folder: folder.clone(),
            started_with: parts.bootstrap.clone(),
            clusters: parts.clusters.clone(),
            tidy_at: None,
            parts,
        })
    }

    /// Clusters first, since the filter must find them; then the filter; what
    /// it does not name any more stays for a while.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn apply(&mut self, parts: Parts, envoy: &Envoy) -> io::Result<Outcome> {
        let clusters = both(&self.clusters, &parts.clusters);
        if clusters != self.clusters {
            let before = Seen::of(CLUSTERS, envoy);
            self.folder.write_clusters(&clusters)?;
            if !before.applied(envoy) {
                self.folder.write_clusters(&self.clusters)?;
                return Ok(Outcome::Refused);
            }
            let warm = || envoy.stat("cluster_manager.warming_clusters") == 0;
            wait(warm);
            self.clusters = clusters;
        }
        if parts.filter != self.parts.filter {
            let before = Seen::of(FILTER, envoy);
            self.folder.write_filter(&parts.filter)?;
            if !before.applied(envoy) {
                return Ok(Outcome::Refused);
            }
        }
        self.parts = parts;
        self.tidy_at =
            (self.clusters.len() > self.parts.clusters.len()).then(|| Instant::now() + KEPT);
        Ok(Outcome::Applied)
    }

    /// Lets go what is not needed any more, when its time has come.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn tidy(&mut self) -> io::Result<()> {
        if self.tidy_at.is_some_and(|at| Instant::now() >= at) {
            self.tidy_at = None;
            self.clusters.clone_from(&self.parts.clusters);
            self.folder.write_clusters(&self.clusters)?;
        }
        Ok(())
    }

    /// Whether something is different that Envoy reads only when it starts.
    pub(crate) fn needs_restart(&self) -> bool {
        self.parts.bootstrap != self.started_with
    }
}

/// What Envoy has counted of a file so far.
struct Seen {
    of: &'static str,
    successes: u64,
    refusals: u64,
}

impl Seen {
    fn of(of: &'static str, envoy: &Envoy) -> Self {
        Self {
            of,
            successes: envoy.stat(&format!("{of}.update_success")),
            refusals: envoy.stat(&format!("{of}.update_rejected")),
        }
    }

    /// Waits until Envoy has taken or refused what was written since.
    fn applied(&self, envoy: &Envoy) -> bool {
        wait(|| {
            let now = Self::of(self.of, envoy);
            now.successes > self.successes || now.refusals > self.refusals
        });
        Self::of(self.of, envoy).refusals == self.refusals
    }
}

fn wait(until: impl Fn() -> bool) {
    let deadline = Instant::now() + APPLIED_WITHIN;
    while !until() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
}
