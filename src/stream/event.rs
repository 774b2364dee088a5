//! What happens to a stream, and what the host is to do about it.

use std::rc::Rc;

use crate::gateway::upstream::call::{Call, CallId};
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::worker::calls::DispatchId;
use crate::http::{Headers, Reply};
use crate::metrics::Metric;
use crate::policy::authorization::Principal;

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
        known: HostFacts,
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
        answer: CallResult,
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
pub struct HostFacts {
    /// The dynamic metadata that [`Stream::identity`] names.
    pub identity: Option<String>,
    /// What `authorization` asks.
    pub rights: Principal,
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
    Call(DispatchId, Rc<Call>),
    /// CallResult the request; the last effect of its step.
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
