//! Which parts of a gateway wait for the pods of its proxy.

use std::collections::BTreeMap;

use super::WAITING_FOR_PROXIES;
use super::conditions::ConditionVerdict;

/// The parts of a gateway that wait.
#[derive(Default)]
pub(super) struct WaitingParts {
    /// What they wait for, for people.
    pub(super) pods: String,
    /// The whole endpoint: nothing of it was there before.
    pub(super) is_endpoint: bool,
    /// The keys of sessions.
    pub(super) has_keys: bool,
    /// Servers by their names, and whether they are served as they were before.
    pub(super) servers: BTreeMap<String, bool>,
}

impl WaitingParts {
    /// What is said of the gateway, if something of its own waits.
    pub(super) fn of_gateway(&self) -> Option<ConditionVerdict> {
        let what = match (self.is_endpoint, self.has_keys) {
            (true, _) => "the endpoint is not served yet",
            (false, true) => "sessions still use a key of each proxy's own",
            (false, false) => return None,
        };
        Some(self.verdict(what))
    }

    /// What is said of the server `name`, if it waits.
    pub(super) fn of_server(&self, name: &str) -> Option<ConditionVerdict> {
        let what = match (self.is_endpoint, self.servers.get(name)) {
            (true, _) => "the endpoint is not served yet",
            (false, Some(false)) => "the gateway does not serve it yet",
            (false, Some(true)) => "the gateway serves it as it was before",
            (false, None) => return None,
        };
        Some(self.verdict(what))
    }

    fn verdict(&self, what: &str) -> ConditionVerdict {
        ConditionVerdict::no(WAITING_FOR_PROXIES, format!("{what}: {}", self.pods))
    }
}
