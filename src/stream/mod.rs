//! One HTTP request through the filter, from its headers to its answer, as
//! events in and effects out. Holds no host handle.

mod event;
mod gateway;
mod outcome;
mod request;
mod response;

pub use event::{Effect, Event, Flow, HostFacts, Step};

use std::rc::Rc;

use crate::config::{Config, Identity};
use crate::gateway::worker::Worker;
use crate::gateway::worker::calls::StreamId;
use crate::http::Headers;
use crate::http::protected_resource::RequestedResource;
use crate::policy::claim::Claim;
use gateway::fanout::FanoutRequest;
use response::routed::RoutedRequest;

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
    asked: Option<RequestedResource>,
    /// The JSON text of the request's id, where it was read.
    id: Option<String>,
    /// Envoy writes the body of an answer of ours as a status of gRPC.
    is_grpc: bool,
    /// It is the metadata that was asked.
    is_metadata: bool,
}

/// What is known of a request while its body comes.
#[derive(Debug, Default)]
struct BufferedRequest {
    headers: Headers,
    known: Rc<HostFacts>,
    /// What later filters were told already, and the body must now bear out.
    claim: Option<Claim>,
}

/// How far the request has come.
#[derive(Debug)]
enum Phase {
    /// Its headers have not come.
    New,
    /// The rest of its body is to come.
    Buffering(BufferedRequest),
    /// It waits for servers.
    Fanout(FanoutRequest),
    /// It has gone on.
    Released,
    /// It has gone on to a server, whose answer is looked at.
    Routed(RoutedRequest),
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
        let posted = worker.dispatch_outbox().into_iter();
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
        matches!(self.phase, Phase::Buffering(_))
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
        if let (Phase::Fanout(asking), Some(gateway)) = (&self.phase, &self.config.gateway) {
            worker.calls.stop_waiting(self.id);
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
            Phase::Buffering(_) if at_headers && !self.config.hold => Flow::Continue,
            Phase::New | Phase::Released | Phase::Routed(_) => Flow::Continue,
            Phase::Buffering(_) | Phase::Fanout(_) | Phase::Answered => Flow::Hold,
        }
    }
}
