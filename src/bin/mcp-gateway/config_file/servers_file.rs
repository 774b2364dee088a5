//! The `servers:` files of older MCP gateways, of all their versions. They have fields
//! that the filter does not have, or has under another name.

use mcp_gateway::config::camel;
use serde_json::Value;

use crate::config_file::server_names;
use crate::problem::{Findings, Problem};
use crate::syntax::tree::{Node, NodeKind};

/// How tools are called of servers for which the file says no prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum UnprefixedTools {
    /// By the name of their server and their own.
    #[default]
    ServerName,
    /// By their own name alone, as older gateways do.
    Compatible,
}

/// Who may have written a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConfigOrigin {
    /// An older gateway.
    OlderGateway,
    /// Its fields say whether it is one.
    Unknown,
}

/// What only older gateways have for a server, and what to tell of it; `None` for what
/// has no effect here.
const LEFT_OUT: [(&str, Option<&str>); 11] = [
    (
        "auth",
        Some("the gateway sends no credential of its own unless `headers` say so"),
    ),
    (
        "credential",
        Some("the gateway sends no credential of its own unless `headers` say so"),
    ),
    (
        "credentialEnvVar",
        Some("the gateway sends no credential of its own unless `headers` say so"),
    ),
    ("acl", Some("write rules in `authorization`")),
    (
        "tokenURLElicitation",
        Some("the gateway asks clients for no tokens"),
    ),
    (
        "caCert",
        Some("Envoy trusts the authorities of its own file, see --ca-file"),
    ),
    (
        "guardrailsConfigIDs",
        Some("the gateway asks no guardrails; put a filter before it"),
    ),
    ("userSpecificList", None),
    ("category", None),
    ("hint", None),
    ("tags", None),
];

/// Gives the servers of `config` the fields of the filter.
pub(crate) fn translate(
    config: &mut Node,
    origin: ConfigOrigin,
    unprefixed: UnprefixedTools,
    findings: &mut Findings,
) {
    let mut is_of_older = origin == ConfigOrigin::OlderGateway;
    for (field, reason, fix) in [
        (
            "virtualServers",
            "is left out: the gateway has no virtual servers",
            "tools: { include: […] } of each server",
        ),
        (
            "guardrails",
            "is left out: the gateway asks no guardrails",
            "put a filter before the gateway",
        ),
    ] {
        let Some(node) = config.get(field) else {
            continue;
        };
        is_of_older = true;
        let warning = Problem::new(node.line, &node.path, reason);
        findings.warnings.push(warning.fix(fix));
        config.remove(field);
    }
    for server in config.items_mut("servers") {
        is_of_older |= is_complete(server);
        for field in ["prefix", "state"]
            .into_iter()
            .chain(LEFT_OUT.map(|it| it.0))
        {
            is_of_older |= server.get(field).is_some();
        }
        rename_prefix(server, findings);
        remove_type(server);
        state(server, findings);
        for (field, reason) in LEFT_OUT {
            leave_out(server, field, reason, findings);
        }
    }
    let says_nothing = config.get("prefixMode").is_none();
    if says_nothing && unprefixed == UnprefixedTools::Compatible {
        config.set_text("prefixMode", "NEVER");
    } else if says_nothing && is_of_older {
        for server in config.get("servers").map_or(&[][..], Node::items) {
            tell_of_prefix(server, findings);
        }
    }
}

/// Whether `server` has just the fields that the first versions of older gateways have
/// for every server.
fn is_complete(server: &Node) -> bool {
    ["name", "url", "hostname", "enabled"]
        .into_iter()
        .all(|field| server.get(field).is_some())
}

fn rename_prefix(server: &mut Node, findings: &mut Findings) {
    if let (Some(prefix), Some(_)) = (server.get("prefix"), server.get("toolPrefix")) {
        let problem = Problem::new(prefix.line, &prefix.path, "is the same as toolPrefix");
        findings.errors.push(problem.fix("remove prefix"));
        server.remove("prefix");
    }
    if let NodeKind::Object(members) = &mut server.kind {
        for (name, _) in members.iter_mut().filter(|(name, _)| name == "prefix") {
            "toolPrefix".clone_into(name);
        }
    }
}

/// The type of a server that is reached by HTTP, as clients write it, says nothing here.
fn remove_type(server: &mut Node) {
    let types = ["http", "streamable-http", "streamableHttp"];
    if server.text(&["type"]).is_some_and(|it| types.contains(&it)) {
        server.remove("type");
    }
}

/// `state: Disabled` is `enabled: false`.
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
            findings.errors.push(problem.fix("state: Enabled"));
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

fn leave_out(server: &mut Node, field: &str, reason: Option<&str>, findings: &mut Findings) {
    let NodeKind::Object(members) = &mut server.kind else {
        return;
    };
    let is_field = |name: &str| name == field || camel(name) == field;
    if let Some((_, node)) = members.iter().find(|(name, _)| is_field(name))
        && let Some(reason) = reason
    {
        let reason = format!("is left out: {reason}");
        let warning = Problem::new(node.line, &node.path, reason);
        let is_credential = ["auth", "credential", "credentialEnvVar"].contains(&field);
        findings.warnings.push(if is_credential {
            warning.fix("headers: [{ name: authorization, valueFromEnv: … }]")
        } else {
            warning
        });
    }
    members.retain(|(name, _)| !is_field(name));
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
