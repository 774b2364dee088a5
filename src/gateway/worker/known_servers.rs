//! What one worker remembers about the servers: their eras, their descriptions of themselves, which
//! of them refused a session, and which of them fail.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use crate::config::{Protocol, Server};
use crate::gateway::upstream::server_description::ServerDescription;
use crate::gateway::worker::Scope;
use crate::gateway::worker::remembered::Remembered;
use crate::mcp::era::Era;
use crate::mcp::version;

/// How long a description is used before the gateway asks the server again.
const DESCRIPTION_TTL: Duration = Duration::from_secs(60);

/// The most descriptions that a worker remembers: one for each server, and one for each value of
/// the client's headers that a server gets.
const MOST_DESCRIPTIONS: usize = 1024;

/// The most bytes of descriptions.
const MOST_DESCRIPTION_BYTES: usize = 16_777_216;

/// The key of a description: the server's name, and the digest of the client's headers that the
/// server got. The gateway asks for descriptions with its own capabilities.
pub type DescriptionKey<'k> = (&'k str, Option<Scope>);

/// What a worker remembers about the servers, by their names.
pub struct KnownServers {
    /// The modern versions that the gateway speaks, the newest first.
    pub modern_versions: &'static [&'static str],
    descriptions: Remembered<(String, Option<Scope>), DatedDescription>,
    servers: HashMap<String, KnownServer>,
    failing: HashSet<String>,
}

#[derive(Default)]
struct KnownServer {
    era: Option<ShownEra>,
    /// Whether it is modern and refused `initialize`.
    refuses_sessions: bool,
    /// When the gateway last asked it for its era because its answers were not as expected.
    doubted: Option<Duration>,
}

struct DatedDescription {
    since: Duration,
    description: Rc<ServerDescription>,
}

/// The era that a server showed.
enum ShownEra {
    /// Modern; with the versions that both server and gateway speak, at least one.
    Modern(Vec<&'static str>),
    Legacy,
}

impl Default for KnownServers {
    fn default() -> Self {
        Self {
            modern_versions: version::MODERN,
            descriptions: Remembered::new(MOST_DESCRIPTIONS, Some(MOST_DESCRIPTION_BYTES)),
            servers: HashMap::new(),
            failing: HashSet::new(),
        }
    }
}

impl KnownServers {
    /// From now on, remembers at most this many bytes of descriptions.
    pub fn limit_bytes(&mut self, most: usize) {
        self.descriptions
            .limit_bytes(most.min(MOST_DESCRIPTION_BYTES));
    }

    /// Forgets all descriptions.
    pub fn forget_descriptions(&mut self) {
        self.descriptions.clear();
    }

    /// The description under `key`; `None` where it is too old at `now`.
    pub fn description(
        &self,
        (server, scope): DescriptionKey<'_>,
        now: Duration,
    ) -> Option<Rc<ServerDescription>> {
        let key = (server.to_owned(), scope);
        let known = self.descriptions.get(&key)?;
        // A description in the future counts as old: the clock was set back.
        let age = now.checked_sub(known.since)?;
        (age < DESCRIPTION_TTL).then(|| Rc::clone(&known.description))
    }

    /// The last description under `key`, however old it is. It is for a server that does not answer
    /// now.
    pub fn last_description(
        &self,
        (server, scope): DescriptionKey<'_>,
    ) -> Option<&ServerDescription> {
        let known = self.descriptions.get(&(server.to_owned(), scope))?;
        Some(&known.description)
    }

    /// Remembers the description under `key`, which the server gave at `now`.
    pub fn remember_description(
        &mut self,
        (server, scope): DescriptionKey<'_>,
        description: Rc<ServerDescription>,
        now: Duration,
    ) {
        let key = (server.to_owned(), scope);
        let known = DatedDescription {
            since: now,
            description,
        };
        let bytes = known.description.held.bytes();
        self.descriptions.insert(key, known, bytes);
    }

    /// The era of `server`: the configured one, or the one that the server showed last.
    pub fn era(&self, server: &Server) -> Option<Era> {
        match server.protocol {
            Protocol::Auto => match self.shown_era(&server.name)? {
                ShownEra::Modern(_) => Some(Era::Modern),
                ShownEra::Legacy => Some(Era::Legacy),
            },
            Protocol::Modern => Some(Era::Modern),
            Protocol::Legacy => Some(Era::Legacy),
        }
    }

    /// The version of requests to `server`, a modern one: `preferred` if the server supports it, or
    /// else the newest that it supports. `None` where the gateway must first ask the server which
    /// versions it supports.
    pub fn modern_version(&self, server: &str, preferred: Option<&str>) -> Option<&'static str> {
        match (self.shown_era(server), self.modern_versions) {
            (Some(ShownEra::Modern(supported)), spoken) => {
                version::negotiate(spoken, supported, preferred)
            }
            // The gateway supports only one modern version, so there is no choice.
            (_, [only]) => Some(only),
            _ => None,
        }
    }

    /// Remembers that `server` is modern, and supports these versions of those that the gateway
    /// supports.
    pub fn remember_modern(&mut self, server: &str, supported: &[&'static str]) {
        self.server(server).era = Some(ShownEra::Modern(supported.to_vec()));
    }

    /// Remembers that `server` is a legacy one.
    pub fn remember_legacy(&mut self, server: &str) {
        self.server(server).era = Some(ShownEra::Legacy);
    }

    /// Whether `server`, a modern one, refused `initialize`.
    pub fn refuses_sessions(&self, server: &str) -> bool {
        let known = self.servers.get(server);
        known.is_some_and(|known| known.refuses_sessions)
    }

    /// Remembers that `server`, a modern one, refused `initialize`.
    pub fn remember_refusal(&mut self, server: &str) {
        self.server(server).refuses_sessions = true;
    }

    /// Whether the gateway asks `server` for its era at `now`, because its answers are not as
    /// expected. The gateway asks at most once in this `interval`.
    pub fn is_doubt_due(&mut self, server: &str, now: Duration, interval: Duration) -> bool {
        let known = self.server(server);
        let age = known.doubted.and_then(|last| now.checked_sub(last));
        let is_due = age.is_none_or(|age| age >= interval);
        if is_due {
            known.doubted = Some(now);
        }
        is_due
    }

    fn shown_era(&self, server: &str) -> Option<&ShownEra> {
        self.servers.get(server)?.era.as_ref()
    }

    fn server(&mut self, server: &str) -> &mut KnownServer {
        self.servers.entry(server.to_owned()).or_default()
    }

    /// Remembers whether `server` fails. Gives `true` if this has changed.
    pub fn set_failing(&mut self, server: &str, failing: bool) -> bool {
        if failing {
            !self.failing.contains(server) && self.failing.insert(server.to_owned())
        } else {
            // Mostly there are none. Then the name need not be hashed.
            !self.failing.is_empty() && self.failing.remove(server)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn only_a_change_of_a_server_is_news() {
        let mut servers = KnownServers::default();
        assert!(!servers.set_failing("a", false));
        assert!(servers.set_failing("a", true));
        assert!(!servers.set_failing("a", true));
        assert!(servers.set_failing("a", false));
        assert!(!servers.set_failing("a", false));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_server_is_doubted_only_so_often() {
        let mut servers = KnownServers::default();
        let mut due = |server, seconds| {
            let second = Duration::from_secs(1);
            servers.is_doubt_due(server, Duration::from_secs(seconds), second * 5)
        };
        assert!(due("a", 100));
        assert!(!due("a", 104));
        assert!(due("b", 104));
        assert!(due("a", 105));
        assert!(due("a", 50), "the clock was set back");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_description_is_used_for_a_minute_and_for_the_same_headers() {
        let mut servers = KnownServers::default();
        let at = Duration::from_secs;
        let result = r#"{"supportedVersions":["2026-07-28"],"capabilities":{}}"#;
        let description =
            || Rc::new(ServerDescription::read_discover(result, version::MODERN).unwrap());
        assert!(servers.description(("a", None), at(1000)).is_none());
        servers.remember_description(("a", None), description(), at(1000));
        for (second, known) in [(1000, true), (1059, true), (1060, false), (999, false)] {
            let found = servers.description(("a", None), at(second));
            assert_eq!(found.is_some(), known, "{second}");
        }
        let is_known = |servers: &KnownServers, key| servers.description(key, at(1000)).is_some();
        assert!(!is_known(&servers, ("b", None)));
        assert!(!is_known(&servers, ("a", Some([0; 32]))));
        servers.remember_description(("a", Some([1; 32])), description(), at(1000));
        assert!(is_known(&servers, ("a", Some([1; 32]))));
    }
}
