//! The answer to a routed request as a stream of events, one by one.

use crate::gateway::translate::translated::Translated;
use crate::gateway::upstream::call::Call;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::worker::Worker;
use crate::mcp::sse::Data;
use crate::stream::response::routed::{ResponseBody, passing};
use crate::stream::{Effect, Phase, Step, Stream};

/// No event has it: lines with an id are left away.
const NO_ID: &str = "\0";

const NO_MESSAGE: Failure = Failure::Nonsense("an event that is no message");

impl Stream {
    /// A part of the stream came, the last one at its `end`.
    pub(in crate::stream) fn events(
        &mut self,
        part: &[u8],
        end: bool,
        worker: &mut Worker,
    ) -> Step {
        let longest = self.longest();
        let Phase::Routed(routed) = &mut self.phase else {
            return passing(Vec::new());
        };
        let ResponseBody::Events { parser, resumable } = &mut routed.body else {
            return passing(Vec::new());
        };
        let (translation, answered) = (&routed.translation, &mut routed.answered);
        let mut out = Vec::with_capacity(part.len());
        let mut told = Vec::new();
        let mut nonsense = None;
        let pushed = parser.push(part, |event| {
            if nonsense.is_some() {
                return;
            }
            // An empty one says that there is none: it stays.
            let id = event.id().filter(|id| !id.is_empty()).map(|id| {
                let id = std::str::from_utf8(id).ok();
                // Without one it is left away.
                id.and_then(|id| translation.event_id(id))
                    .unwrap_or_default()
            });
            *resumable |= id.as_ref().is_some_and(|id| !id.is_empty());
            let id = id.map(|id| if id.is_empty() { NO_ID.to_owned() } else { id });
            let text = match event.data() {
                Data::Text(text) => text,
                Data::Empty => return out.extend(event.rewritten(None, id.as_deref())),
                Data::Unreadable => return nonsense = Some(NO_MESSAGE),
            };
            match translation.translate(&text) {
                Ok(Translated::Forwarded {
                    changed, is_answer, ..
                }) => {
                    *answered |= is_answer;
                    match (changed, id) {
                        (None, None) => out.extend_from_slice(event.raw),
                        (changed, id) => {
                            out.extend(event.rewritten(changed.as_deref(), id.as_deref()));
                        }
                    }
                }
                Ok(Translated::Withheld { reply }) => told.extend(reply),
                Ok(Translated::NotInVersion) => nonsense = Some(Failure::NotInVersion),
                // What a client could read in another way is not passed on.
                Err(_) => nonsense = Some(NO_MESSAGE),
            }
        });
        let failure = match pushed {
            _ if nonsense.is_some() => nonsense,
            Err(_) => Some(Failure::TooLong(longest)),
            // What can be resumed goes on in another answer.
            Ok(()) if end && !*answered && !*resumable => {
                Some(Failure::Nonsense("a stream that ended without an answer"))
            }
            Ok(()) => None,
        };
        let mut effects = Vec::new();
        self.told(told, worker);
        if let Some(failure) = failure
            && let Phase::Routed(routed) = &mut self.phase
        {
            let answered = std::mem::replace(&mut routed.answered, true);
            routed.body = ResponseBody::Instead(Vec::new());
            let reply = self.server_failed(&failure, &mut effects);
            // Not a second answer to the same request.
            if !answered {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(&reply.body);
                out.extend_from_slice(b"\n\n");
            }
        }
        effects.push(Effect::ReplaceResponseBody(out));
        passing(effects)
    }

    /// Tells the server what it asked in the gateway's own session.
    fn told(&self, told: Vec<Vec<u8>>, worker: &mut Worker) {
        let (Phase::Routed(routed), Some(gateway)) = (&self.phase, &self.config.gateway) else {
            return;
        };
        let server = routed.server.and_then(|id| gateway.server(id));
        if let (Some(server), Some(held)) = (server, routed.translation.lease()) {
            for message in told {
                let call = Call::tell(server, &held.session, message, &held.headers);
                worker.outbox.push(call);
            }
        }
    }
}
