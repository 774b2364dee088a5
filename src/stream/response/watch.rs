//! Observes how a call ends: how long the server took, and whether its response is an error
//! although its HTTP status is a success. The response passes unchanged: the filter reads it while
//! it passes, and keeps nothing of it.

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
}

impl RoutedRequest {
    /// This request for `method`, which went to the server at `now`, with an observer: the filter
    /// counts how the request ends, and exports it to access logs.
    pub(in crate::stream) fn watched(mut self, method: &str, now: Duration) -> Self {
        let is_tool = method == method::TOOLS_CALL;
        let is_shown = is_tool
            || matches!(
                method,
                method::PROMPTS_GET | method::RESOURCES_READ | method::SKILLS_GET
            );
        // A `subscriptions/listen` has no end of its own.
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

    /// Whether the filter reads the response's body to observe how the request ends.
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

    /// Handles a part of the body of the response. `end` is `true` for the last part.
    pub(in crate::stream) fn on_part(
        &mut self,
        cx: &mut StreamContext<'_>,
        part: &[u8],
        end: bool,
    ) -> Step {
        let mut effects = self.watch_part(cx, part);
        let mut step = self.on_response_body(cx, part, end);
        if !effects.is_empty() {
            // A reply must be the last effect.
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

    /// Counts and exports how the request ends, if `part` shows it.
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

    /// Records the duration of the request, once.
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
