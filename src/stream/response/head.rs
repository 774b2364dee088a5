//! The headers of a response. Every response passes here: from a server, from another filter, or
//! from this filter.

use crate::http::{Headers, Reply};
use crate::policy::refusal;
use crate::stream::context::StreamContext;
use crate::stream::endpoint::{CHALLENGE, Endpoint};
use crate::stream::event::{Effect, Flow, Step};
use crate::stream::response::kind::is_from_server;

/// Headers that describe a body, or that Envoy writes itself. They are removed if the response gets
/// another body.
const REPLACED: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "server",
    "transfer-encoding",
];

/// The start of a response.
#[derive(Clone, Copy)]
pub(in crate::stream) struct ResponseHead<'a> {
    pub(in crate::stream) headers: &'a Headers,
    /// The response has no body.
    pub(in crate::stream) end: bool,
    /// Envoy's `%RESPONSE_CODE_DETAILS%`, for a routed request.
    pub(in crate::stream) details: Option<&'a str>,
}

/// The origin of a response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::stream) enum ResponseSource {
    /// This filter made it.
    ThisFilter,
    /// A server of the gateway made it. With `got_credentials`, the server got credentials of the
    /// caller, so a 401 of the server is about the caller.
    GatewayServer { got_credentials: bool },
    /// Another filter, Envoy's router, or in policy mode the upstream.
    Other,
}

impl ResponseHead<'_> {
    /// Whether a server made the response.
    pub(in crate::stream) fn is_from_server(&self) -> bool {
        is_from_server(self.details)
    }

    /// The value of `:status`; `None` where it is not a number.
    pub(in crate::stream) fn status(&self) -> Option<u16> {
        self.headers.text(":status")?.parse().ok()
    }

    /// The value of `content-length`; `None` where the length is not known yet.
    pub(in crate::stream) fn content_length(&self) -> Option<usize> {
        self.headers.text("content-length")?.parse().ok()
    }

    /// Adds to `step` the header changes that CORS and OAuth require for this response.
    pub(in crate::stream) fn complete(
        self,
        cx: &StreamContext<'_>,
        source: ResponseSource,
        mut step: Step,
    ) -> Step {
        let Some(endpoint) = cx.endpoint.as_ref() else {
            return step;
        };
        let mut changes = self.cors_changes(cx, endpoint, source);
        let challenge = self.challenge(cx, endpoint, source);
        let is_challenged = challenge.is_some();
        if let Some(line) = challenge {
            changes.push(Effect::RemoveResponseHeader(CHALLENGE.to_owned()));
            changes.push(Effect::SetResponseHeader(CHALLENGE, line));
        }
        if let Some(Effect::Reply(reply)) = step.effects.last_mut() {
            // Envoy does not call this filter again for a reply that it makes here, so the headers
            // change now.
            *reply = apply(std::mem::take(reply), Vec::new(), changes);
            return step;
        }
        if is_challenged && self.end && !endpoint.is_grpc && self.status() == Some(401) {
            // Clients search the body for the error, but this response has no body.
            let error = refusal::unauthorized(endpoint.request_id.as_deref());
            return Step {
                effects: vec![Effect::Reply(apply(error, self.kept(), changes))],
                flow: Flow::Hold,
            };
        }
        step.effects.extend(changes);
        step
    }

    fn cors_changes(
        self,
        cx: &StreamContext<'_>,
        endpoint: &Endpoint,
        source: ResponseSource,
    ) -> Vec<Effect> {
        if endpoint.cors(cx.config).is_none() {
            return Vec::new();
        }
        // A server writes CORS headers for its own clients, and not for the clients of this
        // endpoint.
        let names = self.headers.names();
        let foreign = names.filter(|name| {
            source != ResponseSource::ThisFilter && name.starts_with("access-control-")
        });
        let mut effects: Vec<Effect> = foreign
            .map(|name| Effect::RemoveResponseHeader(name.to_owned()))
            .collect();
        effects.extend(endpoint.allow_origin(cx.config));
        effects
    }

    fn challenge(
        self,
        cx: &StreamContext<'_>,
        endpoint: &Endpoint,
        source: ResponseSource,
    ) -> Option<String> {
        let ignores_present = match source {
            // The 401 is about the gateway's own credentials, and the filter has replaced the
            // response already.
            ResponseSource::GatewayServer {
                got_credentials: false,
            } => return None,
            // The server's challenge names the server, but the client needs a challenge for this
            // endpoint.
            ResponseSource::GatewayServer { .. } => true,
            ResponseSource::ThisFilter | ResponseSource::Other => false,
        };
        endpoint.challenge(cx.config, self.headers, ignores_present)
    }

    /// The headers that stay if the response gets another body.
    fn kept(self) -> Vec<(String, String)> {
        let fields = self.headers.iter();
        fields
            .filter(|(name, _)| !name.starts_with(':') && !REPLACED.contains(name))
            .filter_map(|(name, value)| {
                let value = std::str::from_utf8(value).ok()?;
                Some((name.to_owned(), value.to_owned()))
            })
            .collect()
    }
}

/// `reply` with the headers `fields`, after these `changes` of response headers.
pub(in crate::stream) fn apply(
    reply: Reply,
    mut fields: Vec<(String, String)>,
    changes: Vec<Effect>,
) -> Reply {
    for change in changes {
        match change {
            Effect::RemoveResponseHeader(name) => fields.retain(|(have, _)| *have != name),
            Effect::SetResponseHeader(name, value) => {
                fields.retain(|(have, _)| have != name);
                fields.push((name.to_owned(), value));
            }
            Effect::AddResponseHeader(name, value) => fields.push((name.to_owned(), value)),
            _ => {}
        }
    }
    fields
        .into_iter()
        .fold(reply, |reply, (name, value)| reply.with(name, value))
}
