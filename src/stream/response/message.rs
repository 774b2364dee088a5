//! A response that is one JSON-RPC message: it is read whole before the client
//! gets it.

use crate::gateway::translate::translated::Translated;
use crate::gateway::upstream::failure::Failure;
use crate::http::Reply;
use crate::policy::Status;
use crate::policy::export::Export;
use crate::stream::context::StreamContext;
use crate::stream::effects::export;
use crate::stream::event::{Effect, Flow, Step};
use crate::stream::response::head::apply;
use crate::stream::response::routed::{ResponseBody, RoutedRequest, error_headers};

/// The headers wait for a message of at most this many bytes, so that an error can
/// still get another status.
///
/// What a filter writes into a response whose headers wait goes into Envoy's
/// buffer. When that buffer is full (`per_connection_buffer_limit_bytes`), Envoy
/// answers in the middle of the host call and enters the VM again, which ends the
/// stream. So a body written there must not be longer than this either.
const HELD: usize = 8192;

/// A message that has arrived in part.
pub(in crate::stream) struct BufferedMessage {
    /// The HTTP status of the response.
    status: u16,
    text: Vec<u8>,
    /// The headers of the response wait.
    is_held: bool,
}

impl BufferedMessage {
    /// A message whose first byte has not arrived.
    pub(in crate::stream) fn new(status: u16, is_held: bool) -> Self {
        Self {
            status,
            text: Vec::new(),
            is_held,
        }
    }
}

impl RoutedRequest {
    /// A part of the message arrived; `end` when it is the last one.
    pub(super) fn on_message_part(
        &mut self,
        cx: &mut StreamContext<'_>,
        mut message: BufferedMessage,
        part: &[u8],
        end: bool,
    ) -> Step {
        let limit = cx.config.max_response_bytes;
        if message.text.len().saturating_add(part.len()) > limit {
            return self.replace_message(cx, &Failure::TooLong(limit), message.is_held);
        }
        let is_in_buffer = message.is_held && !message.text.is_empty();
        message.text.extend_from_slice(part);
        if end {
            return self.on_whole_message(cx, message, is_in_buffer);
        }
        // Envoy's buffer would limit the length, so the text is kept here.
        let is_over = message.is_held && message.text.len() > HELD;
        message.is_held &= !is_over;
        let flow = if message.is_held {
            Flow::Hold
        } else {
            Flow::Continue
        };
        let mut effects = Vec::new();
        if is_over {
            // The headers go on now.
            effects.extend(self.status_change(cx, message.status));
        }
        effects.push(Effect::ReplaceResponseBody(Vec::new()));
        self.body = ResponseBody::Message(message);
        Step { effects, flow }
    }

    /// Trailers arrived after the message.
    pub(super) fn on_message_trailers(
        &mut self,
        cx: &mut StreamContext<'_>,
        message: BufferedMessage,
    ) -> Step {
        if message.is_held {
            return self.on_whole_message(cx, message, true);
        }
        // The headers are gone, and Envoy takes no more body after trailers. The
        // client gets an empty body, which is no message. (Envoy crashes on a reset
        // from here.)
        self.body = ResponseBody::Message(message);
        let mut effects = Vec::new();
        self.report_failure(cx, &Failure::Nonsense("with trailers"), &mut effects);
        Step::pass(effects)
    }

    /// The whole message arrived: it must be the response to the request.
    /// `is_in_buffer`: what is written now goes into Envoy's buffer.
    fn on_whole_message(
        &mut self,
        cx: &mut StreamContext<'_>,
        message: BufferedMessage,
        is_in_buffer: bool,
    ) -> Step {
        let BufferedMessage {
            status,
            text,
            is_held,
        } = message;
        if self.translation.is_session_lost(status, &text) {
            self.on_failure_in_session(&Failure::SessionLost, cx.worker);
            return self.replace_message(cx, &Failure::SessionLost, is_held);
        }
        let changed = match self.translation.translate_body(status, &text) {
            Ok(Translated::Forwarded {
                changed,
                is_answer: true,
                is_error,
            }) if is_error || status == 200 => changed,
            Ok(Translated::NotInVersion) => {
                return self.replace_message(cx, &Failure::NotInVersion, is_held);
            }
            _ => return self.replace_message(cx, &not_a_response(status), is_held),
        };
        let body = changed.unwrap_or(text);
        let client_status = self.translation.status(status);
        self.is_answered = true;
        if is_in_buffer && body.len() > HELD {
            // A reply does not go through that buffer, nor through the filters
            // before this one.
            let reply = Reply::json(client_status, body, Status::Ok.as_str());
            let changes = match &cx.endpoint {
                Some(endpoint) => endpoint.allow_origin(cx.config),
                None => Vec::new(),
            };
            let mut effects = self.status_change(cx, status);
            effects.retain(|effect| !matches!(effect, Effect::SetResponseHeader(..)));
            effects.push(Effect::Reply(apply(reply, Vec::new(), changes)));
            return Step {
                effects,
                flow: Flow::Hold,
            };
        }
        let mut effects = Vec::new();
        if is_held {
            effects.extend(self.status_change(cx, status));
        }
        effects.push(Effect::ReplaceResponseBody(body));
        Step::pass(effects)
    }

    /// What changes where the client gets another HTTP status than this one of the
    /// server: the access log says still that the server refused the request.
    fn status_change(&self, cx: &StreamContext<'_>, status: u16) -> Vec<Effect> {
        let client_status = self.translation.status(status);
        if client_status == status {
            return Vec::new();
        }
        let mut effects = vec![Effect::SetResponseHeader(
            ":status",
            client_status.to_string(),
        )];
        let state = Export::status(Status::ServerFailed, cx.config.storage);
        effects.extend(export(state));
        effects
    }

    /// Replaces a message that is no response with an error. `is_held`: its headers
    /// wait, so the status can still change.
    fn replace_message(
        &mut self,
        cx: &mut StreamContext<'_>,
        failure: &Failure,
        is_held: bool,
    ) -> Step {
        let mut effects = Vec::new();
        let reply = self.report_failure(cx, failure, &mut effects);
        if is_held {
            effects.extend(error_headers(&reply));
        }
        effects.push(Effect::ReplaceResponseBody(reply.body));
        self.is_answered = true;
        self.body = ResponseBody::Replaced(Vec::new());
        Step::pass(effects)
    }
}

fn not_a_response(status: u16) -> Failure {
    if status == 200 {
        Failure::Nonsense("no JSON-RPC response to the request")
    } else {
        Failure::Status(status)
    }
}
