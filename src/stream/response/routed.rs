//! A request that went to a server, and the response to it.

use std::time::Duration;

use crate::config::{Gateway, Server, ServerId};
use crate::gateway::translate::translation::Translation;
use crate::gateway::upstream::failure::Failure;
use crate::http::Reply;
use crate::mcp::sse::Parser;
use crate::memory::HeldBytes;
use crate::policy::Refusal;
use crate::policy::export::Export;
use crate::stream::context::StreamContext;
use crate::stream::effects::{count, count_failure, export};
use crate::stream::event::{Effect, Flow, Step};
use crate::stream::response::events::{EventStream, NO_ANSWER};
use crate::stream::response::head::{ResponseHead, ResponseSource};
use crate::stream::response::kind::{ResponseKind, given_up};
use crate::stream::response::lease::{self, RequestEnd};
use crate::stream::response::message::{BufferedMessage, send_reply};
use crate::stream::response::server_headers::{error_headers, remove_private};
use crate::stream::response::watch::AnswerWatch;

/// A request that went to a server.
pub(in crate::stream) struct RoutedRequest {
    /// The server of the gateway; `None` in policy mode.
    pub(in crate::stream) server: Option<ServerId>,
    /// The name of the server, for errors and the log.
    name: String,
    pub(in crate::stream) translation: Translation,
    pub(in crate::stream) body: ResponseBody,
    /// The client gets no further answer: it has the response or an error already, or the request
    /// has no response.
    pub(in crate::stream) is_answered: bool,
    /// The server answered with the HTTP status 200.
    is_success: bool,
    /// Observes how the request ends; `None` where this is not needed.
    watch: Option<AnswerWatch>,
    /// The memory that the request takes up, without its response.
    _memory: HeldBytes,
}

/// What the filter does with the body of the response.
#[derive(Default)]
pub(in crate::stream) enum ResponseBody {
    /// The body passes unchanged, or has not started.
    #[default]
    Unread,
    /// The body is one message.
    Message(BufferedMessage),
    /// The body is a stream of events.
    Events(EventStream),
    /// The client gets this error instead. The body of the error replaces the first part of the
    /// response's body.
    Failed {
        error: Reply,
        /// The headers wait for the first part.
        headers_wait: bool,
    },
    /// The client got an error. The rest of the body is removed.
    Replaced,
    /// The client got the message.
    Forwarded,
}

impl ResponseBody {
    /// Whether the client gets an error in place of the response.
    pub(in crate::stream) fn is_replaced(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Replaced)
    }
}

impl RoutedRequest {
    /// A request to a server of the gateway.
    pub(in crate::stream) fn to_server(server: &Server, translation: Translation) -> Self {
        Self {
            server: Some(server.id),
            name: server.name.clone(),
            _memory: memory_of(&translation),
            is_answered: !translation.expects_answer(),
            translation,
            body: ResponseBody::Unread,
            is_success: false,
            watch: None,
        }
    }

    /// A request in policy mode, to the upstream that Envoy chooses.
    pub(in crate::stream) fn to_upstream(translation: Translation) -> Self {
        Self {
            server: None,
            name: "upstream".to_owned(),
            _memory: memory_of(&translation),
            is_answered: !translation.expects_answer(),
            translation,
            body: ResponseBody::Unread,
            is_success: false,
            watch: None,
        }
    }

    /// This request for `method`, which went to the server at `now`, with an observer.
    pub(in crate::stream) fn watched(self, method: &str, now: Duration) -> Self {
        let watch = AnswerWatch::new(method, now);
        Self { watch, ..self }
    }

    /// Whether the filter reads or replaces the body of the response.
    pub(in crate::stream) fn reads_response(&self) -> bool {
        let is_watched = self.watch.as_ref().is_some_and(AnswerWatch::reads_body);
        is_watched || !matches!(self.body, ResponseBody::Unread)
    }

    /// The server, and the gateway that it belongs to; `None` in policy mode.
    pub(in crate::stream) fn gateway_server<'c>(
        &self,
        cx: &StreamContext<'c>,
    ) -> Option<(&'c Gateway, &'c Server)> {
        let gateway = cx.gateway()?;
        Some((gateway, gateway.server(self.server?)?))
    }

    /// The headers of the response arrived.
    pub(in crate::stream) fn on_head(
        &mut self,
        cx: &mut StreamContext<'_>,
        head: ResponseHead<'_>,
    ) -> Step {
        if let (Some(watch), Some(id)) = (&mut self.watch, self.translation.id_at_server()) {
            watch.on_head(head, id);
        }
        let source = if cx.config.gateway.is_some() && head.is_from_server() {
            let got_credentials = self.translation.has_credentials;
            ResponseSource::GatewayServer { got_credentials }
        } else {
            ResponseSource::Other
        };
        let step = self.start_response(cx, head);
        head.complete(cx, source, step)
    }

    fn start_response(&mut self, cx: &mut StreamContext<'_>, head: ResponseHead<'_>) -> Step {
        let kind = ResponseKind::of(head, &self.translation);
        self.learn_from(cx, &kind);
        self.is_success = matches!(kind, ResponseKind::Events | ResponseKind::Message(200));
        let mut effects: Vec<Effect> = Vec::new();
        if !self.translation.is_policy_mode() && head.is_from_server() {
            effects.extend(remove_private(head.headers));
        }
        let limit = cx.config.max_response_bytes;
        let (body, flow) = match kind {
            ResponseKind::Pass => return Step::pass(effects),
            ResponseKind::Failed(failure) => {
                // The server has answered, so the gateway has nothing to cancel.
                self.is_answered |= head.is_from_server();
                return self.replace_response(cx, &failure, effects, head);
            }
            ResponseKind::Message(_) if head.content_length() > Some(limit) => {
                return self.replace_response(cx, &Failure::TooLong(limit), effects, head);
            }
            ResponseKind::Events => {
                let events = EventStream::new(Parser::new(limit));
                (ResponseBody::Events(events), Flow::Continue)
            }
            ResponseKind::Message(status) => {
                // Without `hold`, Envoy might never continue after the filter lets the headers
                // wait.
                let flow = if cx.config.hold {
                    Flow::Hold
                } else {
                    Flow::Continue
                };
                let message = BufferedMessage::new(status, head, cx.config.hold);
                (ResponseBody::Message(message), flow)
            }
        };
        self.body = body;
        effects.push(Effect::RemoveResponseHeader("content-length".to_owned()));
        Step { effects, flow }
    }

    /// Learns from the response about the server and the gateway's session.
    fn learn_from(&mut self, cx: &mut StreamContext<'_>, kind: &ResponseKind) {
        match kind {
            ResponseKind::Failed(failure) => {
                self.doubt_server(cx);
                self.on_failure_in_session(cx, failure);
            }
            ResponseKind::Message(status) if *status != 200 => {
                self.on_failure_in_session(cx, &Failure::Status(*status));
            }
            _ => {}
        }
    }

    /// The server failed, perhaps because of the gateway's session.
    pub(super) fn on_failure_in_session(&mut self, cx: &mut StreamContext<'_>, failure: &Failure) {
        let server = self.gateway_server(cx).map(|(_, server)| server);
        lease::fail(&mut self.translation, server, failure, cx.worker);
    }

    /// The server answered with an error that may say that it has forgotten the session.
    pub(super) fn doubt_session(&mut self, cx: &mut StreamContext<'_>) {
        self.is_success = false;
        lease::doubt(&self.translation, cx.worker);
    }

    /// The response is not one of an MCP server of the era that the worker knows. The server may be
    /// down, or a server of the other era may have replaced it.
    pub(in crate::stream) fn doubt_server(&self, cx: &mut StreamContext<'_>) {
        if let Some((gateway, server)) = self.gateway_server(cx) {
            cx.worker.doubt(gateway, server, &[]);
        }
    }

    /// Replaces a response whose headers have arrived with an error.
    fn replace_response(
        &mut self,
        cx: &StreamContext<'_>,
        failure: &Failure,
        mut effects: Vec<Effect>,
        head: ResponseHead<'_>,
    ) -> Step {
        let error = self.report_failure(cx, failure, &mut effects);
        if head.end {
            effects.push(Effect::Reply(error));
            return Step {
                effects,
                flow: Flow::Hold,
            };
        }
        effects.extend(error_headers(&error));
        // If it is not certain that a part of the body comes, trailers may come instead. Then the
        // filter can send the error only while the headers wait.
        let is_certain = !head.is_from_server() || head.content_length() > Some(0);
        let headers_wait = cx.config.hold && !is_certain;
        self.body = ResponseBody::Failed {
            error,
            headers_wait,
        };
        let flow = if headers_wait {
            Flow::Hold
        } else {
            Flow::Continue
        };
        Step { effects, flow }
    }

    /// Handles a part of the body of the response. `end` is `true` for the last part.
    pub(in crate::stream) fn on_part(
        &mut self,
        cx: &mut StreamContext<'_>,
        part: &[u8],
        end: bool,
    ) -> Step {
        let mut effects = match (&mut self.watch, self.translation.id_at_server()) {
            (Some(watch), Some(id)) => watch.on_part(cx, self.server, part, id),
            _ => Vec::new(),
        };
        let mut step = self.on_response_body(cx, part, end);
        if !effects.is_empty() {
            // A reply must be the last effect.
            effects.append(&mut step.effects);
            step.effects = effects;
        }
        step
    }

    fn on_response_body(&mut self, cx: &mut StreamContext<'_>, part: &[u8], end: bool) -> Step {
        match std::mem::take(&mut self.body) {
            ResponseBody::Unread => Step::default(),
            ResponseBody::Failed { error, .. } => {
                self.body = ResponseBody::Replaced;
                Step::pass(vec![Effect::ReplaceResponseBody(error.body)])
            }
            ResponseBody::Replaced => {
                self.body = ResponseBody::Replaced;
                Step::pass(vec![Effect::ReplaceResponseBody(Vec::new())])
            }
            ResponseBody::Forwarded => {
                self.body = ResponseBody::Forwarded;
                // White space may follow a message.
                let is_blank = part.trim_ascii().is_empty();
                let removed = (!is_blank).then(|| Effect::ReplaceResponseBody(Vec::new()));
                Step::pass(removed.into_iter().collect())
            }
            ResponseBody::Message(message) => self.on_message_part(cx, message, part, end),
            ResponseBody::Events(events) => self.on_events_part(cx, events, part, end),
        }
    }

    /// Trailers arrived, so the body is complete.
    pub(in crate::stream) fn on_response_trailers(&mut self, cx: &mut StreamContext<'_>) -> Step {
        match std::mem::take(&mut self.body) {
            ResponseBody::Message(message) => self.on_message_trailers(cx, message),
            ResponseBody::Events(events) if self.lacks_answer(&events) => {
                self.reset(cx, &NO_ANSWER)
            }
            ResponseBody::Failed {
                error,
                headers_wait: true,
            } => send_reply(cx, error, Vec::new()),
            body => {
                self.body = body;
                Step::default()
            }
        }
    }

    /// Resets a response that has no answer in it, after trailers arrived. The filter cannot add an
    /// error to the body any more, and the client would take the response for a complete one.
    pub(super) fn reset(&mut self, cx: &StreamContext<'_>, failure: &Failure) -> Step {
        let mut effects = Vec::new();
        self.report_failure(cx, failure, &mut effects);
        self.is_answered = true;
        self.body = ResponseBody::Replaced;
        effects.push(Effect::ResetStream);
        Step {
            effects,
            flow: Flow::Hold,
        }
    }

    /// The request is over. `details` is Envoy's `%RESPONSE_CODE_DETAILS%`.
    pub(in crate::stream) fn on_end(
        &mut self,
        cx: &mut StreamContext<'_>,
        details: Option<&str>,
    ) -> Vec<Effect> {
        let mut effects = details.map_or_else(Vec::new, |details| self.count_abort(cx, details));
        if let Some(server) = self.gateway_server(cx) {
            let is_replaced = self.body.is_replaced();
            let end = RequestEnd {
                is_answered: self.is_answered || is_replaced,
                is_success: self.is_answered && !is_replaced && self.is_success,
            };
            lease::release(&mut self.translation, server, &end, cx.worker);
        }
        let watch = self.watch.as_mut();
        effects.extend(watch.and_then(|watch| watch.record(cx, self.server)));
        effects
    }

    /// Whether the filter reads the response, and has not read everything that the client needs.
    pub(in crate::stream) fn is_incomplete(&self) -> bool {
        match &self.body {
            ResponseBody::Message(_) => true,
            ResponseBody::Events(_) => !self.is_answered,
            _ => false,
        }
    }

    /// Counts that Envoy's router gave up in the middle of the response. No filter sees this when
    /// it happens, so the client gets no error.
    fn count_abort(&self, cx: &StreamContext<'_>, details: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some(failure) = given_up(details).filter(|_| self.is_incomplete()) {
            self.report_failure(cx, &failure, &mut effects);
        }
        effects.retain(|effect| matches!(effect, Effect::Count(..) | Effect::Log(..)));
        effects
    }

    /// Counts, exports and logs a failure of the server. Gives the error for the client.
    pub(in crate::stream) fn report_failure(
        &self,
        cx: &StreamContext<'_>,
        failure: &Failure,
        effects: &mut Vec<Effect>,
    ) -> Reply {
        let config = cx.config;
        let refusal = self.refusal(failure);
        if let Some(server) = self.server {
            effects.extend(count_failure(config, server, failure));
        }
        effects.extend(count(config.metrics.rejected(refusal.status()), 1));
        effects.extend(export(Export::status(refusal.status(), config.storage)));
        if failure.is_servers() {
            let line = format!("server {} {}", self.name, failure.for_log());
            effects.push(Effect::Log(log::Level::Debug, line));
        }
        refusal.reply_to(self.translation.failed_request())
    }

    fn refusal(&self, failure: &Failure) -> Refusal {
        match failure {
            // If the gateway has opened the session itself, the client does not know of it.
            Failure::SessionLost if !self.translation.hides_session() => Refusal::SessionUnknown,
            Failure::NoStream => Refusal::HttpMethod("POST, DELETE"),
            Failure::NotInVersion => Refusal::NotInVersion,
            _ => failure.refusal(&self.name),
        }
    }
}

fn memory_of(translation: &Translation) -> HeldBytes {
    /// About how many bytes of memory a stream takes up while it waits for a response.
    const STREAM: usize = 1024;
    HeldBytes::new(translation.size().saturating_add(STREAM))
}
