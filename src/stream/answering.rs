//! The answer to a request that was routed to a server, as it comes.

use super::outcome::{count, shown};
use super::response::completed;
use super::{Effect, Flow, Phase, Step, Stream};
use crate::config::Server;
use crate::gateway::exchange::{Exchange, Passed};
use crate::gateway::failure::Failure;
use crate::gateway::routed::{Reading, given_up, is_from_server};
use crate::gateway::worker::Worker;
use crate::http::{Headers, Reply};
use crate::mcp::sse::Parser;
use crate::policy::export::Export;
use crate::policy::{Refusal, Status};

/// A request that went on to a server.
#[derive(Debug)]
pub(super) struct Routed {
    /// Its place in the configuration, and its name.
    pub(super) server: usize,
    name: String,
    pub(super) exchange: Exchange,
    pub(super) body: Body,
    /// The answer has come, or an error in its place.
    pub(super) answered: bool,
}

/// What becomes of the answer's body.
#[derive(Debug)]
pub(super) enum Body {
    /// It passes, or has not come.
    Passing,
    /// It is one message, of which this much has come; whether its headers wait.
    Message {
        status: u16,
        text: Vec<u8>,
        held: bool,
    },
    /// It is events; whether one can be resumed at.
    Events { parser: Parser, resumable: bool },
    /// This is sent instead, and nothing of it.
    Instead(Vec<u8>),
}

impl Routed {
    pub(super) fn new(at: usize, server: &Server, exchange: Exchange) -> Self {
        Self {
            server: at,
            name: server.name.clone(),
            answered: !exchange.wants_answer(),
            exchange,
            body: Body::Passing,
        }
    }

    /// A request in policy mode, to whatever server is behind this filter.
    pub(super) fn behind(exchange: Exchange) -> Self {
        Self {
            // No server of the configuration's.
            server: usize::MAX,
            name: "upstream".to_owned(),
            answered: !exchange.wants_answer(),
            exchange,
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
            Body::Events { .. } => !self.answered,
            Body::Passing | Body::Instead(_) => false,
        }
    }

    /// Whether the headers of the answer wait for its end.
    fn is_held(&self) -> bool {
        matches!(self.body, Body::Message { held: true, .. })
    }

    fn refusal(&self, failure: &Failure) -> Refusal {
        match failure {
            // The gateway's own session is not the client's business.
            Failure::SessionLost if !self.exchange.is_bridged() => Refusal::SessionUnknown,
            Failure::NoStream => Refusal::HttpMethod("POST, DELETE"),
            Failure::NotInVersion => Refusal::NotInVersion,
            _ => failure.refusal(&self.name),
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
        worker: &mut Worker,
    ) -> Step {
        let longest = self.longest();
        let Phase::Routed(routed) = &mut self.phase else {
            return passing(Vec::new());
        };
        let reading = Reading::of(headers, details, &routed.exchange, end);
        if matches!(reading, Reading::Failed(_)) || reading.is_refusal() {
            // It may be of another era by now.
            worker.forget(&routed.name);
        }
        if let (Reading::Failed(failure), Some(gateway)) = (&reading, &self.config.gateway) {
            routed.failed_in_session(failure, gateway, worker);
        }
        let mut effects: Vec<Effect> = Vec::new();
        let is_gateways = !routed.exchange.is_policys();
        if is_gateways && (reading != Reading::Pass || is_from_server(details)) {
            let theirs = KEPT_BACK.iter().filter(|name| headers.get(name).is_some());
            effects.extend(theirs.map(|name| Effect::RemoveResponseHeader((*name).to_owned())));
        }
        match reading {
            Reading::Pass => passing(effects),
            Reading::Events => {
                routed.body = Body::Events {
                    parser: Parser::new(longest),
                    resumable: false,
                };
                effects.push(Effect::RemoveResponseHeader("content-length".to_owned()));
                passing(effects)
            }
            Reading::Message(_) if announced(headers) > longest => {
                self.replaced(&Failure::TooLong(longest), effects, end)
            }
            Reading::Message(status) => {
                // Where Envoy stops for good at headers that wait, they go on.
                let held = self.config.hold;
                routed.body = Body::Message {
                    status,
                    text: Vec::new(),
                    held,
                };
                effects.push(Effect::RemoveResponseHeader("content-length".to_owned()));
                let flow = if held { Flow::Hold } else { Flow::Continue };
                Step { effects, flow }
            }
            Reading::Failed(failure) => {
                // What has been answered, however badly, is not to be cancelled.
                routed.answered |= is_from_server(details);
                self.replaced(&failure, effects, end)
            }
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
    pub(super) fn response_body(&mut self, part: &[u8], end: bool, worker: &mut Worker) -> Step {
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
            Body::Events { .. } => self.events(part, end, worker),
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
            .and_then(|text| routed.exchange.pass(text).ok());
        let (body, is_error) = match read {
            Some(Passed::On {
                text: changed,
                answers: true,
                is_error,
            }) => (changed, is_error),
            Some(Passed::NotInVersion) => return self.message_failed(&Failure::NotInVersion),
            _ => return self.message_failed(&not_an_answer(status)),
        };
        if status != 200 && !is_error {
            return self.message_failed(&not_an_answer(status));
        }
        let body = body.unwrap_or(text);
        let shown = routed.exchange.status(status);
        let mut effects = Vec::new();
        if shown != status && routed.is_held() {
            effects.push(Effect::SetResponseHeader(":status", shown.to_string()));
        }
        routed.answered = true;
        routed.body = Body::Passing;
        if waited && body.len() > HELD {
            // It goes past that buffer, and past the filters before this one.
            let reply = Reply::json(shown, body, Status::Ok.as_str());
            let fields = self.cross_origin(&Headers::default());
            return Step {
                effects: vec![Effect::Reply(completed(reply, Vec::new(), fields))],
                flow: Flow::Hold,
            };
        }
        effects.push(Effect::ReplaceResponseBody(body));
        passing(effects)
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
            routed.answered = true;
            routed.body = Body::Instead(Vec::new());
        }
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
    pub(super) fn server_failed(&self, failure: &Failure, effects: &mut Vec<Effect>) -> Reply {
        let Phase::Routed(routed) = &self.phase else {
            return Reply::default();
        };
        let refusal = routed.refusal(failure);
        effects.extend(self.failed(routed.server, failure));
        effects.extend(count(self.config.metrics.rejected(refusal.status()), 1));
        effects.extend(shown(Export::status(refusal.status(), self.config.storage)));
        let line = format!("server {} {}", routed.name, failure.for_log());
        effects.push(Effect::Log(log::Level::Debug, line));
        refusal.reply(Some(&routed.exchange.id))
    }

    /// Bytes of one message that must be looked into.
    pub(super) fn longest(&self) -> usize {
        self.config.max_response_bytes
    }
}

/// The length of a body, as its headers announce it; 0 where they don't.
fn announced(headers: &Headers) -> usize {
    let length = headers.text("content-length");
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

pub(super) fn passing(effects: Vec<Effect>) -> Step {
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
