//! Gives a running Envoy another configuration, in an order in which no request fails.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::envoy::Envoy;
use super::parts::{EnvoyParts, union};
use super::work_dir::WorkDir;

/// How long a cluster stays after the filter does not name it any more. Requests may still be under
/// way there: a route ends a request after 300 s without data.
const CLUSTER_KEPT_FOR: Duration = Duration::from_secs(300);
/// How long Envoy may take to read a file again, or to look up a server's name.
const UPDATE_TIME_LIMIT: Duration = Duration::from_secs(5);

/// The prefixes of the statistics that Envoy has about each file.
const CLUSTERS: &str = "cluster_manager.cds";
const FILTER: &str = "extension_config_discovery.http_filter.mcp-gateway";

/// Writes the files that Envoy reads, and remembers their content.
pub(super) struct Reloader {
    work_dir: WorkDir,
    parts: EnvoyParts,
    /// The bootstrap that Envoy started with.
    bootstrap: Value,
    /// The content of the clusters file: the clusters of `parts`, and earlier ones.
    clusters: Vec<Value>,
    /// When to remove the earlier clusters.
    remove_at: Option<Instant>,
}

/// What Envoy did with a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReloadResult {
    Applied,
    Refused,
}

impl Reloader {
    /// Writes the files for Envoy's start.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn start(work_dir: &WorkDir, parts: EnvoyParts) -> io::Result<Self> {
        work_dir.write_bootstrap(&parts.bootstrap)?;
        work_dir.write_clusters(&parts.clusters)?;
        work_dir.write_filter(&parts.filter)?;
        Ok(Self {
            work_dir: work_dir.clone(),
            bootstrap: parts.bootstrap.clone(),
            clusters: parts.clusters.clone(),
            remove_at: None,
            parts,
        })
    }

    /// Checks that Envoy has accepted the files of its start.
    ///
    /// # Errors
    /// Envoy has refused a file, and would answer every request with 500. The text has the end of
    /// its log.
    pub(super) fn check_start(envoy: &Envoy) -> Result<(), String> {
        let refused = |prefix: &&&str| envoy.stat(&format!("{prefix}.update_rejected")) > 0;
        match [CLUSTERS, FILTER].iter().find(refused) {
            None => Ok(()),
            Some(_) => Err(format!(
                "Envoy refused its configuration. Is the filter of the same version as this program? The end of the log:\n{}",
                envoy.end_of_log()
            )),
        }
    }

    /// Gives `envoy` the filter and the clusters of `parts`. The clusters come first, since the new
    /// filter forwards to them, and then the filter. [`Self::remove_old_clusters`] later removes
    /// the clusters that only the old filter named.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn apply(&mut self, parts: EnvoyParts, envoy: &Envoy) -> io::Result<ReloadResult> {
        let clusters = union(&self.clusters, &parts.clusters);
        if clusters != self.clusters {
            let before = UpdateCounters::read(CLUSTERS, envoy);
            self.work_dir.write_clusters(&clusters)?;
            if before.wait_for_update(envoy) == ReloadResult::Refused {
                self.work_dir.write_clusters(&self.clusters)?;
                return Ok(ReloadResult::Refused);
            }
            wait_until(|| envoy.stat("cluster_manager.warming_clusters") == 0);
            self.clusters = clusters;
        }
        if parts.filter != self.parts.filter {
            let before = UpdateCounters::read(FILTER, envoy);
            self.work_dir.write_filter(&parts.filter)?;
            if before.wait_for_update(envoy) == ReloadResult::Refused {
                return Ok(ReloadResult::Refused);
            }
        }
        self.parts = parts;
        let has_old = self.clusters.len() > self.parts.clusters.len();
        self.remove_at = has_old.then(|| Instant::now() + CLUSTER_KEPT_FOR);
        Ok(ReloadResult::Applied)
    }

    /// Removes the clusters that the filter does not name any more, when it is time.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn remove_old_clusters(&mut self) -> io::Result<()> {
        if self.remove_at.is_some_and(|at| Instant::now() >= at) {
            self.remove_at = None;
            self.clusters.clone_from(&self.parts.clusters);
            self.work_dir.write_clusters(&self.clusters)?;
        }
        Ok(())
    }

    /// Whether a part has changed that Envoy reads only at its start.
    pub(super) fn needs_restart(&self) -> bool {
        self.parts.bootstrap != self.bootstrap
    }
}

/// How often Envoy has accepted and refused one of its files.
struct UpdateCounters {
    prefix: &'static str,
    successes: u64,
    refusals: u64,
}

impl UpdateCounters {
    fn read(prefix: &'static str, envoy: &Envoy) -> Self {
        Self {
            prefix,
            successes: envoy.stat(&format!("{prefix}.update_success")),
            refusals: envoy.stat(&format!("{prefix}.update_rejected")),
        }
    }

    /// Waits until Envoy has read the file. It was written after these counters were read.
    fn wait_for_update(&self, envoy: &Envoy) -> ReloadResult {
        wait_until(|| {
            let now = Self::read(self.prefix, envoy);
            now.successes > self.successes || now.refusals > self.refusals
        });
        if Self::read(self.prefix, envoy).refusals == self.refusals {
            ReloadResult::Applied
        } else {
            ReloadResult::Refused
        }
    }
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + UPDATE_TIME_LIMIT;
    while !condition() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
}
