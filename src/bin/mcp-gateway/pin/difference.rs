//! The differences between the tools of a server and their pins.

use std::fmt;

use mcp_gateway::config::Server;
use mcp_gateway::gateway::upstream::tool_pins;
use mcp_gateway::mcp::list::ListKind;
use serde_json::{Value, json};

/// A tool that differs from its pin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    server: String,
    /// The server's own name of the tool.
    tool: String,
    kind: DifferenceKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DifferenceKind {
    Changed,
    Unpinned,
    Unlisted,
}

impl Difference {
    /// The differences of the `tools` that `server` lists, in its order; and then pins whose tools
    /// the server does not list.
    pub(super) fn all(server: &Server, tools: &[Value]) -> Vec<Self> {
        let Some(pins) = &server.pins else {
            return Vec::new();
        };
        let difference = |tool: &str, kind| Self {
            server: server.name.clone(),
            tool: tool.to_owned(),
            kind,
        };
        let name = |tool: &Value| Some(tool.get("name")?.as_str()?.to_owned());
        let mut differences = Vec::new();
        for tool in tools {
            let Some(name) = name(tool) else { continue };
            if !server.allows(ListKind::Tools, &name) {
                continue;
            }
            match pins.place(&name) {
                None => differences.push(difference(&name, DifferenceKind::Unpinned)),
                Some(place) => {
                    let digest = tool_pins::digest(&tool.to_string());
                    if digest.as_ref() != pins.digest(place) {
                        differences.push(difference(&name, DifferenceKind::Changed));
                    }
                }
            }
        }
        let listed: Vec<String> = tools.iter().filter_map(name).collect();
        let unlisted = pins
            .names()
            .filter(|name| listed.iter().all(|it| it != name));
        differences.extend(unlisted.map(|name| difference(name, DifferenceKind::Unlisted)));
        differences
    }

    pub(super) fn json(&self) -> Value {
        let kind = match self.kind {
            DifferenceKind::Changed => "changed",
            DifferenceKind::Unpinned => "unpinned",
            DifferenceKind::Unlisted => "unlisted",
        };
        json!({"server": self.server, "tool": self.tool, "difference": kind})
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            DifferenceKind::Changed => "has a different definition than the pinned one",
            DifferenceKind::Unpinned => "has no pin",
            DifferenceKind::Unlisted => "has a pin, but the server does not list it",
        };
        write!(f, "server {}: the tool {:?} {what}", self.server, self.tool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_gateway::config::Config;

    #[test]
    fn each_tool_that_differs_is_named() {
        let digest = |tool: &Value| tool_pins::text(&tool_pins::digest(&tool.to_string()).unwrap());
        let same = json!({"name": "same", "inputSchema": {}});
        let pins = json!({
            "same": digest(&same),
            "changed": digest(&same),
            "unlisted": digest(&same),
        });
        let config = json!({
            "servers": [{"name": "a", "tools": {"exclude": ["hidden"]}}],
            "pins": {"policy": "WARN", "servers": {"a": {"tools": pins}}},
        });
        let config = Config::parse(config.to_string().as_bytes()).unwrap();
        let server = &config.gateway.unwrap().servers[0];
        let tools = ["new", "changed", "hidden"].map(|name| json!({"name": name}));
        let tools = [&tools[..], &[same]].concat();
        let said: Vec<String> = Difference::all(server, &tools)
            .iter()
            .map(|it| format!("{it} {}", it.json()["difference"]))
            .collect();
        assert_eq!(
            said,
            [
                "server a: the tool \"new\" has no pin \"unpinned\"",
                "server a: the tool \"changed\" has a different definition than the pinned one \"changed\"",
                "server a: the tool \"unlisted\" has a pin, but the server does not list it \"unlisted\"",
            ]
        );
    }
}
