//! Reads Kubernetes documents as a configuration. Each `MCPServer`
//! (`mcp.kagenti.com/v1alpha1`) or `MCPServerRegistration` (`mcp.kuadrant.io`) becomes a
//! server, at the backend of its `HTTPRoute`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::problem::{Findings, Problem};
use crate::syntax::tree::{Node, NodeKind};

/// Whether `documents` are of Kubernetes.
pub(crate) fn is_kubernetes(documents: &[Node]) -> bool {
    documents
        .iter()
        .any(|document| document.get("apiVersion").is_some() && document.get("kind").is_some())
}

/// The kinds of documents that are servers, the older one first.
const KINDS: [&str; 2] = ["MCPServer", "MCPServerRegistration"];

/// Makes a configuration of `documents`. What is wrong in them, or is left out, is among
/// the `findings`.
pub(crate) fn read(documents: &[Node], findings: &mut Findings) -> Node {
    let documents = Documents(documents);
    let mut servers = Vec::new();
    for server in documents.servers() {
        match documents.server(server) {
            Ok(server) => servers.push(server),
            Err(problem) => findings.errors.push(problem),
        }
        if let Some(credential) = server.at(&["spec", "credentialRef"]) {
            let path = format!("{}: spec.credentialRef", title(server));
            let reason = "is ignored: a server gets the credentials that the client sends";
            let warning = Problem::new(credential.line, path, reason);
            findings.warnings.push(warning);
        }
    }
    if documents.servers().next().is_none() {
        let kinds = documents.0.iter().filter_map(|it| it.text(&["kind"]));
        let kinds: BTreeSet<&str> = kinds.collect();
        let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
        let reason = format!(
            "the file has Kubernetes documents ({kinds}), but no MCPServer or MCPServerRegistration"
        );
        let fix = "add the output of: kubectl get mcpservers,httproutes -A -o yaml";
        let problem = Problem::new(1, "", reason);
        findings.errors.push(problem.fix(fix));
    }
    let line = servers.first().map_or(1, |server| server.line);
    let servers = node(line, "servers", NodeKind::List(servers));
    let members = vec![("servers".to_owned(), servers)];
    node(line, "", NodeKind::Object(members))
}

/// The kind and the name of the document `server`.
fn title(server: &Node) -> String {
    format!(
        "{} {}",
        server.text(&["kind"]).unwrap_or_default(),
        name(server)
    )
}

/// Where a server is: `http://weather.mcp.svc.cluster.local:80`.
struct BackendAddress {
    host: String,
    port: Option<String>,
    tls: bool,
}

impl BackendAddress {
    fn url(&self, path: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        match &self.port {
            Some(port) => format!("{scheme}://{}:{port}{path}", self.host),
            None => format!("{scheme}://{}{path}", self.host),
        }
    }
}

/// The documents of a file, which refer to each other.
struct Documents<'a>(&'a [Node]);

impl<'a> Documents<'a> {
    fn of_kind(&self, kind: &str) -> impl Iterator<Item = &'a Node> {
        self.0
            .iter()
            .filter(move |document| document.text(&["kind"]) == Some(kind))
    }

    fn servers(&self) -> impl Iterator<Item = &'a Node> {
        let is_server = |it: &&Node| it.text(&["kind"]).is_some_and(|it| KINDS.contains(&it));
        self.0.iter().filter(is_server)
    }

    fn find(&self, kind: &str, of_name: &str, of_namespace: &str) -> Option<&'a Node> {
        self.of_kind(kind)
            .find(|document| name(document) == of_name && namespace(document) == of_namespace)
    }

    /// The server of the configuration that the document `server` stands for.
    fn server(&self, server: &Node) -> Result<Node, Problem> {
        let path = title(server);
        let route = self.route(server, &path)?;
        let backend = self.backend(route, &path)?;
        let mut members = Vec::new();
        let mut add = |member: &str, from: &Node, field: &str, text: &str| {
            let text = NodeKind::Scalar(Value::from(text));
            let value = node(from.line, &format!("{path}: {field}"), text);
            members.push((member.to_owned(), value));
        };
        let metadata = server.at(&["metadata", "name"]).unwrap_or(server);
        add("name", metadata, "metadata.name", &self.unique_name(server));
        let endpoint = server.at(&["spec", "path"]).unwrap_or(route);
        let text = server.text(&["spec", "path"]).unwrap_or("/mcp");
        add("url", endpoint, "spec.path", &backend.url(text));
        if let Some(hostname) = hostname(route) {
            add("hostname", route, "spec.targetRef", hostname);
        }
        for field in ["toolPrefix", "prefix", "state"] {
            if let Some(node) = server.at(&["spec", field]) {
                let text = node.text(&[]).unwrap_or_default();
                add(field, node, &format!("spec.{field}"), text);
            }
        }
        Ok(node(server.line, &path, NodeKind::Object(members)))
    }

    /// The name of `server`, after its namespace if another namespace has the same name.
    fn unique_name(&self, server: &Node) -> String {
        let same = self.servers();
        if same.filter(|other| name(other) == name(server)).count() > 1 {
            format!("{}.{}", namespace(server), name(server))
        } else {
            name(server).to_owned()
        }
    }

    fn route(&self, server: &Node, path: &str) -> Result<&'a Node, Problem> {
        let path = format!("{path}: spec.targetRef");
        let Some(target) = server.at(&["spec", "targetRef"]) else {
            let reason = "is missing: it names the HTTPRoute of the server";
            let fix = "targetRef: { group: gateway.networking.k8s.io, kind: HTTPRoute, name: … }";
            return Err(Problem::new(server.line, path, reason).fix(fix));
        };
        let wanted = target.text(&["name"]).unwrap_or_default();
        let within = target.text(&["namespace"]).unwrap_or(namespace(server));
        self.find("HTTPRoute", wanted, within).ok_or_else(|| {
            let reason =
                format!("HTTPRoute {wanted:?} of namespace {within:?} is not in this file");
            let fix = format!("add it: kubectl get httproute {wanted} -n {within} -o yaml");
            Problem::new(target.line, path, reason).fix(fix)
        })
    }

    /// Where the first backend of `route` is.
    fn backend(&self, route: &Node, path: &str) -> Result<BackendAddress, Problem> {
        let path = format!("{path}: HTTPRoute {}", name(route));
        let mut backends = rules(route, "backendRefs");
        let Some(backend) = backends.next() else {
            let reason = "has no backendRefs: they name the Service of the server";
            let fix = "backendRefs: [{ name: …, port: … }]";
            return Err(Problem::new(route.line, path, reason).fix(fix));
        };
        let port = backend.get("port").map(|port| port.value().to_string());
        let named = backend.text(&["name"]).unwrap_or_default();
        let within = backend.text(&["namespace"]).unwrap_or(namespace(route));
        match backend.text(&["kind"]).unwrap_or("Service") {
            "Service" => Ok(self.service(named, within, port)),
            // Istio's kind, for the host of a ServiceEntry.
            "Hostname" => Ok(external(named, port)),
            // Envoy Gateway's kind.
            "Backend" => self.envoy_backend(named, within).ok_or_else(|| {
                let reason = format!("Backend {named:?} with an fqdn is not in this file");
                let fix = format!("add it: kubectl get backend {named} -n {within} -o yaml");
                Problem::new(backend.line, path, reason).fix(fix)
            }),
            other => {
                let reason = format!("has a backend of kind {other:?}, which is not supported");
                let fix = "kind: Service, Hostname or Backend";
                Err(Problem::new(backend.line, path, reason).fix(fix))
            }
        }
    }

    fn service(&self, named: &str, within: &str, port: Option<String>) -> BackendAddress {
        let service = self.find("Service", named, within);
        match service.and_then(|it| it.text(&["spec", "externalName"])) {
            Some(host) => external(host, port),
            None => BackendAddress {
                host: format!("{named}.{within}.svc.cluster.local"),
                port,
                tls: false,
            },
        }
    }

    fn envoy_backend(&self, named: &str, within: &str) -> Option<BackendAddress> {
        let backend = self.find("Backend", named, within)?;
        let endpoint = backend.at(&["spec", "endpoints"])?.items().first()?;
        let port = endpoint.at(&["fqdn", "port"]);
        let address = external(
            endpoint.text(&["fqdn", "hostname"])?,
            port.map(|port| port.value().to_string()),
        );
        Some(BackendAddress {
            tls: address.tls || backend.at(&["spec", "tls"]).is_some(),
            ..address
        })
    }
}

/// A host outside of the cluster. On port 443 it needs TLS.
fn external(host: &str, port: Option<String>) -> BackendAddress {
    BackendAddress {
        host: host.to_owned(),
        tls: port.as_deref() == Some("443"),
        port,
    }
}

fn node(line: usize, path: &str, kind: NodeKind) -> Node {
    Node {
        line,
        path: path.to_owned(),
        kind,
    }
}

fn name(document: &Node) -> &str {
    document.text(&["metadata", "name"]).unwrap_or_default()
}

fn namespace(document: &Node) -> &str {
    document
        .text(&["metadata", "namespace"])
        .unwrap_or("default")
}

/// The items of the lists `field` in all rules of `route`.
fn rules<'a>(route: &'a Node, field: &str) -> impl Iterator<Item = &'a Node> {
    let rules = route.at(&["spec", "rules"]).map_or(&[][..], Node::items);
    let lists = rules.iter().filter_map(move |rule| rule.get(field));
    lists.flat_map(Node::items)
}

/// The host name that requests have when they get to the server.
fn hostname(route: &Node) -> Option<&str> {
    let mut rewritten =
        rules(route, "filters").filter_map(|filter| filter.text(&["urlRewrite", "hostname"]));
    rewritten.next().or_else(
        || match &route.at(&["spec", "hostnames"])?.items().first()?.kind {
            NodeKind::Scalar(Value::String(host)) if !host.starts_with('*') => Some(host),
            _ => None,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::tree;
    use serde_json::json;

    const SERVER: &str = "apiVersion: mcp.kagenti.com/v1alpha1\nkind: MCPServer\nmetadata:\n  name: weather\n  namespace: mcp-test\nspec:\n  toolPrefix: weather_\n  targetRef:\n    group: gateway.networking.k8s.io\n    kind: HTTPRoute\n    name: weather-route\n";

    fn route(backend: &str) -> String {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata:\n  name: weather-route\n  namespace: mcp-test\nspec:\n  hostnames: [weather.mcp.local]\n  rules:\n  - backendRefs:\n    - {backend}\n"
        )
    }

    #[test]
    fn a_server_is_at_the_backend_of_its_route() {
        let external = "kind: Service\napiVersion: v1\nmetadata: {name: w, namespace: mcp-test}\nspec: {type: ExternalName, externalName: mcp.example.com}\n";
        let own = "kind: Backend\napiVersion: gateway.envoyproxy.io/v1alpha1\nmetadata: {name: w, namespace: mcp-test}\nspec:\n  endpoints:\n  - fqdn: {hostname: mcp.example.com, port: 443}\n";
        for (backend, more, url) in [
            (
                "{name: w, port: 9090}",
                "",
                "http://w.mcp-test.svc.cluster.local:9090/mcp",
            ),
            (
                "{name: w, namespace: other, port: 80}",
                "",
                "http://w.other.svc.cluster.local:80/mcp",
            ),
            (
                "{name: w, port: 443}",
                external,
                "https://mcp.example.com:443/mcp",
            ),
            (
                "{name: mcp.example.com, kind: Hostname, group: networking.istio.io, port: 443}",
                "",
                "https://mcp.example.com:443/mcp",
            ),
            (
                "{name: w, kind: Backend, group: gateway.envoyproxy.io}",
                own,
                "https://mcp.example.com:443/mcp",
            ),
        ] {
            let text = [SERVER, &route(backend), more].join("---\n");
            let documents = tree::documents(&text).unwrap();
            assert!(is_kubernetes(&documents));
            let mut findings = Findings::default();
            let config = read(&documents, &mut findings);
            assert_eq!(findings.errors, []);
            let expected = json!({"servers": [{"name": "weather", "url": url, "hostname": "weather.mcp.local", "toolPrefix": "weather_"}]});
            assert_eq!(config.value(), expected, "{backend}");
        }
    }

    #[test]
    fn newer_gateways_have_another_kind_with_other_fields() {
        let server = SERVER
            .replace("MCPServer", "MCPServerRegistration")
            .replace("mcp.kagenti.com/v1alpha1", "mcp.kuadrant.io/v1")
            .replace(
                "toolPrefix: weather_",
                "prefix: weather_\n  state: Disabled",
            );
        let text = [&*server, &route("{name: w, port: 80}")].join("---\n");
        let mut findings = Findings::default();
        let config = read(&tree::documents(&text).unwrap(), &mut findings);
        let server = &config.value()["servers"][0];
        assert_eq!(
            (&server["prefix"], &server["state"]),
            (&json!("weather_"), &json!("Disabled"))
        );
    }

    #[test]
    fn a_missing_or_unknown_document_is_an_error() {
        for (text, line, reason) in [
            (
                SERVER.to_owned(),
                8,
                "HTTPRoute \"weather-route\" of namespace \"mcp-test\" is not in this file",
            ),
            (
                [SERVER, &route("{name: w, kind: Bucket}")].join("---\n"),
                22,
                "has a backend of kind \"Bucket\", which is not supported",
            ),
            (
                [SERVER, &route("{name: w, kind: Backend}")].join("---\n"),
                22,
                "Backend \"w\" with an fqdn",
            ),
            (
                "apiVersion: v1\nkind: Service\n".to_owned(),
                1,
                "the file has Kubernetes documents (Service), but no MCPServer",
            ),
        ] {
            let mut findings = Findings::default();
            let _ = read(&tree::documents(&text).unwrap(), &mut findings);
            let problems = findings.errors;
            assert_eq!(problems.len(), 1);
            assert!(problems[0].reason.starts_with(reason), "{problems:?}");
            assert_eq!(problems[0].line, line, "{reason}");
        }
    }
}
