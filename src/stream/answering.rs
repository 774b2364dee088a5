//! The answer to a request that was routed to a server, as it comes.

use super::outcome::{count, shown};
use super::response::completed;
use super::{Effect, Flow, Phase, Step, Stream};
use crate::config::Server;
use crate::gateway::failure::Failure;
use crate::gateway::rewrite::{self, Asked};
use crate::gateway::routed::{Reading, given_up, is_from_server};
use crate::http::{Headers, Reply};
use crate::mcp::Message;
use crate::mcp::sse::{Data, Parser};
use crate::policy::export::Export;
use crate::policy::{Refusal, Status};

/// A request that went on to a server.
#[derive(Debug)]
pub(super) struct Routed {
    /// Its place in the configuration, and its name.
    server: usize,
    name: String,
    /// The JSON text of the request's id.
    id: String,
    answer: Asked,
    /// What the server's URIs start with for clients; empty for nothing.
    scheme: String,
    body: Body,
}

/// What becomes of the answer's body.
#[derive(Debug)]
enum Body {
    /// It passes, or has not come.
    Passing,
    /// It is one message, of which this much has come; whether its headers wait.
    Message {
        status: u16,
        text: Vec<u8>,
        held: bool,
    },
    /// It is events; whether the one with the answer has come.
    Events { parser: Parser, answered: bool },
    /// This is sent instead, and nothing of it.
    Instead(Vec<u8>),
}

impl Routed {
    pub(super) fn new(at: usize, server: &Server, message: &Message<'_>) -> Self {
        Self {
            server: at,
            name: server.name.clone(),
            id: message.id().unwrap_or("null").to_owned(),
            answer: Asked::by(message.method()),
            scheme: server.scheme.clone(),
            body: Body::Passing,
        }
    }

    pub(super) fn reads_answer(&self) -> bool {
        !matches!(self.body, Body::Passing)
    }

    /// Whether a part of the answer is there, and the rest is to come.
    fn is_unfinished(&self) -> bool {
        match &self.body {
            Body::Message { .. } => true,
            Body::Events { answered, .. } => !answered,
            Body::Passing | Body::Instead(_) => false,
        }
    }

    /// Whether the headers of the answer wait for its end.
    fn is_held(&self) -> bool {
        matches!(self.body, Body::Message { held: true, .. })
    }

    fn refusal(&self, failure: &Failure) -> Refusal {
        let sentence = format!("server {} {failure}", self.name);
        match failure {
            Failure::TimedOut => Refusal::ServerTimeout(sentence),
            _ => Refusal::Servers(vec![sentence]),
        }
    }
}

/// A message of at most this many bytes is read before its status goes on.
///
/// What is written into a held answer stands in Envoy's buffer. Where that is
/// full (`per_connection_buffer_limit_bytes`), Envoy answers in the middle of
/// the host call and enters this VM again, which ends both; so what is written
/// there is never longer than this, either.
const HELD: usize = 8192;

/// What a server says of itself and its credentials stays between it and the gateway.
const KEPT_BACK: &[&str] = &["set-cookie", "www-authenticate", "mcp-session-id"];

impl Stream {
    /// The headers of a server's answer, or of what came instead.
    pub(super) fn routed_headers(
        &mut self,
        headers: &Headers,
        end: bool,
        details: Option<&str>,
    ) -> Step {
        let longest = self.longest();
        let Phase::Routed(routed) = &mut self.phase else {
            return passing(Vec::new());
        };
        let reading = Reading::of(headers, details, !routed.scheme.is_empty(), end);
        let mut effects: Vec<Effect> = Vec::new();
        if reading != Reading::Pass || is_from_server(details) {
            let theirs = KEPT_BACK.iter().filter(|name| headers.get(name).is_some());
            effects.extend(theirs.map(|name| Effect::RemoveResponseHeader((*name).to_owned())));
        }
        match reading {
            Reading::Pass => passing(effects),
            Reading::Events => {
                routed.body = Body::Events {
                    parser: Parser::new(longest),
                    answered: false,
                };
                effects.push(Effect::RemoveResponseHeader("content-length".to_owned()));
                passing(effects)
            }
            Reading::Message(_) if announced(headers) > longest => {
                self.replaced(&Failure::TooLong(longest), effects, end)
            }
            Reading::Message(status) => {
                routed.body = Body::Message {
                    status,
                    text: Vec::new(),
                    held: true,
                };
                effects.push(Effect::RemoveResponseHeader("content-length".to_owned()));
                Step {
                    effects,
                    flow: Flow::Hold,
                }
            }
            Reading::Failed(failure) => self.replaced(&failure, effects, end),
        }
    }

    /// An error takes the place of an answer whose headers have come.
    fn replaced(&mut self, failure: &Failure, effects: Vec<Effect>, end: bool) -> Step {
        let mut effects = effects;
        let reply = self.server_failed(failure, &mut effects);
        if end {
            effects.push(Effect::Reply(reply));
            return Step {
                effects,
                flow: Flow::Hold,
            };
        }
        effects.extend(becomes(&reply));
        if let Phase::Routed(routed) = &mut self.phase {
            routed.body = Body::Instead(reply.body);
        }
        passing(effects)
    }

    /// A part of the body of a server's answer.
    pub(super) fn response_body(&mut self, part: &[u8], end: bool) -> Step {
        let longest = self.longest();
        let Phase::Routed(routed) = &mut self.phase else {
            return passing(Vec::new());
        };
        match &mut routed.body {
            Body::Passing => passing(Vec::new()),
            Body::Instead(body) => passing(vec![Effect::ReplaceResponseBody(std::mem::take(body))]),
            Body::Message { text, held, .. } => {
                if text.len().saturating_add(part.len()) > longest {
                    return self.message_failed(&Failure::TooLong(longest));
                }
                let waited = *held && !text.is_empty();
                text.extend_from_slice(part);
                if end {
                    return self.whole_message(waited);
                }
                // It is kept here, since Envoy's buffer would bound it.
                *held &= text.len() <= HELD;
                Step {
                    effects: vec![Effect::ReplaceResponseBody(Vec::new())],
                    flow: if *held { Flow::Hold } else { Flow::Continue },
                }
            }
            Body::Events { .. } => self.events(part, end),
        }
    }

    /// Trailers came, so the body is complete.
    pub(super) fn response_trailers(&mut self) -> Step {
        let held = match &self.phase {
            Phase::Routed(Routed {
                body: Body::Message { held, .. },
                ..
            }) => *held,
            _ => return passing(Vec::new()),
        };
        if held {
            return self.whole_message(true);
        }
        // Nothing can be put into what has gone on: it stays empty, which is no
        // message. (Envoy does not survive a reset from here.)
        let mut effects = Vec::new();
        self.server_failed(&Failure::Nonsense("with trailers"), &mut effects);
        passing(effects)
    }

    /// One message has come, whole: it must be the answer. `waited` when a part
    /// of it was held, so that it would be written into Envoy's buffer.
    fn whole_message(&mut self, waited: bool) -> Step {
        let Phase::Routed(routed) = &mut self.phase else {
            return passing(Vec::new());
        };
        let Body::Message { status, text, .. } = &mut routed.body else {
            return passing(Vec::new());
        };
        let (status, text) = (*status, std::mem::take(text));
        let read = std::str::from_utf8(&text)
            .ok()
            .and_then(|text| rewrite::message(text, routed.answer, &routed.scheme).ok());
        let Some(read) = read else {
            return self.message_failed(&not_an_answer(status));
        };
        let is_error = matches!(read.kind, rewrite::Kind::Error);
        if !is_answer(&read, &routed.id) || (status != 200 && !is_error) {
            return self.message_failed(&not_an_answer(status));
        }
        let body = read.edited(Vec::new()).unwrap_or(text);
        routed.body = Body::Passing;
        if waited && body.len() > HELD {
            // It goes past that buffer, and past the filters before this one.
            let reply = Reply::json(status, body, Status::Ok.as_str());
            let fields = self.cross_origin(&Headers::default());
            return Step {
                effects: vec![Effect::Reply(completed(reply, Vec::new(), fields))],
                flow: Flow::Hold,
            };
        }
        passing(vec![Effect::ReplaceResponseBody(body)])
    }

    /// The message is no answer; its status can be changed while it is held.
    fn message_failed(&mut self, failure: &Failure) -> Step {
        let mut effects = Vec::new();
        let reply = self.server_failed(failure, &mut effects);
        if matches!(&self.phase, Phase::Routed(routed) if routed.is_held()) {
            effects.extend(becomes(&reply));
        }
        effects.push(Effect::ReplaceResponseBody(reply.body));
        if let Phase::Routed(routed) = &mut self.phase {
            routed.body = Body::Instead(Vec::new());
        }
        passing(effects)
    }

    fn events(&mut self, part: &[u8], end: bool) -> Step {
        let longest = self.longest();
        let Phase::Routed(routed) = &mut self.phase else {
            return passing(Vec::new());
        };
        let Body::Events { parser, answered } = &mut routed.body else {
            return passing(Vec::new());
        };
        let mut out = Vec::with_capacity(part.len());
        let mut nonsense = false;
        let pushed = parser.push(part, |event| {
            if nonsense {
                return;
            }
            let text = match event.data() {
                Data::Text(text) => text,
                Data::Empty => return out.extend_from_slice(event.raw),
                Data::Unreadable => return nonsense = true,
            };
            match rewrite::message(&text, routed.answer, &routed.scheme) {
                Ok(read) => {
                    *answered |= is_answer(&read, &routed.id);
                    match read.edited(Vec::new()) {
                        Some(renamed) => {
                            out.extend_from_slice(&event.rewritten(Some(&renamed), None))
                        }
                        None => out.extend_from_slice(event.raw),
                    }
                }
                // What a client could read in another way is not passed on.
                Err(_) => nonsense = true,
            }
        });
        let failure = match pushed {
            _ if nonsense => Some(Failure::Nonsense("an event that is no message")),
            Err(_) => Some(Failure::TooLong(longest)),
            Ok(()) if end && !*answered => {
                Some(Failure::Nonsense("a stream that ended without an answer"))
            }
            Ok(()) => None,
        };
        let mut effects = Vec::new();
        if let Some(failure) = failure {
            let answered = *answered;
            routed.body = Body::Instead(Vec::new());
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

    /// The router gave up when a part of the answer was there already, which no
    /// filter sees: all that is left is to count it.
    pub(super) fn broken_off(&self, details: &str) -> Vec<Effect> {
        let Phase::Routed(routed) = &self.phase else {
            return Vec::new();
        };
        let failure = given_up(details).filter(|_| routed.is_unfinished());
        let Some(failure) = failure else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        self.server_failed(&failure, &mut effects);
        effects.retain(|effect| matches!(effect, Effect::Count(..) | Effect::Log(..)));
        effects
    }

    /// What the client is told of a server's failure; counted and shown.
    fn server_failed(&self, failure: &Failure, effects: &mut Vec<Effect>) -> Reply {
        let Phase::Routed(routed) = &self.phase else {
            return Reply::default();
        };
        let refusal = routed.refusal(failure);
        effects.extend(self.failed(routed.server, failure));
        effects.extend(count(self.config.metrics.rejected(refusal.status()), 1));
        effects.extend(shown(Export::status(refusal.status(), self.config.storage)));
        let line = format!("server {} {}", routed.name, failure.for_log());
        effects.push(Effect::Log(log::Level::Debug, line));
        refusal.reply(Some(&routed.id))
    }

    /// Bytes of one message that must be looked into.
    fn longest(&self) -> usize {
        let gateway = self.config.gateway.as_ref();
        gateway.map_or(0, |gateway| gateway.max_response_bytes)
    }
}

/// The length of a body, as its headers announce it; 0 where they don't.
fn announced(headers: &Headers) -> usize {
    let length = headers.text("content-length");
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// Whether this message is the answer to the request with this id. An error may
/// be one without an id: the server could not read the request.
fn is_answer(read: &rewrite::Read<'_>, id: &str) -> bool {
    let is_error = matches!(read.kind, rewrite::Kind::Error);
    read.answers(id) || (is_error && matches!(read.id, None | Some("null")))
}

fn passing(effects: Vec<Effect>) -> Step {
    Step {
        effects,
        flow: Flow::Continue,
    }
}

fn not_an_answer(status: u16) -> Failure {
    if status == 200 {
        Failure::Nonsense("no JSON-RPC response to the request")
    } else {
        Failure::Status(status)
    }
}

/// The answer's headers become those of `reply`; its body is replaced as it comes.
fn becomes(reply: &Reply) -> Vec<Effect> {
    let mut effects = vec![
        Effect::SetResponseHeader(":status", reply.status.to_string()),
        Effect::SetResponseHeader("content-type", "application/json".to_owned()),
    ];
    let stale = [
        "content-length",
        "content-encoding",
        "retry-after",
        "location",
        "mcp-session-id",
    ];
    effects.extend(stale.map(|name| Effect::RemoveResponseHeader(name.to_owned())));
    effects
}
