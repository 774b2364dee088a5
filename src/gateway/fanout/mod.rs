//! A request that several servers are asked for: one branch for each server, with
//! one call after the other, until all servers have answered or failed. The order of
//! the outcome is that of the configuration, whatever the order of the answers.

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
#[derive(Debug)]
pub struct Fanout {
    operation: Operation,
    requester: Requester,
    counters: Counters,
    branches: Vec<Branch>,
}

impl Fanout {
    /// Starts `operation` on these `servers`. The calls are to be made at once; where
    /// none is needed, the fan-out [is done](Fanout::is_done) already. Servers that
    /// have no part in the client's session are left out.
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

    /// Nobody waits for the outcome any more: sessions that were opened for it are
    /// kept for other requests, or ended.
    pub fn given_up(&self, gateway: &Gateway, worker: &mut Worker) {
        for branch in &self.branches {
            branch.abandon(&self.operation, &self.requester, gateway, worker);
        }
    }

    /// What the servers are asked for.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The servers that have answered, and those that failed, with the reason; without
    /// those that were [left out](Fanout::left_out).
    pub fn states(&self) -> impl Iterator<Item = (ServerId, Option<&Failure>)> {
        let is_over = |branch: &&Branch| !branch.is_waiting() && !branch.is_left_out();
        let branches = self.branches.iter().filter(is_over);
        branches.map(|branch| (branch.server(), branch.failure()))
    }

    /// The lists with entries that were left out because they have no readable name:
    /// their kind, and for each server how many such entries there are.
    pub fn malformed(&self) -> Option<(ListKind, Vec<(ServerId, usize)>)> {
        let Operation::List(kind) = self.operation else {
            return None;
        };
        let branches = self.branches.iter();
        let malformed = branches.map(|branch| (branch.server(), branch.list().malformed()));
        let malformed: Vec<_> = malformed.filter(|(_, entries)| *entries > 0).collect();
        (!malformed.is_empty()).then_some((kind, malformed))
    }

    /// The whole lists of tools that servers have answered with; none where the operation
    /// asks for something else.
    pub fn tool_lists(&self) -> impl Iterator<Item = (ServerId, &ServerList)> {
        let are_tools = self.operation == Operation::List(ListKind::Tools);
        let branches = self.branches.iter();
        let branches = branches.filter(move |branch| are_tools && branch.is_done());
        branches.map(|branch| (branch.server(), branch.list()))
    }

    /// The servers that were not asked, since they failed a moment ago.
    pub fn left_out(&self) -> impl Iterator<Item = ServerId> {
        let branches = self.branches.iter().filter(|branch| branch.is_left_out());
        branches.map(Branch::server)
    }

    /// Whether this server, whose era is not known, failed when it was asked for it.
    pub fn failed_probing(&self, server: ServerId) -> bool {
        let mut branches = self.branches.iter();
        branches.any(|branch| branch.server() == server && branch.failed_probing())
    }

    /// How many pages were in the cache, and how many were not, though they may be
    /// kept.
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

/// Leaves the servers out of a list or of the beginning of a session that failed a moment
/// ago. Where no server would remain, all are asked; and with `failureMode: FAIL`, where
/// an answer without one of them is an error.
fn leave_out_failed(branches: &mut [Branch], context: &mut Context<'_>) {
    if !matches!(context.operation, Operation::List(_) | Operation::Discover)
        || context.gateway.failure_mode == FailureMode::Fail
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
