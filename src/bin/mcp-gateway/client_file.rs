//! Files of MCP clients as a configuration of the filter: `mcpServers` (`.mcp.json`,
//! Claude Desktop, Cursor, Windsurf) and `servers` by their names (VS Code).

use crate::placeholder::{self, Placeholders};
use crate::problem::Problem;
use crate::tree::{Node, NodeKind};

/// Whether `tree` is the file of a client.
pub(crate) fn is_client_file(tree: &Node) -> bool {
    servers(tree).is_some()
}

/// The servers of the file of a client.
fn servers(tree: &Node) -> Option<&[(String, Node)]> {
    let servers = tree.get("mcpServers").or_else(|| tree.get("servers"))?;
    match &servers.kind {
        NodeKind::Object(members) => Some(members),
        _ => None,
    }
}

/// Reads the file of a client. `placeholders` is what becomes of `${VARIABLE}` in it.
/// The second value is what the user should know.
///
/// # Errors
/// No server can be used, or two get the same name.
pub(crate) fn read(
    tree: &Node,
    placeholders: Placeholders,
) -> Result<(Node, Vec<Problem>), Vec<Problem>> {
    let (mut list, mut notes, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for (name, entry) in servers(tree).unwrap_or_default() {
        match server(name, entry, placeholders, &mut notes) {
            Ok(None) => {}
            Ok(Some(server)) => {
                let named = server.text(&["name"]);
                if list
                    .iter()
                    .any(|other: &Node| other.text(&["name"]) == named)
                {
                    let reason = format!(
                        "{name:?} has the same name as a server before it, in lower case and with \"-\" for other characters"
                    );
                    problems.push(Problem::new(entry.line, &entry.path, reason));
                }
                list.push(server);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if list.is_empty() {
        notes.append(&mut problems);
        if notes.is_empty() {
            notes.push(Problem::new(tree.line, "", "the file has no servers"));
        }
        return Err(notes);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let list = object(tree, "servers", NodeKind::List(list));
    let config = Node {
        line: tree.line,
        path: String::new(),
        kind: NodeKind::Object(vec![list]),
    };
    Ok((config, notes))
}

/// The server `name`; `None` where the gateway cannot use it, which is among the `notes`.
///
/// # Errors
/// A value is wrong, or has a variable that is not set.
fn server(
    name: &str,
    entry: &Node,
    placeholders: Placeholders,
    notes: &mut Vec<Problem>,
) -> Result<Option<Node>, Problem> {
    let mut leave_out = |reason: &str, fix: &str| {
        let reason = format!("{name:?} is left out: {reason}");
        notes.push(Problem::new(entry.line, &entry.path, reason).fix(fix));
        Ok(None)
    };
    if entry.text(&["type"]) == Some("sse") {
        return leave_out(
            "the gateway does not speak the old transport HTTP+SSE of MCP 2024-11-05",
            "type: http, and the url of the server's Streamable HTTP endpoint, often /mcp",
        );
    }
    let urls = ["url", "serverUrl", "httpUrl"];
    let url = urls.into_iter().find_map(|field| entry.get(field));
    let mut members = vec![text(entry, "name", &scheme_of(name))];
    if entry.get("command").is_some() {
        for field in ["command", "args", "env", "cwd"] {
            let value = entry.get(field).cloned();
            members.extend(value.map(|value| (field.to_owned(), value)));
        }
    } else if let Some(url) = url {
        if placeholders == Placeholders::Keep {
            notes.extend(placeholder::unset(url));
        }
        members.push(text(url, "url", &placeholder::resolve(url, placeholders)?));
    } else {
        return leave_out(
            "it has neither a url nor a command",
            "url: https://mcp.example.com/mcp",
        );
    }
    members.push(text(entry, "toolPrefix", &format!("{}__", tool_name(name))));
    if let Some(NodeKind::Object(headers)) = entry.get("headers").map(|headers| &headers.kind) {
        let mut list = Vec::new();
        for (header, value) in headers {
            list.push(self::header(header, value, placeholders, notes)?);
        }
        members.push(object(entry, "headers", NodeKind::List(list)));
    }
    if entry
        .get("disabled")
        .is_some_and(|node| node.value() == true)
    {
        members.push(object(entry, "enabled", NodeKind::Scalar(false.into())));
    }
    if let Some(milliseconds) = entry.get("timeout").and_then(|node| node.value().as_u64()) {
        members.push(text(entry, "timeout", &format!("{milliseconds}ms")));
    }
    Ok(Some(Node {
        line: entry.line,
        path: entry.path.clone(),
        kind: NodeKind::Object(members),
    }))
}

/// The header `name` of a server. A value with `${VARIABLE}` in it comes from a variable.
fn header(
    name: &str,
    value: &Node,
    placeholders: Placeholders,
    notes: &mut Vec<Problem>,
) -> Result<Node, Problem> {
    let value = match placeholder::variable_for(value, placeholders) {
        Some((variable, note)) => {
            notes.extend(note);
            text(value, "valueFromEnv", &variable)
        }
        None => text(value, "value", &placeholder::resolve(value, placeholders)?),
    };
    let (_, node) = &value;
    Ok(Node {
        line: node.line,
        path: node.path.clone(),
        kind: NodeKind::Object(vec![text(node, "name", name), value.clone()]),
    })
}

/// The name of a server as the scheme of a URI, which the gateway makes of it: lower
/// case, and "-" for other characters than letters, digits, "." and "-".
fn scheme_of(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let mapped = name.chars().map(|c| if allowed(c) { c } else { '-' });
    let mapped: String = mapped.collect::<String>().to_ascii_lowercase();
    if mapped.starts_with(|c: char| c.is_ascii_lowercase()) {
        mapped
    } else {
        format!("s{mapped}")
    }
}

/// The name of a server as the start of the names of its tools.
fn tool_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect()
}

fn text(at: &Node, name: &str, value: &str) -> (String, Node) {
    object(at, name, NodeKind::Scalar(value.into()))
}

/// The member `name` of an object, with the line and the path of `at`.
fn object(at: &Node, name: &str, kind: NodeKind) -> (String, Node) {
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
    use crate::tree;
    use serde_json::json;

    fn read_text(
        text: &str,
        placeholders: Placeholders,
    ) -> Result<(Node, Vec<Problem>), Vec<Problem>> {
        let tree = tree::documents(text).unwrap().remove(0);
        assert!(is_client_file(&tree), "{text}");
        read(&tree, placeholders)
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
                json!([{"name":"weather","url":"https://w.example/mcp","toolPrefix":"weather__","headers":[{"name":"X-Key","value":"k"}]}]),
            ),
            (
                "// VS Code\n{\"inputs\":[],\"servers\":{\"GitHub\":{\"type\":\"http\",\"url\":\"https://g.example/mcp\"}}}".trim_start_matches("// VS Code\n"),
                json!([{"name":"github","url":"https://g.example/mcp","toolPrefix":"GitHub__"}]),
            ),
            (
                r#"{"mcpServers":{"brave_search":{"serverUrl":"http://b.example/mcp","disabled":true,"timeout":2500}}}"#,
                json!([{"name":"brave-search","url":"http://b.example/mcp","toolPrefix":"brave_search__","enabled":false,"timeout":"2500ms"}]),
            ),
            (
                r#"{"mcpServers":{"2 wörter":{"httpUrl":"http://c.example/mcp"}}}"#,
                json!([{"name":"s2-w-rter","url":"http://c.example/mcp","toolPrefix":"2_w_rter__"}]),
            ),
        ] {
            let (config, notes) = read_text(text, Placeholders::Keep).unwrap();
            assert_eq!(config.value(), json!({"servers": expected}));
            assert_eq!(said(&notes), [""; 0]);
        }
    }

    #[test]
    fn what_the_gateway_cannot_reach_is_left_out_and_told() {
        let text = "{\"mcpServers\":{\n\"a\":{\"url\":\"http://a.example/mcp\"},\n\"b\":{\"command\":\"npx\",\"args\":[\"x\"]},\n\"c\":{\"type\":\"sse\",\"url\":\"http://c.example/sse\"},\n\"d\":{}}}";
        let (config, notes) = read_text(text, Placeholders::Keep).unwrap();
        assert_eq!(
            config.value()["servers"][1],
            json!({"name":"b","command":"npx","args":["x"],"toolPrefix":"b__"})
        );
        assert_eq!(config.value()["servers"].as_array().map(Vec::len), Some(2));
        let said = said(&notes);
        for (told, expected) in said.iter().zip([
            "4: mcpServers.c: \"c\" is left out: the gateway does not speak the old transport",
            "5: mcpServers.d: \"d\" is left out: it has neither a url nor a command",
        ]) {
            assert!(told.starts_with(expected), "{told}");
        }
        assert_eq!(said.len(), 2);
        for text in [
            r#"{"mcpServers":{}}"#,
            r#"{"mcpServers":{"b":{"type":"sse","url":"http://b.example/sse"}}}"#,
        ] {
            assert!(read_text(text, Placeholders::Keep).is_err(), "{text}");
        }
    }

    #[test]
    fn two_names_that_become_one_are_an_error() {
        let text = r#"{"mcpServers":{"A_b":{"url":"http://a/"},"a-b":{"url":"http://b/"}}}"#;
        let problems = read_text(text, Placeholders::Keep).unwrap_err();
        assert!(said(&problems)[0].starts_with("1: mcpServers.a-b: \"a-b\" has the same name"));
    }

    /// PATH is set wherever tests run.
    #[test]
    fn variables_are_resolved_where_envoy_runs_and_named_elsewhere() {
        let text = r#"{"mcpServers":{"a":{"url":"http://${NOT_SET_HOST:-h.example}/mcp","headers":{"X-A":"${PATH}","X-B":"Bearer ${env:PATH}","X-C":"${input:api-key}"}}}}"#;
        let path = std::env::var("PATH").unwrap();
        let headers = |placeholders| {
            let (config, notes) = read_text(text, placeholders).unwrap();
            let server = &config.value()["servers"][0];
            assert_eq!(server["url"], "http://h.example/mcp");
            (server["headers"].clone(), said(&notes))
        };
        let (resolved, notes) = headers(Placeholders::Resolve);
        let expected = json!([
            {"name": "X-A", "valueFromEnv": "PATH"},
            {"name": "X-B", "value": format!("Bearer {path}")},
            {"name": "X-C", "valueFromEnv": "API_KEY"},
        ]);
        assert_eq!((resolved, notes.len()), (expected, 0));
        let (kept, notes) = headers(Placeholders::Keep);
        assert_eq!(
            kept[1],
            json!({"name": "X-B", "valueFromEnv": "A_HEADERS_X_B"})
        );
        assert_eq!(
            notes,
            ["1: mcpServers.a.headers.X-B: comes from the environment variable A_HEADERS_X_B"]
        );
    }

    #[test]
    fn a_variable_of_a_url_that_is_not_set_is_an_error_where_envoy_runs() {
        let text = r#"{"mcpServers":{"a":{"url":"http://${NOBODY_SETS_THIS}/mcp"}}}"#;
        let problems = read_text(text, Placeholders::Resolve).unwrap_err();
        let expected = "1: mcpServers.a.url: the environment variable NOBODY_SETS_THIS is not set";
        assert_eq!(said(&problems), [expected]);
        let (config, notes) = read_text(text, Placeholders::Keep).unwrap();
        assert_eq!(
            config.value()["servers"][0]["url"],
            "http://nobody_sets_this/mcp"
        );
        assert_eq!(said(&notes), [format!("{expected} here")]);
    }
}
