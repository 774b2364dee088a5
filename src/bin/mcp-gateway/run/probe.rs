//! Asks a server directly, not through the filter, whether it is up and which
//! tools it has.

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use hyper::{Method, Request};
use mcp_gateway::config::{Protocol, Server};
use mcp_gateway::mcp::version;
use serde_json::{Value, json};

use super::http::{self, HttpResponse};

/// How long a server may take for one answer.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// How many pages of a tool list are read.
const MAX_PAGES: usize = 64;

/// How a server answered when it was asked last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerStatus {
    Up {
        /// `modern`, or `legacy` and the version that the server chose.
        era: String,
        /// How many tools the gateway offers of this server; `None` if the server
        /// did not list its tools.
        tools: Option<usize>,
    },
    /// The reason why it cannot be used.
    Down(String),
}

/// Asks all `servers` at the same time, as [`probe`] does. The statuses are in the order
/// of the servers.
pub(super) fn probe_all(socket: &Path, servers: &[Server]) -> Vec<ServerStatus> {
    thread::scope(|scope| {
        let probes: Vec<_> = servers
            .iter()
            .map(|server| scope.spawn(|| probe(socket, server)))
            .collect();
        let failed = |_| ServerStatus::Down("could not be asked".to_owned());
        probes
            .into_iter()
            .map(|probe| probe.join().unwrap_or_else(failed))
            .collect()
    })
}

/// Asks `server` for its status and its tools, in the MCP version that the
/// configuration gives it. `socket` is where Envoy forwards to all servers.
fn probe(socket: &Path, server: &Server) -> ServerStatus {
    let probe = Probe {
        socket,
        server,
        last_id: Cell::new(0),
    };
    match probe.status() {
        Ok(status) => status,
        Err(ProbeError::Unreachable(reason) | ProbeError::NotMcp(reason)) => {
            ServerStatus::Down(reason)
        }
    }
}

/// Why a request has no result.
enum ProbeError {
    /// The server cannot be reached, or it refuses this client. It would do so in
    /// any MCP version.
    Unreachable(String),
    /// The answer is not an MCP message.
    NotMcp(String),
}

/// The requests to one server.
struct Probe<'a> {
    socket: &'a Path,
    server: &'a Server,
    /// The id of the last JSON-RPC request.
    last_id: Cell<u64>,
}

/// What a legacy server said in its answer to `initialize`.
struct LegacySession {
    version: String,
    id: Option<String>,
}

impl LegacySession {
    fn headers(&self) -> Vec<(&str, &str)> {
        let id = self.id.iter().map(|id| ("mcp-session-id", &**id));
        [("mcp-protocol-version", &*self.version)]
            .into_iter()
            .chain(id)
            .collect()
    }
}

impl Probe<'_> {
    fn status(&self) -> Result<ServerStatus, ProbeError> {
        if self.server.protocol == Protocol::Legacy {
            return self.legacy();
        }
        match self.modern("server/discover", json!({})) {
            Ok(answer) if answer.get("result").is_some() => Ok(ServerStatus::Up {
                era: "modern".to_owned(),
                tools: self.count_tools(|params| self.modern("tools/list", params)),
            }),
            Err(ProbeError::Unreachable(reason)) => Err(ProbeError::Unreachable(reason)),
            _ if self.server.protocol == Protocol::Modern => {
                let reason = "no result for server/discover".to_owned();
                Err(ProbeError::NotMcp(reason))
            }
            _ => self.legacy(),
        }
    }

    /// Sends one request of a modern client, and returns the JSON-RPC response.
    fn modern(&self, method: &str, mut params: Value) -> Result<Value, ProbeError> {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": version::NEWEST_MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        if let Some(params) = params.as_object_mut() {
            params.insert("_meta".to_owned(), meta);
        }
        let headers = [
            ("mcp-protocol-version", version::NEWEST_MODERN),
            ("mcp-method", method),
        ];
        message(&self.post(&headers, &self.request(method, &params))?)
    }

    fn legacy(&self) -> Result<ServerStatus, ProbeError> {
        let session = self.initialize()?;
        let headers = session.headers();
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        // What the server says to the notification and to the end of the session
        // does not matter: it has answered `initialize`.
        let _ = self.post(&headers, &initialized);
        let tools = self.count_tools(|params| {
            message(&self.post(&headers, &self.request("tools/list", &params))?)
        });
        if session.id.is_some() {
            let _ = self.send(Method::DELETE, &headers, String::new());
        }
        Ok(ServerStatus::Up {
            era: format!("legacy {}", session.version),
            tools,
        })
    }

    fn initialize(&self) -> Result<LegacySession, ProbeError> {
        let params = json!({
            "protocolVersion": version::NEWEST_LEGACY,
            "capabilities": {},
            "clientInfo": {"name": "mcp-gateway", "version": env!("CARGO_PKG_VERSION")},
        });
        let response = self.post(&[], &self.request("initialize", &params))?;
        let answer = message(&response)?;
        let version = answer
            .pointer("/result/protocolVersion")
            .and_then(Value::as_str)
            .ok_or_else(|| ProbeError::NotMcp("no result for initialize".to_owned()))?;
        Ok(LegacySession {
            version: version.to_owned(),
            id: response.header("mcp-session-id").map(str::to_owned),
        })
    }

    /// Counts the tools that the gateway offers of this server. `list` asks for
    /// one page of the list.
    fn count_tools(&self, list: impl Fn(Value) -> Result<Value, ProbeError>) -> Option<usize> {
        let mut count = 0;
        let mut params = json!({});
        for _ in 0..MAX_PAGES {
            let answer = list(params).ok()?;
            let tools = answer.pointer("/result/tools")?.as_array()?;
            let names = tools.iter().filter_map(|tool| tool.get("name")?.as_str());
            count += names.filter(|name| self.server.tools.allows(name)).count();
            match answer.pointer("/result/nextCursor") {
                Some(Value::String(cursor)) => params = json!({"cursor": cursor}),
                _ => break,
            }
        }
        Some(count)
    }

    /// A JSON-RPC request with an id of its own.
    fn request(&self, method: &str, params: &Value) -> Value {
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    }

    fn post(&self, headers: &[(&str, &str)], body: &Value) -> Result<HttpResponse, ProbeError> {
        let content = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        let headers = [&content, headers].concat();
        let response = self
            .send(Method::POST, &headers, body.to_string())
            .map_err(|error| ProbeError::Unreachable(no_answer(&error)))?;
        match response.status.as_u16() {
            status @ (401 | 403) => Err(ProbeError::Unreachable(format!(
                "requires credentials (HTTP {status})"
            ))),
            502..=504 => Err(ProbeError::Unreachable(envoy_reason(&response.body))),
            _ => Ok(response),
        }
    }

    fn send(
        &self,
        method: Method,
        headers: &[(&str, &str)],
        body: String,
    ) -> io::Result<HttpResponse> {
        let mut request = Request::builder()
            .method(method)
            .uri(&*self.server.path)
            .header("host", &*self.server.authority)
            .header("x-cluster", &*self.server.cluster);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // As the gateway asks it.
        for (name, value) in &self.server.headers {
            request = request.header(name, value.expose());
        }
        let request = request.body(body).map_err(io::Error::other)?;
        http::send(self.socket, request, TIME_LIMIT)
    }
}

fn no_answer(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => format!("no answer within {} s", TIME_LIMIT.as_secs()),
        _ => format!("no answer: {error}"),
    }
}

/// The JSON-RPC response in `response`, which is JSON or an event stream.
fn message(response: &HttpResponse) -> Result<Value, ProbeError> {
    let is_stream = response
        .header("content-type")
        .is_some_and(|it| it.starts_with("text/event-stream"));
    let message = if is_stream {
        in_events(&response.body)
    } else {
        serde_json::from_str(&response.body).ok()
    };
    message.ok_or_else(|| {
        let reason = format!(
            "no MCP server: no JSON-RPC in its answer (HTTP {})",
            response.status.as_u16()
        );
        ProbeError::NotMcp(reason)
    })
}

/// The first JSON-RPC response in the events of `stream`.
fn in_events(stream: &str) -> Option<Value> {
    let events = stream
        .split("\n\n")
        .flat_map(|event| event.split("\r\n\r\n"));
    let data = events.map(|event| {
        let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
        lines.collect::<Vec<_>>().join("\n")
    });
    let mut messages = data.filter_map(|data| serde_json::from_str::<Value>(&data).ok());
    messages.find(|it| it.get("result").is_some() || it.get("error").is_some())
}

/// The last part of Envoy's text about a server that it cannot reach. The parts
/// before it repeat the same in general words.
fn envoy_reason(body: &str) -> String {
    let last = ["error: ", "reason: "]
        .iter()
        .find_map(|mark| Some(body.rsplit_once(mark)?.1));
    let line = last.unwrap_or(body).lines().next().unwrap_or_default();
    line.trim().chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_last_part_of_envoys_text() {
        for (body, expected) in [
            (
                "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: remote connection failure, transport failure reason: delayed connect error: Connection refused",
                "Connection refused",
            ),
            (
                "upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
                "connection timeout",
            ),
            ("no healthy upstream", "no healthy upstream"),
        ] {
            assert_eq!(envoy_reason(body), expected);
        }
    }

    #[test]
    fn a_response_is_found_among_the_events_of_a_stream() {
        let response = json!({"id": 1, "result": {}});
        for stream in [
            "data: {\"id\": 1, \"result\": {}}\n\n",
            ": comment\r\n\r\nid: 7\r\ndata: {\"id\": 1,\r\ndata: \"result\": {}}\r\n\r\n",
            "data:\n\ndata: {\"method\": \"notifications/message\"}\n\ndata: {\"id\": 1, \"result\": {}}\n\ndata: {\"id\"",
        ] {
            assert_eq!(in_events(stream), Some(response.clone()), "{stream:?}");
        }
        for stream in ["", "data: text\n\n", "data: {\"method\": \"ping\"}\n\n"] {
            assert_eq!(in_events(stream), None, "{stream:?}");
        }
    }
}
