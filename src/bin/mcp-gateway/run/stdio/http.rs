//! Serves the stdio servers over HTTP (MCP, "Transports", Streamable HTTP). Only the gateway knows
//! the URLs, since their query is a secret.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Router, response};
use futures_util::stream;
use mcp_gateway::mcp::jsonrpc::{self, INTERNAL_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND};
use mcp_gateway::mcp::method;
use serde_json::json;

use super::message::{WireKind, WireMessage};
use super::pending_requests::Messages;
use super::process::ServerProcess;
use super::server::{BridgedServer, ServerEra, ask};
use super::session::BridgeSession;
use super::token;

/// The longest message that a client may send. The gateway has its own limit.
const MAX_BODY: usize = 64 << 20;
const SESSION_ID: &str = "mcp-session-id";

/// The servers by their names.
pub(super) type BridgedServers = Arc<RwLock<HashMap<String, Arc<BridgedServer>>>>;

/// Serves each server at `/<name>?<secret>`.
pub(super) fn router(secret: String, servers: BridgedServers) -> Router {
    let only_with_secret = middleware::from_fn(move |request: Request, next: Next| {
        let is_allowed = request.uri().query() == Some(&*secret);
        async move {
            if is_allowed {
                next.run(request).await
            } else {
                StatusCode::NOT_FOUND.into_response()
            }
        }
    });
    let methods = post(receive).get(listen).delete(end);
    Router::new()
        .route("/{name}", methods)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(only_with_secret)
        .with_state(servers)
}

/// A request of a client that waits for its response. If it is dropped, the client is gone.
struct PendingCall {
    id: u64,
    /// The client's own id, as JSON.
    client_id: Option<String>,
    process: Arc<ServerProcess>,
    messages: Messages,
    /// Whether a client cancels a request by closing the connection (MCP 2026-07-28).
    is_modern: bool,
}

impl PendingCall {
    /// Sends the request `message` to `process`.
    ///
    /// # Errors
    /// The HTTP response that says why the request cannot be sent.
    async fn send(
        process: Arc<ServerProcess>,
        mut message: WireMessage,
        is_modern: bool,
    ) -> Result<Self, Response> {
        let client_id = message.id().map(str::to_owned);
        let Some((id, messages)) = process.pending.register(&mut message) else {
            let reason = "too many requests wait for this server";
            return Err(unavailable(client_id.as_deref(), reason));
        };
        let call = Self {
            id,
            client_id,
            process,
            messages,
            is_modern,
        };
        match call.process.send(&message).await {
            Ok(()) => Ok(call),
            Err(reason) => Err(unavailable(call.client_id.as_deref(), &reason)),
        }
    }

    /// The next message for the client. If the request gets no response, the last message is an
    /// error that says why.
    async fn next(&mut self) -> Option<WireMessage> {
        let reason = match self.messages.recv().await? {
            Ok(message) => return Some(message),
            Err(reason) => reason,
        };
        let id = self.client_id.as_deref();
        WireMessage::parse(&WireMessage::error(id, INTERNAL_ERROR, &reason))
    }
}

impl Drop for PendingCall {
    fn drop(&mut self) {
        if !self.is_modern || !self.process.pending.forget(self.id) {
            return;
        }
        let params = json!({"requestId": self.id}).to_string();
        let cancelled = jsonrpc::notification(method::CANCELLED, params);
        let cancelled = String::from_utf8_lossy(&cancelled);
        if let Some(cancelled) = WireMessage::parse(&cancelled) {
            self.process.try_send(&cancelled);
        }
    }
}

/// The server at this path.
fn server(servers: &BridgedServers, name: &str) -> Option<Arc<BridgedServer>> {
    let servers = servers.read().unwrap_or_else(PoisonError::into_inner);
    servers.get(name).cloned()
}

fn session(server: &BridgedServer, headers: &HeaderMap) -> Option<Arc<BridgeSession>> {
    server.session(headers.get(SESSION_ID)?.to_str().ok()?)
}

/// `POST`: a message of a client.
async fn receive(
    State(servers): State<BridgedServers>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(server) = server(&servers, &name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let text = String::from_utf8_lossy(&body);
    let Some(message) = WireMessage::parse(&text) else {
        return refused(
            StatusCode::BAD_REQUEST,
            None,
            INVALID_REQUEST,
            "no JSON-RPC message",
        );
    };
    if headers.contains_key(SESSION_ID) {
        return match session(&server, &headers) {
            Some(session) => in_session(&server, &session, message).await,
            None => {
                let id = message.id().map(str::to_owned);
                refused(
                    StatusCode::NOT_FOUND,
                    id.as_deref(),
                    -32001,
                    "unknown session",
                )
            }
        };
    }
    if message.kind == WireKind::Request("initialize".to_owned()) {
        return begin(&server, message).await;
    }
    without_session(&server, message).await
}

/// Handles a message of a modern client, which has no session.
async fn without_session(server: &Arc<BridgedServer>, message: WireMessage) -> Response {
    let id = message.id().map(str::to_owned);
    let unavailable = |reason: &str| unavailable(id.as_deref(), reason);
    match server.era().await {
        Ok(ServerEra::Modern) => {}
        Ok(ServerEra::Legacy(_)) => {
            let reason =
                "this server speaks versions of MCP before 2026-07-28: begin with initialize";
            return refused(
                StatusCode::NOT_FOUND,
                id.as_deref(),
                METHOD_NOT_FOUND,
                reason,
            );
        }
        Err(reason) => return unavailable(&reason),
    }
    if message.cancels().is_some() {
        // A modern client ends its stream instead. The id may be that of another client's request.
        return StatusCode::ACCEPTED.into_response();
    }
    match server.shared_process().await {
        Ok(process) => send(process, message, true).await,
        Err(reason) => unavailable(&reason),
    }
}

/// Handles `initialize`, which begins a session.
async fn begin(server: &Arc<BridgedServer>, message: WireMessage) -> Response {
    let id = message.id().map(str::to_owned);
    let unavailable = |reason: &str| unavailable(id.as_deref(), reason);
    let era = match server.era().await {
        Ok(era) => era,
        Err(reason) => return unavailable(&reason),
    };
    let session_id = match token() {
        Ok(session_id) => session_id,
        Err(error) => return unavailable(&error.to_string()),
    };
    let begun = BridgeSession::begin(session_id, message.clone(), server, era).await;
    let (session, process) = match begun {
        Ok(begun) => begun,
        Err(reason) => return unavailable(&reason),
    };
    let answer = match ask(&process, Some(message)).await {
        Ok(answer) => answer,
        Err(reason) => {
            server.end_failed(&process).await;
            return unavailable(&reason);
        }
    };
    if !answer.is_result() {
        session.end_process().await;
        return json_response(StatusCode::OK, answer.line());
    }
    let mut response = json_response(StatusCode::OK, answer.line());
    if let Ok(id) = HeaderValue::from_str(&session.id) {
        response.headers_mut().insert(SESSION_ID, id);
    }
    server.insert(session);
    response
}

/// Handles a message in a session.
async fn in_session(
    server: &Arc<BridgedServer>,
    session: &Arc<BridgeSession>,
    mut message: WireMessage,
) -> Response {
    let id = message.id().map(str::to_owned);
    if let WireKind::Notification(method) = &message.kind {
        if method == "notifications/initialized" {
            session.set_initialized();
        }
        if !session.pending.cancel(&mut message) {
            return StatusCode::ACCEPTED.into_response();
        }
    }
    match session.process(server).await {
        Ok(process) => send(process, message, false).await,
        Err(reason) => refused(StatusCode::OK, id.as_deref(), INTERNAL_ERROR, &reason),
    }
}

/// Sends `message` to `process`. The HTTP response has the answer, if the message needs one.
async fn send(process: Arc<ServerProcess>, message: WireMessage, is_modern: bool) -> Response {
    if !matches!(message.kind, WireKind::Request(_)) {
        return match process.send(&message).await {
            Ok(()) => StatusCode::ACCEPTED.into_response(),
            Err(reason) => refused(StatusCode::BAD_GATEWAY, None, INTERNAL_ERROR, &reason),
        };
    }
    let mut call = match PendingCall::send(process, message, is_modern).await {
        Ok(call) => call,
        Err(response) => return response,
    };
    match call.next().await {
        Some(first) if !first.is_response() => events(first, call),
        Some(response) => json_response(StatusCode::OK, response.line()),
        // Not reached: the messages end with a response or an error.
        None => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// `GET`: opens the stream for messages that do not belong to a request.
async fn listen(
    State(servers): State<BridgedServers>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let session = server(&servers, &name).and_then(|server| session(&server, &headers));
    match session {
        Some(session) => all_events(session.pending.open_stream()),
        None if headers.contains_key(SESSION_ID) => StatusCode::NOT_FOUND.into_response(),
        None => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

/// `DELETE`: the client ends its session.
async fn end(
    State(servers): State<BridgedServers>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> StatusCode {
    let id = headers.get(SESSION_ID).and_then(|id| id.to_str().ok());
    let (Some(server), Some(id)) = (server(&servers, &name), id) else {
        return StatusCode::NOT_FOUND;
    };
    if server.remove(id) {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    }
}

/// The messages for a request as events. They end with the response.
fn events(first: WireMessage, call: PendingCall) -> Response {
    let events = stream::unfold((Some(first), Some(call)), |(first, call)| async move {
        let mut call = call?;
        let message = match first {
            Some(first) => first,
            None => call.next().await?,
        };
        let rest = (!message.is_response()).then_some(call);
        Some((event(&message), (None, rest)))
    });
    sse(events)
}

/// The messages of a stream as events, until the client closes it.
fn all_events(messages: Messages) -> Response {
    sse(stream::unfold(messages, |mut messages| async move {
        let message = messages.recv().await?.ok()?;
        Some((event(&message), messages))
    }))
}

fn event(message: &WireMessage) -> Result<Event, Infallible> {
    Ok(Event::default().data(message.line()))
}

fn sse(events: impl stream::Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// The response if the server cannot be used now.
fn unavailable(id: Option<&str>, reason: &str) -> Response {
    refused(StatusCode::BAD_GATEWAY, id, INTERNAL_ERROR, reason)
}

fn refused(status: StatusCode, id: Option<&str>, code: i64, reason: &str) -> Response {
    json_response(status, WireMessage::error(id, code, reason))
}

fn json_response(status: StatusCode, text: String) -> Response {
    let mut response = response::Response::new(Body::from(text));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
