//! The parts of a gateway that wait for the pods of its proxy.

use std::collections::BTreeMap;

use super::WAITING_FOR_PROXIES;
use super::conditions::ConditionVerdict;

/// The parts of a gateway that wait.
#[derive(Default)]
pub(super) struct WaitingParts {
    /// A text about the pods that they wait for.
    pub(super) pods: String,
    /// The whole endpoint, which is new.
    pub(super) is_endpoint: bool,
    /// The session keys.
    pub(super) has_keys: bool,
    /// The names of the servers that wait, and whether their earlier form is served.
    pub(super) servers: BTreeMap<String, bool>,
}

impl WaitingParts {
    /// The value of the gateway's condition, if a part of the gateway itself waits.
    pub(super) fn of_gateway(&self) -> Option<ConditionVerdict> {
        let what = match (self.is_endpoint, self.has_keys) {
            (true, _) => "the endpoint is not served yet",
            (false, true) => "each proxy still uses its own session key",
            (false, false) => return None,
        };
        Some(self.verdict(what))
    }

    /// The value of the condition of the server `name`, if it waits.
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
