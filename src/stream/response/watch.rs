//! Observes how a call ends: how long the server took, and whether its response is an error
//! although its HTTP status is a success. The response passes unchanged: the filter reads it while
//! it passes, and keeps nothing of it.

use std::time::Duration;

use crate::config::ServerId;
use crate::http::media_type;
use crate::mcp::call_outcome::{AnswerScanner, CallOutcome};
use crate::mcp::event_outcome::EventScanner;
use crate::mcp::list::ListKind;
use crate::mcp::method;
use crate::policy::export::Export;
use crate::stream::context::StreamContext;
use crate::stream::effects::export;
use crate::stream::event::Effect;
use crate::stream::response::head::ResponseHead;
use crate::stream::response::kind::{is_events, is_readable};

/// The data of a call that is observed.
pub(super) struct AnswerWatch {
    /// When the request went to the server.
    since: Duration,
    /// The method is `tools/call`, whose result may say that the tool failed.
    is_tool: bool,
    /// Access logs get the error.
    is_shown: bool,
    /// The HTTP status is not an error.
    is_success: bool,
    /// How the filter reads the body of the response.
    answer: WatchedAnswer,
    /// The duration of the response was recorded.
    is_recorded: bool,
}

/// How the filter reads a response.
enum WatchedAnswer {
    /// The response has not begun; or its outcome is known already, or cannot be known.
    Unread,
    /// The response is one message.
    Message(AnswerScanner),
    /// The response is a stream of events.
    Events(EventScanner),
}

impl AnswerWatch {
    /// An observer of a request for `method`, which went to the server at `now`: the filter counts
    /// how the request ends, and exports it to access logs. `None` for `subscriptions/listen`,
    /// which has no end of its own.
    pub(super) fn new(method: &str, now: Duration) -> Option<Self> {
        let is_tool = method == method::TOOLS_CALL;
        let is_shown = ListKind::got_by(method).is_some();
        (method != method::LISTEN).then_some(Self {
            since: now,
            is_tool,
            is_shown,
            is_success: false,
            answer: WatchedAnswer::Unread,
            is_recorded: false,
        })
    }

    /// Whether the filter reads the response's body to observe how the request ends.
    pub(super) fn reads_body(&self) -> bool {
        !matches!(self.answer, WatchedAnswer::Unread)
    }

    /// The headers of the response to the request `id` arrived.
    pub(super) fn on_head(&mut self, head: ResponseHead<'_>, id: &str) {
        if !head.is_from_server() || head.end {
            return;
        }
        self.is_success = head.status().is_some_and(|it| (200..=299).contains(&it));
        if is_readable(head) {
            self.answer = WatchedAnswer::Message(AnswerScanner::new(id));
        } else if is_events(head.headers) && !media_type::is_encoded(head.headers) {
            self.answer = WatchedAnswer::Events(EventScanner::new(id));
        }
    }

    /// Counts and exports how the request `id` ends, if `part` of the response shows it.
    pub(super) fn on_part(
        &mut self,
        cx: &StreamContext<'_>,
        server: Option<ServerId>,
        part: &[u8],
        id: &str,
    ) -> Vec<Effect> {
        let Some(outcome) = self.read(part, id) else {
            return Vec::new();
        };
        let metrics = server.and_then(|id| cx.config.server_metrics(id));
        let (counter, error) = match outcome {
            CallOutcome::ToolError if self.is_tool => {
                (metrics.map(|it| it.tool_errors), "tool_error".to_owned())
            }
            CallOutcome::RpcError(code) => {
                let counter = metrics.map(|it| it.errors).filter(|_| self.is_success);
                (
                    counter,
                    code.map_or("?".to_owned(), |code| code.to_string()),
                )
            }
            CallOutcome::ToolError | CallOutcome::Well => (None, String::new()),
        };
        let is_shown = self.is_shown && !error.is_empty();
        let mut effects: Vec<Effect> = self.record(cx, server).into_iter().collect();
        effects.extend(counter.map(|counter| Effect::Count(counter, 1)));
        if is_shown {
            effects.extend(export(Export::error(&error, cx.config.storage)));
        }
        effects
    }

    /// Reads the next part of the response. Gives the outcome as soon as the response shows it.
    fn read(&mut self, part: &[u8], id: &str) -> Option<CallOutcome> {
        let (outcome, is_over) = match &mut self.answer {
            WatchedAnswer::Unread => (None, true),
            WatchedAnswer::Events(events) => {
                let outcome = events.push(part);
                (outcome, outcome.is_some())
            }
            WatchedAnswer::Message(message) => {
                message.push(part);
                // Only results of `tools/call` can be errors.
                let is_well = !self.is_tool && message.has_result();
                (message.outcome(id), message.has_ended() || is_well)
            }
        };
        if is_over {
            self.answer = WatchedAnswer::Unread;
        }
        outcome
    }

    /// Records the duration of the request, once.
    pub(super) fn record(
        &mut self,
        cx: &StreamContext<'_>,
        server: Option<ServerId>,
    ) -> Option<Effect> {
        if std::mem::replace(&mut self.is_recorded, true) {
            return None;
        }
        let metrics = cx.config.server_metrics(server?)?;
        let took = cx.worker.now().saturating_sub(self.since).as_millis();
        let took = u64::try_from(took).unwrap_or(u64::MAX);
        Some(Effect::Count(metrics.call_ms, took))
    }
}
