//! A message of a legacy client (MCP up to 2025-11-25), which has a session.

use std::rc::Rc;

use crate::config::ServerId;
use crate::gateway::fanout::operation::Operation;
use crate::gateway::session::alias::{self, AliasKind};
use crate::gateway::session::{Session, SessionPart};
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::list::ListKind;
use crate::mcp::message::{Content, Params};
use crate::mcp::{self, json, method};
use crate::policy::Refusal;
use crate::policy::export::LONGEST;
use crate::stream::context::GatewayContext;
use crate::stream::gateway::fanout::start_for_client;
use crate::stream::gateway::forward::forward_response;
use crate::stream::gateway::initialize::Initialization;
use crate::stream::gateway::lookup::find_server;
use crate::stream::gateway::notification::forward_notification;
use crate::stream::gateway::session::find_session;
use crate::stream::gateway::{
    Client, IncomingMessage, accepted, answer_here, empty_result, has_cursor,
};
use crate::stream::phase::Transition;

/// Handles a message.
///
/// # Errors
/// The gateway refuses the message.
pub(super) fn on_message(
    cx: &mut GatewayContext<'_>,
    request: IncomingMessage<'_>,
) -> Result<Transition, Refusal> {
    let message = request.message;
    if let Content::Request { id, method, params } = &message.content {
        match method.as_ref() {
            method::INITIALIZE => return Initialization::start(cx, &request, id, params),
            // A client without a session sends a ping to learn whether the gateway works.
            method::PING if request.headers.get(mcp::SESSION_HEADER).is_none() => {
                return answer_here(cx, &request.attributes, empty_result(id));
            }
            _ => {}
        }
    }
    let session = find_session(cx, request.headers, request.facts)?;
    let request = IncomingMessage {
        client: Client::Legacy(Rc::clone(&session)),
        ..request
    };
    match &message.content {
        Content::Response { id } => {
            let named = original_id(cx, &session, id);
            let (server, original) = named.ok_or(Refusal::UnexpectedResponse)?;
            forward_response(cx, request, &session, server, &original)
        }
        Content::Notification { method, .. } => {
            forward_notification(cx, &request, &session, method)?;
            answer_here(cx, &request.attributes, accepted())
        }
        Content::Request { id, method, params } => {
            let operation = match method.as_ref() {
                method::PING => {
                    return answer_here(cx, &request.attributes, empty_result(id));
                }
                method::SET_LEVEL => set_level(&request.client, &session, params)?,
                // Only modern clients have these methods.
                method @ (method::SERVER_DISCOVER | method::LISTEN) => {
                    return Err(request.client.unknown_method(method));
                }
                method => match ListKind::of(method) {
                    Some(_) if has_cursor(params) => return Err(Refusal::Cursor),
                    Some(kind) => Operation::List(kind),
                    None => return find_server(cx, request),
                },
            };
            let servers = cx.gateway.server_ids();
            start_for_client(cx, &request, id, operation, &servers)
        }
    }
}

/// The longest log level, in bytes. A longer one is refused, since each server gets a copy. The
/// levels of MCP are shorter.
const LONGEST_LEVEL: usize = 64;

/// `logging/setLevel`. It goes to the servers of the session that have the capability `logging`.
fn set_level(
    client: &Client,
    session: &Session,
    params: &Params<'_>,
) -> Result<Operation, Refusal> {
    let can_log = |part: &SessionPart| match part {
        SessionPart::Legacy { offers, .. } => offers.contains(ServerCapabilities::LOGGING),
        SessionPart::Absent | SessionPart::Modern { .. } => false,
    };
    if !session.parts.iter().any(can_log) {
        return Err(client.unknown_method(method::SET_LEVEL));
    }
    let level = params.get("level").filter(|level| level.starts_with('"'));
    let level = level.ok_or(Refusal::NameMissing("level"))?;
    if level.len() > LONGEST_LEVEL {
        let sentence = format!("params.level has more than {LONGEST_LEVEL} bytes");
        return Err(Refusal::Level(vec![sentence]));
    }
    Ok(Operation::SetLevel(level.to_owned()))
}

/// The server that sent a request to the client, and the server's own id of that request. Clients
/// know the request by an `alias` of that id. Both ids are JSON texts. A longer alias than ids may
/// be is not one: the gateway compares its tag with that of each server.
pub(super) fn original_id(
    cx: &GatewayContext<'_>,
    session: &Session,
    alias: &str,
) -> Option<(ServerId, String)> {
    let keys = cx.worker.sealing.as_ref()?.keys();
    let alias = json::string(alias).filter(|_| alias.len() <= LONGEST)?;
    let servers = &cx.gateway.servers;
    alias::resolve(keys, AliasKind::Request, &session.id, servers, &alias)
}
