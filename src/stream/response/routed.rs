//! The answer to a request that was routed to a server, as it comes.

use crate::config::{Server, ServerId};
use crate::gateway::translate::translated::Translated;
use crate::gateway::translate::translation::Translation;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::worker::Worker;
use crate::http::{Headers, Reply};
use crate::mcp::sse::Parser;
use crate::policy::export::Export;
use crate::policy::{Refusal, Status};
use crate::stream::outcome::{count, shown};
use crate::stream::response::completed;
use crate::stream::response::kind::{ResponseKind, given_up, is_from_server};
use crate::stream::{Effect, Flow, Phase, Step, Stream};

/// A request that went on to a server.
#[derive(Debug)]
pub(in crate::stream) struct RoutedRequest {
    /// The server of the gateway; absent in policy mode.
    pub(in crate::stream) server: Option<ServerId>,
    name: String,
    pub(in crate::stream) translation: Translation,
    pub(in crate::stream) body: ResponseBody,
    /// The answer has come, or an error in its place.
    pub(in crate::stream) answered: bool,
}

/// What becomes of the answer's body.
#[derive(Debug)]
pub(in crate::stream) enum ResponseBody {
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

impl RoutedRequest {
    pub(in crate::stream) fn new(server: &Server, translation: Translation) -> Self {
        Self {
            server: Some(server.id),
            name: server.name.clone(),
            answered: !translation.expects_answer(),
            translation,
            body: ResponseBody::Passing,
        }
    }

    /// A request in policy mode, to whatever server is behind this filter.
    pub(in crate::stream) fn behind(translation: Translation) -> Self {
        Self {
            server: None,
            name: "upstream".to_owned(),
            answered: !translation.expects_answer(),
            translation,
            body: ResponseBody::Passing,
        }
    }

    pub(in crate::stream) fn reads_answer(&self) -> bool {
        !matches!(self.body, ResponseBody::Passing)
    }

    /// Whether a part of the answer is there, and the rest is to come.
    fn is_unfinished(&self) -> bool {
        match &self.body {
            ResponseBody::Message { .. } => true,
            ResponseBody::Events { .. } => !self.answered,
            ResponseBody::Passing | ResponseBody::Instead(_) => false,
        }
    }

    /// Whether the headers of the answer wait for its end.
    fn is_held(&self) -> bool {
        matches!(self.body, ResponseBody::Message { held: true, .. })
    }

    fn refusal(&self, failure: &Failure) -> Refusal {
        match failure {
            // The gateway's own session is not the client's business.
            Failure::SessionLost if !self.translation.uses_pooled_session() => {
                Refusal::SessionUnknown
            }
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
    pub(in crate::stream) fn routed_headers(
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
        let reading = ResponseKind::of(headers, details, &routed.translation, end);
        if matches!(reading, ResponseKind::Failed(_)) || reading.is_refusal() {
            // It may be of another era by now.
            worker.servers.forget(&routed.name);
        }
        if let (ResponseKind::Failed(failure), Some(gateway)) = (&reading, &self.config.gateway) {
            routed.failed_in_session(failure, gateway, worker);
        }
        let mut effects: Vec<Effect> = Vec::new();
        let is_gateways = !routed.translation.is_policy_mode();
        if is_gateways && (reading != ResponseKind::Pass || is_from_server(details)) {
            let theirs = KEPT_BACK.iter().filter(|name| headers.get(name).is_some());
            effects.extend(theirs.map(|name| Effect::RemoveResponseHeader((*name).to_owned())));
        }
        match reading {
            ResponseKind::Pass => passing(effects),
            ResponseKind::Events => {
                routed.body = ResponseBody::Events {
                    parser: Parser::new(longest),
                    resumable: false,
                };
                effects.push(Effect::RemoveResponseHeader("content-length".to_owned()));
                passing(effects)
            }
            ResponseKind::Message(_) if announced(headers) > longest => {
                self.replaced(&Failure::TooLong(longest), effects, end)
            }
            ResponseKind::Message(status) => {
                // Where Envoy stops for good at headers that wait, they go on.
                let held = self.config.hold;
                routed.body = ResponseBody::Message {
                    status,
                    text: Vec::new(),
                    held,
                };
                effects.push(Effect::RemoveResponseHeader("content-length".to_owned()));
                let flow = if held { Flow::Hold } else { Flow::Continue };
                Step { effects, flow }
            }
            ResponseKind::Failed(failure) => {
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
            routed.body = ResponseBody::Instead(reply.body);
        }
        passing(effects)
    }

    /// A part of the body of a server's answer.
    pub(in crate::stream) fn response_body(
        &mut self,
        part: &[u8],
        end: bool,
        worker: &mut Worker,
    ) -> Step {
        let longest = self.longest();
        let Phase::Routed(routed) = &mut self.phase else {
            return passing(Vec::new());
        };
        match &mut routed.body {
            ResponseBody::Passing => passing(Vec::new()),
            ResponseBody::Instead(body) => {
                passing(vec![Effect::ReplaceResponseBody(std::mem::take(body))])
            }
            ResponseBody::Message { text, held, .. } => {
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
            ResponseBody::Events { .. } => self.events(part, end, worker),
        }
    }

    /// Trailers came, so the body is complete.
    pub(in crate::stream) fn response_trailers(&mut self) -> Step {
        let held = match &self.phase {
            Phase::Routed(RoutedRequest {
                body: ResponseBody::Message { held, .. },
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
        let ResponseBody::Message { status, text, .. } = &mut routed.body else {
            return passing(Vec::new());
        };
        let (status, text) = (*status, std::mem::take(text));
        let read = std::str::from_utf8(&text)
            .ok()
            .and_then(|text| routed.translation.translate(text).ok());
        let (body, is_error) = match read {
            Some(Translated::Forwarded {
                changed,
                is_answer: true,
                is_error,
            }) => (changed, is_error),
            Some(Translated::NotInVersion) => return self.message_failed(&Failure::NotInVersion),
            _ => return self.message_failed(&not_an_answer(status)),
        };
        if status != 200 && !is_error {
            return self.message_failed(&not_an_answer(status));
        }
        let body = body.unwrap_or(text);
        let shown = routed.translation.status(status);
        let mut effects = Vec::new();
        if shown != status && routed.is_held() {
            effects.push(Effect::SetResponseHeader(":status", shown.to_string()));
        }
        routed.answered = true;
        routed.body = ResponseBody::Passing;
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
            routed.body = ResponseBody::Instead(Vec::new());
        }
        passing(effects)
    }

    /// The router gave up when a part of the answer was there already, which no
    /// filter sees: all that is left is to count it.
    pub(in crate::stream) fn broken_off(&self, details: &str) -> Vec<Effect> {
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
    pub(in crate::stream) fn server_failed(
        &self,
        failure: &Failure,
        effects: &mut Vec<Effect>,
    ) -> Reply {
        let Phase::Routed(routed) = &self.phase else {
            return Reply::default();
        };
        let refusal = routed.refusal(failure);
        if let Some(server) = routed.server {
            effects.extend(self.failed(server, failure));
        }
        effects.extend(count(self.config.metrics.rejected(refusal.status()), 1));
        effects.extend(shown(Export::status(refusal.status(), self.config.storage)));
        let line = format!("server {} {}", routed.name, failure.for_log());
        effects.push(Effect::Log(log::Level::Debug, line));
        refusal.reply(routed.translation.id.as_deref())
    }

    /// Bytes of one message that must be looked into.
    pub(in crate::stream) fn longest(&self) -> usize {
        self.config.max_response_bytes
    }
}

/// The length of a body, as its headers announce it; 0 where they don't.
fn announced(headers: &Headers) -> usize {
    let length = headers.text("content-length");
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

pub(in crate::stream) fn passing(effects: Vec<Effect>) -> Step {
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
