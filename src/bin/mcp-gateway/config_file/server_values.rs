//! Values of servers for which this program accepts more forms than the filter: variables in them,
//! and headers as an object.

use crate::problem::{Findings, Problem};
use crate::syntax::tree::{Node, NodeKind};
use crate::variables::placeholder::{HeaderValue, Variables};

/// Replaces the variables in the URLs and headers of the servers of `config` with the values of
/// `variables`, and gives headers the form of the filter.
pub(crate) fn resolve(config: &mut Node, variables: &Variables<'_>, findings: &mut Findings) {
    for server in config.items_mut("servers") {
        if server.get("enabled").is_some_and(|it| it.value() == false) {
            // The values of a disabled server are not used, so its variables may be missing.
            let headers = server.get("headers").map(|headers| &headers.kind);
            let has_object = matches!(headers, Some(NodeKind::Object(_)));
            let mut of_disabled = Findings::default();
            resolve_server(server, &variables.kept(), &mut of_disabled);
            findings.errors.append(&mut of_disabled.errors);
            if has_object {
                server.remove("headers");
            }
        } else {
            resolve_server(server, variables, findings);
        }
    }
}

fn resolve_server(server: &mut Node, variables: &Variables<'_>, findings: &mut Findings) {
    if let Some(url) = server.get("url").filter(|url| url.text(&[]).is_some()) {
        warn_of_sse(url, findings);
        if let Some(text) = variables.text(url, findings) {
            server.set_text("url", &text);
        }
    }
    let NodeKind::Object(members) = &mut server.kind else {
        return;
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

/// Warns about a URL whose path is the usual one of the HTTP+SSE transport.
fn warn_of_sse(url: &Node, findings: &mut Findings) {
    let text = url.text(&[]).unwrap_or_default();
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let Some(server) = path.trim_end_matches('/').strip_suffix("/sse") else {
        return;
    };
    let reason = "ends with /sse, like a URL of the old transport HTTP+SSE, which the gateway does not support; use the URL of the server's Streamable HTTP endpoint";
    let warning = Problem::new(url.line, &url.path, reason);
    let field = url.path.rsplit('.').next().unwrap_or("url");
    findings
        .warnings
        .push(warning.members([(field, format!("{server}/mcp").into())]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use crate::syntax::tree;
    use crate::variables::inputs::Inputs;
    use crate::variables::placeholder::Placeholders;
    use serde_json::json;

    fn resolved(text: &str) -> (serde_json::Value, Findings) {
        let mut config = tree::documents(text).unwrap().remove(0);
        let mut findings = Findings::default();
        let variables = Variables {
            placeholders: Placeholders::Resolve,
            workspace: Path::new("/"),
            inputs: &Inputs::default(),
        };
        resolve(&mut config, &variables, &mut findings);
        (config.value()["servers"][0].clone(), findings)
    }

    #[test]
    fn headers_may_be_an_object_and_values_may_have_variables() {
        let text = "servers: [{ url: 'http://${NOT_SET_X:-h}/mcp', headers: { A: b, C: 'd ${NOT_SET_X:-e}' } }]";
        let (server, findings) = resolved(text);
        let headers = json!([{"name": "A", "value": "b"}, {"name": "C", "value": "d e"}]);
        assert_eq!(server, json!({"url": "http://h/mcp", "headers": headers}));
        assert_eq!((findings.errors, findings.warnings), (vec![], vec![]));
    }

    #[test]
    fn a_disabled_server_needs_no_variables() {
        let server = "url: 'http://${NOT_SET_X}/mcp', headers: { A: '${NOT_SET_X}' }";
        let (_, findings) = resolved(&format!("servers: [{{ {server} }}]"));
        assert_eq!(findings.errors.len(), 2);
        let (server, findings) = resolved(&format!("servers: [{{ {server}, enabled: false }}]"));
        assert_eq!(
            server,
            json!({"url": "http://not_set_x/mcp", "enabled": false})
        );
        assert_eq!((findings.errors, findings.warnings), (vec![], vec![]));
    }

    #[test]
    fn a_url_of_the_old_transport_is_told() {
        for (url, fix) in [
            ("http://a/sse", Some("url: http://a/mcp")),
            ("http://a/x/sse/?k=v", Some("url: http://a/x/mcp")),
            ("http://a/assess", None),
            ("http://a/sse/mcp", None),
        ] {
            let (_, findings) = resolved(&format!("servers: [{{ url: '{url}' }}]"));
            let said = findings.warnings.first().and_then(|it| it.fix.clone());
            assert_eq!(said.as_deref(), fix, "{url}");
        }
    }
}
