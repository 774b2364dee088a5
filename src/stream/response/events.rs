//! A response that is a stream of events. The filter translates each event when it arrives.

use crate::gateway::translate::event::NoMessage;
use crate::gateway::translate::translated::Translated;
use crate::gateway::translate::translation::Translation;
use crate::gateway::upstream::call::Call;
use crate::gateway::upstream::failure::Failure;
use crate::mcp::sse::{Data, EventId, Parser, SseEvent};
use crate::memory::{self, HeldBytes};
use crate::stream::context::StreamContext;
use crate::stream::event::{Effect, Step};
use crate::stream::response::routed::{ResponseBody, RoutedRequest};

/// The stream ended without an answer, and the client cannot resume it.
pub(super) const NO_ANSWER: Failure = Failure::Nonsense("a stream that ended without an answer");

const NOT_A_MESSAGE: Failure = Failure::Nonsense("an event that is not a message");

/// A stream of events that has arrived in part.
pub(in crate::stream) struct EventStream {
    parser: Parser,
    /// The client got the id of an event, with which it can resume the stream.
    is_resumable: bool,
    /// The memory of the event that has arrived only in part.
    memory: HeldBytes,
}

impl EventStream {
    /// A stream whose first byte has not arrived.
    pub(in crate::stream) fn new(parser: Parser) -> Self {
        Self {
            parser,
            is_resumable: false,
            memory: HeldBytes::default(),
        }
    }
}

/// The result of translating the events of one part.
struct TranslatedEvents<'t> {
    translation: &'t Translation,
    /// The bytes that the client gets.
    out: Vec<u8>,
    /// Responses for the server, to its requests that the client does not get.
    for_server: Vec<Vec<u8>>,
    /// The response to the request was among the events.
    is_answered: bool,
    /// The client got the id of an event.
    is_resumable: bool,
    /// An error may say that the server has forgotten the gateway's session.
    doubts_session: bool,
    /// Why the stream ends here. The filter reads no event after a bad one.
    failure: Option<Failure>,
}

impl RoutedRequest {
    /// Handles a part of the stream. `end` is `true` for the last part.
    pub(super) fn on_events_part(
        &mut self,
        cx: &mut StreamContext<'_>,
        mut events: EventStream,
        part: &[u8],
        end: bool,
    ) -> Step {
        let mut translated = TranslatedEvents {
            translation: &self.translation,
            out: Vec::with_capacity(part.len()),
            for_server: Vec::new(),
            is_answered: self.is_answered,
            is_resumable: events.is_resumable,
            doubts_session: false,
            failure: None,
        };
        let pushed = (events.parser).push(part, |event| translated.add(&event));
        let TranslatedEvents {
            mut out,
            for_server,
            is_answered,
            is_resumable,
            doubts_session,
            failure,
            ..
        } = translated;
        if doubts_session {
            self.doubt_session(cx);
        }
        events.is_resumable = is_resumable;
        self.is_answered = is_answered;
        events.memory.set(events.parser.size());
        let failure = match pushed {
            _ if failure.is_some() => failure,
            Err(_) => Some(Failure::TooLong(cx.config.max_response_bytes)),
            Ok(()) if memory::is_short_for(events.parser.size()) => Some(Failure::Memory),
            // If the client can resume the stream, it gets the response then, and this is no
            // failure.
            Ok(()) if end && self.lacks_answer(&events) => Some(NO_ANSWER),
            Ok(()) => None,
        };
        self.notify_server(cx, for_server);
        let mut effects = Vec::new();
        if let Some(failure) = failure {
            self.body = ResponseBody::Replaced;
            let reply = self.report_failure(cx, &failure, &mut effects);
            // A request gets only one response.
            if !std::mem::replace(&mut self.is_answered, true) {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(&reply.body);
                out.extend_from_slice(b"\n\n");
            }
        } else {
            self.body = ResponseBody::Events(events);
        }
        effects.push(Effect::ReplaceResponseBody(out));
        Step::pass(effects)
    }

    /// Whether the client gets no response if the stream ends here. If the client can resume the
    /// stream, it gets the response then.
    pub(super) fn lacks_answer(&self, events: &EventStream) -> bool {
        !self.is_answered && !events.is_resumable
    }

    /// Sends responses to the server in the gateway's own session.
    fn notify_server(&self, cx: &mut StreamContext<'_>, responses: Vec<Vec<u8>>) {
        let Some((_, server)) = self.gateway_server(cx) else {
            return;
        };
        let Some(lease) = self.translation.lease() else {
            return;
        };
        let calls = responses
            .into_iter()
            .map(|response| Call::tell(server, &lease.session, None, response, &lease.headers));
        cx.worker.outbox.extend(calls);
    }
}

impl TranslatedEvents<'_> {
    fn add(&mut self, event: &SseEvent<'_>) {
        if self.failure.is_some() {
            return;
        }
        let id = self.translate_id(event);
        let (text, is_readable) = match event.data() {
            Data::Text(text) => (text, true),
            Data::Unreadable(text) => (text.into(), false),
            Data::Empty => return self.write(event, None, &id),
        };
        let translated = self.translation.translate_event(&text, event.is_message());
        match translated {
            Ok(Translated::Forwarded {
                changed,
                is_answer,
                is_error,
            }) if is_readable => {
                self.is_answered |= is_answer;
                self.doubts_session |= is_error && self.translation.doubts_session(&text);
                self.write(event, changed.as_deref(), &id);
            }
            // Some clients may read the text around the invalid bytes as the answer.
            Ok(Translated::Forwarded { is_answer, .. }) => {
                self.failure = is_answer.then_some(NOT_A_MESSAGE);
            }
            Ok(Translated::Withheld { reply }) => self.for_server.extend(reply),
            Ok(Translated::NotInVersion) => self.failure = Some(Failure::NotInVersion),
            Err(NoMessage::Passed) => self.write(event, None, &id),
            Err(NoMessage::Dropped) => {}
            // Another client could read this event differently.
            Err(NoMessage::UnclearAnswer) => self.failure = Some(NOT_A_MESSAGE),
        }
    }

    fn translate_id(&self, event: &SseEvent<'_>) -> EventId {
        let Some(id) = event.id().filter(|id| !id.is_empty()) else {
            // An empty id resets the client's last event id, so it stays unchanged.
            return EventId::Unchanged;
        };
        let id = std::str::from_utf8(id).ok();
        let id = id.and_then(|id| self.translation.event_id(id));
        id.map_or(EventId::Removed, EventId::Replaced)
    }

    /// Writes an event with this text and this id. If `text` is `None`, the text stays unchanged.
    fn write(&mut self, event: &SseEvent<'_>, text: Option<&[u8]>, id: &EventId) {
        // The client can resume the stream only at an event that it gets.
        self.is_resumable |= matches!(id, EventId::Replaced(_));
        match (text, id) {
            (None, EventId::Unchanged) => self.out.extend_from_slice(event.raw),
            _ => self.out.extend(event.rewritten(text, id)),
        }
    }
}
