//! Tells the user about servers in a shape that no kind of file has: a server in the place of a
//! list of servers, and a server with its name in the place of a field.

use mcp_gateway::http::url::Url;
use serde_json::json;

use crate::config_file::advice::misspelled_members;
use crate::config_file::client_file;
use crate::problem::{Findings, Problem};
use crate::syntax::tree::{Node, NodeKind};

/// Fields that show that an object is a server. Every server has one of the first three.
const FIELDS: [&str; 6] = ["name", "url", "command", "cluster", "hostname", "path"];

/// A problem if the servers of the file are one server: in YAML, if its dash is missing.
pub(super) fn single_server(tree: &Node) -> Option<Problem> {
    let found = client_file::servers(tree).filter(|node| has_transport(node))?;
    let name = found.text(&["name"]).unwrap_or("weather").to_owned();
    let (reason, servers) = if found.path == "servers" {
        let reason = "is one server, but must be a list of servers";
        (reason, json!([named(found.clone(), &name).value()]))
    } else {
        let mut server = found.clone();
        server.remove("name");
        let reason = "is one server, but must be an object with a name for each server";
        (reason, json!({ name: server.value() }))
    };
    let field = found.path.rsplit('.').next().unwrap_or_default();
    Some(Problem::new(found.line, &found.path, reason).members([(field, servers)]))
}

/// Whether `node` says how to reach a server.
fn has_transport(node: &Node) -> bool {
    let mut fields = ["url", "command"].iter();
    fields.any(|field| node.text(&[field]).is_some())
}

/// Reports each server of `config` that has its name in the place of a field, such as
/// `- weather: http://…`, and gives it the right fields.
pub(super) fn name_servers(config: &mut Node, findings: &mut Findings) {
    for server in config.items_mut("servers") {
        let Some(meant) = with_fields(server) else {
            continue;
        };
        let problem = Problem::new(server.line, &server.path, "missing field `name`");
        findings.errors.push(problem.item(meant.value()));
        *server = meant;
    }
}

/// `server` with the fields that the user meant; `None` if it has fields already.
fn with_fields(server: &Node) -> Option<Node> {
    let NodeKind::Object(members) = &server.kind else {
        return None;
    };
    let [(name, value), rest @ ..] = &members[..] else {
        return None;
    };
    let has_field = FIELDS.iter().any(|field| server.get(field).is_some());
    if has_field || misspelled_members(server, &FIELDS).next().is_some() {
        return None;
    }
    let mut fields = match &value.kind {
        NodeKind::Object(fields) if rest.is_empty() && has_transport(value) => fields.clone(),
        _ => {
            Url::parse_http(value.text(&[])?)?;
            vec![("url".to_owned(), value.clone())]
        }
    };
    fields.extend(rest.iter().cloned());
    let server = Node {
        kind: NodeKind::Object(fields),
        ..server.clone()
    };
    Some(named(server, name))
}

/// `server` with its name as the first member.
fn named(mut server: Node, name: &str) -> Node {
    server.remove("name");
    let name = client_file::member(&server, "name", NodeKind::Scalar(name.into()));
    if let NodeKind::Object(members) = &mut server.kind {
        members.insert(0, name);
    }
    server
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::tree;

    fn tree(text: &str) -> Node {
        tree::documents(text).unwrap().remove(0)
    }

    #[test]
    fn one_server_in_the_place_of_all_is_told() {
        for (text, expected) in [
            (
                "servers:\n  name: a\n  url: http://a/mcp",
                Some("1: servers: servers: [{ name: a, url: http://a/mcp }]"),
            ),
            (
                "servers: { url: 'http://a/mcp' }",
                Some("1: servers: servers: [{ name: weather, url: http://a/mcp }]"),
            ),
            (
                r#"{"mcpServers":{"command":"npx"}}"#,
                Some("1: mcpServers: mcpServers: { weather: { command: npx } }"),
            ),
            (
                r#"{"mcp":{"servers":{"url":"http://a/mcp"}}}"#,
                Some("1: mcp.servers: servers: { weather: { url: http://a/mcp } }"),
            ),
            ("servers: { url: { url: 'http://a/mcp' } }", None),
            ("servers: [{ name: a, url: 'http://a/mcp' }]", None),
            ("servers: []", None),
        ] {
            let told = single_server(&tree(text));
            let told = told.map(|it| format!("{}: {}: {}", it.line, it.path, it.fix.unwrap()));
            assert_eq!(told.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_name_in_the_place_of_a_field_is_told_once() {
        for (server, expected) in [
            (
                "weather: http://a/mcp",
                Some("- { name: weather, url: http://a/mcp }"),
            ),
            (
                "{ a: http://a/mcp, timeout: 5s }",
                Some("- { name: a, url: http://a/mcp, timeout: 5s }"),
            ),
            (
                "a: { command: npx, args: [x] }",
                Some("- { name: a, command: npx, args: [x] }"),
            ),
            ("name: a", None),
            ("{ url: http://a/mcp }", None),
            ("toolPrefix: x", None),
            ("weather", None),
            ("ulr: http://a/mcp", None),
            ("tools: { include: [x] }", None),
            ("weather: yes", None),
        ] {
            let mut config = tree(&format!("servers:\n- {server}\n"));
            let mut findings = Findings::default();
            name_servers(&mut config, &mut findings);
            let fix = findings.errors.first().and_then(|it| it.fix.as_deref());
            assert_eq!(fix, expected, "{server}");
            if let Some(fix) = fix {
                assert_eq!(config.value(), tree(&format!("servers:\n{fix}\n")).value());
            }
        }
    }
}
