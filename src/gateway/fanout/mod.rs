//! A fan-out: the gateway asks several servers for one request of a client. Each server has a
//! branch, which makes one call after the other, until all servers have answered or failed. The
//! outcome has the order of the configuration, whatever the order of the answers.

mod branch;
mod checked_pins;
pub mod collision;
mod context;
#[cfg(test)]
mod memory_tests;
pub mod merged_capabilities;
pub mod merged_list;
mod missing_servers;
pub mod operation;
pub mod outcome;
mod task_capability;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod version_tests;

use crate::config::{FailureMode, Gateway, ServerId};
use crate::gateway::fanout::branch::Branch;
use crate::gateway::fanout::context::{Context, Counters};
use crate::gateway::fanout::merged_list::ServerList;
use crate::gateway::fanout::operation::{Operation, Requester};
use crate::gateway::upstream::call::{Call, CallId};
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::upstream::client_context::ClientContext;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::worker::Worker;
use crate::mcp::list::ListKind;

/// An operation under way.
pub struct Fanout {
    operation: Operation,
    requester: Requester,
    counters: Counters,
    branches: Vec<Branch>,
}

impl Fanout {
    /// Starts `operation` on these `servers`. The caller has to make the calls that are returned.
    /// If no call is needed, the fan-out [is done](Fanout::is_done) already. Servers that have no
    /// part in the client's session are left out.
    pub fn start(
        operation: Operation,
        servers: &[ServerId],
        requester: Requester,
        gateway: &Gateway,
        worker: &mut Worker,
    ) -> (Self, Vec<Call>) {
        let mut counters = Counters::default();
        let mut context = Context {
            operation: &operation,
            requester: &requester,
            counters: &mut counters,
            gateway,
            worker,
        };
        let mut branches = Vec::with_capacity(servers.len());
        let mut calls = Vec::with_capacity(servers.len());
        for server in servers.iter().filter_map(|id| gateway.server(*id)) {
            branches.extend(Branch::new(server, &context));
        }
        leave_out_failed(&mut branches, &mut context);
        for branch in branches.iter_mut().filter(|branch| !branch.is_left_out()) {
            calls.extend(branch.start(&mut context));
        }
        let fanout = Self {
            operation,
            requester,
            counters,
            branches,
        };
        (fanout, calls)
    }

    /// Takes the answer to a call; gives the next call, if any.
    pub fn answered(
        &mut self,
        call: CallId,
        answer: CallResult,
        gateway: &Gateway,
        worker: &mut Worker,
    ) -> Option<Call> {
        let mut context = Context {
            operation: &self.operation,
            requester: &self.requester,
            counters: &mut self.counters,
            gateway,
            worker,
        };
        let mut branches = self.branches.iter_mut();
        let branch = branches.find(|branch| branch.waits_for(call))?;
        branch.answered(answer, &mut context)
    }

    /// The client does not wait for the outcome any more. The gateway keeps sessions that it opened
    /// for the fan-out for other requests, or ends them.
    pub fn given_up(&self, gateway: &Gateway, worker: &mut Worker) {
        for branch in &self.branches {
            branch.abandon(&self.operation, &self.requester, gateway, worker);
        }
    }

    /// The operation of this fan-out.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The servers that have answered, and the servers that failed, with the reason. Servers that
    /// were [left out](Fanout::left_out) are not among them.
    pub fn states(&self) -> impl Iterator<Item = (ServerId, Option<&Failure>)> {
        let is_over = |branch: &&Branch| !branch.is_waiting() && !branch.is_left_out();
        let branches = self.branches.iter().filter(is_over);
        branches.map(|branch| (branch.server(), branch.failure()))
    }

    /// The kind of the lists, and for each server how many entries were left out because they have
    /// no readable name; `None` where the operation reads no list.
    pub fn malformed(&self) -> Option<(ListKind, Vec<(ServerId, usize)>)> {
        let Operation::List(kind) = self.operation else {
            return None;
        };
        let branches = self.branches.iter();
        let malformed = branches.map(|branch| (branch.server(), branch.list().malformed()));
        let malformed: Vec<_> = malformed.filter(|(_, entries)| *entries > 0).collect();
        (!malformed.is_empty()).then_some((kind, malformed))
    }

    /// The whole lists of tools of the servers that answered. There are none where the operation is
    /// another one.
    pub fn tool_lists(&self) -> impl Iterator<Item = (ServerId, &ServerList)> {
        let are_tools = self.operation == Operation::List(ListKind::Tools);
        let branches = self.branches.iter();
        let branches = branches.filter(move |branch| are_tools && branch.is_done());
        branches.map(|branch| (branch.server(), branch.list()))
    }

    /// The servers that the gateway did not ask, since they failed a moment ago.
    pub fn left_out(&self) -> impl Iterator<Item = ServerId> {
        let branches = self.branches.iter().filter(|branch| branch.is_left_out());
        branches.map(Branch::server)
    }

    /// Whether `server/discover`, sent to learn the era of this server, failed.
    pub fn failed_probing(&self, server: ServerId) -> bool {
        let mut branches = self.branches.iter();
        branches.any(|branch| branch.server() == server && branch.failed_probing())
    }

    /// How many pages were in the cache, and how many pages that may be kept were not.
    pub fn cached(&self) -> (u64, u64) {
        (self.counters.hits, self.counters.misses)
    }

    /// Whether all servers have answered or failed.
    pub fn is_done(&self) -> bool {
        !self.branches.iter().any(Branch::is_waiting)
    }

    /// The client that asked.
    pub fn caller(&self) -> &ClientContext {
        &self.requester.caller
    }
}

/// Leaves out the servers that failed a moment ago, in a list or at the beginning of a session. If
/// no server would remain, the gateway asks all of them. With `failureMode: FAIL` it asks all of
/// them, too, since an answer without one of them is an error.
fn leave_out_failed(branches: &mut [Branch], context: &mut Context<'_>) {
    if !matches!(context.operation, Operation::List(_) | Operation::Discover)
        || context.gateway.failure_mode == FailureMode::Fail
        || context.worker.failed.is_empty()
    {
        return;
    }
    let failures: Vec<Option<Failure>> = branches
        .iter()
        .map(|branch| branch.recent_failure(context))
        .collect();
    if failures.iter().all(Option::is_some) {
        return;
    }
    for (branch, failure) in branches.iter_mut().zip(failures) {
        if let Some(failure) = failure {
            branch.leave_out(failure, context);
        }
    }
}
