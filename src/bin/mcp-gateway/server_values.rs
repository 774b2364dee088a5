//! Values of servers that this program takes in more forms than the filter: variables in
//! them, and headers as an object.

use crate::placeholder::{HeaderValue, Variables};
use crate::problem::{Findings, Problem};
use crate::tree::{Node, NodeKind};

/// Puts the values of `variables` into the urls and the headers of the servers of
/// `config`, and gives headers the form of the filter.
pub(crate) fn resolve(config: &mut Node, variables: &Variables<'_>, findings: &mut Findings) {
    for server in config.items_mut("servers") {
        if let Some(url) = server.get("url").filter(|url| url.text(&[]).is_some()) {
            warn_of_sse(url, findings);
            if let Some(text) = variables.text(url, findings) {
                server.set_text("url", &text);
            }
        }
        let NodeKind::Object(members) = &mut server.kind else {
            continue;
        };
        let node = members.iter_mut().find(|(name, _)| name == "headers");
        if let Some((_, node)) = node
            && let NodeKind::Object(headers) = &node.kind
        {
            let list = headers
                .iter()
                .filter_map(|(name, value)| header(name, value, variables, findings));
            node.kind = NodeKind::List(list.collect());
        }
    }
}

/// The header `name` in the form of the filter.
fn header(
    name: &str,
    value: &Node,
    variables: &Variables<'_>,
    findings: &mut Findings,
) -> Option<Node> {
    let (field, text) = match variables.header(value, findings)? {
        HeaderValue::Text(text) => ("value", text),
        HeaderValue::Variable(name) => ("valueFromEnv", name),
    };
    let scalar = |text: &str| Node {
        kind: NodeKind::Scalar(text.into()),
        ..value.clone()
    };
    let members = [("name", name), (field, &text)];
    let members = members.map(|(field, text)| (field.to_owned(), scalar(text)));
    Some(Node {
        kind: NodeKind::Object(members.into()),
        ..value.clone()
    })
}

/// Warns of a url whose path is the usual one of the old transport.
fn warn_of_sse(url: &Node, findings: &mut Findings) {
    let text = url.text(&[]).unwrap_or_default();
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let Some(server) = path.trim_end_matches('/').strip_suffix("/sse") else {
        return;
    };
    let reason = "ends with /sse, as the old transport HTTP+SSE has it, which the gateway does not speak; it needs the server's Streamable HTTP endpoint";
    let warning = Problem::new(url.line, &url.path, reason);
    findings
        .warnings
        .push(warning.fix(format!("url: {server}/mcp")));
}
