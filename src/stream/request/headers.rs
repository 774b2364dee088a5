//! The headers of a request: decides whether the request is for this filter, and whether the filter
//! can answer it without its body.

use std::rc::Rc;

use crate::config::Config;
use crate::http::cors::Cors;
use crate::http::protected_resource::{self, ProtectedResource};
use crate::http::{Headers, Reply};
use crate::policy::Refusal;
use crate::policy::export;
use crate::policy::traffic::{Class, TrafficMode};
use crate::stream::context::StreamContext;
use crate::stream::endpoint::Endpoint;
use crate::stream::event::{Effect, HostFacts};
use crate::stream::phase::Transition;
use crate::stream::request::authorization;
use crate::stream::request::body::BufferedRequest;
use crate::stream::request::classify::classify;

/// The text before a token. The case matters: Envoy's `jwt_authn` searches for exactly this text.
const BEARER: &[u8] = b"Bearer ";

/// The headers of the request arrived. `end` is `true` if it has no body.
pub(in crate::stream) fn on_headers(
    cx: &mut StreamContext<'_>,
    headers: Headers,
    facts: HostFacts,
    end: bool,
) -> Transition {
    let effects = remove_forged(&headers);
    decide(cx, headers, facts, end).after(effects)
}

/// Removes headers that only this filter may set. This happens first, and for every path, since
/// later filters trust these headers.
fn remove_forged(headers: &Headers) -> Vec<Effect> {
    let forged = export::HEADERS.iter();
    let forged = forged.filter(|name| headers.get(name).is_some());
    let mut effects: Vec<Effect> = forged
        .map(|name| Effect::RemoveRequestHeader((*name).to_owned()))
        .collect();
    if !effects.is_empty() {
        // Envoy may have selected the route by such a header.
        effects.push(Effect::ClearRouteCache);
    }
    effects
}

fn decide(
    cx: &mut StreamContext<'_>,
    headers: Headers,
    mut facts: HostFacts,
    end: bool,
) -> Transition {
    let config = cx.config;
    let path = headers.get(":path").unwrap_or_default();
    let host = headers.get(":authority").unwrap_or_default();
    let id = config.endpoints.find(path, host);
    let described = described_resource(config, path, host);
    if id.is_none() && described.is_none() {
        return Transition::release(Vec::new());
    }
    facts.rights.endpoint = id;
    let endpoint = Endpoint::of(config, id, &headers, described.is_some());
    let endpoint = cx.endpoint.insert(endpoint);
    if let Some(cors) = endpoint.cors(config)
        && let Some(answered) = answer_for_cors(config, cors, &headers)
    {
        return answered;
    }
    if let (Some(oauth), Some(described)) = (&config.oauth, described) {
        return send_metadata(config, endpoint, &oauth.resource, &headers, described);
    }
    if id.is_none() {
        return Transition::release(Vec::new());
    }
    if lacks_token(config, &headers) {
        let refusal = Refusal::TokenMissing;
        return BufferedRequest::refuse_with_id(config, headers, Rc::new(facts), refusal, end);
    }
    if config.traffic_mode == TrafficMode::Noop {
        return Transition::release(Vec::new());
    }
    match classify(config, cx.gateway(), &headers, !end) {
        Class::Unread => authorization::pass_unread(config, &headers, &facts),
        Class::Refused(refusal) => {
            BufferedRequest::refuse_with_id(config, headers, Rc::new(facts), refusal, end)
        }
        Class::Message => BufferedRequest::start(cx, headers, Rc::new(facts), end),
    }
}

/// The path of the resource whose metadata is at `path` of `host` (RFC 9728 section 3.1), if the
/// resource is one of this filter's endpoints.
fn described_resource<'p>(config: &Config, path: &'p [u8], host: &[u8]) -> Option<&'p [u8]> {
    let oauth = config.oauth.as_ref();
    protected_resource::described(path).filter(|resource| {
        resource.is_empty()
            || config.endpoints.find(resource, host).is_some()
            || oauth.is_some_and(|oauth| oauth.resource.is_at(resource))
    })
}

/// Whether the request has no access token, although `oauth.requireToken` requires one (RFC 6750
/// section 2.1). Only what `jwt_authn` accepts as a token counts: `jwt_authn` may let a request
/// pass in which it finds none.
fn lacks_token(config: &Config, headers: &Headers) -> bool {
    let is_required = config.oauth.as_ref().is_some_and(|it| it.requires_token);
    let has_token = |value: &[u8]| {
        let token = value.strip_prefix(BEARER);
        token.is_some_and(|token| !token.trim_ascii().is_empty())
    };
    let has_one = |headers: &Headers| {
        let value = headers.single("authorization");
        value.is_ok_and(|value| value.is_some_and(has_token))
    };
    is_required && !has_one(headers)
}

/// The answer of CORS, if the request must not go on.
fn answer_for_cors(config: &Config, cors: &Cors, headers: &Headers) -> Option<Transition> {
    if !cors.allows(headers) {
        return Some(Transition::refuse(config, &Refusal::Origin, None));
    }
    if !Cors::is_preflight(headers) {
        return None;
    }
    let counted = Effect::Count(config.metrics.preflight, 1);
    let reply = Transition::reply(cors.preflight(headers));
    Some(reply.after(vec![counted]))
}

/// Answers with the metadata of the resource at the path `described`.
fn send_metadata(
    config: &Config,
    endpoint: &Endpoint,
    resource: &ProtectedResource,
    headers: &Headers,
    described: &[u8],
) -> Transition {
    if !matches!(headers.get(":method"), Some(b"GET" | b"HEAD")) {
        let refusal = Refusal::HttpMethod("GET, HEAD, OPTIONS");
        return Transition::refuse(config, &refusal, None);
    }
    let requested = endpoint.resource.as_ref();
    match requested.and_then(|requested| resource.metadata(requested, described)) {
        // Envoy removes the body of the answer to HEAD. Caches must not keep the document, since it
        // depends on the URL by which this client knows the resource.
        Some(document) => Transition::reply(
            Reply::json(200, document, "mcp_protected_resource").with("cache-control", "no-store"),
        ),
        None => Transition::refuse(config, &Refusal::Host, None),
    }
}
