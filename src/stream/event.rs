//! The events of a stream, and the effects that the host must carry out.
//!
//! Header values, bodies and calls may contain credentials. The `Debug` of the types here shows
//! names and lengths only.

use std::fmt;
use std::rc::Rc;

use crate::gateway::upstream::call::{Call, CallId};
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::worker::calls::DispatchId;
use crate::http::{Headers, Reply};
use crate::metrics::Metric;
use crate::policy::authorization::Principal;

/// An event of a stream.
pub enum Event<'a> {
    /// The headers of the request arrived.
    RequestHeaders {
        /// All of them.
        headers: Headers,
        /// Neither a body nor trailers follow.
        end: bool,
        /// What the host knows of the caller.
        known: HostFacts,
    },
    /// A part of the request's body arrived, and more follows.
    RequestBody {
        /// How many bytes of the body the host holds.
        size: usize,
    },
    /// No byte of the request's body arrived within
    /// [`BODY_TIMEOUT`](super::BODY_TIMEOUT).
    BodyTimeout,
    /// The request is complete.
    RequestEnd {
        /// The whole body.
        body: &'a [u8],
        /// The request has trailers.
        trailers: bool,
    },
    /// A call of this stream has a result.
    CallDone {
        /// The call.
        id: CallId,
        /// Its result.
        answer: CallResult,
    },
    /// The headers of the response arrived. A server, another filter or this filter made the
    /// response.
    ResponseHeaders {
        /// All of them.
        headers: Headers,
        /// Neither a body nor trailers follow.
        end: bool,
        /// Envoy's `%RESPONSE_CODE_DETAILS%`, for a
        /// [routed](super::Stream::is_routed) request.
        details: Option<String>,
    },
    /// A part of the response's body arrived.
    ResponseBody {
        /// This part only, without the earlier parts.
        part: &'a [u8],
        /// It is the last part.
        end: bool,
    },
    /// Trailers arrived after the response's body.
    ResponseTrailers,
}

/// What the host knows about a caller when the headers of the request arrive.
#[derive(Clone, Default)]
pub struct HostFacts {
    /// The dynamic metadata that [`Stream::identity`](super::Stream::identity)
    /// names.
    pub identity: Option<String>,
    /// The data for the rules of `authorization`.
    pub rights: Principal,
}

/// An effect: what the host must do.
#[derive(Clone, PartialEq, Eq)]
pub enum Effect {
    /// Remove all fields of this name from the request.
    RemoveRequestHeader(String),
    /// Replace all fields of this name in the request with one.
    SetRequestHeader(&'static str, String),
    /// Add a field to the request.
    AddRequestHeader(String, String),
    /// Replace the whole body of the request.
    ReplaceRequestBody(Vec<u8>),
    /// Remove the trailers of the request.
    RemoveRequestTrailers,
    /// Write filter state; Envoy puts `wasm.` before the key.
    SetState(&'static str, Vec<u8>),
    /// Select the route again.
    ClearRouteCache,
    /// Send a request to a cluster.
    Call(DispatchId, Rc<Call>),
    /// Answer the request. It is the last effect of a step.
    Reply(Reply),
    /// Remove all fields of this name from the response.
    RemoveResponseHeader(String),
    /// Replace all fields of this name in the response with one.
    SetResponseHeader(&'static str, String),
    /// Add a field to the response.
    AddResponseHeader(&'static str, String),
    /// Replace the part of the response's body that has just arrived, and also what waits before it
    /// in Envoy's buffer. If something waits there, the new text is not longer than what it
    /// replaces. The step does not hold.
    ReplaceResponseBody(Vec<u8>),
    /// Reset the stream, so that the client sees that the response is incomplete. It is the last
    /// effect of a step that holds.
    ResetStream,
    /// Add to a counter, or record in a histogram.
    Count(Metric, u64),
    /// Write a line to Envoy's log.
    Log(log::Level, String),
}

/// Whether the request goes on to later filters, or the response to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// The request or response goes on, or has gone on already.
    #[default]
    Continue,
    /// The request or response waits.
    Hold,
}

/// What a stream decides after an event. The default does nothing and continues.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Step {
    /// The effects, in the order in which the host must carry them out.
    pub effects: Vec<Effect>,
    /// Whether the request or the response goes on after the effects.
    pub flow: Flow,
}

impl Step {
    /// The response goes on after `effects`.
    pub(in crate::stream) fn pass(effects: Vec<Effect>) -> Self {
        Self {
            effects,
            flow: Flow::Continue,
        }
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |headers: &Headers| headers.names().map(str::to_owned).collect::<Vec<_>>();
        match self {
            Self::RequestHeaders {
                headers,
                end,
                known,
            } => f
                .debug_struct("RequestHeaders")
                .field("headers", &names(headers))
                .field("end", end)
                .field("known", known)
                .finish(),
            Self::RequestBody { size } => f.debug_tuple("RequestBody").field(size).finish(),
            Self::BodyTimeout => f.write_str("BodyTimeout"),
            Self::RequestEnd { body, trailers } => f
                .debug_struct("RequestEnd")
                .field("bytes", &body.len())
                .field("trailers", trailers)
                .finish(),
            Self::CallDone { id, .. } => f.debug_tuple("CallDone").field(id).finish(),
            Self::ResponseHeaders {
                headers,
                end,
                details,
            } => f
                .debug_struct("ResponseHeaders")
                .field("headers", &names(headers))
                .field("end", end)
                .field("details", details)
                .finish(),
            Self::ResponseBody { part, end } => f
                .debug_struct("ResponseBody")
                .field("bytes", &part.len())
                .field("end", end)
                .finish(),
            Self::ResponseTrailers => f.write_str("ResponseTrailers"),
        }
    }
}

impl fmt::Debug for HostFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostFacts")
            .field("has_identity", &self.identity.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RemoveRequestHeader(name) => write!(f, "RemoveRequestHeader({name})"),
            Self::SetRequestHeader(name, _) => write!(f, "SetRequestHeader({name})"),
            Self::AddRequestHeader(name, _) => write!(f, "AddRequestHeader({name})"),
            Self::ReplaceRequestBody(body) => write!(f, "ReplaceRequestBody({})", body.len()),
            Self::RemoveRequestTrailers => f.write_str("RemoveRequestTrailers"),
            Self::SetState(key, _) => write!(f, "SetState({key})"),
            Self::ClearRouteCache => f.write_str("ClearRouteCache"),
            Self::Call(id, call) => write!(f, "Call({id:?}, {})", call.cluster),
            Self::Reply(reply) => write!(f, "Reply({}, {})", reply.status, reply.details),
            Self::RemoveResponseHeader(name) => write!(f, "RemoveResponseHeader({name})"),
            Self::SetResponseHeader(name, _) => write!(f, "SetResponseHeader({name})"),
            Self::AddResponseHeader(name, _) => write!(f, "AddResponseHeader({name})"),
            Self::ReplaceResponseBody(body) => write!(f, "ReplaceResponseBody({})", body.len()),
            Self::ResetStream => f.write_str("ResetStream"),
            Self::Count(metric, value) => write!(f, "Count({metric:?}, {value})"),
            Self::Log(level, line) => write!(f, "Log({level}, {line:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::gateway::store::NoStore;
    use crate::gateway::upstream::call::{CallContent, UpstreamRequest};
    use crate::gateway::worker::Worker;
    use crate::gateway::worker::calls::StreamId;
    use crate::stream::Stream;
    use std::time::Duration;
    use wasm_bindgen_test::wasm_bindgen_test;

    const SECRET: &str = "s3cr3t";

    fn secret_headers() -> Headers {
        Headers::from_pairs([
            (":method", "POST"),
            (":path", "/mcp"),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/list"),
            ("authorization", SECRET),
        ])
    }

    fn facts() -> HostFacts {
        HostFacts {
            identity: Some(SECRET.to_owned()),
            ..HostFacts::default()
        }
    }

    /// Asserts that a `Debug` text shows `name` and not the secret.
    fn check(shown: &str, name: &str) {
        assert!(shown.contains(name), "{shown}");
        assert!(!shown.contains(SECRET), "{shown}");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn debug_of_an_event_shows_no_values() {
        let request = Event::RequestHeaders {
            headers: secret_headers(),
            end: false,
            known: facts(),
        };
        check(&format!("{request:?}"), "authorization");
        check(&format!("{:?}", facts()), "has_identity: true");
        let end = Event::RequestEnd {
            body: SECRET.as_bytes(),
            trailers: false,
        };
        check(&format!("{end:?}"), "bytes: 6");
        let response = Event::ResponseHeaders {
            headers: secret_headers(),
            end: true,
            details: None,
        };
        check(&format!("{response:?}"), "authorization");
        let part = Event::ResponseBody {
            part: SECRET.as_bytes(),
            end: true,
        };
        check(&format!("{part:?}"), "bytes: 6");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn debug_of_an_effect_shows_no_values() {
        let secret = || SECRET.to_owned();
        let config = br#"{"servers":[{"name":"a"}]}"#;
        let gateway = Config::parse(config).unwrap().gateway.unwrap();
        let call = Call {
            id: Some(CallId(1)),
            server: gateway.servers[0].id,
            view: None,
            cluster: "mcp_a".to_owned(),
            headers: std::iter::once(("authorization".into(), secret())).collect(),
            body: SECRET.into(),
            timeout: Duration::from_secs(1),
            rpc_id: Some("1".to_owned()),
            content: CallContent::Mcp(UpstreamRequest::Ping),
            version: None,
            share: None,
            has_session: true,
        };
        let reply = Reply::json(200, SECRET.into(), "mcp_ok").with("mcp-session-id", SECRET);
        for (effect, name) in [
            (
                Effect::SetRequestHeader("authorization", secret()),
                "authorization",
            ),
            (
                Effect::AddRequestHeader("x-key".to_owned(), secret()),
                "x-key",
            ),
            (Effect::ReplaceRequestBody(SECRET.into()), "6"),
            (Effect::SetState("mcp.method", SECRET.into()), "mcp.method"),
            (Effect::Call(DispatchId(1), Rc::new(call)), "mcp_a"),
            (Effect::Reply(reply), "200"),
            (Effect::SetResponseHeader("vary", secret()), "vary"),
            (Effect::AddResponseHeader("vary", secret()), "vary"),
            (Effect::ReplaceResponseBody(SECRET.into()), "6"),
        ] {
            let step = Step {
                effects: vec![effect],
                flow: Flow::Hold,
            };
            check(&format!("{step:?}"), name);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn debug_of_a_stream_shows_its_phase_only() {
        let config = Config::parse(br#"{"servers":[{"name":"a"}]}"#).unwrap();
        let mut worker = Worker::new(|| Duration::ZERO, |_| (), Box::new(NoStore));
        let mut stream = Stream::new(StreamId(1), Rc::new(config));
        let headers = Event::RequestHeaders {
            headers: secret_headers(),
            end: false,
            known: facts(),
        };
        stream.on(headers, &mut worker);
        assert!(stream.is_reading());
        check(&format!("{stream:?}"), "Buffering");
        let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"x":"s3cr3t","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
        let end = Event::RequestEnd {
            body,
            trailers: false,
        };
        stream.on(end, &mut worker);
        check(&format!("{stream:?}"), "Fanout");
    }
}
