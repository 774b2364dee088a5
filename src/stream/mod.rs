//! One HTTP request through the filter, from the headers of the request to the end of the response:
//! it takes events and gives effects. This code does not call the host.
//!
//! [`Stream`] only dispatches. Each phase of a request has a type, which holds the data that is
//! known in this phase, and handles the events that are possible in it. So the compiler makes sure,
//! for example, that only a request that went to a server gets a server's response.
//!
//! # Why `Rc`
//! The core shares values with [`Rc`], so a `Stream` and its [`Worker`] are not `Send`. They need
//! not be: each of Envoy's workers is one thread, and runs the filter in a V8 instance of its own,
//! which has one thread and shares no memory with the others. Atomic reference counts would protect
//! nothing. These values are shared: the configuration (by all streams); what the host knows about
//! the caller, and a legacy client's session (by a request and the step that resumes it later); and
//! a call to a server (by the streams that wait for it).

mod context;
mod effects;
mod endpoint;
mod event;
mod gateway;
mod phase;
mod request;
mod response;

pub use event::{Effect, Event, Flow, HostFacts, Step};
pub use request::body::BODY_TIMEOUT;

use std::fmt;
use std::rc::Rc;

use crate::config::{Config, Identity};
use crate::gateway::worker::Worker;
use crate::gateway::worker::calls::StreamId;
use context::StreamContext;
use endpoint::Endpoint;
use phase::{Phase, Transition};
use request::body::BufferedRequest;
use response::head::{ResponseHead, ResponseSource};

/// One request and its response.
pub struct Stream {
    id: StreamId,
    config: Rc<Config>,
    phase: Phase,
    /// Set when the request is to an endpoint, or for the metadata of one.
    endpoint: Option<Endpoint>,
}

impl Stream {
    /// A stream before the headers of its request have arrived. `id` is unique in this worker.
    pub fn new(id: StreamId, config: Rc<Config>) -> Self {
        Self {
            id,
            config,
            phase: Phase::New,
            endpoint: None,
        }
    }

    /// Handles an event. The caller must carry out the effects in their order.
    pub fn on(&mut self, event: Event<'_>, worker: &mut Worker) -> Step {
        let mut cx = StreamContext {
            id: self.id,
            config: &self.config,
            endpoint: &mut self.endpoint,
            worker,
        };
        let mut step = match event {
            Event::ResponseHeaders {
                headers,
                end,
                details,
            } => {
                let head = ResponseHead {
                    headers: &headers,
                    end,
                    details: details.as_deref(),
                };
                match &mut self.phase {
                    Phase::Routed(request) => request.on_head(&mut cx, head),
                    Phase::Answered => {
                        head.complete(&cx, ResponseSource::ThisFilter, Step::default())
                    }
                    _ => head.complete(&cx, ResponseSource::Other, Step::default()),
                }
            }
            Event::ResponseBody { part, end } => match &mut self.phase {
                Phase::Routed(request) => request.on_part(&mut cx, part, end),
                _ => Step::default(),
            },
            Event::ResponseTrailers => match &mut self.phase {
                Phase::Routed(request) => request.on_response_trailers(&mut cx),
                _ => Step::default(),
            },
            event => {
                let is_headers = matches!(event, Event::RequestHeaders { .. });
                let phase = std::mem::take(&mut self.phase);
                let transition = Self::on_request(phase, event, &mut cx);
                let flow = transition.next.flow(is_headers && !self.config.hold);
                self.phase = transition.next;
                let effects = transition.effects;
                Step { effects, flow }
            }
        };
        // A reply must be the last effect of a step, so these calls come first.
        let mut effects = take_outbox(worker);
        if !effects.is_empty() {
            effects.append(&mut step.effects);
            step.effects = effects;
        }
        step
    }

    /// Handles an event of the request, or of the calls made for it.
    fn on_request(phase: Phase, event: Event<'_>, cx: &mut StreamContext<'_>) -> Transition {
        match (phase, event) {
            (
                Phase::New,
                Event::RequestHeaders {
                    headers,
                    end,
                    known,
                },
            ) => request::headers::on_headers(cx, headers, known, end),
            (Phase::Buffering(request), Event::RequestBody { size }) => {
                cx.note_body();
                request.on_body_part(cx.config, size)
            }
            (Phase::Buffering(request), Event::RequestEnd { body, trailers }) => {
                cx.note_body();
                request.on_end(cx, body, trailers)
            }
            (Phase::Buffering(_), Event::BodyTimeout) => BufferedRequest::on_body_timeout(cx),
            (Phase::Fanout(request), Event::CallDone { id, answer }) => {
                request.on_call_done(cx, id, answer)
            }
            // This happens, for example, with the rest of a body that this filter does not read.
            (phase, _) => Transition::stay(phase),
        }
    }

    /// The place of the caller's identity in the dynamic metadata, as configured: the namespace,
    /// and the path in it.
    pub fn identity(&self) -> Option<(&str, &[String])> {
        match &self.config.gateway.as_ref()?.sessions.identity {
            Some(Identity::Metadata { namespace, path }) => Some((namespace, path)),
            _ => None,
        }
    }

    /// Whether the stream waits for the rest of the request's body.
    pub fn is_reading(&self) -> bool {
        matches!(self.phase, Phase::Buffering(_))
    }

    /// Whether the request waits for its body and its headers wait, too.
    pub fn holds_for_body(&self) -> bool {
        self.config.hold && self.is_reading()
    }

    /// Whether the stream needs the headers of the response.
    pub fn completes_answers(&self) -> bool {
        let completes = |endpoint: &Endpoint| endpoint.completes_responses(&self.config);
        self.endpoint.as_ref().is_some_and(completes) || self.is_routed()
    }

    /// Whether the request went to a server, and this filter reads its response.
    pub fn is_routed(&self) -> bool {
        matches!(self.phase, Phase::Routed(_))
    }

    /// Whether the stream needs the body of the response.
    pub fn reads_answer(&self) -> bool {
        matches!(&self.phase, Phase::Routed(request) if request.reads_response())
    }

    /// Whether the response of a server is incomplete. If the request ends now, the response was
    /// cut off.
    pub fn waits_for_answer(&self) -> bool {
        matches!(&self.phase, Phase::Routed(request) if request.is_incomplete())
    }

    /// The request is over, completed or not. `details` is Envoy's
    /// `%RESPONSE_CODE_DETAILS%`, where the stream [waits](Self::waits_for_answer) for an
    /// answer.
    pub fn over(&mut self, details: Option<&str>, worker: &mut Worker) -> Vec<Effect> {
        let mut cx = StreamContext {
            id: self.id,
            config: &self.config,
            endpoint: &mut self.endpoint,
            worker,
        };
        let mut effects = match &mut self.phase {
            Phase::Fanout(request) => {
                request.abandon(&mut cx);
                Vec::new()
            }
            Phase::Routed(request) => request.on_end(&mut cx, details),
            _ => Vec::new(),
        };
        // The host may keep the stream for a while, so the stream frees its memory now.
        self.phase = Phase::Released;
        effects.extend(take_outbox(worker));
        effects
    }
}

impl fmt::Debug for Stream {
    /// Shows the id and the phase only, since requests contain credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("id", &self.id)
            .field("phase", &self.phase.name())
            .finish_non_exhaustive()
    }
}

/// The calls to make now for which no stream waits, and the lines for the log.
fn take_outbox(worker: &mut Worker) -> Vec<Effect> {
    // This runs after each event of each stream, and mostly there is nothing.
    if worker.outbox.is_empty() && worker.notices.is_empty() {
        return Vec::new();
    }
    let posted = worker.dispatch_outbox().into_iter();
    let calls = posted.map(|(id, call)| Effect::Call(id, call));
    let notices = worker.notices.drain(..);
    let lines = notices.map(|(level, line)| Effect::Log(level, line));
    calls.chain(lines).collect()
}
