//! A message of a legacy client's, in gateway mode (MCP up to 2025-11-25).

use std::rc::Rc;

use crate::config::{Gateway, ServerId};
use crate::gateway::fanout::operation::Operation;
use crate::gateway::session::alias::{self, AliasKind};
use crate::gateway::session::{Session, SessionPart};
use crate::gateway::translate;
use crate::gateway::worker::Worker;
use crate::http::Reply;
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::json::edit;
use crate::mcp::list::ListKind;
use crate::mcp::message::Content;
use crate::mcp::{self, json, method};
use crate::policy::attributes::Attributes;
use crate::policy::{Refusal, Status};
use crate::stream::gateway::answer;
use crate::stream::gateway::fanout::Continuation;
use crate::stream::gateway::session::Client;
use crate::stream::request::IncomingMessage;
use crate::stream::{Effect, Stream};

impl Stream {
    pub(in crate::stream) fn legacy_message(
        &mut self,
        gateway: &Gateway,
        request: IncomingMessage<'_>,
        attributes: Attributes<'_>,
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Refusal> {
        let IncomingMessage {
            message, headers, ..
        } = request;
        if let Content::Request { id, method, .. } = &message.content {
            match method.as_ref() {
                method::INITIALIZE => {
                    return self.initialize(gateway, &request, &attributes, worker);
                }
                // Asked without a session it says that the gateway is there.
                method::PING if headers.get(mcp::SESSION_HEADER).is_none() => {
                    return self.answered(&attributes, answer(id, b"{}"));
                }
                _ => {}
            }
        }
        let session = self.session(gateway, headers, request.known.identity.as_deref(), worker)?;
        let client = Client::Legacy(Rc::clone(&session));
        let request = IncomingMessage {
            client: &client,
            ..request
        };
        match &message.content {
            Content::Response { id } => {
                let named = own_name(gateway, &session, id, worker);
                let (server, original) = named.ok_or(Refusal::UnexpectedResponse)?;
                self.respond(gateway, &request, attributes, (server, &original), worker)
            }
            Content::Notification { method, .. } => {
                self.notify(gateway, &request, (method, &session), worker)?;
                self.answered(&attributes, Reply::empty(202, Status::Ok.as_str()))
            }
            Content::Request { id, method, params } => {
                let id = (*id).to_owned();
                let operation = match method.as_ref() {
                    method::PING => return self.answered(&attributes, answer(&id, b"{}")),
                    method::SET_LEVEL => {
                        let has_levels = |part: &SessionPart| matches!(part, SessionPart::Legacy { offers, .. } if offers.contains(ServerCapabilities::LOGGING));
                        if !session.parts.iter().any(has_levels) {
                            return Err(unknown(method));
                        }
                        let level = params.get("level").filter(|level| level.starts_with('"'));
                        Operation::SetLevel(level.ok_or(Refusal::NameMissing("level"))?.to_owned())
                    }
                    // It is of the other era.
                    method::SERVER_DISCOVER | method::LISTEN => return Err(unknown(method)),
                    method => match ListKind::of(method) {
                        Some(_) if has_cursor(params) => return Err(Refusal::Cursor),
                        Some(kind) => Operation::List(kind),
                        None => return self.find_server(gateway, &request, attributes, worker),
                    },
                };
                let places = gateway.server_ids().into_iter().filter(|server| {
                    let part = session.part(*server);
                    part.is_some_and(|part| *part != SessionPart::Absent)
                });
                let places: Vec<ServerId> = places.collect();
                let requester = self.requester(gateway, &request, &places)?;
                let mut effects = self.noted(&attributes)?;
                effects.extend(self.ask(
                    operation,
                    &places,
                    requester,
                    Continuation::answer(id, &request),
                    worker,
                ));
                Ok(effects)
            }
        }
    }

    /// Passes a notification on to whom it concerns.
    fn notify(
        &self,
        gateway: &Gateway,
        request: &IncomingMessage<'_>,
        (method, session): (&str, &Session),
        worker: &mut Worker,
    ) -> Result<(), Refusal> {
        let IncomingMessage {
            message, headers, ..
        } = *request;
        match method {
            // The gateway has said so itself, before the session began: what
            // follows must not overtake it.
            method::INITIALIZED => Ok(()),
            method::PROGRESS => {
                // Of a request of a server's, which alone knows the token.
                let token = translate::ids::reference(message);
                let own = token.and_then(|token| own_name(gateway, session, token, worker));
                if let Some((server, own)) = own
                    && let Some(edit) = translate::ids::reference_edit(message, &own)
                {
                    let body = edit::apply(message.text, vec![edit]);
                    return self.tell(gateway, session, Some(server), &body, headers, worker);
                }
                Ok(())
            }
            method::CANCELLED => {
                let Some(id) = translate::ids::reference(message) else {
                    return Ok(());
                };
                let to = match gateway.single_server() {
                    Some(server) => Some(server.id),
                    None => worker.requests.server(&session.id, id),
                };
                match to {
                    Some(_) => self.tell(
                        gateway,
                        session,
                        to,
                        message.text.as_bytes(),
                        headers,
                        worker,
                    ),
                    None => Ok(()),
                }
            }
            // A server may do what a request without an id asks, and no later
            // filter would have seen it.
            name if name.starts_with("notifications/") => self.tell(
                gateway,
                session,
                None,
                message.text.as_bytes(),
                headers,
                worker,
            ),
            _ => Ok(()),
        }
    }
}

/// The server whose request the client knows by this name, a JSON text, and its
/// own name for it.
fn own_name(
    gateway: &Gateway,
    session: &Session,
    name: &str,
    worker: &Worker,
) -> Option<(ServerId, String)> {
    let keys = worker.sealing.as_ref()?.keys();
    let name = json::string(name)?;
    let servers = &gateway.servers;
    alias::resolve(keys, AliasKind::Request, &session.id, servers, &name)
}

pub(in crate::stream) fn has_cursor(params: &mcp::message::Params<'_>) -> bool {
    params.get("cursor").is_some_and(|cursor| cursor != "null")
}

/// Legacy clients are told of a method that is not there by the error alone.
pub(in crate::stream) fn unknown(method: &str) -> Refusal {
    Refusal::UnknownMethod {
        method: method.to_owned(),
        modern: false,
    }
}
