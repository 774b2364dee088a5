//! The answer, whoever made it.

pub(in crate::stream) mod events;
pub(in crate::stream) mod kind;
pub(in crate::stream) mod lease;
pub(in crate::stream) mod routed;

use self::kind::is_from_server;
use crate::gateway::worker::Worker;
use crate::http::cors::Cors;
use crate::http::protected_resource::RequestedResource;
use crate::http::{Headers, Reply, challenge};
use crate::policy::refusal;
use crate::stream::{Effect, Flow, Phase, Step, Stream};

/// What this filter or Envoy says of an answer, and not who made it.
const REPLACED: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "server",
    "transfer-encoding",
];

impl Stream {
    /// Completes the answer: this is the one place where every answer passes,
    /// this filter's own, later filters' and servers'. `end` when no body
    /// follows; `details` are Envoy's, of the answer to a routed request.
    pub(in crate::stream) fn response_headers(
        &mut self,
        headers: &Headers,
        end: bool,
        details: Option<&str>,
        worker: &mut Worker,
    ) -> Step {
        // What a server says of its own tokens has been dealt with by then.
        let is_servers = self.is_gateways() && is_from_server(details) && !self.refuses_caller();
        let mut step = self.routed_headers(headers, end, details, worker);
        let mut fields = self.cross_origin(headers);
        let challenge = (!is_servers)
            .then(|| self.challenge(headers, details))
            .flatten();
        let is_challenge = challenge.is_some();
        if let Some(line) = challenge {
            fields.push(Effect::RemoveResponseHeader(CHALLENGE.to_owned()));
            fields.push(Effect::SetResponseHeader(CHALLENGE, line));
        }
        if let Some(Effect::Reply(reply)) = step.effects.last_mut() {
            // Such an answer is no longer seen by this filter.
            *reply = completed(std::mem::take(reply), Vec::new(), fields);
            return step;
        }
        let endpoint = self.endpoint.as_ref();
        let is_grpc = endpoint.is_some_and(|to| to.is_grpc);
        if is_challenge && end && !is_grpc && headers.get(":status") == Some(b"401") {
            // Clients look there for what happened.
            let id = endpoint.and_then(|endpoint| endpoint.id.as_deref());
            let reply = completed(refusal::unauthorized(id), kept(headers), fields);
            return Step {
                effects: vec![Effect::Reply(reply)],
                flow: Flow::Hold,
            };
        }
        step.effects.extend(fields);
        step
    }

    /// Whether a server of the gateway's was asked.
    fn is_gateways(&self) -> bool {
        self.is_routed() && self.config.gateway.is_some()
    }

    /// Whether a 401 of the server's is about the caller: then it is this
    /// endpoint's, too.
    fn refuses_caller(&self) -> bool {
        matches!(&self.phase, Phase::Routed(routed) if routed.translation.has_credentials)
    }

    /// Who may read the answer; absent where nothing is said of it.
    pub(in crate::stream) fn cors(&self) -> Option<&Cors> {
        let metadata = self.config.oauth.as_ref().map(|oauth| &oauth.cors);
        match self.endpoint.as_ref()? {
            endpoint if endpoint.is_metadata => metadata.or(self.config.cors.as_ref()),
            _ => self.config.cors.as_ref(),
        }
    }

    /// How the client knows the endpoint it called.
    pub(in crate::stream) fn asked(&self) -> Option<&RequestedResource> {
        self.endpoint.as_ref()?.asked.as_ref()
    }

    /// What a browser on another origin needs.
    pub(in crate::stream) fn cross_origin(&self, headers: &Headers) -> Vec<Effect> {
        let (Some(endpoint), Some(cors)) = (&self.endpoint, self.cors()) else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        if !matches!(self.phase, Phase::Answered) {
            // What a server says about CORS was meant for its own clients.
            let theirs = headers
                .names()
                .filter(|name| name.starts_with("access-control-"));
            effects.extend(theirs.map(|name| Effect::RemoveResponseHeader(name.to_owned())));
        }
        for (name, value) in cors.answer(endpoint.origin.as_deref()) {
            effects.push(match name {
                "vary" => Effect::AddResponseHeader(name, value),
                _ => Effect::SetResponseHeader(name, value),
            });
        }
        effects
    }

    /// The challenge of a 401 on an endpoint, and of a 403 that says that scopes
    /// are missing: another instance of this filter may have decided that.
    fn challenge(&self, headers: &Headers, details: Option<&str>) -> Option<String> {
        let oauth = self.config.oauth.as_ref()?;
        let endpoint = self
            .endpoint
            .as_ref()
            .filter(|endpoint| !endpoint.is_metadata)?;
        let asked = endpoint.asked.as_ref()?;
        // What a gateway's server says of tokens is about its own.
        let is_theirs = self.is_gateways() && is_from_server(details);
        let fields = || headers.all(CHALLENGE).filter(move |_| !is_theirs);
        let resource = &oauth.resource;
        match headers.get(":status") {
            Some(b"401") => Some(resource.challenge(asked, fields())),
            Some(b"403") if challenge::is_insufficient_scope(fields()) => {
                Some(resource.insufficient(asked, fields()))
            }
            _ => None,
        }
    }
}

const CHALLENGE: &str = "www-authenticate";

/// The fields of an answer that stay when it is given another body.
fn kept(headers: &Headers) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| !name.starts_with(':') && !REPLACED.contains(name))
        .filter_map(|(name, value)| {
            let value = std::str::from_utf8(value).ok()?;
            Some((name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// `reply` with these `fields`, as `effects` would have changed them.
pub(in crate::stream) fn completed(
    reply: Reply,
    fields: Vec<(String, String)>,
    effects: Vec<Effect>,
) -> Reply {
    let mut fields = fields;
    for effect in effects {
        match effect {
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
