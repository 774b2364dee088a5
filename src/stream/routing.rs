//! A request that goes to one server, through Envoy's router.

use std::rc::Rc;

use super::answering::Routed;
use super::asking::Purpose;
use super::outcome::{count, shown};
use super::request::Incoming;
use super::{Effect, Phase, Stream};
use crate::config::{Gateway, Server};
use crate::gateway::call::{Caller, Question};
use crate::gateway::fanout::Fanout;
use crate::gateway::kind::Kind;
use crate::gateway::route::{self, Aimless, Target};
use crate::gateway::subscriptions::{self, Refused};
use crate::gateway::worker::Worker;
use crate::gateway::{forwarding, names};
use crate::http::Headers;
use crate::mcp::{self, Invalid, Message, method};
use crate::policy::Refusal;
use crate::policy::attributes::{Attributes, Chosen};
use crate::policy::export::Export;

/// A request that several servers may be meant by.
#[derive(Debug)]
pub(super) struct Held {
    headers: Headers,
    body: Vec<u8>,
    trailers: bool,
    kind: Kind,
    /// The servers, by their places.
    places: Vec<usize>,
    /// The list to look at if this one does not have it.
    otherwise: Option<Kind>,
}

impl Stream {
    /// Routes the request to the server that it names; where several share that
    /// name's prefix, their lists tell which of them has it.
    pub(super) fn find_server(
        &mut self,
        gateway: &Gateway,
        request: &Incoming<'_>,
        attributes: Attributes<'_>,
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let Incoming { message, body, .. } = *request;
        let text = text(body)?;
        let params = message.params().ok_or(Refusal::NameMissing("name"))?;
        let target = match Target::of(message.method(), text, params) {
            Ok(target) => target,
            Err(Aimless::Member(member)) => return Err(Refusal::NameMissing(member)),
            Err(Aimless::Method) => return self.aimless(gateway, request, attributes),
        };
        let (places, own) = names::candidates(&gateway.servers, target.kind, &target.name);
        match places.as_slice() {
            [] => Err(unknown(&target)),
            [at] => self.route(gateway, request, attributes, *at, Some((&target, own))),
            several => {
                let caller = Caller::of(&params.meta, forwarding::traced(request.headers))?;
                // Read or completed is a resource, or what a template makes.
                let (kind, otherwise) = match target.kind {
                    Kind::Resources => (Kind::Resources, Some(Kind::Templates)),
                    Kind::Templates => (Kind::Templates, Some(Kind::Resources)),
                    kind => (kind, None),
                };
                let held = Held {
                    headers: request.headers.clone(),
                    body: body.to_vec(),
                    trailers: request.trailers,
                    kind,
                    places: several.to_vec(),
                    otherwise,
                };
                let purpose = Purpose::Lookup(Box::new(held));
                Ok(self.ask(Question::List(kind), several, caller, purpose, worker))
            }
        }
    }

    /// The lists of the servers that may be meant are there.
    pub(super) fn found(
        &mut self,
        gateway: &Gateway,
        lists: Fanout,
        mut held: Held,
        worker: &mut Worker,
    ) -> Vec<Effect> {
        let body = std::mem::take(&mut held.body);
        // It was one when it was held.
        let Ok(message) = Message::parse(&body) else {
            let refusal = Refusal::Body(Invalid::NotJsonRpc("it has changed"));
            return self.refuse(&refusal, None);
        };
        let effects = self.found_for((&message, &body), gateway, lists, held, worker);
        effects.unwrap_or_else(|refusal| self.refuse(&refusal, message.id()))
    }

    fn found_for(
        &mut self,
        (message, body): (&Message<'_>, &[u8]),
        gateway: &Gateway,
        lists: Fanout,
        held: Held,
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        const NAMELESS: Refusal = Refusal::NameMissing("name");
        let config = Rc::clone(&self.config);
        let text = text(body)?;
        let params = message.params().ok_or(NAMELESS)?;
        let target = Target::of(message.method(), text, params).map_err(|_| NAMELESS)?;
        let Some(at) = lists.owner(held.kind, &target.name, gateway)? else {
            let Some(kind) = held.otherwise else {
                return Err(unknown(&target));
            };
            let caller = lists.into_caller();
            let places = held.places.clone();
            let held = Held {
                kind,
                otherwise: None,
                body: body.to_vec(),
                ..held
            };
            let purpose = Purpose::Lookup(Box::new(held));
            return Ok(self.ask(Question::List(kind), &places, caller, purpose, worker));
        };
        let attributes = Attributes::of(message, &held.headers, &config.rules)?;
        let request = Incoming {
            message,
            era: self.era(message, &held.headers)?,
            headers: &held.headers,
            body,
            trailers: held.trailers,
        };
        let (_, own) = names::candidates(&gateway.servers, target.kind, &target.name);
        self.route(gateway, &request, attributes, at, Some((&target, own)))
    }

    /// A method that is about nothing that servers have: a sole server may
    /// know it all the same.
    pub(super) fn aimless(
        &mut self,
        gateway: &Gateway,
        request: &Incoming<'_>,
        attributes: Attributes<'_>,
    ) -> Result<Vec<Effect>, Refusal> {
        if gateway.sole().is_some() {
            return self.route(gateway, request, attributes, 0, None);
        }
        Err(Refusal::UnknownMethod {
            method: request.message.method().to_owned(),
            modern: true,
        })
    }

    /// Hands the request over to Envoy's router, for the server at this place,
    /// which knows what it is about by its own name.
    fn route(
        &mut self,
        gateway: &Gateway,
        request: &Incoming<'_>,
        mut attributes: Attributes<'_>,
        at: usize,
        about: Option<(&Target<'_>, &str)>,
    ) -> Result<Vec<Effect>, Refusal> {
        let Incoming {
            message,
            headers,
            body,
            ..
        } = *request;
        let server = gateway
            .servers
            .get(at)
            .ok_or_else(|| Refusal::Servers(Vec::new()))?;
        let body = changed(server, text(body)?, message, about)?;
        let own = about.map(|(_, own)| own);
        let set = route::headers(
            server,
            message.method(),
            own.or(message.name().as_deref()),
            attributes.protocol_version.as_deref(),
            body.as_ref().map(Vec::len),
        );
        let chosen = Chosen {
            server: server.name.clone(),
            cluster: server.cluster.clone(),
        };
        attributes.route(chosen, own);
        let mut effects: Vec<Effect> = forwarding::removed(headers)
            .into_iter()
            .map(Effect::RemoveRequestHeader)
            .collect();
        if !set.iter().any(|(name, _)| *name == mcp::NAME_HEADER) {
            // Nothing in the body bears it out.
            effects.push(Effect::RemoveRequestHeader(mcp::NAME_HEADER.to_owned()));
        }
        effects.extend(
            set.into_iter()
                .map(|(name, value)| Effect::SetRequestHeader(name, value)),
        );
        if let Some(body) = body {
            // The length is known now; two ways to frame a body are one too many.
            effects.push(Effect::RemoveRequestHeader("transfer-encoding".to_owned()));
            effects.push(Effect::ReplaceRequestBody(body));
        }
        effects.extend(self.counted(&attributes));
        let calls = self.config.metrics.server(at).map(|server| server.calls);
        effects.extend(count(calls, 1));
        effects.extend(shown(Export::of(&attributes, self.config.storage)?));
        effects.push(Effect::ClearRouteCache);
        if request.trailers {
            // A server has no more business with a client's trailers than with
            // its headers; and nobody here has read them.
            effects.push(Effect::RemoveRequestTrailers);
        }
        self.phase = Phase::Routed(Routed::new(at, server, message));
        Ok(effects)
    }
}

/// The body as the server gets it; `None` where it stays as it is.
fn changed(
    server: &Server,
    text: &str,
    message: &Message<'_>,
    about: Option<(&Target<'_>, &str)>,
) -> Result<Option<Vec<u8>>, Refusal> {
    match (about, message.params()) {
        (Some((target, own)), _) if target.name != own => target
            .renamed(text, own)
            .map(Some)
            .ok_or(Refusal::NameMissing("name")),
        (None, Some(params)) if message.method() == method::LISTEN => {
            subscriptions::renamed(text, params, server).map_err(|why| match why {
                Refused::Malformed => Refusal::NameMissing("notifications"),
                Refused::Foreign(uri) => Refusal::UnknownName(Kind::Resources.noun(), uri),
            })
        }
        _ => Ok(None),
    }
}

fn text(body: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(body).map_err(|error| Refusal::Body(Invalid::NotJson(error.to_string())))
}

fn unknown(target: &Target<'_>) -> Refusal {
    // To clients a template is a resource.
    let kind = match target.kind {
        Kind::Templates => Kind::Resources,
        kind => kind,
    };
    Refusal::UnknownName(kind.noun(), target.name.clone().into_owned())
}
