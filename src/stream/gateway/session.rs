//! The session of a legacy client (MCP 2025-11-25, "Session Management"), and the identity of
//! callers. The whole session is in the id that the client sends, so any worker can open it.

use std::borrow::Cow;
use std::rc::Rc;

use crate::config::{Gateway, Identity, ServerId};
use crate::gateway::fanout::operation::{CallerIdentity, Operation, Requester};
use crate::gateway::routing::call_headers::CallerHeaders;
use crate::gateway::session::Session;
use crate::gateway::upstream::client_context::ClientContext;
use crate::http::{Headers, Reply};
use crate::mcp::message::Meta;
use crate::mcp::{self, version};
use crate::policy::{Refusal, Status};
use crate::stream::context::GatewayContext;
use crate::stream::event::HostFacts;
use crate::stream::gateway::continuation::Continuation;
use crate::stream::gateway::fanout::start_fanout;
use crate::stream::gateway::{Client, IncomingMessage};
use crate::stream::phase::Transition;

/// The session that a request names.
///
/// # Errors
/// The request names no session, or a session of another client, endpoint or gateway, or a session
/// that has expired.
pub(super) fn find_session(
    cx: &mut GatewayContext<'_>,
    headers: &Headers,
    facts: &HostFacts,
) -> Result<Rc<Session>, Refusal> {
    let identity = required_identity(cx.gateway, headers, facts)?;
    let mut ids = headers.all(mcp::SESSION_HEADER);
    let id = match (ids.next(), ids.next()) {
        (None, _) => return Err(Refusal::SessionMissing),
        (Some(id), None) => std::str::from_utf8(id).ok(),
        (Some(_), Some(_)) => None,
    };
    let path = headers.get(":path").unwrap_or_default();
    let endpoint = cx.gateway.binding(path);
    let opened = id.and_then(|id| cx.worker.open_session(id, endpoint, identity.as_deref()));
    let mut session = opened.ok_or(Refusal::SessionUnknown)?;
    if !session.is_complete_at(cx.gateway) {
        let changed = Rc::make_mut(&mut session);
        changed.retain_parts(cx.gateway);
        cx.worker.joined.add_to(changed, &cx.gateway.servers);
    }
    // Clients of 2025-03-26 send no version. Other clients send the negotiated one, and the gateway
    // accepts any legacy version.
    for claimed in headers.all(mcp::PROTOCOL_VERSION_HEADER) {
        let claimed = String::from_utf8_lossy(claimed);
        if version::legacy(claimed.trim()).is_none() {
            let claimed = claimed.into_owned();
            return Err(Refusal::SessionVersion(claimed, session.version));
        }
    }
    Ok(session)
}

/// Handles DELETE: ends the session with every server.
///
/// # Errors
/// See [`find_session`]; or the request lacks a header that a server must get.
pub(super) fn end_session(
    cx: &mut GatewayContext<'_>,
    headers: &Headers,
    facts: &HostFacts,
) -> Result<Transition, Refusal> {
    let session = find_session(cx, headers, facts)?;
    let servers = cx.gateway.server_ids();
    let carried = CallerHeaders::of(headers, cx.gateway, &servers)?;
    for server in cx.gateway.servers.iter() {
        if session.joined.contains(&server.id) {
            cx.worker.joined.leave(&session.id, server);
        }
    }
    let requester = session_requester(&session, carried);
    let continuation = Continuation::EndSession;
    Ok(start_fanout(
        cx,
        Operation::End,
        &servers,
        requester,
        continuation,
    ))
}

/// The answer to DELETE.
pub(super) fn session_ended() -> Reply {
    Reply::empty(200, Status::Ok.as_str())
}

/// The client for whom the gateway calls these servers.
///
/// # Errors
/// The request lacks a header that one of the servers must get, an identity, or a member that
/// modern requests must have.
pub(super) fn requester_for(
    cx: &GatewayContext<'_>,
    request: &IncomingMessage<'_>,
    servers: &[ServerId],
) -> Result<Requester, Refusal> {
    let carried = CallerHeaders::of(request.headers, cx.gateway, servers)?;
    Ok(match &request.client {
        Client::Modern => {
            let nothing = Meta::default();
            let params = request.message.params();
            let meta = params.map_or(&nothing, |params| &params.meta);
            Requester {
                caller: ClientContext::of(meta, carried)?,
                session: None,
                who: caller_identity(cx.gateway, request.headers, request.facts)?,
            }
        }
        Client::Legacy(session) => session_requester(session, carried),
    })
}

/// The client of `session`, for calls to servers.
fn session_requester(session: &Rc<Session>, carried: CallerHeaders) -> Requester {
    Requester {
        caller: session.client_context(carried),
        session: Some(Rc::clone(session)),
        who: CallerIdentity::Anyone,
    }
}

/// The identity of the caller (`session.identity`); `None` where the configuration has none.
///
/// # Errors
/// The request has no identity, or several.
pub(super) fn required_identity(
    gateway: &Gateway,
    headers: &Headers,
    facts: &HostFacts,
) -> Result<Option<String>, Refusal> {
    Ok(match caller_identity(gateway, headers, facts)? {
        CallerIdentity::Anyone => None,
        CallerIdentity::Known(identity) => Some(identity),
    })
}

fn caller_identity(
    gateway: &Gateway,
    headers: &Headers,
    facts: &HostFacts,
) -> Result<CallerIdentity, Refusal> {
    let identity: Option<Cow<'_, str>> = match &gateway.sessions.identity {
        None => return Ok(CallerIdentity::Anyone),
        Some(Identity::Metadata { .. }) => facts.identity.as_deref().map(Cow::Borrowed),
        Some(Identity::Header(name)) => {
            let mut values = headers.all(name);
            match (values.next(), values.next()) {
                (Some(value), None) => std::str::from_utf8(value).ok().map(Cow::Borrowed),
                _ => None,
            }
        }
    };
    // Envoy does not say which type the metadata has. A list or a struct contains control
    // characters, and an identity must not.
    let is_text =
        |value: &Cow<'_, str>| !value.trim().is_empty() && !value.contains(char::is_control);
    let identity = identity.filter(is_text).ok_or(Refusal::Identity)?;
    Ok(CallerIdentity::Known(identity.into_owned()))
}
