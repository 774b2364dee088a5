//! The data that the branches of a fan-out share.

use crate::config::Gateway;
use crate::gateway::fanout::operation::{Operation, Requester};
use crate::gateway::upstream::call::CallId;
use crate::gateway::worker::Worker;
use crate::mcp::version;

/// The data that a branch needs for its next step.
pub(super) struct Context<'a> {
    pub(super) operation: &'a Operation,
    pub(super) requester: &'a Requester,
    pub(super) counters: &'a mut Counters,
    pub(super) gateway: &'a Gateway,
    pub(super) worker: &'a mut Worker,
}

/// The counters of one fan-out.
#[derive(Debug, Default)]
pub(super) struct Counters {
    calls: u32,
    /// Pages that were in the cache.
    pub(super) hits: u64,
    /// Pages that may be kept, but were not in the cache.
    pub(super) misses: u64,
}

impl Counters {
    /// The id of the next call.
    pub(super) fn next_call(&mut self) -> CallId {
        let id = CallId(self.calls);
        self.calls = self.calls.saturating_add(1);
        id
    }
}

impl Context<'_> {
    /// The version of `server/discover`, which asks a server for its versions: the client's
    /// version, or else the newest one.
    pub(super) fn first_version(&self) -> &'static str {
        let spoken = self.worker.servers.modern_versions;
        let preferred = self.requester.caller.modern_version();
        version::negotiate(spoken, spoken, preferred).unwrap_or(version::NEWEST_MODERN)
    }
}
