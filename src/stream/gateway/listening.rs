//! The HTTP methods other than POST, which only legacy sessions use: GET opens a server's stream of
//! events, and DELETE ends the session (MCP 2025-11-25, "Streamable HTTP").

use crate::config::{Config, Gateway, Protocol, Server};
use crate::gateway::routing::forwarding;
use crate::gateway::routing::request_headers::{self, McpHeaders, RequestBody};
use crate::gateway::session::alias::{self, AliasKind};
use crate::gateway::session::{Session, SessionPart};
use crate::gateway::translate::sent_message::SentMessage;
use crate::gateway::translate::translation::Translation;
use crate::http::Headers;
use crate::mcp::era::Era;
use crate::mcp::{self, Invalid, version};
use crate::policy::Refusal;
use crate::policy::export::Export;
use crate::stream::context::GatewayContext;
use crate::stream::effects::{change_request_headers, count_call, export, set_request_headers};
use crate::stream::event::Effect;
use crate::stream::gateway::forward::{chosen, session_aliases};
use crate::stream::gateway::session::{end_session, find_session};
use crate::stream::gateway::tasks;
use crate::stream::phase::Transition;
use crate::stream::request::body::BufferedRequest;
use crate::stream::response::routed::RoutedRequest;

/// The refusal of a request with this HTTP method; `None` where the method is allowed.
pub(in crate::stream) fn refuse_method(
    config: &Config,
    gateway: &Gateway,
    headers: &Headers,
) -> Option<Refusal> {
    let mut versions = headers.all(mcp::PROTOCOL_VERSION_HEADER);
    let is_modern = versions.any(|version| {
        let version = std::str::from_utf8(version);
        version.is_ok_and(|version| version::is_modern(version.trim()))
    });
    let resumes = headers.get(mcp::LAST_EVENT_HEADER).is_some();
    let single = gateway.single_server();
    let has_stream = single.is_some_and(|server| server.protocol != Protocol::Modern);
    match headers.get(":method") {
        Some(b"POST") => None,
        Some(b"DELETE") if !is_modern => None,
        Some(b"GET") if !is_modern && (has_stream || resumes) => None,
        _ => Some(method_refusal(config, is_modern, has_stream)),
    }
}

/// The refusal that lists the HTTP methods that a client of this era may use at the endpoint.
fn method_refusal(config: &Config, is_modern: bool, has_stream: bool) -> Refusal {
    Refusal::HttpMethod(match (config.cors.is_some(), is_modern, has_stream) {
        (false, true, _) => "POST",
        (true, true, _) => "POST, OPTIONS",
        (false, false, false) => "POST, DELETE",
        (true, false, false) => "POST, DELETE, OPTIONS",
        (false, false, true) => "GET, POST, DELETE",
        (true, false, true) => "GET, POST, DELETE, OPTIONS",
    })
}

/// Handles a complete GET or DELETE.
pub(in crate::stream) fn on_request(
    cx: &mut GatewayContext<'_>,
    request: &BufferedRequest,
    body: &[u8],
    has_trailers: bool,
) -> Transition {
    let handled = if request.headers.get(":method") == Some(b"DELETE") {
        end_session(cx, &request.headers, &request.facts)
    } else {
        open_stream(cx, request, body, has_trailers)
    };
    handled.unwrap_or_else(|refusal| Transition::refuse(cx.config, &refusal, None))
}

/// Handles GET: opens the stream of a single server, or resumes the stream of the last event that
/// the client names.
fn open_stream(
    cx: &mut GatewayContext<'_>,
    request: &BufferedRequest,
    body: &[u8],
    has_trailers: bool,
) -> Result<Transition, Refusal> {
    if !body.is_empty() {
        return Err(Refusal::Body(Invalid::NotJsonRpc("GET has no body")));
    }
    let headers = &request.headers;
    let session = find_session(cx, headers, &request.facts)?;
    let (server, last_event) = stream_to_open(cx, headers, &session)?;
    let link = session.part(server.id).and_then(SessionPart::link);
    let Some(link) = link.filter(|link| link.id.is_some()) else {
        return Err(method_refusal(cx.config, false, false));
    };
    let mcp_headers = McpHeaders {
        method: None,
        name: None,
        version: Some(link.version),
        session: link.id.as_deref(),
    };
    let mutation = forwarding::header_mutation(headers, Era::Legacy, cx.gateway, server)?;
    let mut effects: Vec<Effect> = change_request_headers(mutation).collect();
    let set = request_headers::headers(server, &mcp_headers, RequestBody::Nothing);
    effects.extend(set_request_headers(set));
    let last_event = last_event.map(|event| (mcp::LAST_EVENT_HEADER, event));
    effects.extend(set_request_headers(last_event));
    let chosen = Export::chosen(&chosen(server), cx.config.storage)?;
    effects.extend(export(chosen));
    effects.extend(count_call(cx.config, server.id));
    effects.push(Effect::ClearRouteCache);
    if has_trailers {
        effects.push(Effect::RemoveRequestTrailers);
    }
    let aliases = session_aliases(cx.worker, &session, server, SentMessage::Nothing)?;
    // The gateway does not know which tools made the tasks of this stream.
    let tasks = tasks::aliases(cx, headers, &request.facts, server)?;
    let translation = Translation::legacy(server, None, aliases).with_tasks(Some(tasks));
    let routed = RoutedRequest::to_server(server, translation);
    Ok(Transition::routed(effects, routed))
}

/// The server whose stream a GET opens. If the GET resumes a stream, also the server's own id of
/// the last event that the client got.
///
/// # Errors
/// The client names an event that it did not get in this session. Or it names no event, and there
/// are several servers.
fn stream_to_open<'c>(
    cx: &GatewayContext<'c>,
    headers: &Headers,
    session: &Session,
) -> Result<(&'c Server, Option<String>), Refusal> {
    let gateway = cx.gateway;
    let single = gateway.single_server();
    let no_stream = || method_refusal(cx.config, false, single.is_some());
    let Some(alias) = headers.get(mcp::LAST_EVENT_HEADER) else {
        let server = single.ok_or_else(no_stream)?;
        return Ok((server, None));
    };
    let alias = std::str::from_utf8(alias).ok();
    let original = alias.and_then(|alias| {
        let keys = cx.worker.sealing.as_ref()?.keys();
        alias::resolve(keys, AliasKind::Event, &session.id, &gateway.servers, alias)
    });
    let Some((server, event)) = original else {
        return Err(match single {
            Some(_) => Refusal::UnknownEvent,
            None => no_stream(),
        });
    };
    let server = gateway.server(server).ok_or(Refusal::Internal)?;
    Ok((server, Some(event)))
}
