//! A request that goes to one server, through Envoy's router.

use std::rc::Rc;

use crate::config::{Gateway, Server, ServerId};
use crate::gateway::fanout::Fanout;
use crate::gateway::fanout::operation::Operation;
use crate::gateway::routing::names;
use crate::gateway::routing::target::{Target, Untargeted};
use crate::gateway::session::SessionPart;
use crate::gateway::upstream::protocol::UpstreamProtocol;
use crate::gateway::worker::Worker;
use crate::http::Headers;
use crate::mcp::era::Era;
use crate::mcp::list::ListKind;
use crate::mcp::{Invalid, Message};
use crate::policy::Refusal;
use crate::policy::attributes::Attributes;
use crate::stream::gateway::fanout::Continuation;
use crate::stream::gateway::legacy;
use crate::stream::gateway::sending::{About, Destination};
use crate::stream::gateway::session::Client;
use crate::stream::request::IncomingMessage;
use crate::stream::{Effect, HostFacts, Stream};

/// A request that waits until it is known where it goes.
#[derive(Debug)]
pub(in crate::stream) struct SuspendedRequest {
    headers: Headers,
    text: String,
    trailers: bool,
    client: Client,
    known: Rc<HostFacts>,
}

/// The lists in which the server is looked for that a request is for.
#[derive(Debug)]
pub(in crate::stream) struct NameLookup {
    kind: ListKind,
    /// The servers that may be meant, by their places.
    places: Vec<ServerId>,
    /// The list to look at if this one does not have it.
    otherwise: Option<ListKind>,
}

impl Stream {
    /// Routes the request to the server that it names; where several share that
    /// name's prefix, their lists tell which of them has it.
    pub(in crate::stream) fn find_server(
        &mut self,
        gateway: &Gateway,
        request: &IncomingMessage<'_>,
        attributes: Attributes<'_>,
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let Some(target) = target(request)? else {
            return self.untargeted(gateway, request, attributes, worker);
        };
        let (owners, own) = names::possible_owners(&gateway.servers, target.kind, &target.name);
        match owners.as_slice() {
            [] => Err(unknown(&target)),
            [server] => self.choose_protocol(
                gateway,
                request,
                attributes,
                (server, Some((&target, own))),
                worker,
            ),
            _ => {
                // Read or completed is a resource, or what a template makes.
                let (kind, otherwise) = match target.kind {
                    ListKind::Resources => (ListKind::Resources, Some(ListKind::Templates)),
                    ListKind::Templates => (ListKind::Templates, Some(ListKind::Resources)),
                    kind => (kind, None),
                };
                let search = NameLookup {
                    kind,
                    places: owners.iter().map(|server| server.id).collect(),
                    otherwise,
                };
                self.search(gateway, request, search, worker)
            }
        }
    }

    fn search(
        &mut self,
        gateway: &Gateway,
        request: &IncomingMessage<'_>,
        search: NameLookup,
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let places = search.places.clone();
        let requester = self.requester(gateway, request, &places)?;
        let operation = Operation::List(search.kind);
        let continuation = Continuation::Lookup(Box::new(SuspendedRequest::of(request)), search);
        Ok(self.ask(operation, &places, requester, continuation, worker))
    }

    /// The lists of the servers that may be meant are there.
    pub(in crate::stream) fn found(
        &mut self,
        gateway: &Gateway,
        lists: &Fanout,
        (held, search): (&SuspendedRequest, NameLookup),
        worker: &mut Worker,
    ) -> Vec<Effect> {
        self.again(held, |stream, request, attributes| {
            let target = target(request)?.ok_or(Refusal::NameMissing("name"))?;
            let Some(owner) = lists.owner(search.kind, &target.name, gateway)? else {
                let search = NameLookup {
                    kind: search.otherwise.ok_or_else(|| unknown(&target))?,
                    otherwise: None,
                    ..search
                };
                return stream.search(gateway, request, search, worker);
            };
            let (_, own) = names::possible_owners(&gateway.servers, target.kind, &target.name);
            let server = gateway.server(owner).ok_or(Refusal::Internal)?;
            let to = (server, Some((&target, own)));
            stream.choose_protocol(gateway, request, attributes, to, worker)
        })
    }

    /// A method that is about nothing that servers have: a sole server may
    /// know it all the same.
    pub(in crate::stream) fn untargeted(
        &mut self,
        gateway: &Gateway,
        request: &IncomingMessage<'_>,
        attributes: Attributes<'_>,
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        if let Some(server) = gateway.single_server() {
            return self.choose_protocol(gateway, request, attributes, (server, None), worker);
        }
        Err(no_method(request))
    }

    /// Routes the request to the server at a place, once it is known how that is
    /// spoken to.
    fn choose_protocol(
        &mut self,
        gateway: &Gateway,
        request: &IncomingMessage<'_>,
        attributes: Attributes<'_>,
        (server, about): (&Server, About<'_>),
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let era = worker.servers.era(server);
        // `None`: the server has to be asked first.
        let protocol = match request.client {
            Client::Legacy(session) => match session.part(server.id) {
                Some(SessionPart::Modern { .. }) => {
                    let version = worker.servers.modern_version(&server.name, None);
                    version.map(UpstreamProtocol::Modern)
                }
                part => {
                    let session = part.and_then(SessionPart::link);
                    let session = session.ok_or_else(|| {
                        Refusal::Servers(vec![format!(
                            "server {} did not answer when the session began: initialize anew",
                            server.name
                        )])
                    })?;
                    Some(UpstreamProtocol::Legacy(Some(Rc::new(session))))
                }
            },
            Client::Modern if era == Some(Era::Modern) => {
                let preferred = attributes.protocol_version.as_deref();
                let version = worker.servers.modern_version(&server.name, preferred);
                version.map(UpstreamProtocol::Modern)
            }
            Client::Modern => None,
        };
        if let Some(protocol) = protocol {
            let held = None;
            return self.route(
                gateway,
                request,
                attributes,
                Destination {
                    server,
                    protocol,
                    held,
                },
                about,
                worker,
            );
        }
        if matches!(request.client, Client::Modern) && era == Some(Era::Legacy) && about.is_none() {
            return Err(no_method(request));
        }
        let requester = self.requester(gateway, request, &[server.id])?;
        let continuation = Continuation::Open(Box::new(SuspendedRequest::of(request)), server.id);
        Ok(self.ask(
            Operation::Open,
            &[server.id],
            requester,
            continuation,
            worker,
        ))
    }

    /// The server that the request is for can be spoken to, or cannot.
    pub(in crate::stream) fn opened(
        &mut self,
        gateway: &Gateway,
        fanout: &Fanout,
        (held, id): (&SuspendedRequest, ServerId),
        worker: &mut Worker,
    ) -> Vec<Effect> {
        self.again(held, |stream, request, attributes| {
            let server = gateway.server(id).ok_or(Refusal::Internal)?;
            let opened = fanout.opened(gateway);
            let (protocol, session) = opened.map_err(|failure| failure.refusal(&server.name))?;
            let target = target(request)?;
            if target.is_none() && matches!(protocol, UpstreamProtocol::Legacy(_)) {
                // Of methods the bridge knows those about something; and once a legacy
                // server has begun to answer, it is too late for a 404.
                if let Some(session) = &session {
                    worker.release(session, gateway);
                }
                return Err(no_method(request));
            }
            let way = Destination {
                server,
                protocol,
                held: session,
            };
            let about = target.as_ref().map(|target| {
                let (_, own) = names::possible_owners(&gateway.servers, target.kind, &target.name);
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
        held: &SuspendedRequest,
        then: impl FnOnce(
            &mut Self,
            &IncomingMessage<'_>,
            Attributes<'_>,
        ) -> Result<Vec<Effect>, Refusal>,
    ) -> Vec<Effect> {
        let config = Rc::clone(&self.config);
        // It was one when it was held.
        let Ok(message) = Message::read(&held.text) else {
            let refusal = Refusal::Body(Invalid::NotJsonRpc("it has changed"));
            return self.refuse(&refusal, None);
        };
        let request = IncomingMessage {
            message: &message,
            client: &held.client,
            headers: &held.headers,
            known: &held.known,
            trailers: held.trailers,
        };
        Attributes::of(&message, &held.headers, &config.rules)
            .and_then(|attributes| then(self, &request, attributes))
            .unwrap_or_else(|refusal| self.refuse(&refusal, message.id()))
    }
}

impl SuspendedRequest {
    fn of(request: &IncomingMessage<'_>) -> Self {
        Self {
            headers: request.headers.clone(),
            text: request.message.text.to_owned(),
            trailers: request.trailers,
            client: request.client.clone(),
            known: Rc::clone(request.known),
        }
    }
}

/// What the request is about; `None` where its method is about nothing.
fn target<'a>(request: &IncomingMessage<'a>) -> Result<Option<Target<'a>>, Refusal> {
    match Target::of(request.message) {
        Ok(target) => Ok(Some(target)),
        Err(Untargeted::Member(member)) => Err(Refusal::NameMissing(member)),
        Err(Untargeted::Method) => Ok(None),
    }
}

pub(in crate::stream) fn no_method(request: &IncomingMessage<'_>) -> Refusal {
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
        ListKind::Templates => ListKind::Resources,
        kind => kind,
    };
    Refusal::UnknownName(kind, target.name.clone().into_owned())
}
