//! One HTTP request through the filter, from its headers to its answer, as
//! events in and effects out. Holds no host handle.

mod gateway;
mod request;
mod response;

use std::rc::Rc;
use std::time::Duration;

use crate::config::Config;
use crate::gateway::call::{Call, CallId, Response};
use crate::gateway::fanout::Fanout;
use crate::http::protected_resource::Asked;
use crate::http::{Headers, Reply};
use crate::metrics::Metric;
use crate::policy::claim::Claim;
use crate::worker::Worker;

/// What happens to a stream.
#[derive(Debug)]
pub enum Event<'a> {
    /// The request's headers came; `end` when neither body nor trailers follow.
    RequestHeaders {
        /// All of them.
        headers: Headers,
        /// Nothing follows.
        end: bool,
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
        response: Response,
    },
    /// The headers of the answer came, whoever made it: this filter, too.
    ResponseHeaders {
        /// All of them.
        headers: Headers,
        /// Nothing follows.
        end: bool,
    },
}

/// What the host is to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Remove every field of this name from the request.
    RemoveRequestHeader(String),
    /// Make this the one field of its name in the request.
    SetRequestHeader(&'static str, String),
    /// Replace the whole body of the request.
    ReplaceRequestBody(Vec<u8>),
    /// Remove the request's trailers.
    RemoveRequestTrailers,
    /// Write filter state; Envoy puts `wasm.` before the key.
    SetState(&'static str, Vec<u8>),
    /// Select the route anew.
    ClearRouteCache,
    /// Send a request to a cluster.
    Call(Call),
    /// Answer the request; the last effect of its step.
    Reply(Reply),
    /// Remove every field of this name from the answer.
    RemoveResponseHeader(String),
    /// Make this the one field of its name in the answer.
    SetResponseHeader(&'static str, String),
    /// Add a field to the answer.
    AddResponseHeader(&'static str, String),
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
    /// It is the metadata that was asked.
    is_metadata: bool,
}

/// What is known of a request while its body comes.
#[derive(Debug, Default)]
struct Reading {
    headers: Headers,
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
    /// It waits for servers; the JSON text of its id, and since when.
    Asking {
        fanout: Fanout,
        id: String,
        since: Duration,
    },
    /// It has gone on.
    Released,
    /// This filter has answered it.
    Answered,
}

impl Stream {
    /// A request that has yet to come.
    pub fn new(config: Rc<Config>) -> Self {
        Self {
            config,
            phase: Phase::New,
            endpoint: None,
        }
    }

    /// Takes an event.
    pub fn on(&mut self, event: Event<'_>, worker: &mut Worker) -> Step {
        let at_headers = matches!(event, Event::RequestHeaders { .. });
        let effects = match event {
            Event::RequestHeaders { headers, end } => self.request_headers(headers, end, worker),
            Event::RequestBody { size } => self.request_body(size),
            Event::RequestEnd { body, trailers } => self.request_end(body, trailers, worker),
            Event::CallDone { id, response } => self.call_done(id, &response, worker),
            Event::ResponseHeaders { headers, end } => return self.response_headers(&headers, end),
        };
        Step {
            effects,
            flow: self.flow(at_headers),
        }
    }

    /// Whether the request waits for the rest of its body.
    pub fn is_reading(&self) -> bool {
        matches!(self.phase, Phase::Reading(_))
    }

    /// Whether the headers of the answer are of interest.
    pub fn completes_answers(&self) -> bool {
        self.cors().is_some() || self.asked().is_some()
    }

    fn flow(&self, at_headers: bool) -> Flow {
        match self.phase {
            // Without hold the headers go on, and the body waits.
            Phase::Reading(_) if at_headers && !self.config.hold => Flow::Continue,
            Phase::New | Phase::Released => Flow::Continue,
            Phase::Reading(_) | Phase::Asking { .. } | Phase::Answered => Flow::Hold,
        }
    }
}
