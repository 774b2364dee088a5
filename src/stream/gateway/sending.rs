//! A request on its way to a server: what the server gets.

use std::borrow::Cow;

use crate::config::{Gateway, Server, ServerId};
use crate::gateway::routing::request_headers::McpHeaders;
use crate::gateway::routing::subscriptions::{self, UnusableSubscriptions};
use crate::gateway::routing::target::Target;
use crate::gateway::routing::{forwarding, request_headers};
use crate::gateway::session::{Session, SessionPart};
use crate::gateway::translate;
use crate::gateway::translate::request::{ModernMeta, UntranslatableRequest};
use crate::gateway::translate::sent_message::SentMessage;
use crate::gateway::translate::session_aliases::SessionAliases;
use crate::gateway::translate::translation::Translation;
use crate::gateway::upstream::protocol::UpstreamProtocol;
use crate::gateway::worker::Worker;
use crate::gateway::worker::session_pool::SessionLease;
use crate::mcp::era::Era;
use crate::mcp::json::edit::{self, Edit};
use crate::mcp::list::ListKind;
use crate::mcp::{self, Message, json, method};
use crate::policy::Refusal;
use crate::policy::attributes::{Attributes, Chosen};
use crate::policy::export::Export;
use crate::stream::gateway::routing::no_method;
use crate::stream::gateway::session::Client;
use crate::stream::outcome::{count, forwarded, shown};
use crate::stream::request::IncomingMessage;
use crate::stream::response::routed::RoutedRequest;
use crate::stream::{Effect, Phase, Stream};

/// The way to a server.
pub(in crate::stream) struct Destination<'s> {
    pub(in crate::stream) server: &'s Server,
    pub(in crate::stream) protocol: UpstreamProtocol,
    /// The gateway's own session, to be given back.
    pub(in crate::stream) held: Option<SessionLease>,
}

/// What a request is about, and what the server calls it.
pub(in crate::stream) type About<'a> = Option<(&'a Target<'a>, &'a str)>;

impl Stream {
    /// Hands the request over to Envoy's router, for a server which knows what
    /// it is about by its own name.
    pub(in crate::stream) fn route(
        &mut self,
        gateway: &Gateway,
        request: &IncomingMessage<'_>,
        attributes: Attributes<'_>,
        way: Destination<'_>,
        about: About<'_>,
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let server = way.server;
        let message = request.message;
        let session = match request.client {
            Client::Modern => None,
            Client::Legacy(session) => Some(session),
        };
        let refused = |why| match why {
            UntranslatableRequest::UnknownMethod => no_method(request),
            UntranslatableRequest::NotARequest => Refusal::Internal,
        };
        let (translation, mut edits) = match (session, &way.protocol) {
            (None, UpstreamProtocol::Modern(version)) => {
                let edits = in_version(message, version)?;
                (Translation::modern(server, message), edits)
            }
            (Some(session), UpstreamProtocol::Legacy(_)) => {
                if gateway.single_server().is_none() {
                    let id = message.id().unwrap_or("null");
                    worker.requests.remember(&session.id, id, server.id);
                }
                let names = naming(worker, session, server, SentMessage::Request)?;
                (
                    Translation::legacy(server, Some(message), names),
                    Vec::new(),
                )
            }
            (Some(session), UpstreamProtocol::Modern(version)) => {
                let meta = ModernMeta {
                    protocol_version: version,
                    capabilities: &session.capabilities,
                    info: session.info.as_deref(),
                };
                Translation::to_modern(server, message, meta).map_err(refused)?
            }
            (None, UpstreamProtocol::Legacy(_)) => {
                let id = worker.next_id();
                let own = (gateway, way.held);
                Translation::to_legacy(server, message, &id, own).map_err(refused)?
            }
        };
        edits.extend(renamed(server, message, about)?);
        let own = about.map(|(_, own)| own);
        let link = way.protocol.session();
        let name = own.map(Cow::Borrowed).or(message.name());
        let heading = McpHeaders {
            method: Some(message.method()),
            name: name.as_deref(),
            version: match &way.protocol {
                UpstreamProtocol::Modern(version) => Some((*version).to_owned()),
                UpstreamProtocol::Legacy(_) => link.map(|link| link.version.to_owned()),
            },
            session: link.and_then(|link| link.id.as_deref()),
        };
        let body = (!edits.is_empty()).then(|| edit::apply(message.text, edits));
        let effects = self.sent(request, attributes, (server, own, heading, body))?;
        self.phase = Phase::Routed(RoutedRequest::new(server, translation));
        Ok(effects)
    }

    /// A client's answer to a request of a server's goes to that server.
    pub(in crate::stream) fn respond(
        &mut self,
        gateway: &Gateway,
        request: &IncomingMessage<'_>,
        attributes: Attributes<'_>,
        (id, original): (ServerId, &str),
        worker: &Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let server = gateway.server(id).ok_or(Refusal::Internal)?;
        let Client::Legacy(session) = request.client else {
            return Err(Refusal::UnexpectedResponse);
        };
        let link = session.part(id).and_then(SessionPart::link);
        let link = link.ok_or(Refusal::UnexpectedResponse)?;
        let edit = translate::request::with_id(request.message, original);
        let edit = edit.ok_or(Refusal::Internal)?;
        let heading = McpHeaders {
            method: None,
            name: None,
            version: Some(link.version.to_owned()),
            session: link.id.as_deref(),
        };
        let body = Some(edit::apply(request.message.text, vec![edit]));
        let effects = self.sent(request, attributes, (server, None, heading, body))?;
        let names = naming(worker, session, server, SentMessage::Response)?;
        let translation = Translation::legacy(server, Some(request.message), names);
        self.phase = Phase::Routed(RoutedRequest::new(server, translation));
        Ok(effects)
    }

    /// What makes the client's request one to the server at a place.
    fn sent(
        &mut self,
        request: &IncomingMessage<'_>,
        mut attributes: Attributes<'_>,
        (server, own, heading, body): (&Server, Option<&str>, McpHeaders<'_>, Option<Vec<u8>>),
    ) -> Result<Vec<Effect>, Refusal> {
        let chosen = Chosen {
            server: server.name.clone(),
            cluster: server.cluster.clone(),
        };
        attributes.route(chosen, own);
        let era = match request.client {
            Client::Modern => Era::Modern,
            Client::Legacy(_) => Era::Legacy,
        };
        let routed = forwarding::header_mutation(request.headers, era, server)?;
        let mut effects: Vec<Effect> = forwarded(routed).collect();
        let set = request_headers::headers(server, &heading, body.as_ref().map(Vec::len));
        for unborne in [mcp::NAME_HEADER, mcp::METHOD_HEADER] {
            if !set.iter().any(|(name, _)| *name == unborne) {
                // Nothing in the body bears it out.
                effects.push(Effect::RemoveRequestHeader(unborne.to_owned()));
            }
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
        let calls = self
            .config
            .metrics
            .server(server.id.index())
            .map(|server| server.calls);
        effects.extend(count(calls, 1));
        effects.extend(shown(Export::of(&attributes, self.config.storage)?));
        effects.push(Effect::ClearRouteCache);
        if request.trailers {
            // A server has no more business with a client's trailers than with
            // its headers; and nobody here has read them.
            effects.push(Effect::RemoveRequestTrailers);
        }
        Ok(effects)
    }
}

/// The edits after which the message of a modern client is in this version, which the
/// server supports.
fn in_version(message: &Message<'_>, version: &str) -> Result<Vec<Edit>, Refusal> {
    let claimed = message
        .params()
        .and_then(|params| params.meta.protocol_version);
    let Some(claimed) = claimed.filter(|text| json::string(text).is_none_or(|it| it != version))
    else {
        return Ok(Vec::new());
    };
    let edit = Edit::replace(message.text, claimed, json::quoted(version));
    Ok(vec![edit.ok_or(Refusal::Internal)?])
}

/// What names of a server's are made others with in this session.
pub(in crate::stream) fn naming(
    worker: &Worker,
    session: &Session,
    server: &Server,
    sent: SentMessage,
) -> Result<SessionAliases, Refusal> {
    let sealing = worker.sealing.as_ref().ok_or(Refusal::Internal)?;
    let link = session.part(server.id).and_then(SessionPart::link);
    Ok(SessionAliases {
        keys: sealing.keys().clone(),
        session: session.id,
        server: server.id,
        server_name: server.name.clone(),
        has_session: link.is_some_and(|link| link.id.is_some()),
        sent,
    })
}

/// The edits after which the body says what `server` calls things.
fn renamed(server: &Server, message: &Message<'_>, about: About<'_>) -> Result<Vec<Edit>, Refusal> {
    match about {
        Some((target, own)) if target.name != own => Ok(vec![target.rename(own)]),
        None if message.method() == method::LISTEN => subscriptions::edits(message, server)
            .map_err(|why| match why {
                UnusableSubscriptions::Malformed => Refusal::NameMissing("notifications"),
                UnusableSubscriptions::Foreign(uri) => {
                    Refusal::UnknownName(ListKind::Resources, uri)
                }
            }),
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_request_is_put_into_the_version_of_its_server() {
        let request = |version: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{ "name":"t","_meta":{{"io.modelcontextprotocol/protocolVersion":"{version}","x":1.0}}}}}}"#
            )
        };
        let text = request("2027-01-01");
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(in_version(&message, "2027-01-01"), Ok(Vec::new()));
        let edits = in_version(&message, "2026-07-28").unwrap();
        let edited = String::from_utf8(edit::apply(message.text, edits)).unwrap();
        assert_eq!(edited, request("2026-07-28"));
    }
}
