//! Looks how a call ends: how long the server took, and whether its response is an
//! error that HTTP calls well. The response passes as it would without this: it is read
//! while it passes, and nothing of it is kept.

use std::time::Duration;

use crate::http::media_type;
use crate::mcp::call_outcome::{AnswerScanner, CallOutcome};
use crate::mcp::event_outcome::EventScanner;
use crate::mcp::method;
use crate::policy::export::Export;
use crate::stream::context::StreamContext;
use crate::stream::effects::export;
use crate::stream::event::{Effect, Step};
use crate::stream::response::head::ResponseHead;
use crate::stream::response::kind::{is_events, is_readable};
use crate::stream::response::routed::RoutedRequest;

/// What is known of how a call ends.
pub(super) struct AnswerWatch {
    /// When the request went to the server.
    since: Duration,
    /// A result may say that the tool failed.
    is_tool: bool,
    /// Access logs get the error.
    is_shown: bool,
    /// The HTTP status says of no error.
    is_success: bool,
    /// Some of the response's body has to be read.
    answer: WatchedAnswer,
    /// How long the response took is recorded.
    is_recorded: bool,
}

/// How the response is read.
enum WatchedAnswer {
    /// It has not begun; or it is known how it ends the request, or nobody can know.
    Unread,
    /// It is one message.
    Message(AnswerScanner),
    /// It is a stream of events.
    Events(EventScanner),
}

impl AnswerWatch {
    /// Reads the next part of the response; how it ends the request, once it says so.
    fn read(&mut self, part: &[u8], id: &str) -> Option<CallOutcome> {
        let (outcome, is_over) = match &mut self.answer {
            WatchedAnswer::Unread => (None, true),
            WatchedAnswer::Events(events) => {
                let outcome = events.push(part);
                (outcome, outcome.is_some())
            }
            WatchedAnswer::Message(message) => {
                message.push(part);
                // In results of other methods nothing is an error.
                let is_well = !self.is_tool && message.has_result();
                (message.outcome(id), message.has_ended() || is_well)
            }
        };
        if is_over {
            self.answer = WatchedAnswer::Unread;
        }
        outcome
    }
}

impl RoutedRequest {
    /// The same request for `method`, which went to the server at `now`: how it ends is
    /// counted, and shown to access logs.
    pub(in crate::stream) fn watched(mut self, method: &str, now: Duration) -> Self {
        let is_tool = method == method::TOOLS_CALL;
        let is_shown = is_tool
            || matches!(
                method,
                method::PROMPTS_GET | method::RESOURCES_READ | method::SKILLS_GET
            );
        // What listens has no end of its own.
        self.watch = (method != method::LISTEN).then_some(AnswerWatch {
            since: now,
            is_tool,
            is_shown,
            is_success: false,
            answer: WatchedAnswer::Unread,
            is_recorded: false,
        });
        self
    }

    /// Whether the response's body is read to see how the request ends.
    pub(super) fn watches_body(&self) -> bool {
        let answer = self.watch.as_ref().map(|watch| &watch.answer);
        answer.is_some_and(|answer| !matches!(answer, WatchedAnswer::Unread))
    }

    /// The headers of the response arrived.
    pub(in crate::stream) fn on_head(
        &mut self,
        cx: &mut StreamContext<'_>,
        head: ResponseHead<'_>,
    ) -> Step {
        if let (Some(watch), Some(id)) = (&mut self.watch, self.translation.id_at_server())
            && head.is_from_server()
            && !head.end
        {
            watch.is_success = head.status().is_some_and(|it| (200..=299).contains(&it));
            if is_readable(head) {
                watch.answer = WatchedAnswer::Message(AnswerScanner::new(id));
            } else if is_events(head.headers) && !media_type::is_encoded(head.headers) {
                watch.answer = WatchedAnswer::Events(EventScanner::new(id));
            }
        }
        self.on_response_headers(cx, head)
    }

    /// A part of the body of the response arrived; `end` when it is the last one.
    pub(in crate::stream) fn on_part(
        &mut self,
        cx: &mut StreamContext<'_>,
        part: &[u8],
        end: bool,
    ) -> Step {
        let mut effects = self.watch_part(cx, part);
        let mut step = self.on_response_body(cx, part, end);
        if !effects.is_empty() {
            // A reply is the last effect.
            effects.append(&mut step.effects);
            step.effects = effects;
        }
        step
    }

    /// The request is over. `details` is Envoy's `%RESPONSE_CODE_DETAILS%`.
    pub(in crate::stream) fn on_end(
        &mut self,
        cx: &mut StreamContext<'_>,
        details: Option<&str>,
    ) -> Vec<Effect> {
        let mut effects = self.on_over(cx, details);
        effects.extend(self.record(cx));
        effects
    }

    /// Counts and shows how the request ends, when `part` says so.
    fn watch_part(&mut self, cx: &StreamContext<'_>, part: &[u8]) -> Vec<Effect> {
        let (Some(watch), Some(id)) = (&mut self.watch, self.translation.id_at_server()) else {
            return Vec::new();
        };
        let Some(outcome) = watch.read(part, id) else {
            return Vec::new();
        };
        let metrics = self
            .server
            .and_then(|id| cx.config.metrics.server(id.index()));
        let (counter, error) = match outcome {
            CallOutcome::ToolError if watch.is_tool => {
                (metrics.map(|it| it.tool_errors), "tool_error".to_owned())
            }
            CallOutcome::RpcError(code) => {
                let counter = metrics.map(|it| it.errors).filter(|_| watch.is_success);
                (
                    counter,
                    code.map_or("?".to_owned(), |code| code.to_string()),
                )
            }
            CallOutcome::ToolError | CallOutcome::Well => (None, String::new()),
        };
        let is_shown = watch.is_shown && !error.is_empty();
        let mut effects: Vec<Effect> = self.record(cx).into_iter().collect();
        effects.extend(counter.map(|counter| Effect::Count(counter, 1)));
        if is_shown {
            effects.extend(export(Export::error(&error, cx.config.storage)));
        }
        effects
    }

    /// Records once how long the request took.
    fn record(&mut self, cx: &StreamContext<'_>) -> Option<Effect> {
        let watch = self.watch.as_mut()?;
        if std::mem::replace(&mut watch.is_recorded, true) {
            return None;
        }
        let metrics = cx.config.metrics.server(self.server?.index())?;
        let took = cx.worker.now().saturating_sub(watch.since).as_millis();
        let took = u64::try_from(took).unwrap_or(u64::MAX);
        Some(Effect::Count(metrics.call_ms, took))
    }
}
