//! An MCP server of the legacy era, with sessions. Its tools do what such servers may do during a
//! call.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use hyper::body::{Bytes, Frame};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::capture::{Recorded, record};

const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// A running server. It runs as long as the test. Its tools:
/// - `t` returns the server's name.
/// - `ask` sends the client a request, whose id (JSON text) is in the arguments of the call, and
///   returns the client's response.
/// - `progress` sends a progress notification with the token of the call.
/// - `wait` ends when the call is cancelled or the other side closes the stream.
/// - `early` ends its stream without an answer. The server sends the answer to the next GET.
#[derive(Clone)]
pub(crate) struct Legacy {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    name: String,
    begun: usize,
    sessions: HashMap<String, Session>,
    requests: Vec<Recorded>,
    gone: usize,
    /// How long an answer takes.
    delay: Duration,
}

#[derive(Default)]
struct Session {
    /// Who waits for a message about an id (JSON text): for the response to a request of the
    /// server, or for the cancellation of a call.
    waiting: HashMap<String, oneshot::Sender<String>>,
    /// The id of the call that the server answers in the response to the next GET.
    unfinished: Option<String>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<String>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, rename = "requestId")]
    request_id: Option<&'a RawValue>,
    name: Option<String>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
    arguments: Option<Arguments>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Arguments {
    id: Option<String>,
}

impl Legacy {
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_at(name, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(crate) async fn start_at(name: &str, address: SocketAddr) -> Self {
        let state = State {
            name: name.to_owned(),
            ..State::default()
        };
        let listener = TcpListener::bind(address).await.expect("a port");
        let server = Self {
            address: listener.local_addr().expect("an address"),
            state: Arc::new(Mutex::new(state)),
        };
        let answering = server.clone();
        let router = Router::new().fallback(move |request: Request<Body>| async move {
            let request = record(request).await;
            let response = answering.answer(&request);
            answering.state().requests.push(request);
            let delay = answering.state().delay;
            tokio::time::sleep(delay).await;
            response
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    /// How many sessions have begun, and how many of them are still open.
    pub(crate) fn sessions(&self) -> (usize, usize) {
        let state = self.state();
        (state.begun, state.sessions.len())
    }

    /// How many streams of the tool `wait` the other side has closed.
    pub(crate) fn left(&self) -> usize {
        self.state().gone
    }

    /// Forgets all sessions.
    pub(crate) fn forget(&self) {
        self.state().sessions.clear();
    }

    /// From now on, each answer comes later than the request by `delay`.
    #[allow(dead_code, reason = "the tests in tests/cli need it")]
    pub(crate) fn answer_after(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// The requests that have reached the server since the last call of this function.
    pub(crate) fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.state().requests)
    }

    /// Waits until `is_there` is true for the server. `what` describes the condition in the error.
    pub(crate) async fn until(&self, what: &str, is_there: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + SEEN_WITHIN;
        while !is_there(self) {
            assert!(
                Instant::now() < deadline,
                "{what}: {:#?}",
                self.state().requests
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The requests so far whose body contains `part`.
    pub(crate) fn with(&self, part: &str) -> Vec<Recorded> {
        let state = self.state();
        let with = state.requests.iter().filter(|it| it.body.contains(part));
        with.cloned().collect()
    }

    /// Waits for a request whose body contains `part`.
    pub(crate) async fn seen(&self, part: &str) -> Recorded {
        self.until(part, |it| !it.with(part).is_empty()).await;
        self.with(part).remove(0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Recorded) -> Response {
        let session = request.header("mcp-session-id").map(str::to_owned);
        let known = session.filter(|id| self.state().sessions.contains_key(id));
        if request.method == "POST" && request.body.contains(r#""method":"initialize""#) {
            return self.begin(request);
        }
        let Some(session) = known else {
            return match request.header("mcp-session-id") {
                Some(_) => error(404, "Session not found"),
                None => error(400, "Bad Request: no session"),
            };
        };
        match request.method.as_str() {
            "DELETE" => {
                self.state().sessions.remove(&session);
                axum::http::StatusCode::OK.into_response()
            }
            "GET" => self.stream(&session, request),
            _ => self.message(&session, &request.body),
        }
    }

    fn begin(&self, request: &Recorded) -> Response {
        let mut state = self.state();
        state.begun += 1;
        let id = format!("{}-{}", state.name, state.begun);
        state.sessions.insert(id.clone(), Session::default());
        let asked = request.json();
        let result = format!(
            r#"{{"protocolVersion":{},"capabilities":{{"tools":{{}},"logging":{{}}}},"serverInfo":{{"name":"{}","version":"1"}}}}"#,
            asked["params"]["protocolVersion"], state.name
        );
        let mut response = request.result(&result);
        let id = id.parse().expect("the value of a header");
        response.headers_mut().insert("mcp-session-id", id);
        response
    }

    fn message(&self, session: &str, body: &str) -> Response {
        let accepted = || axum::http::StatusCode::ACCEPTED.into_response();
        let message: Message<'_> = serde_json::from_str(body).expect("a message");
        let params: Option<Params<'_>> = message
            .params
            .map(|params| serde_json::from_str(params.get()).expect("parameters"));
        let (Some(id), Some(method)) = (message.id, &message.method) else {
            // A response, or a notification.
            let cancelled = params.and_then(|params| params.request_id);
            if let Some(id) = message.id.or(cancelled) {
                self.wake(session, id.get(), body);
            }
            return accepted();
        };
        let id = id.get().to_owned();
        match method.as_str() {
            "tools/list" => json(
                &id,
                r#"{"tools":[{"name":"t","inputSchema":{"type":"object"}}]}"#,
            ),
            "tools/call" => self.call(session, id, &params.expect("parameters")),
            "logging/setLevel" | "ping" => json(&id, "{}"),
            _ => error(200, "Method not found"),
        }
    }

    fn call(&self, session: &str, id: String, params: &Params<'_>) -> Response {
        let name = params.name.as_deref().unwrap_or_default();
        let own = self.state().name.clone();
        let (events, stream) = Events::new();
        match name {
            "t" => return json(&id, &said(&own)),
            "ask" => {
                let asked = params.arguments.as_ref().and_then(|it| it.id.clone());
                let asked = asked.expect("the id of a request");
                let answered = self.wait(session, &asked);
                events.data(&format!(
                    r#"{{"jsonrpc":"2.0","id":{asked},"method":"elicitation/create","params":{{"message":"{own}?","requestedSchema":{{"type":"object","properties":{{}}}},"_meta":{{"progressToken":{asked}}}}}}}"#
                ));
                tokio::spawn(async move {
                    let answer = answered.await.unwrap_or_default();
                    events.data(&response(&id, &said(&answer)));
                });
            }
            "progress" => {
                let token = params.meta.as_ref().and_then(|meta| meta.progress_token);
                let token = token.expect("a token").get();
                events.data(&format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1}}}}"#
                ));
                events.data(&response(&id, &said(&own)));
            }
            "wait" => {
                let cancelled = self.wait(session, &id);
                events.raw(": begun\n\n");
                let state = Arc::clone(&self.state);
                tokio::spawn(async move {
                    tokio::select! {
                        _ = cancelled => {}
                        () = events.0.closed() => {
                            state.lock().unwrap_or_else(PoisonError::into_inner).gone += 1;
                        }
                    }
                });
            }
            "early" => {
                if let Some(session) = self.state().sessions.get_mut(session) {
                    session.unfinished = Some(id);
                }
                events.raw("id: early/1\nretry: 10\ndata:\n\n");
            }
            _ => return error(200, "Unknown tool"),
        }
        stream
    }

    /// The response to a GET: the rest of an unfinished call, or a notification that belongs to no
    /// request.
    fn stream(&self, session: &str, request: &Recorded) -> Response {
        let (events, stream) = Events::new();
        let last = request.header("last-event-id").unwrap_or("none").to_owned();
        let mut state = self.state();
        let unfinished = state
            .sessions
            .get_mut(session)
            .and_then(|session| session.unfinished.take());
        if let Some(id) = unfinished.filter(|_| last.starts_with("early/")) {
            let answer = response(&id, &said(&last));
            events.raw(&format!("id: early/2\ndata: {answer}\n\n"));
        } else {
            events.raw(&format!(
                "id: {}/after {last}\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{{\"uri\":\"file:///x\"}}}}\n\n",
                state.name
            ));
            tokio::spawn(async move { events.0.closed().await });
        }
        stream
    }

    fn wait(&self, session: &str, id: &str) -> oneshot::Receiver<String> {
        let (sender, receiver) = oneshot::channel();
        if let Some(session) = self.state().sessions.get_mut(session) {
            session.waiting.insert(id.to_owned(), sender);
        }
        receiver
    }

    fn wake(&self, session: &str, id: &str, body: &str) {
        let mut state = self.state();
        let session = state.sessions.get_mut(session);
        if let Some(waiting) = session.and_then(|session| session.waiting.remove(id)) {
            let _ = waiting.send(body.to_owned());
        }
    }
}

fn said(text: &str) -> String {
    let text = serde_json::Value::from(text);
    format!(r#"{{"content":[{{"type":"text","text":{text}}}]}}"#)
}

fn response(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

fn json(id: &str, result: &str) -> Response {
    ([("content-type", "application/json")], response(id, result)).into_response()
}

fn error(status: u16, message: &str) -> Response {
    let status = axum::http::StatusCode::from_u16(status).expect("a status");
    let body =
        format!(r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":-32600,"message":"{message}"}}}}"#);
    (status, [("content-type", "application/json")], body).into_response()
}

/// The server's end of a response in events.
struct Events(mpsc::Sender<String>);

impl Events {
    fn new() -> (Self, Response) {
        let (sender, receiver) = mpsc::channel(16);
        let body = Body::new(Streamed(receiver));
        let stream = ([("content-type", "text/event-stream")], body).into_response();
        (Self(sender), stream)
    }

    fn data(&self, message: &str) {
        self.raw(&format!("data: {message}\n\n"));
    }

    fn raw(&self, text: &str) {
        let _ = self.0.try_send(text.to_owned());
    }
}

struct Streamed(mpsc::Receiver<String>);

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.0.poll_recv(context);
        next.map(|text| text.map(|text| Ok(Frame::data(text.into()))))
    }
}
