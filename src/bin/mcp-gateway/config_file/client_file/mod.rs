//! Reads files of MCP clients as a configuration of the filter: `mcpServers` (`.mcp.json`, Claude
//! Desktop, Cursor, Windsurf, Cline, Gemini CLI), `servers` by their names (VS Code),
//! `context_servers` (Zed) and `[mcp_servers]` (Codex).

mod entry;
mod members;

use serde_json::{Value, json};

use crate::problem::{Findings, Problem};
use crate::syntax::tree::{Node, NodeKind};

/// Whether `tree` is the file of a client.
pub(crate) fn is_client_file(tree: &Node) -> bool {
    servers(tree).is_some()
}

/// The servers of the file of a client; an object by their names if the file is valid.
pub(super) fn servers(tree: &Node) -> Option<&Node> {
    let own = tree.get("servers").or_else(|| tree.at(&["mcp", "servers"]));
    // If `servers` is a list, the file is one of this program.
    let own = own.filter(|servers| matches!(servers.kind, NodeKind::Object(_)));
    let named = tree
        .get("mcpServers")
        .or_else(|| tree.get("contextServers"));
    named.or(own)
}

/// Reads the file of a client as a configuration. Its values still contain their variables. Errors,
/// and parts that are left out, go to `findings`.
pub(crate) fn read(tree: &Node, findings: &mut Findings) -> Node {
    let (mut list, mut left_out) = (Vec::new(), Vec::new());
    let servers = servers(tree).unwrap_or(tree);
    let errors = findings.errors.len();
    match &servers.kind {
        NodeKind::Object(members) => {
            for (name, entry) in members {
                list.extend(entry::read(name, entry, &mut left_out, findings));
            }
        }
        _ => {
            let problem = Problem::new(servers.line, &servers.path, "must be an object");
            let field = servers.path.rsplit('.').next().unwrap_or("mcpServers");
            findings
                .errors
                .push(problem.members([(field, json!({ "weather": example() }))]));
        }
    }
    tell_of_fields_of_the_filter(tree, findings);
    if !list.is_empty() {
        findings.warnings.append(&mut left_out);
    } else if !left_out.is_empty() {
        findings.errors.append(&mut left_out);
    } else if findings.errors.len() == errors {
        let problem = Problem::new(servers.line, &servers.path, "the file has no servers");
        findings
            .errors
            .push(problem.members([("weather", example())]));
    }
    let list = member(servers, "servers", NodeKind::List(list));
    Node {
        line: tree.line,
        path: String::new(),
        kind: NodeKind::Object(vec![list]),
    }
}

/// Reports that each server of `config`, from the file of a client, is disabled.
pub(super) fn tell_if_disabled(config: &Node, findings: &mut Findings) {
    let is_disabled = |server: &Node| server.get("enabled").is_some_and(|it| it.value() == false);
    if let Some(servers) = config.get("servers")
        && !servers.items().is_empty()
        && servers.items().iter().all(is_disabled)
    {
        let reason = "all servers of the file are disabled";
        let problem = Problem::new(servers.line, &servers.path, reason);
        findings.errors.push(problem.fix("enable one of them"));
    }
}

/// Warns about fields of the filter's configuration, which have no effect in the file of a client.
fn tell_of_fields_of_the_filter(tree: &Node, findings: &mut Findings) {
    // Clients have no members of these names.
    let fields = [
        "authorization",
        "cors",
        "endpoints",
        "failureMode",
        "listCache",
        "oauth",
        "passthroughHeaders",
        "pins",
        "prefixMode",
        "toolSearch",
        "trafficMode",
    ];
    for node in fields.iter().filter_map(|field| tree.get(field)) {
        let reason = "has no effect in the file of a client";
        let warning = Problem::new(node.line, &node.path, reason);
        let fix = "write the servers as a list, in a file with `servers`: it may have all fields of the configuration";
        findings.warnings.push(warning.fix(fix));
    }
}

/// A server as clients write it.
fn example() -> Value {
    json!({ "url": "http://127.0.0.1:9001/mcp" })
}

/// The member `name` of an object, with the line and the path of `at`.
pub(super) fn member(at: &Node, name: &str, kind: NodeKind) -> (String, Node) {
    let node = Node {
        line: at.line,
        path: at.path.clone(),
        kind,
    };
    (name.to_owned(), node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::tree;

    fn read_text(text: &str) -> (Value, Findings) {
        let tree = tree::documents(text).unwrap().remove(0);
        assert!(is_client_file(&tree), "{text}");
        let mut findings = Findings::default();
        let config = read(&tree, &mut findings);
        (config.value()["servers"].clone(), findings)
    }

    fn said(problems: &[Problem]) -> Vec<String> {
        let said = problems.iter();
        said.map(|it| format!("{}: {}: {}", it.line, it.path, it.reason))
            .collect()
    }

    #[test]
    fn each_client_writes_its_servers_in_its_own_way() {
        for (text, expected) in [
            (
                r#"{"mcpServers":{"weather":{"type":"http","url":"https://w.example/mcp","headers":{"X-Key":"k"}}}}"#,
                json!({"name":"weather","url":"https://w.example/mcp","headers":{"X-Key":"k"},"toolPrefix":"weather__"}),
            ),
            (
                "// VS Code\n{\"inputs\":[],\"servers\":{\"GitHub\":{\"type\":\"http\",\"url\":\"https://g.example/mcp\"}}}",
                json!({"name":"GitHub","url":"https://g.example/mcp","toolPrefix":"GitHub__"}),
            ),
            (
                r#"{"mcp":{"servers":{"a":{"url":"https://a.example/mcp"}}}}"#,
                json!({"name":"a","url":"https://a.example/mcp","toolPrefix":"a__"}),
            ),
            (
                r#"{"mcpServers":{"b":{"serverUrl":"http://b.example/mcp","disabled":true,"timeout":"30s"}}}"#,
                json!({"name":"b","url":"http://b.example/mcp","toolPrefix":"b__","enabled":false,"timeout":"30s"}),
            ),
            (
                r#"{"mcpServers":{"c":{"httpUrl":"http://c.example/mcp","includeTools":["x"],"excludeTools":[]}}}"#,
                json!({"name":"c","url":"http://c.example/mcp","toolPrefix":"c__","tools":{"include":["x"]}}),
            ),
            (
                r#"{"mcpServers":{"d":{"type":"stdio","command":"npx","args":["x"],"env":{"K":"v"},"cwd":"w","autoApprove":[]}}}"#,
                json!({"name":"d","command":"npx","args":["x"],"env":{"K":"v"},"cwd":"w","toolPrefix":"d__"}),
            ),
            (
                "[mcp_servers.e]\nurl = 'http://e.example/mcp'\nenabled = false\nbearer_token_env_var = 'T'\nhttp_headers = { A = 'b' }\nenv_http_headers = { C = 'D' }\n",
                json!({"name":"e","url":"http://e.example/mcp","headers":{"A":"b","C":"${D}","Authorization":"Bearer ${T}"},"toolPrefix":"e__","enabled":false}),
            ),
        ] {
            let (servers, findings) = read_text(text);
            assert_eq!(servers, json!([expected]));
            assert_eq!(said(&findings.errors), [""; 0], "{text}");
            assert_eq!(said(&findings.warnings), [""; 0], "{text}");
        }
    }

    #[test]
    fn what_the_gateway_cannot_reach_is_left_out_and_told() {
        let text = "{\"mcpServers\":{\n\"a\":{\"url\":\"http://a.example/mcp\"},\n\"c\":{\"type\":\"sse\",\"url\":\"http://c.example/sse\"},\n\"d\":{},\n\"e\":{\"type\":\"ws\",\"url\":\"ws://e.example\"}}}";
        let (servers, findings) = read_text(text);
        assert_eq!(servers.as_array().map(Vec::len), Some(1));
        let said = said(&findings.warnings);
        for (told, expected) in said.iter().zip([
            "3: mcpServers.c: \"c\" is left out: the gateway does not speak the old transport HTTP+SSE",
            "4: mcpServers.d: \"d\" is left out: it has neither a url nor a command",
            "5: mcpServers.e: \"e\" is left out: the gateway does not speak the transport \"ws\"",
        ]) {
            assert!(told.starts_with(expected), "{told}");
        }
        assert_eq!(said.len(), 3);
    }

    #[test]
    fn a_file_without_a_server_that_can_be_used_is_an_error() {
        for (text, reason) in [
            (r#"{"mcpServers":{}}"#, "the file has no servers"),
            (r#"{"mcpServers":[]}"#, "must be an object"),
            (
                r#"{"mcpServers":{"b":{"type":"sse","url":"http://b.example/sse"}}}"#,
                "\"b\" is left out",
            ),
        ] {
            let (_, findings) = read_text(text);
            assert_eq!(findings.errors.len(), 1, "{text}");
            assert!(findings.errors[0].reason.starts_with(reason), "{text}");
        }
    }

    #[test]
    fn fields_of_the_filter_are_told() {
        let text = "{\"mcpServers\":{\"a\":{\"url\":\"http://a.example/mcp\"}},\n\"authorization\":{},\n\"pins\":{},\"theme\":\"dark\",\"session\":{}}";
        let (_, findings) = read_text(text);
        assert_eq!(
            said(&findings.warnings),
            [
                "2: authorization: has no effect in the file of a client",
                "3: pins: has no effect in the file of a client",
            ]
        );
    }

    #[test]
    fn each_member_is_used_known_or_told() {
        let text = "{\"mcpServers\":{\"a\":{\"url\":\"http://a.example/mcp\",\n\"timeout\":60,\n\"alwaysAllow\":[],\n\"header\":{},\n\"foo\":1,\n\"oauth\":{}}}}";
        let (_, findings) = read_text(text);
        let expected = [
            "4: mcpServers.a.header: is not used",
            "5: mcpServers.a.foo: is not used",
            "6: mcpServers.a.oauth: is not used: the gateway sends the `headers` of the server, and those headers of clients that `passthroughHeaders` names",
            "2: mcpServers.a.timeout: is 60 milliseconds, since it has no unit",
        ];
        assert_eq!(said(&findings.warnings), expected);
        let fixes = findings.warnings.iter().map(|it| it.fix.as_deref());
        let fixes: Vec<_> = fixes.collect();
        assert_eq!(
            fixes,
            [
                Some("write headers in place of header"),
                None,
                None,
                Some("timeout: 60s")
            ]
        );
    }

    #[test]
    fn each_wrong_value_is_told() {
        let text = "{\"mcpServers\":{\"a\":{\"url\":\"http://a.example/mcp\",\n\"timeout\":true,\n\"disabled\":\"yes\",\n\"headers\":[]},\n\"b\":{\"command\":\"x\",\"url\":\"http://b.example/\"},\n\"c\":7}}";
        let (_, findings) = read_text(text);
        let expected = [
            "4: mcpServers.a.headers: must be an object of strings",
            "3: mcpServers.a.disabled: must be true or false",
            "2: mcpServers.a.timeout: must be a text with a unit, or a number of milliseconds",
            "5: mcpServers.b: has both a command and a url",
            "6: mcpServers.c: must be an object",
        ];
        assert_eq!(said(&findings.errors), expected);
    }
}
