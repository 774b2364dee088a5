//! Values of servers for which this program accepts more forms than the filter: variables in them,
//! and headers as an object.

use mcp_gateway::http::url::without_secrets;

use crate::problem::{Findings, Problem};
use crate::syntax::tree::{Node, NodeKind};
use crate::variables::placeholder::{HeaderValue, Variables};

/// A URL with variables.
pub(super) struct VariableUrl {
    path: String,
    /// As the file has it.
    text: String,
    /// With the values of the variables.
    value: String,
}

impl VariableUrl {
    /// `problem` without the values of the variables, which may be secrets.
    pub(super) fn hidden_in(&self, mut problem: Problem) -> Problem {
        let quoted = |text: &str| format!("{:?}", without_secrets(text));
        let value = quoted(&self.value);
        if problem.path != self.path || !problem.reason.contains(&value) {
            return problem;
        }
        let reason = problem.reason.replace(&value, &quoted(&self.text));
        problem = Problem::new(problem.line, problem.path, reason);
        problem.fix("correct it, or the values of its variables")
    }
}

/// Replaces the variables in the URLs and headers of the servers of `config` with the values of
/// `variables`, and gives headers the form of the filter. Gives the URLs with variables.
pub(super) fn resolve(
    config: &mut Node,
    variables: &Variables<'_>,
    findings: &mut Findings,
) -> Vec<VariableUrl> {
    let mut urls = Vec::new();
    for server in config.items_mut("servers") {
        if server.get("enabled").is_some_and(|it| it.value() == false) {
            // The values of a disabled server are not used, so its variables may be missing.
            let headers = server.get("headers").map(|headers| &headers.kind);
            let has_object = matches!(headers, Some(NodeKind::Object(_)));
            let mut of_disabled = Findings::default();
            urls.extend(resolve_server(
                server,
                &variables.unused(),
                &mut of_disabled,
            ));
            findings.errors.append(&mut of_disabled.errors);
            if has_object {
                server.remove("headers");
            }
        } else {
            urls.extend(resolve_server(server, variables, findings));
        }
    }
    urls
}

fn resolve_server(
    server: &mut Node,
    variables: &Variables<'_>,
    findings: &mut Findings,
) -> Option<VariableUrl> {
    let url = resolve_url(server, variables, findings);
    let NodeKind::Object(members) = &mut server.kind else {
        return url;
    };
    let node = members.iter_mut().find(|(name, _)| name == "headers");
    let Some((_, node)) = node else {
        return url;
    };
    match &node.kind {
        NodeKind::Object(headers) => {
            let list = headers
                .iter()
                .filter_map(|(name, value)| header(name, value, variables, findings));
            node.kind = NodeKind::List(list.collect());
        }
        NodeKind::List(headers) => {
            let literal = headers.iter().filter_map(literal_variable);
            findings.warnings.extend(literal);
        }
        NodeKind::Scalar(_) => {}
    }
    url
}

/// A warning about a header in the form of the filter whose `value` looks as if it had a variable.
fn literal_variable(header: &Node) -> Option<Problem> {
    let (name, value) = (header.get("name")?.text(&[])?, header.get("value")?);
    value.text(&[]).filter(|text| text.contains("${"))?;
    let reason = "is sent as it is: in a list of headers, values have no variables";
    let fix = format!(
        "write headers as an object, with the member {name}, or valueFromEnv in place of value"
    );
    Some(Problem::new(value.line, &value.path, reason).fix(fix))
}

fn resolve_url(
    server: &mut Node,
    variables: &Variables<'_>,
    findings: &mut Findings,
) -> Option<VariableUrl> {
    let node = server.get("url")?;
    let (path, text) = (node.path.clone(), node.text(&[])?.to_owned());
    warn_of_sse(node, findings);
    let value = variables.url(node, findings)?;
    server.set_text("url", &value);
    (value != text).then_some(VariableUrl { path, text, value })
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

    use crate::config_file::{self, ReadOptions};
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
        let _ = resolve(&mut config, &variables, &mut findings);
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
    fn a_list_of_headers_has_no_variables() {
        for (value, is_told) in [("Bearer ${TOKEN}", true), ("a $ {b}", false)] {
            let header = format!("{{ name: X-Key, value: '{value}' }}");
            let (server, findings) = resolved(&format!("servers: [{{ headers: [{header}] }}]"));
            assert_eq!(server["headers"][0]["value"], value);
            assert_eq!(findings.errors, []);
            let told = findings.warnings.iter().map(|it| it.path.as_str());
            let path = is_told.then_some("servers[0].headers[0].value");
            assert_eq!(told.collect::<Vec<_>>(), path.as_slice(), "{value}");
        }
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
    fn no_problem_shows_the_value_of_a_variable_of_a_url() {
        let read = |url: &str| {
            let text = format!("servers: [{{ name: a, url: '{url}' }}]");
            let options = ReadOptions::new(Path::new("-"), Placeholders::Resolve);
            config_file::read(&text, &options).err().unwrap_or_default()
        };
        for (url, shown) in [
            ("ftp://h/${PATH}", "\"ftp://h/${PATH}\" must be"),
            ("http://h/${PATH} x", "\"http://h/${PATH} x\" must be"),
            ("http://h:99999/${PATH}", "\"http://h:99999/${PATH}\" must"),
            ("http://u:s3cr3t@h/mcp", "\"http://***@h/mcp\" must be"),
            (
                "http://h:99999/mcp?key=s3cr3t",
                "\"http://h:99999/mcp?***\" must",
            ),
        ] {
            let problems = read(url);
            assert_eq!(problems.len(), 1, "{url}: {problems:?}");
            let said = format!("{problems:?}");
            let path = std::env::var("PATH").unwrap();
            assert!(!said.contains("s3cr3t") && !said.contains(&path), "{said}");
            assert!(problems[0].reason.contains(shown), "{said}");
        }
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
