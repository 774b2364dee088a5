//! The requirements of an MCP endpoint for its responses: CORS, and the challenges of OAuth.

use super::event::Effect;
use crate::config::{Config, EndpointId};
use crate::http::cors::Cors;
use crate::http::protected_resource::RequestedResource;
use crate::http::{Headers, challenge};

/// The header with the challenge of a 401 or 403 (RFC 9110 section 11.6.1).
pub(in crate::stream) const CHALLENGE: &str = "www-authenticate";

/// The parts of a request that its response depends on. The request is to an endpoint, or for the
/// metadata of one.
pub(in crate::stream) struct Endpoint {
    /// The endpoint; `None` where the request is for metadata only.
    pub(in crate::stream) id: Option<EndpointId>,
    /// The header `Origin`.
    origin: Option<String>,
    /// The endpoint, with the URL by which the client knows it; `None` without `oauth` in the
    /// configuration.
    pub(in crate::stream) resource: Option<RequestedResource>,
    /// The JSON text of the request's id. `None` until the filter has read the body, and where no
    /// response needs it.
    pub(in crate::stream) request_id: Option<String>,
    /// The request is gRPC. Envoy turns the body of a reply to it into a gRPC status.
    pub(in crate::stream) is_grpc: bool,
    /// The request is for the metadata of an endpoint (RFC 9728).
    pub(in crate::stream) is_metadata: bool,
}

impl Endpoint {
    /// The endpoint data of a request with these headers.
    pub(in crate::stream) fn of(
        config: &Config,
        id: Option<EndpointId>,
        headers: &Headers,
        is_metadata: bool,
    ) -> Self {
        let content_type = headers.text("content-type");
        Self {
            id,
            origin: headers.text("origin").map(str::to_owned),
            resource: (config.oauth.as_ref()).map(|_| RequestedResource::of(headers)),
            request_id: None,
            is_grpc: content_type.is_some_and(|value| value.starts_with("application/grpc")),
            is_metadata,
        }
    }

    /// Stores the `id` of the request, after the filter has read its body.
    pub(in crate::stream) fn set_request_id(&mut self, id: Option<&str>) {
        if self.resource.is_some() {
            self.request_id = id.map(str::to_owned);
        }
    }

    /// Whether CORS or OAuth may change the headers of a response.
    pub(in crate::stream) fn completes_responses(&self, config: &Config) -> bool {
        self.cors(config).is_some() || self.resource.is_some()
    }

    /// The CORS policy for the response, where one is configured.
    pub(in crate::stream) fn cors<'c>(&self, config: &'c Config) -> Option<&'c Cors> {
        let metadata = config.oauth.as_ref().map(|oauth| &oauth.cors);
        let metadata = metadata.filter(|_| self.is_metadata);
        metadata.or(config.cors.as_ref())
    }

    /// The header changes that a browser on another origin needs.
    pub(in crate::stream) fn allow_origin(&self, config: &Config) -> Vec<Effect> {
        let Some(cors) = self.cors(config) else {
            return Vec::new();
        };
        let fields = cors.answer(self.origin.as_deref()).into_iter();
        let set = |(name, value)| match name {
            "vary" => Effect::AddResponseHeader(name, value),
            _ => Effect::SetResponseHeader(name, value),
        };
        fields.map(set).collect()
    }

    /// The challenge for a 401 response, and for a 403 response that says that scopes are missing.
    /// Another filter may have made the response. With `ignores_present`, the challenge in
    /// `headers` is about another resource and is ignored.
    pub(in crate::stream) fn challenge(
        &self,
        config: &Config,
        headers: &Headers,
        ignores_present: bool,
    ) -> Option<String> {
        let oauth = config.oauth.as_ref().filter(|_| !self.is_metadata)?;
        let requested = self.resource.as_ref()?;
        let present = || headers.all(CHALLENGE).filter(move |_| !ignores_present);
        match headers.get(":status") {
            Some(b"401") => Some(oauth.resource.challenge(requested, present())),
            Some(b"403") if challenge::is_insufficient_scope(present()) => {
                Some(oauth.resource.insufficient(requested, present()))
            }
            _ => None,
        }
    }
}
