//! A request that waits for calls to servers: they give its answer, or show which server it goes
//! to.

use std::rc::Rc;
use std::time::Duration;

use crate::config::ServerId;
use crate::gateway::fanout::Fanout;
use crate::gateway::fanout::operation::{Operation, Requester};
use crate::gateway::upstream::call::{Call, CallContent, CallId, UpstreamRequest};
use crate::gateway::upstream::call_result::CallResult;
use crate::memory::HeldBytes;
use crate::policy::Refusal;
use crate::stream::context::{GatewayContext, StreamContext};
use crate::stream::effects::{count, count_and_export, count_call, count_failure, count_list};
use crate::stream::event::Effect;
use crate::stream::gateway::IncomingMessage;
use crate::stream::gateway::continuation::{Continuation, SuspendedRequest};
use crate::stream::gateway::session::requester_for;
use crate::stream::gateway::views;
use crate::stream::gateway::{param_headers, pins};
use crate::stream::phase::{Phase, Transition};

/// A request that waits for calls to servers.
pub(in crate::stream) struct FanoutRequest {
    fanout: Fanout,
    continuation: Continuation,
    /// The servers that were asked for a list.
    listed: Vec<ServerId>,
    /// When the first call was made.
    since: Duration,
    /// The memory that the request takes up, without the servers' answers.
    _memory: HeldBytes,
}

/// Makes the calls of `operation`. Their merged results answer the client's request `id`.
///
/// # Errors
/// The request lacks a header or an identity that a server must get, or its attributes cannot be
/// exported.
pub(super) fn start_for_client(
    cx: &mut GatewayContext<'_>,
    request: &IncomingMessage<'_>,
    id: &str,
    operation: Operation,
    servers: &[ServerId],
) -> Result<Transition, Refusal> {
    let requester = requester_for(cx, request, servers)?;
    let effects = count_and_export(cx.config, &request.attributes)?;
    let continuation = Continuation::AnswerClient {
        id: id.to_owned(),
        facts: Rc::clone(request.facts),
    };
    Ok(start_fanout(cx, operation, servers, requester, continuation).after(effects))
}

/// Makes the calls of `operation` to these servers. `request` waits for the results, and `then` is
/// its next step.
///
/// # Errors
/// The request lacks a header or an identity that a server must get.
pub(super) fn suspend(
    cx: &mut GatewayContext<'_>,
    request: &IncomingMessage<'_>,
    operation: Operation,
    servers: &[ServerId],
    then: impl FnOnce(Box<SuspendedRequest>) -> Continuation,
) -> Result<Transition, Refusal> {
    let requester = requester_for(cx, request, servers)?;
    let continuation = then(SuspendedRequest::of(request));
    Ok(start_fanout(
        cx,
        operation,
        servers,
        requester,
        continuation,
    ))
}

/// Makes the calls of `operation` to these servers. `continuation` is the next step after all of
/// them have results. If no call is needed, it comes at once.
pub(super) fn start_fanout(
    cx: &mut GatewayContext<'_>,
    operation: Operation,
    servers: &[ServerId],
    requester: Requester,
    continuation: Continuation,
) -> Transition {
    if let Some(whole) = &cx.config.gateway {
        cx.worker.end_idle_sessions(whole);
    }
    let memory = requester.size().saturating_add(continuation.size());
    let (fanout, calls) = Fanout::start(operation, servers, requester, cx.gateway, cx.worker);
    let mut request = Box::new(FanoutRequest {
        fanout,
        continuation,
        listed: Vec::new(),
        since: cx.worker.now(),
        _memory: HeldBytes::new(memory),
    });
    let mut effects = Vec::new();
    for call in calls {
        effects.extend(request.make_call(cx, call));
    }
    request.finish_if_done(cx).after(effects)
}

impl FanoutRequest {
    /// Makes a call, or waits for the same call of another stream. Counts the first request for the
    /// list of a server.
    fn make_call(&mut self, cx: &mut GatewayContext<'_>, call: Call) -> Vec<Effect> {
        let is_list = matches!(call.content, CallContent::Mcp(UpstreamRequest::List(..)));
        let mut effects = Vec::new();
        if is_list && !self.listed.contains(&call.server) {
            self.listed.push(call.server);
            effects.extend(count_list(cx.config, call.server));
        }
        let posted = cx.worker.calls.ask(cx.id, call, cx.worker.now());
        effects.extend(posted.map(|(id, call)| Effect::Call(id, call)));
        effects
    }

    /// Takes the result of a call.
    pub(in crate::stream) fn on_call_done(
        mut self: Box<Self>,
        cx: &mut StreamContext<'_>,
        call: CallId,
        result: CallResult,
    ) -> Transition {
        let Some(mut cx) = cx.in_gateway() else {
            // Calls are made in gateway mode only.
            return Transition::stay(Phase::Fanout(self));
        };
        let next = self.fanout.answered(call, result, cx.gateway, cx.worker);
        match next {
            Some(next) => Transition {
                effects: self.make_call(&mut cx, next),
                next: Phase::Fanout(self),
            },
            None => self.finish_if_done(&mut cx),
        }
    }

    /// The client has closed the request.
    pub(in crate::stream) fn abandon(&self, cx: &mut StreamContext<'_>) {
        if let Some(cx) = cx.in_gateway() {
            cx.worker.calls.stop_waiting(cx.id);
            self.fanout.given_up(cx.gateway, cx.worker);
        }
    }

    fn finish_if_done(mut self: Box<Self>, cx: &mut GatewayContext<'_>) -> Transition {
        if !self.fanout.is_done() {
            return Transition::stay(Phase::Fanout(self));
        }
        self.fanout.bound(cx.gateway);
        let mut effects = log_changes(cx, &self.fanout);
        effects.extend(self.count_results(cx));
        effects.extend(report_malformed(cx, &self.fanout));
        effects.extend(views::learn(cx, &self.fanout));
        param_headers::learn(cx, &self.fanout);
        effects.extend(pins::report(cx, &self.fanout));
        self.continuation.resume(cx, self.fanout).after(effects)
    }

    /// Counts failures, cache hits and misses, and records the duration.
    fn count_results(&self, cx: &GatewayContext<'_>) -> Vec<Effect> {
        let took = cx.worker.now().saturating_sub(self.since).as_millis();
        let took = u64::try_from(took).unwrap_or(u64::MAX);
        let metrics = &cx.config.metrics;
        let (hits, misses) = self.fanout.cached();
        let mut effects = vec![Effect::Count(metrics.fanout, took)];
        for (metric, value) in [(metrics.cache_hits, hits), (metrics.cache_misses, misses)] {
            if value > 0 {
                effects.push(Effect::Count(metric, value));
            }
        }
        let operation = self.fanout.operation();
        for (server, failure) in self.fanout.states() {
            // For `server/discover` no failure is counted: the next list or call shows whether the
            // server fails.
            if let Some(failure) = failure.filter(|_| *operation != Operation::Discover) {
                // The server failed before the counted call or list request was made, so it is
                // counted here.
                let counted = match operation {
                    Operation::Open => count_call(cx.config, server),
                    Operation::List(_) if !self.listed.contains(&server) => {
                        count_list(cx.config, server)
                    }
                    _ => None,
                };
                effects.extend(counted);
                effects.extend(count_failure(cx.config, server, failure));
            }
        }
        for server in self.fanout.left_out() {
            let left_out = cx
                .config
                .server_metrics(server)
                .map(|server| server.left_out);
            effects.extend(count(left_out, 1));
        }
        effects
    }
}

/// A hint for the log, for a server that does not show its era.
const PROTOCOL_HINT: &str = " (to server/discover: if it is a server of MCP up to 2025-11-25, set its protocol to LEGACY; if it is of 2026-07-28, to MODERN)";

/// A line in the log for each server that started to fail, or works again.
fn log_changes(cx: &mut GatewayContext<'_>, fanout: &Fanout) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (id, failure) in fanout.states() {
        let Some(server) = cx.gateway.server(id) else {
            continue;
        };
        if failure.is_some_and(|failure| !failure.is_servers()) {
            // This failure says nothing about the server.
            continue;
        }
        if !cx
            .worker
            .servers
            .set_failing(&server.name, failure.is_some())
        {
            continue;
        }
        let (level, line) = match failure {
            Some(failure) => {
                let mut line = format!("server {} {}", server.name, failure.for_log());
                if fanout.failed_probing(id) && failure.may_be_about_era() {
                    line.push_str(PROTOCOL_HINT);
                }
                (log::Level::Warn, line)
            }
            None => {
                let line = format!("server {} answers again", server.name);
                (log::Level::Info, line)
            }
        };
        effects.push(Effect::Log(level, line));
    }
    effects
}

/// Counts the malformed entries, which no list can show. Logs each list with such entries once.
fn report_malformed(cx: &mut GatewayContext<'_>, fanout: &Fanout) -> Vec<Effect> {
    let Some((kind, lists)) = fanout.malformed() else {
        return Vec::new();
    };
    let mut effects = Vec::new();
    for (id, entries) in lists {
        let entries = u64::try_from(entries).unwrap_or(u64::MAX);
        effects.push(Effect::Count(cx.config.metrics.malformed, entries));
        if let Some(server) = cx.gateway.server(id)
            && cx.worker.malformed_lists.insert((id, kind))
        {
            let line = format!(
                "server {}: malformed entries left out of {}: {entries}; each entry must be an object with exactly one {}, which must be a string",
                server.name,
                kind.method(),
                kind.key()
            );
            effects.push(Effect::Log(log::Level::Warn, line));
        }
    }
    effects
}
