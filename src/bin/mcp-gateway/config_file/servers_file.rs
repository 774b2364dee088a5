//! The `servers:` files of older MCP gateways, in all their versions. They have fields that the
//! filter does not have, or for which it has another name.

use mcp_gateway::config::camel;
use serde_json::Value;

use crate::config_file::older_gateway::OlderField;
use crate::config_file::server_names;
use crate::problem::{Findings, Problem};
use crate::syntax::tree::{Node, NodeKind};

/// The names of tools of servers for which the file has no prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum UnprefixedTools {
    /// The name of their server, and then their own name.
    #[default]
    ServerName,
    /// Only their own name, as in older gateways.
    Compatible,
    /// Only their own name, and the output says so for each server.
    Explicit,
}

/// The product that a configuration was written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConfigOrigin {
    /// An older gateway.
    OlderGateway,
    /// Unknown. The fields show whether it was an older gateway.
    Unknown,
}

/// Gives the servers of `config` the fields of the filter.
pub(crate) fn translate(
    config: &mut Node,
    origin: ConfigOrigin,
    unprefixed: UnprefixedTools,
    findings: &mut Findings,
) {
    let mut is_of_older = origin == ConfigOrigin::OlderGateway;
    for field in OlderField::of_files() {
        is_of_older |= leave_out(config, field, findings);
    }
    is_of_older |= rename(config, "maxBodyBytes", "maxRequestBodySize", findings);
    for server in config.items_mut("servers") {
        is_of_older |= is_complete(server) || server.get("state").is_some();
        is_of_older |= rename(server, "prefix", "toolPrefix", findings);
        remove_type(server);
        state(server, findings);
        for field in OlderField::of_servers() {
            is_of_older |= leave_out(server, field, findings);
        }
    }
    if config.get("prefixMode").is_some() {
        return;
    }
    match unprefixed {
        UnprefixedTools::Compatible => config.set_text("prefixMode", "NEVER"),
        UnprefixedTools::Explicit => {
            for server in config.items_mut("servers") {
                if server.get("toolPrefix").is_none() {
                    server.set_text("toolPrefix", "");
                }
            }
        }
        UnprefixedTools::ServerName if is_of_older => {
            for server in config.get("servers").map_or(&[][..], Node::items) {
                tell_of_prefix(server, findings);
            }
        }
        UnprefixedTools::ServerName => {}
    }
}

/// Whether `server` has exactly the fields that the first versions of older gateways have for every
/// server.
fn is_complete(server: &Node) -> bool {
    ["name", "url", "hostname", "enabled"]
        .into_iter()
        .all(|field| server.get(field).is_some())
}

/// Renames the member `older` of `object` to the filter's name for it. Returns whether it exists.
fn rename(object: &mut Node, older: &str, name: &str, findings: &mut Findings) -> bool {
    if let (Some(node), Some(_)) = (object.get(older), object.get(name)) {
        let reason = format!("is the same as {name}");
        let problem = Problem::new(node.line, &node.path, reason);
        findings.errors.push(problem.fix(format!("remove {older}")));
        return object.remove(older);
    }
    let NodeKind::Object(members) = &mut object.kind else {
        return false;
    };
    let member = members.iter_mut().find(|(key, _)| camel(key) == older);
    member.is_some_and(|(key, _)| {
        name.clone_into(key);
        true
    })
}

/// Removes the type of a server that is reached over HTTP, as clients write it. It has no meaning
/// here.
fn remove_type(server: &mut Node) {
    let types = ["http", "streamable-http", "streamableHttp"];
    if server.text(&["type"]).is_some_and(|it| types.contains(&it)) {
        server.remove("type");
    }
}

/// Translates `state: Disabled` to `enabled: false`.
fn state(server: &mut Node, findings: &mut Findings) {
    let Some(state) = server.get("state") else {
        return;
    };
    let is_disabled = match state.text(&[]) {
        Some("Enabled" | "") => false,
        Some("Disabled") => true,
        _ => {
            let reason = "must be Enabled or Disabled";
            let problem = Problem::new(state.line, &state.path, reason);
            findings
                .errors
                .push(problem.members([("state", "Enabled".into())]));
            false
        }
    };
    let enabled = Node {
        kind: NodeKind::Scalar(Value::Bool(false)),
        ..state.clone()
    };
    server.remove("state");
    if is_disabled {
        server.remove("enabled");
        if let NodeKind::Object(members) = &mut server.kind {
            members.push(("enabled".to_owned(), enabled));
        }
    }
}

/// Removes `field` of `object`, and reports the effect that is missing then. Returns whether it
/// exists.
fn leave_out(object: &mut Node, field: &OlderField, findings: &mut Findings) -> bool {
    let Some(node) = object.get(field.name) else {
        return false;
    };
    if field.is_missed(node) {
        let reason = format!("is left out: {}", field.reason);
        let mut warning = Problem::new(node.line, &node.path, reason);
        warning.fix = field.instead.map(str::to_owned);
        findings.warnings.push(warning);
    }
    object.remove(field.name)
}

fn tell_of_prefix(server: &Node, findings: &mut Findings) {
    let Some(name) = server.text(&["name"]) else {
        return;
    };
    if server.get("toolPrefix").is_none() {
        let tools = server_names::tool_prefix(name);
        let reason = format!(
            "{name:?} has no prefix: its tools are called {tools}…, and not by their own names alone as in older gateways"
        );
        let warning = Problem::new(server.line, &server.path, reason);
        findings
            .warnings
            .push(warning.fix("toolPrefix: \"\", or the option --compatible for all servers"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::tree;
    use serde_json::json;

    fn translated(text: &str, unprefixed: UnprefixedTools) -> (Value, Findings) {
        let mut config = tree::documents(text).unwrap().remove(0);
        let mut findings = Findings::default();
        translate(
            &mut config,
            ConfigOrigin::Unknown,
            unprefixed,
            &mut findings,
        );
        (config.value(), findings)
    }

    fn said(problems: &[Problem]) -> Vec<String> {
        let said = problems.iter();
        said.map(|it| format!("{}: {}", it.line, it.path)).collect()
    }

    #[test]
    fn fields_of_all_versions_become_those_of_the_filter() {
        let text = "servers:\n- name: a\n  type: http\n  url: http://a/mcp\n  prefix: a_\n  state: Disabled\n  enabled: true\n  auth: { type: bearer, token: x }\n  tags: [t]\n- name: b\n  url: http://b/mcp\n  toolPrefix: ''\n  state: ''\n  credential: x\n  category: c\nvirtualServers:\n- name: v\n  tools: [t]\n";
        let (config, findings) = translated(text, UnprefixedTools::ServerName);
        let expected = json!({"servers": [
            {"name": "a", "url": "http://a/mcp", "toolPrefix": "a_", "enabled": false},
            {"name": "b", "url": "http://b/mcp", "toolPrefix": ""},
        ]});
        assert_eq!(config, expected);
        assert_eq!(findings.errors, []);
        let expected = [
            "16: virtualServers",
            "8: servers[0].auth",
            "14: servers[1].credential",
        ];
        assert_eq!(said(&findings.warnings), expected);
    }

    #[test]
    fn without_a_prefix_it_says_what_tools_are_called_or_keeps_their_names() {
        for text in [
            "servers: [{ name: a, url: 'http://a/', hostname: a, enabled: true }]",
            "servers: [{ name: a, url: 'http://a/', state: Enabled }]",
        ] {
            let (config, findings) = translated(text, UnprefixedTools::ServerName);
            assert_eq!(config.get("prefixMode"), None);
            assert!(
                findings.warnings[0].reason.contains("called a__…"),
                "{text}"
            );
            let (config, findings) = translated(text, UnprefixedTools::Compatible);
            assert_eq!(config["prefixMode"], "NEVER");
            assert_eq!(findings.warnings, []);
        }
        for text in [
            "servers: [{ name: a, url: 'http://a/' }]",
            "servers: [{ name: a, prefix: a_ }]",
            "prefixMode: ALWAYS\nservers: [{ name: a, state: Enabled }]",
        ] {
            let (_, findings) = translated(text, UnprefixedTools::ServerName);
            assert_eq!(findings.warnings, [], "{text}");
        }
    }

    #[test]
    fn each_wrong_value_is_told() {
        let text = "servers:\n- name: a\n  prefix: x\n  toolPrefix: y\n  state: off\n";
        let (_, findings) = translated(text, UnprefixedTools::ServerName);
        assert_eq!(
            said(&findings.errors),
            ["3: servers[0].prefix", "5: servers[0].state"]
        );
    }
}
