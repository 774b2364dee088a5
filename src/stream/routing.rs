//! A request that goes to one server, through Envoy's router.

use std::rc::Rc;

use super::asking::Purpose;
use super::legacy;
use super::request::Incoming;
use super::sending::{About, Way};
use super::session::Client;
use super::{Effect, Known, Stream};
use crate::config::Gateway;
use crate::gateway::fanout::{Fanout, Goal};
use crate::gateway::kind::Kind;
use crate::gateway::names;
use crate::gateway::route::{Aimless, Target};
use crate::gateway::voice::Voice;
use crate::gateway::worker::Worker;
use crate::http::Headers;
use crate::mcp::{Invalid, Message};
use crate::policy::Refusal;
use crate::policy::attributes::Attributes;
use crate::policy::era::Era;

/// A request that waits until it is known where it goes.
#[derive(Debug)]
pub(super) struct Held {
    headers: Headers,
    body: Vec<u8>,
    trailers: bool,
    client: Client,
    known: Rc<Known>,
}

/// The lists in which the server is looked for that a request is for.
#[derive(Debug)]
pub(super) struct Search {
    kind: Kind,
    /// The servers that may be meant, by their places.
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
        let Some(target) = target(request)? else {
            return self.aimless(gateway, request, attributes, worker);
        };
        let (places, own) = names::candidates(&gateway.servers, target.kind, &target.name);
        match places.as_slice() {
            [] => Err(unknown(&target)),
            [at] => self.approach(
                gateway,
                request,
                attributes,
                (*at, Some((&target, own))),
                worker,
            ),
            _ => {
                // Read or completed is a resource, or what a template makes.
                let (kind, otherwise) = match target.kind {
                    Kind::Resources => (Kind::Resources, Some(Kind::Templates)),
                    Kind::Templates => (Kind::Templates, Some(Kind::Resources)),
                    kind => (kind, None),
                };
                let search = Search {
                    kind,
                    places,
                    otherwise,
                };
                self.search(gateway, request, search, worker)
            }
        }
    }

    fn search(
        &mut self,
        gateway: &Gateway,
        request: &Incoming<'_>,
        search: Search,
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let places = search.places.clone();
        let asker = self.asker(gateway, request, &places)?;
        let goal = Goal::List(search.kind);
        let purpose = Purpose::Lookup(Box::new(Held::of(request)), search);
        Ok(self.ask(goal, &places, asker, purpose, worker))
    }

    /// The lists of the servers that may be meant are there.
    pub(super) fn found(
        &mut self,
        gateway: &Gateway,
        lists: &Fanout,
        (held, search): (&Held, Search),
        worker: &mut Worker,
    ) -> Vec<Effect> {
        self.again(held, |stream, request, attributes| {
            let target = target(request)?.ok_or(Refusal::NameMissing("name"))?;
            let Some(at) = lists.owner(search.kind, &target.name, gateway)? else {
                let search = Search {
                    kind: search.otherwise.ok_or_else(|| unknown(&target))?,
                    otherwise: None,
                    ..search
                };
                return stream.search(gateway, request, search, worker);
            };
            let (_, own) = names::candidates(&gateway.servers, target.kind, &target.name);
            let to = (at, Some((&target, own)));
            stream.approach(gateway, request, attributes, to, worker)
        })
    }

    /// A method that is about nothing that servers have: a sole server may
    /// know it all the same.
    pub(super) fn aimless(
        &mut self,
        gateway: &Gateway,
        request: &Incoming<'_>,
        attributes: Attributes<'_>,
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        if gateway.sole().is_some() {
            return self.approach(gateway, request, attributes, (0, None), worker);
        }
        Err(no_method(request))
    }

    /// Routes the request to the server at a place, once it is known how that is
    /// spoken to.
    fn approach(
        &mut self,
        gateway: &Gateway,
        request: &Incoming<'_>,
        attributes: Attributes<'_>,
        (at, about): (usize, About<'_>),
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let server = gateway.servers.get(at).ok_or(Refusal::Internal)?;
        let era = worker.era_of(server);
        let voice = match request.client {
            Client::Legacy(session) => {
                let part = session.parts.get(at).and_then(|part| part.voice());
                Some(part.ok_or_else(|| {
                    Refusal::Servers(vec![format!(
                        "server {} did not answer when the session began: initialize anew",
                        server.name
                    )])
                })?)
            }
            Client::Modern => (era == Some(Era::Modern)).then_some(Voice::Modern),
        };
        if let Some(voice) = voice {
            let held = None;
            return self.route(
                gateway,
                request,
                attributes,
                Way { at, voice, held },
                about,
                worker,
            );
        }
        if era == Some(Era::Legacy) && about.is_none() {
            return Err(no_method(request));
        }
        let asker = self.asker(gateway, request, &[at])?;
        let purpose = Purpose::Open(Box::new(Held::of(request)), at);
        Ok(self.ask(Goal::Open, &[at], asker, purpose, worker))
    }

    /// The server that the request is for can be spoken to, or cannot.
    pub(super) fn opened(
        &mut self,
        gateway: &Gateway,
        fanout: &Fanout,
        (held, at): (&Held, usize),
        worker: &mut Worker,
    ) -> Vec<Effect> {
        self.again(held, |stream, request, attributes| {
            let server = gateway.servers.get(at).ok_or(Refusal::Internal)?;
            let opened = fanout.opened(gateway);
            let (voice, session) = opened.map_err(|failure| failure.refusal(&server.name))?;
            let target = target(request)?;
            if target.is_none() && matches!(voice, Voice::Legacy(_)) {
                // Of methods the bridge knows those about something; and once a legacy
                // server has begun to answer, it is too late for a 404.
                if let Some(session) = &session {
                    worker.release(session, gateway);
                }
                return Err(no_method(request));
            }
            let way = Way {
                at,
                voice,
                held: session,
            };
            let about = target.as_ref().map(|target| {
                let (_, own) = names::candidates(&gateway.servers, target.kind, &target.name);
                (target, own)
            });
            let kept = way.held.clone();
            let routed = stream.route(gateway, request, attributes, way, about, worker);
            if let (Err(_), Some(session)) = (&routed, kept) {
                worker.release(&session, gateway);
            }
            routed
        })
    }

    /// Goes on with a request that has waited.
    fn again(
        &mut self,
        held: &Held,
        then: impl FnOnce(&mut Self, &Incoming<'_>, Attributes<'_>) -> Result<Vec<Effect>, Refusal>,
    ) -> Vec<Effect> {
        let config = Rc::clone(&self.config);
        // It was one when it was held.
        let Ok(message) = Message::parse(&held.body) else {
            let refusal = Refusal::Body(Invalid::NotJsonRpc("it has changed"));
            return self.refuse(&refusal, None);
        };
        let request = Incoming {
            message: &message,
            client: &held.client,
            headers: &held.headers,
            known: &held.known,
            body: &held.body,
            trailers: held.trailers,
        };
        Attributes::of(&message, &held.headers, &config.rules)
            .and_then(|attributes| then(self, &request, attributes))
            .unwrap_or_else(|refusal| self.refuse(&refusal, message.id()))
    }
}

impl Held {
    fn of(request: &Incoming<'_>) -> Self {
        Self {
            headers: request.headers.clone(),
            body: request.body.to_vec(),
            trailers: request.trailers,
            client: request.client.clone(),
            known: Rc::clone(request.known),
        }
    }
}

/// What the request is about; `None` where its method is about nothing.
fn target<'a>(request: &Incoming<'a>) -> Result<Option<Target<'a>>, Refusal> {
    let text = text(request.body)?;
    let params = request
        .message
        .params()
        .ok_or(Refusal::NameMissing("name"))?;
    match Target::of(request.message.method(), text, params) {
        Ok(target) => Ok(Some(target)),
        Err(Aimless::Member(member)) => Err(Refusal::NameMissing(member)),
        Err(Aimless::Method) => Ok(None),
    }
}

pub(super) fn text(body: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(body).map_err(|error| Refusal::Body(Invalid::NotJson(error.to_string())))
}

pub(super) fn no_method(request: &Incoming<'_>) -> Refusal {
    match request.client {
        Client::Modern => Refusal::UnknownMethod {
            method: request.message.method().to_owned(),
            modern: true,
        },
        Client::Legacy(_) => legacy::unknown(request.message.method()),
    }
}

fn unknown(target: &Target<'_>) -> Refusal {
    // To clients a template is a resource.
    let kind = match target.kind {
        Kind::Templates => Kind::Resources,
        kind => kind,
    };
    Refusal::UnknownName(kind.noun(), target.name.clone().into_owned())
}
