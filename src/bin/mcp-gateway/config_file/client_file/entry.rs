//! One server in the file of a client.

use mcp_gateway::http::url::Url;
use serde_json::{Value, json};

use super::{member, members};
use crate::config_file::{advice, server_names};
use crate::problem::{Findings, Problem};
use crate::syntax::tree::{Node, NodeKind};

/// How the gateway reaches a server.
enum Transport<'e> {
    Stdio,
    /// By Streamable HTTP, at this url.
    Http(&'e Node),
}

/// The server `name` of a configuration, from its `entry`. Errors go to `findings`, and a server
/// that the gateway cannot use goes to `left_out`.
pub(super) fn read(
    name: &str,
    entry: &Node,
    left_out: &mut Vec<Problem>,
    findings: &mut Findings,
) -> Option<Node> {
    let NodeKind::Object(members) = &entry.kind else {
        let problem = Problem::new(entry.line, &entry.path, "must be an object");
        let url = entry.text(&[]).filter(|url| Url::parse_http(url).is_some());
        let server = json!({ "url": url.unwrap_or("https://mcp.example.com/mcp") });
        findings.errors.push(problem.members([(name, server)]));
        return None;
    };
    for (name, node) in members {
        members::check(name, node, findings);
    }
    let transport = transport(name, entry, findings).map_err(|problem| left_out.push(problem));
    let mut server = vec![text(entry, "name", name)];
    match transport.ok()? {
        Transport::Stdio => {
            for field in ["command", "args", "env", "envFile", "cwd"] {
                let value = entry.get(field).cloned();
                server.extend(value.map(|value| (field.to_owned(), value)));
            }
        }
        Transport::Http(url) => {
            server.push(("url".to_owned(), url.clone()));
            server.extend(headers(entry, findings));
        }
    }
    let prefix = server_names::tool_prefix(name);
    server.push(text(entry, "toolPrefix", &prefix));
    if is_disabled(entry, findings) {
        server.push(member(entry, "enabled", NodeKind::Scalar(false.into())));
    }
    server.extend(timeout(entry, findings));
    server.extend(tools(entry));
    Some(Node {
        line: entry.line,
        path: entry.path.clone(),
        kind: NodeKind::Object(server),
    })
}

/// How the gateway reaches the server, from the members about its transport.
///
/// # Errors
/// The gateway does not support this transport, or there is none.
fn transport<'e>(
    name: &str,
    entry: &'e Node,
    findings: &mut Findings,
) -> Result<Transport<'e>, Problem> {
    let left_out = |reason: &str| {
        let reason = format!("{name:?} is left out: {reason}");
        Problem::new(entry.line, &entry.path, reason)
    };
    let urls = ["httpUrl", "url", "serverUrl"];
    let url = urls.into_iter().find_map(|field| entry.get(field));
    let has_command = entry.get("command").is_some();
    let types = ["type", "transport", "transportType"];
    let kind = types.into_iter().find_map(|field| entry.text(&[field]));
    let plain = kind.map(|kind| kind.to_ascii_lowercase().replace(['-', '_'], ""));
    match plain.as_deref() {
        Some("sse") => {
            let problem =
                left_out("the gateway does not speak the old transport HTTP+SSE of MCP 2024-11-05");
            return Err(problem.fix("write type http, and the url of the server's Streamable HTTP endpoint, often with the path /mcp"));
        }
        None | Some("stdio" | "local" | "http" | "streamablehttp" | "remote") => {}
        Some(_) => {
            let kind = kind.unwrap_or_default();
            let reason = format!("the gateway does not speak the transport {kind:?}");
            return Err(left_out(&reason).fix("write type http, or type stdio"));
        }
    }
    let is_stdio = matches!(plain.as_deref(), Some("stdio" | "local"));
    match (url, has_command) {
        (Some(_), true) if plain.is_none() => {
            let problem = Problem::new(entry.line, &entry.path, "has both a command and a url");
            findings.errors.push(problem.fix("remove one of them"));
            Ok(Transport::Stdio)
        }
        (_, true) if is_stdio || url.is_none() => Ok(Transport::Stdio),
        (Some(url), _) => Ok(Transport::Http(url)),
        (None, _) => {
            let problem = left_out("it has neither a url nor a command");
            Err(match misspelled(entry) {
                Some(fix) => problem.fix(fix),
                None => problem.members([("url", "https://mcp.example.com/mcp".into())]),
            })
        }
    }
}

/// The fix for an entry in which `url` or `command` is misspelled.
fn misspelled(entry: &Node) -> Option<String> {
    let mut members = advice::misspelled_members(entry, &["url", "command"]);
    let (name, _, meant) = members.next()?;
    Some(format!("write {meant} in place of {name}"))
}

/// The headers as one object. Where Codex gives the name of a variable, the value is that variable.
fn headers(entry: &Node, findings: &mut Findings) -> Option<(String, Node)> {
    let mut headers = Vec::new();
    for field in ["headers", "httpHeaders", "envHttpHeaders"] {
        let Some(node) = entry.get(field) else {
            continue;
        };
        let NodeKind::Object(members) = &node.kind else {
            let reason = "must be an object of strings";
            let problem = Problem::new(node.line, &node.path, reason);
            findings
                .errors
                .push(problem.members([(last(node), json!({ "X-Key": "value" }))]));
            continue;
        };
        for (name, value) in members {
            let value = match value.text(&[]) {
                Some(variable) if field == "envHttpHeaders" => {
                    text(value, name, &format!("${{{variable}}}"))
                }
                _ => (name.clone(), value.clone()),
            };
            headers.push(value);
        }
    }
    if let Some(node) = entry.get("bearerTokenEnvVar") {
        let variable = node.text(&[]).unwrap_or_default();
        let value = format!("Bearer ${{{variable}}}");
        headers.push(text(node, "Authorization", &value));
    }
    (!headers.is_empty()).then(|| member(entry, "headers", NodeKind::Object(headers)))
}

fn is_disabled(entry: &Node, findings: &mut Findings) -> bool {
    let mut says = |field: &str, disabled: bool| {
        let node = entry.get(field)?;
        let NodeKind::Scalar(Value::Bool(value)) = node.kind else {
            let problem = Problem::new(node.line, &node.path, "must be true or false");
            findings
                .errors
                .push(problem.members([(field, disabled.into())]));
            return None;
        };
        Some(value == disabled)
    };
    let (disabled, enabled) = (says("disabled", true), says("enabled", false));
    disabled == Some(true) || enabled == Some(true)
}

fn timeout(entry: &Node, findings: &mut Findings) -> Option<(String, Node)> {
    let node = entry.get("timeout")?;
    match &node.kind {
        NodeKind::Scalar(Value::String(_)) => Some(("timeout".to_owned(), node.clone())),
        NodeKind::Scalar(Value::Number(number)) if number.is_u64() => {
            let reason = format!("is {number} milliseconds, since it has no unit");
            let unit = if number.as_u64() < Some(1000) {
                "s"
            } else {
                "ms"
            };
            let warning = Problem::new(node.line, &node.path, reason);
            findings
                .warnings
                .push(warning.members([("timeout", format!("{number}{unit}").into())]));
            Some(text(node, "timeout", &format!("{number}ms")))
        }
        _ => {
            let reason = "must be a text with a unit, or a number of milliseconds";
            let problem = Problem::new(node.line, &node.path, reason);
            findings
                .errors
                .push(problem.members([("timeout", "30s".into())]));
            None
        }
    }
}

/// The filter of the server's tools. An empty list has no effect.
fn tools(entry: &Node) -> Option<(String, Node)> {
    let list = |names: [&str; 2], field: &str| {
        let node = names.into_iter().find_map(|name| entry.get(name))?;
        let says_nothing = matches!(&node.kind, NodeKind::List(items) if items.is_empty());
        (!says_nothing).then(|| (field.to_owned(), node.clone()))
    };
    let include = list(["includeTools", "enabledTools"], "include");
    let exclude = list(["excludeTools", "disabledTools"], "exclude");
    let lists: Vec<_> = include.into_iter().chain(exclude).collect();
    (!lists.is_empty()).then(|| member(entry, "tools", NodeKind::Object(lists)))
}

/// The name of the member `node`, as the file has it.
fn last(node: &Node) -> &str {
    node.path.rsplit('.').next().unwrap_or_default()
}

fn text(at: &Node, name: &str, value: &str) -> (String, Node) {
    member(at, name, NodeKind::Scalar(value.into()))
}
