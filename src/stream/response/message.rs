//! A response that is one JSON-RPC message. The filter reads the whole message before the client
//! gets it.

use crate::gateway::translate::translated::Translated;
use crate::gateway::upstream::failure::Failure;
use crate::http::Reply;
use crate::mcp::json::end::EndFinder;
use crate::memory::{self, HeldBytes};
use crate::policy::Status;
use crate::policy::export::Export;
use crate::stream::context::StreamContext;
use crate::stream::effects::export;
use crate::stream::event::{Effect, Flow, Step};
use crate::stream::response::head::{ResponseHead, apply};
use crate::stream::response::routed::{ResponseBody, RoutedRequest};
use crate::stream::response::server_headers::error_headers;

/// The headers wait for a message with a `content-length` of at most this many bytes. While they
/// wait, an error can still get another HTTP status.
const LONGEST_HELD: usize = 8192;

/// Without a `content-length`, the headers wait until this many bytes have arrived. This limit is
/// lower: the next part may have any length, and Envoy answers 500 if it does not fit into the
/// buffer together with the waiting bytes.
const LONGEST_HELD_UNANNOUNCED: usize = 1024;

/// A message that has arrived in part.
///
/// Envoy has its own buffer for a body whose headers wait. Its limit is
/// `per_connection_buffer_limit_bytes`, which the filter does not know. If a filter writes more
/// into the buffer than the limit, Envoy sends a response in the middle of the host call and enters
/// the VM again, which ends the process. So the filter never makes the content of that buffer
/// longer; see [`Room`].
pub(in crate::stream) struct BufferedMessage {
    /// The HTTP status of the response.
    status: u16,
    text: Vec<u8>,
    place: Place,
    extent: Extent,
    /// The memory that the text takes up.
    memory: HeldBytes,
}

/// Where the headers and the text of the response are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The headers wait, and no part of the message has arrived yet.
    HeadersWait,
    /// The headers wait, and the text is in Envoy's buffer too.
    TextWaits,
    /// The client got the headers, and Envoy holds nothing of the text.
    HeadersSent,
}

/// How the filter finds the end of the message before Envoy reports the end of the body. With
/// HTTP/1, Envoy reports the end of a body after its last byte. If trailers follow, Envoy never
/// reports it.
enum Extent {
    /// The message has this many bytes, according to `content-length`.
    Announced(usize),
    /// The message ends where its JSON value ends.
    Value(EndFinder),
}

/// How long the text may be that replaces the part that has just arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::stream) enum Room {
    /// It may have any length, since the old text has not been in Envoy's buffer.
    Unlimited,
    /// It may have this many bytes, as many as there are in Envoy's buffer.
    Buffer(usize),
}

impl BufferedMessage {
    /// A message whose first byte has not arrived. `waits` says whether its headers wait.
    pub(in crate::stream) fn new(status: u16, head: ResponseHead<'_>, waits: bool) -> Self {
        let announced = head.content_length().map(Extent::Announced);
        Self {
            status,
            text: Vec::new(),
            place: if waits {
                Place::HeadersWait
            } else {
                Place::HeadersSent
            },
            extent: announced.unwrap_or_else(|| Extent::Value(EndFinder::default())),
            memory: HeldBytes::default(),
        }
    }

    /// Takes the next part. Gives `true` if the message is complete now.
    fn push(&mut self, part: &[u8]) -> bool {
        self.text.extend_from_slice(part);
        self.memory.set(self.text.capacity());
        match &mut self.extent {
            Extent::Announced(length) => self.text.len() >= *length,
            Extent::Value(finder) => finder.push(part),
        }
    }

    /// How long the text may be that replaces the part that was [pushed](Self::push) last.
    fn room(&self) -> Room {
        match self.place {
            Place::HeadersWait | Place::HeadersSent => Room::Unlimited,
            Place::TextWaits => Room::Buffer(self.text.len()),
        }
    }

    fn headers_wait(&self) -> bool {
        self.place != Place::HeadersSent
    }

    /// Whether the text may wait in Envoy's buffer for the rest of the message.
    fn may_wait(&self) -> bool {
        let is_short = match self.extent {
            Extent::Announced(length) => length <= LONGEST_HELD,
            Extent::Value(_) => self.text.len() <= LONGEST_HELD_UNANNOUNCED,
        };
        self.headers_wait() && is_short
    }
}

impl RoutedRequest {
    /// Handles a part of the message. `end` is `true` for the last part.
    pub(super) fn on_message_part(
        &mut self,
        cx: &mut StreamContext<'_>,
        mut message: BufferedMessage,
        part: &[u8],
        end: bool,
    ) -> Step {
        let limit = cx.config.max_response_bytes;
        let is_complete = message.push(part);
        let room = message.room();
        if message.text.len() > limit {
            return self.replace_message(cx, &Failure::TooLong(limit), &message, room);
        }
        if memory::is_short_for(message.text.len()) {
            return self.replace_message(cx, &Failure::Memory, &message, room);
        }
        if end || is_complete {
            return self.on_whole_message(cx, message, room);
        }
        let step = if message.may_wait() {
            message.place = Place::TextWaits;
            Step {
                effects: Vec::new(),
                flow: Flow::Hold,
            }
        } else {
            let mut effects = self.status_change(cx, &message).all();
            // Envoy's buffer would limit the length, so only the filter keeps the text.
            message.place = Place::HeadersSent;
            effects.push(Effect::ReplaceResponseBody(Vec::new()));
            Step::pass(effects)
        };
        self.body = ResponseBody::Message(message);
        step
    }

    /// Trailers arrived before the message was complete.
    pub(super) fn on_message_trailers(
        &mut self,
        cx: &mut StreamContext<'_>,
        message: BufferedMessage,
    ) -> Step {
        match message.place {
            Place::HeadersSent => self.reset(cx, &not_a_response(message.status)),
            Place::HeadersWait | Place::TextWaits => {
                let room = Room::Buffer(message.text.len());
                self.on_whole_message(cx, message, room)
            }
        }
    }

    /// The whole message arrived. It must be the response to the request.
    fn on_whole_message(
        &mut self,
        cx: &mut StreamContext<'_>,
        mut message: BufferedMessage,
        room: Room,
    ) -> Step {
        let status = message.status;
        if self.translation.is_session_lost(status, &message.text) {
            self.on_failure_in_session(cx, &Failure::SessionLost);
            return self.replace_message(cx, &Failure::SessionLost, &message, room);
        }
        let (changed, is_error) = match self.translation.translate_body(status, &message.text) {
            Ok(Translated::Forwarded {
                changed,
                is_answer: true,
                is_error,
            }) if is_error || status == 200 => (changed, is_error),
            Ok(Translated::NotInVersion) => {
                return self.replace_message(cx, &Failure::NotInVersion, &message, room);
            }
            _ => {
                self.doubt_server(cx);
                return self.replace_message(cx, &not_a_response(status), &message, room);
            }
        };
        let text = std::mem::take(&mut message.text);
        if is_error
            && self
                .translation
                .doubts_session(&String::from_utf8_lossy(&text))
        {
            self.doubt_session(cx);
        }
        let client_status = self.translation.status(status);
        let change = self.status_change(cx, &message);
        self.body = ResponseBody::Forwarded;
        // While the headers wait, Envoy's buffer has the whole text, and Envoy sends it from there.
        let Some(body) = changed.or_else(|| (!message.headers_wait()).then_some(text)) else {
            self.is_answered = true;
            return Step::pass(change.all());
        };
        let reply = Reply::json(client_status, body, Status::Ok.as_str());
        self.finish(cx, room, reply, change)
    }

    /// The effects and the header changes if the client gets another HTTP status than the server
    /// sent. The access log gets the status of a failed server, since the server refused the
    /// request. There are none after the headers were sent.
    fn status_change(&self, cx: &StreamContext<'_>, message: &BufferedMessage) -> HeadersChange {
        let status = self.translation.status(message.status);
        if status == message.status || !message.headers_wait() {
            return HeadersChange::default();
        }
        let state = Export::status(Status::ServerFailed, cx.config.storage);
        HeadersChange {
            first: export(state).collect(),
            headers: vec![Effect::SetResponseHeader(":status", status.to_string())],
        }
    }

    /// Replaces a message that is not the response with an error.
    fn replace_message(
        &mut self,
        cx: &StreamContext<'_>,
        failure: &Failure,
        message: &BufferedMessage,
        room: Room,
    ) -> Step {
        let mut change = HeadersChange::default();
        let reply = self.report_failure(cx, failure, &mut change.first);
        if message.headers_wait() {
            change.headers = error_headers(&reply);
        }
        self.body = ResponseBody::Replaced;
        self.finish(cx, room, reply, change)
    }

    /// Gives the client `reply` in place of the message. `change` gives the response the headers of
    /// `reply`.
    fn finish(
        &mut self,
        cx: &StreamContext<'_>,
        room: Room,
        reply: Reply,
        change: HeadersChange,
    ) -> Step {
        self.is_answered = true;
        match room {
            Room::Buffer(size) if reply.body.len() > size => send_reply(cx, reply, change.first),
            Room::Unlimited | Room::Buffer(_) => {
                let mut effects = change.all();
                effects.push(Effect::ReplaceResponseBody(reply.body));
                Step::pass(effects)
            }
        }
    }
}

/// The effects of a changed response, without those on its body.
#[derive(Default)]
struct HeadersChange {
    /// Effects that come first, even if a reply takes the place of the response.
    first: Vec<Effect>,
    /// The changes to the headers of the response.
    headers: Vec<Effect>,
}

impl HeadersChange {
    /// All effects, in their order.
    fn all(self) -> Vec<Effect> {
        let mut effects = self.first;
        effects.extend(self.headers);
        effects
    }
}

/// Sends `reply` in place of a response whose headers wait. The reply goes neither through Envoy's
/// buffer nor through the filters before this one.
pub(super) fn send_reply(cx: &StreamContext<'_>, reply: Reply, mut effects: Vec<Effect>) -> Step {
    let changes = match &cx.endpoint {
        Some(endpoint) => endpoint.allow_origin(cx.config),
        None => Vec::new(),
    };
    effects.push(Effect::Reply(apply(reply, Vec::new(), changes)));
    Step {
        effects,
        flow: Flow::Hold,
    }
}

fn not_a_response(status: u16) -> Failure {
    if status == 200 {
        Failure::Nonsense("no JSON-RPC response to the request")
    } else {
        Failure::Status(status)
    }
}
