//! Asking each server, as itself, how it is.

use std::path::Path;
use std::time::Duration;

use mcp_gateway::config::{Protocol, Server};
use serde_json::{Value, json};

use super::http::{self, Answer};

const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";
const WITHIN: Duration = Duration::from_secs(5);
/// Pages of tools that are counted.
const PAGES: usize = 64;

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Up {
        /// `modern`, or the version that a legacy server answers with.
        era: String,
        /// `None` where it has none to list.
        tools: Option<usize>,
    },
    Down(String),
}

/// Asks `server` through Envoy's `socket`, in the era that it is of.
pub(crate) fn probe(socket: &Path, server: &Server) -> State {
    let ask = Ask { socket, server };
    if server.protocol != Protocol::Legacy {
        match ask.modern("server/discover", json!({})) {
            Ok(answer) if answer.get("result").is_some() => {
                let tools = ask.tools(|params| ask.modern("tools/list", params));
                return State::Up {
                    era: "modern".to_owned(),
                    tools,
                };
            }
            Err(Failed::Unreachable(why)) => return State::Down(why),
            _ if server.protocol == Protocol::Modern => {
                return State::Down("does not answer server/discover".to_owned());
            }
            _ => {}
        }
    }
    ask.legacy()
}

enum Failed {
    /// Nobody there, or nobody who would speak to us.
    Unreachable(String),
    /// An answer that is not MCP's.
    Nonsense(String),
}

struct Ask<'a> {
    socket: &'a Path,
    server: &'a Server,
}

impl Ask<'_> {
    fn post(&self, headers: &[(&str, &str)], body: &Value) -> Result<Answer, Failed> {
        let fixed = [
            ("host", &*self.server.authority),
            ("x-cluster", &self.server.cluster),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        let headers: Vec<_> = fixed.iter().chain(headers).copied().collect();
        let body = body.to_string();
        let answer = http::ask(
            self.socket,
            ("POST", &self.server.path),
            &headers,
            &body,
            WITHIN,
        );
        let answer = answer.map_err(|_| Failed::Unreachable("does not answer".to_owned()))?;
        match answer.status {
            401 | 403 => Err(Failed::Unreachable(format!(
                "wants credentials ({})",
                answer.status
            ))),
            502..=504 => Err(Failed::Unreachable(reason(&answer.body))),
            _ => Ok(answer),
        }
    }

    fn modern(&self, method: &str, mut params: Value) -> Result<Value, Failed> {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        if let Some(params) = params.as_object_mut() {
            params.insert("_meta".to_owned(), meta);
        }
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let headers = [("mcp-protocol-version", MODERN), ("mcp-method", method)];
        message(&self.post(&headers, &body)?)
    }

    fn legacy(&self) -> State {
        let params = json!({
            "protocolVersion": LEGACY,
            "capabilities": {},
            "clientInfo": {"name": "mcp-gateway", "version": env!("CARGO_PKG_VERSION")},
        });
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
        let answer = match self.post(&[], &body) {
            Ok(answer) => answer,
            Err(Failed::Unreachable(why) | Failed::Nonsense(why)) => return State::Down(why),
        };
        let version = match message(&answer) {
            Ok(message) => message
                .pointer("/result/protocolVersion")
                .and_then(Value::as_str)
                .map(str::to_owned),
            Err(_) => None,
        };
        let Some(version) = version else {
            return State::Down(format!(
                "does not answer as an MCP server ({})",
                answer.status
            ));
        };
        let session = answer.header("mcp-session-id");
        let mut headers = vec![("mcp-protocol-version", &*version)];
        headers.extend(session.map(|id| ("mcp-session-id", id)));
        let _ = self.post(
            &headers,
            &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        );
        let tools = self.tools(|params| {
            let body = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": params});
            message(&self.post(&headers, &body)?)
        });
        if session.is_some() {
            headers.extend([
                ("host", &*self.server.authority),
                ("x-cluster", &self.server.cluster),
            ]);
            let _ = http::ask(
                self.socket,
                ("DELETE", &self.server.path),
                &headers,
                "",
                WITHIN,
            );
        }
        State::Up {
            era: format!("legacy {version}"),
            tools,
        }
    }

    /// How many tools the gateway offers of it.
    fn tools(&self, list: impl Fn(Value) -> Result<Value, Failed>) -> Option<usize> {
        let mut count = 0;
        let mut params = json!({});
        for _ in 0..PAGES {
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
}

/// The JSON-RPC message of an answer, or of the event stream that it is.
fn message(answer: &Answer) -> Result<Value, Failed> {
    let stream = answer
        .header("content-type")
        .is_some_and(|it| it.starts_with("text/event-stream"));
    let parsed = if stream {
        let events = answer
            .body
            .split("\n\n")
            .flat_map(|event| event.split("\r\n\r\n"));
        let data = events.map(|event| {
            let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
            lines.collect::<Vec<_>>().join("\n")
        });
        let mut messages = data.filter_map(|data| serde_json::from_str::<Value>(&data).ok());
        messages.find(|it| it.get("result").is_some() || it.get("error").is_some())
    } else {
        serde_json::from_str(&answer.body).ok()
    };
    parsed.ok_or_else(|| Failed::Nonsense(format!("answers no JSON-RPC ({})", answer.status)))
}

/// The end of what Envoy says when it reaches nobody.
fn reason(body: &str) -> String {
    let end = ["error: ", "reason: "]
        .iter()
        .find_map(|mark| Some(body.rsplit_once(mark)?.1));
    let text = end
        .unwrap_or(body)
        .split('\n')
        .next()
        .unwrap_or_default()
        .trim();
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoys_reason_is_its_last_words() {
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
            assert_eq!(reason(body), expected);
        }
    }
}
