//! The session of a legacy client that has sent `initialize`.

use std::net::SocketAddr;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::http::{ANSWERED_WITHIN, Answer, Connection, Request};
use super::message::legacy;

/// What such a client remembers.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Its `Mcp-Session-Id`.
    pub(crate) id: String,
}

impl Session {
    /// Begins a session for a client that supports elicitation, so servers may send it requests.
    pub(crate) async fn begin(to: SocketAddr) -> Self {
        Self::begun(&initialize().send(to).await)
    }

    /// The session that `answer` has begun. `answer` is the response to `initialize`.
    pub(crate) fn begun(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        let id = answer.header("mcp-session-id");
        let id = id.unwrap_or_else(|| panic!("no session: {answer:?}"));
        Self { id: id.to_owned() }
    }

    /// A request in this session; `params` is JSON text.
    pub(crate) fn request(&self, id: &str, method: &str, params: &str) -> Request {
        self.of(legacy(id, method, params))
    }

    /// A call of a tool in this session; `arguments` is JSON text.
    pub(crate) fn call(&self, id: &str, tool: &str, arguments: &str) -> Request {
        let params = format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#);
        self.request(id, "tools/call", &params)
    }

    pub(crate) fn list(&self) -> Request {
        self.request("1", "tools/list", "{}")
    }

    /// A POST of any body in this session.
    pub(crate) fn post(&self, body: &str) -> Request {
        self.of(Request::post(body))
    }

    pub(crate) fn get(&self) -> Request {
        self.of(Request::new("GET", "/mcp").header("accept", "text/event-stream"))
    }

    pub(crate) fn delete(&self) -> Request {
        self.of(Request::new("DELETE", "/mcp"))
    }

    fn of(&self, request: Request) -> Request {
        request
            .header("mcp-session-id", &self.id)
            .header("mcp-protocol-version", "2025-11-25")
    }
}

/// The `initialize` request of a client that supports elicitation, so servers may send it requests.
pub(crate) fn initialize() -> Request {
    legacy(
        "1",
        "initialize",
        r#"{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"test","version":"1"}}"#,
    )
}

/// A response in events, which the test reads one by one.
pub(crate) struct Events {
    body: Incoming,
    text: String,
}

impl Events {
    /// Sends `request` on its own connection.
    pub(crate) async fn open(to: SocketAddr, request: &Request) -> Self {
        let mut connection = Connection::open(to).await;
        let answer = timeout(ANSWERED_WITHIN, connection.begin(request)).await;
        let answer = answer.expect("an answer in time").expect("an answer");
        let (head, body) = answer.into_parts();
        let events = head
            .headers
            .get("content-type")
            .is_some_and(|it| it == "text/event-stream");
        if head.status != 200 || !events {
            let body = body.collect().await.expect("a body").to_bytes();
            panic!("no events: {head:?} {body:?}");
        }
        Self {
            body,
            text: String::new(),
        }
    }

    /// The text of the next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<String> {
        let read = async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let event = event.to_owned();
                    self.text = rest.to_owned();
                    return Some(event);
                }
                let frame = self.body.frame().await?.expect("a frame");
                let data = frame.into_data().unwrap_or_default();
                self.text += std::str::from_utf8(&data).expect("UTF-8");
            }
        };
        timeout(ANSWERED_WITHIN, read)
            .await
            .expect("an event in time")
    }

    /// The message (JSON text) in the next event that has data.
    pub(crate) async fn message(&mut self) -> String {
        loop {
            let event = self.next().await.expect("an event");
            let mut lines = event.lines();
            if let Some(data) = lines.find_map(|line| line.strip_prefix("data: ")) {
                return data.to_owned();
            }
        }
    }
}
