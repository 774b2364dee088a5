//! One HTTP request through the filter, from its headers to its answer, as
//! events in and effects out. Holds no host handle.

mod answering;
mod asking;
mod events;
mod gateway;
mod legacy;
mod listening;
mod outcome;
mod release;
mod request;
mod response;
mod rights;
mod routing;
mod sending;
mod session;

use std::rc::Rc;

use crate::config::{Config, Identity};
use crate::gateway::answer::Answer;
use crate::gateway::call::{Call, CallId};
use crate::gateway::calls::{JobId, StreamId};
use crate::gateway::worker::Worker;
use crate::http::protected_resource::Asked;
use crate::http::{Headers, Reply};
use crate::metrics::Metric;
use crate::policy::authorization::Caller;
use crate::policy::claim::Claim;
use answering::Routed;
use asking::Asking;

/// What happens to a stream.
#[derive(Debug)]
pub enum Event<'a> {
    /// The request's headers came; `end` when neither body nor trailers follow.
    RequestHeaders {
        /// All of them.
        headers: Headers,
        /// Nothing follows.
        end: bool,
        /// What Envoy knows of who sent it.
        known: Known,
    },
    /// A part of the request's body came, and more follows; `size` is what is
    /// there so far, in bytes.
    RequestBody {
        /// Bytes held so far.
        size: usize,
    },
    /// The request is complete.
    RequestEnd {
        /// The whole body.
        body: &'a [u8],
        /// Trailers came after it.
        trailers: bool,
    },
    /// A call was answered, or failed.
    CallDone {
        /// Which one.
        id: CallId,
        /// With what.
        answer: Answer,
    },
    /// The headers of the answer came, whoever made it: this filter, too.
    ResponseHeaders {
        /// All of them.
        headers: Headers,
        /// Nothing follows.
        end: bool,
        /// Envoy's `%RESPONSE_CODE_DETAILS%`, for a [routed](Stream::is_routed)
        /// request.
        details: Option<String>,
    },
    /// A part of the answer's body came.
    ResponseBody {
        /// The part, without what came before.
        part: &'a [u8],
        /// It is the last one.
        end: bool,
    },
    /// Trailers came after the answer's body.
    ResponseTrailers,
}

/// What Envoy knows of who sent a request, when its headers come.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The dynamic metadata that [`Stream::identity`] names.
    pub identity: Option<String>,
    /// What `authorization` asks.
    pub rights: Caller,
}

/// What the host is to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Remove every field of this name from the request.
    RemoveRequestHeader(String),
    /// Make this the one field of its name in the request.
    SetRequestHeader(&'static str, String),
    /// Add a field to the request.
    AddRequestHeader(String, String),
    /// Replace the whole body of the request.
    ReplaceRequestBody(Vec<u8>),
    /// Remove the request's trailers.
    RemoveRequestTrailers,
    /// Write filter state; Envoy puts `wasm.` before the key.
    SetState(&'static str, Vec<u8>),
    /// Select the route anew.
    ClearRouteCache,
    /// Send a request to a cluster.
    Call(JobId, Rc<Call>),
    /// Answer the request; the last effect of its step.
    Reply(Reply),
    /// Remove every field of this name from the answer.
    RemoveResponseHeader(String),
    /// Make this the one field of its name in the answer.
    SetResponseHeader(&'static str, String),
    /// Add a field to the answer.
    AddResponseHeader(&'static str, String),
    /// Replace the part of the answer's body that has come.
    ReplaceResponseBody(Vec<u8>),
    /// Add to a counter, or record in a histogram.
    Count(Metric, u64),
    /// Write a line to Envoy's log.
    Log(log::Level, String),
}

/// Whether the request goes on to later filters, or the answer to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It goes on, or has gone on already.
    Continue,
    /// It waits.
    Hold,
}

/// The answer to an event.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// What to do first.
    pub effects: Vec<Effect>,
    /// What becomes of the request, or the answer, then.
    pub flow: Flow,
}

/// One request and its answer.
#[derive(Debug)]
pub struct Stream {
    id: StreamId,
    config: Rc<Config>,
    phase: Phase,
    /// Present when the request is to an endpoint, or for its metadata.
    endpoint: Option<Endpoint>,
}

/// What the answer must know of a request to an endpoint, or for its metadata.
#[derive(Debug)]
struct Endpoint {
    origin: Option<String>,
    /// How the client knows it; absent where no answer says so.
    asked: Option<Asked>,
    /// The JSON text of the request's id, where it was read.
    id: Option<String>,
    /// Envoy writes the body of an answer of ours as a status of gRPC.
    is_grpc: bool,
    /// It is the metadata that was asked.
    is_metadata: bool,
}

/// What is known of a request while its body comes.
#[derive(Debug, Default)]
struct Reading {
    headers: Headers,
    known: Rc<Known>,
    /// What later filters were told already, and the body must now bear out.
    claim: Option<Claim>,
}

/// How far the request has come.
#[derive(Debug)]
enum Phase {
    /// Its headers have not come.
    New,
    /// The rest of its body is to come.
    Reading(Reading),
    /// It waits for servers.
    Asking(Asking),
    /// It has gone on.
    Released,
    /// It has gone on to a server, whose answer is looked at.
    Routed(Routed),
    /// This filter has answered it.
    Answered,
}

impl Stream {
    /// A request that has yet to come; `id` is its own on this worker.
    pub fn new(id: StreamId, config: Rc<Config>) -> Self {
        Self {
            id,
            config,
            phase: Phase::New,
            endpoint: None,
        }
    }

    /// Takes an event.
    pub fn on(&mut self, event: Event<'_>, worker: &mut Worker) -> Step {
        let at_headers = matches!(event, Event::RequestHeaders { .. });
        let effects = match event {
            Event::RequestHeaders {
                headers,
                end,
                known,
            } => self.request_headers((headers, Rc::new(known)), end, worker),
            Event::RequestBody { size } => self.request_body(size),
            Event::RequestEnd { body, trailers } => self.request_end(body, trailers, worker),
            Event::CallDone { id, answer } => self.call_done(id, answer, worker),
            Event::ResponseHeaders {
                headers,
                end,
                details,
            } => {
                let step = self.response_headers(&headers, end, details.as_deref(), worker);
                return Self::posted(step, worker);
            }
            Event::ResponseBody { part, end } => {
                let step = self.response_body(part, end, worker);
                return Self::posted(step, worker);
            }
            Event::ResponseTrailers => return self.response_trailers(),
        };
        let flow = self.flow(at_headers);
        Self::posted(Step { effects, flow }, worker)
    }

    /// Makes the calls first whose answer nobody waits for: a reply is the last
    /// thing that a stream does.
    fn posted(mut step: Step, worker: &mut Worker) -> Step {
        step.effects.splice(0..0, Self::outbox(worker));
        step
    }

    fn outbox(worker: &mut Worker) -> impl Iterator<Item = Effect> {
        let posted = worker.posted().into_iter();
        posted.map(|(job, call)| Effect::Call(job, call))
    }

    /// The namespace and path of the dynamic metadata that tell callers apart,
    /// by the configuration.
    pub fn identity(&self) -> Option<(&str, &[String])> {
        match &self.config.gateway.as_ref()?.sessions.identity {
            Some(Identity::Metadata { namespace, path }) => Some((namespace, path)),
            _ => None,
        }
    }

    /// Whether the request waits for the rest of its body.
    pub fn is_reading(&self) -> bool {
        matches!(self.phase, Phase::Reading(_))
    }

    /// Whether the headers of the answer are of interest.
    pub fn completes_answers(&self) -> bool {
        self.cors().is_some() || self.asked().is_some() || self.is_routed()
    }

    /// Whether the request went on to a server that this filter chose.
    pub fn is_routed(&self) -> bool {
        matches!(self.phase, Phase::Routed(_))
    }

    /// Whether the body of the answer is of interest.
    pub fn reads_answer(&self) -> bool {
        matches!(&self.phase, Phase::Routed(routed) if routed.reads_answer())
    }

    /// The request is over, however it ended: with these of Envoy's
    /// `%RESPONSE_CODE_DETAILS%`, for a [routed](Self::is_routed) one.
    pub fn over(&mut self, details: Option<&str>, worker: &mut Worker) -> Vec<Effect> {
        if let (Phase::Asking(asking), Some(gateway)) = (&self.phase, &self.config.gateway) {
            worker.calls.gone(self.id);
            asking.given_up(gateway, worker);
        }
        let mut effects = details.map_or_else(Vec::new, |details| self.broken_off(details));
        self.routed_over(worker);
        effects.extend(Self::outbox(worker));
        effects
    }

    fn flow(&self, at_headers: bool) -> Flow {
        match self.phase {
            // Without hold the headers go on, and the body waits.
            Phase::Reading(_) if at_headers && !self.config.hold => Flow::Continue,
            Phase::New | Phase::Released | Phase::Routed(_) => Flow::Continue,
            Phase::Reading(_) | Phase::Asking(_) | Phase::Answered => Flow::Hold,
        }
    }
}
