//! Reads Kubernetes documents of older gateways as a configuration. Each registration of a server
//! becomes a server at the backend of its `HTTPRoute`.

pub(crate) mod objects;
pub(crate) mod registration;

use std::collections::BTreeSet;

use serde_json::Value;

use self::objects::namespace;
use self::registration::ServerRegistration;
use crate::config_file::older_gateway::OlderField;
use crate::problem::{Findings, Problem};
use crate::syntax::tree::{Node, NodeKind};

/// Whether `documents` are Kubernetes objects.
pub(crate) fn is_kubernetes(documents: &[Node]) -> bool {
    documents
        .iter()
        .any(|document| document.get("apiVersion").is_some() && document.get("kind").is_some())
}

/// Replaces each Kubernetes list (`kubectl get -o yaml`) with its items.
pub(crate) fn without_lists(documents: Vec<Node>) -> Vec<Node> {
    let items = |document: Node| match document.get("items") {
        Some(items) => items.items().to_vec(),
        None => vec![document],
    };
    documents.into_iter().flat_map(items).collect()
}

/// Makes a configuration of `documents`. Errors, and parts that are left out, go to `findings`.
pub(crate) fn read(documents: &[Node], findings: &mut Findings) -> Node {
    let documents = Documents::new(documents);
    let mut servers = Vec::new();
    for registration in &documents.registrations {
        match documents.server(registration) {
            Ok(server) => servers.push(server),
            Err(problem) => findings.errors.push(problem),
        }
        if registration.is_first() {
            tell_of_fields(registration, findings);
        }
    }
    if documents.registrations.is_empty() {
        findings.errors.push(no_servers(documents.all));
    }
    let line = servers.first().map_or(1, |server| server.line);
    let servers = node(line, "servers", NodeKind::List(servers));
    let members = vec![("servers".to_owned(), servers)];
    node(line, "", NodeKind::Object(members))
}

/// The error for `documents` that have no server.
pub(crate) fn no_servers(documents: &[Node]) -> Problem {
    let kind = |document: &Node| {
        let kind = document.text(&["kind"])?.to_owned();
        let group = objects::group(document);
        let is_namesake = ["MCPServer", "MCPServerRegistration"].contains(&&*kind);
        Some(if is_namesake {
            format!("{kind} of {group}")
        } else {
            kind
        })
    };
    let kinds: BTreeSet<String> = documents.iter().filter_map(kind).collect();
    let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
    let reason = format!(
        "the file has Kubernetes documents ({kinds}), but no MCPServer or MCPServerRegistration of an older gateway"
    );
    let fix = "add the output of: kubectl get mcpserverregistrations,httproutes -A -o yaml";
    Problem::new(1, "", reason).fix(fix)
}

/// Reports the fields of `registration` that have no effect here, or whose effect in the older
/// gateway is missing here.
fn tell_of_fields(registration: &ServerRegistration<'_>, findings: &mut Findings) {
    for (name, node) in registration.fields() {
        let path = format!("{}: spec.{name}", registration.title());
        let field = OlderField::of_object(name);
        if let Some(field) = field.filter(|field| field.is_missed(node)) {
            let reason = format!("is left out: {}", field.reason);
            let mut warning = Problem::new(node.line, path, reason);
            warning.fix = field.instead.map(str::to_owned);
            findings.warnings.push(warning);
        } else if field.is_none() && !ServerRegistration::FIELDS.contains(&&**name) {
            let reason = "is left out: this program does not know it";
            findings
                .warnings
                .push(Problem::new(node.line, path, reason));
        }
    }
}

/// The port at which hosts outside of the cluster use TLS.
const HTTPS: &str = "443";

/// The address of a server: `http://weather.mcp.svc.cluster.local:80`.
struct BackendAddress {
    host: String,
    port: Option<String>,
    tls: bool,
    /// The `:authority` of requests at this address, if it is not the one that the route sets.
    hostname: Option<String>,
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

/// The data of a server in an `HTTPRoute`.
pub(crate) struct RoutedServer {
    /// The host name in requests when they reach the server.
    pub(crate) hostname: Option<String>,
    /// Whether the server needs TLS although its port is not 443.
    pub(crate) needs_tls: bool,
}

/// The documents of a file, which may refer to each other.
pub(crate) struct Documents<'a> {
    all: &'a [Node],
    pub(crate) registrations: Vec<ServerRegistration<'a>>,
}

impl<'a> Documents<'a> {
    pub(crate) fn new(all: &'a [Node]) -> Self {
        let registrations = all.iter().flat_map(ServerRegistration::all).collect();
        Self { all, registrations }
    }

    /// The server of the configuration for `registration`.
    fn server(&self, registration: &ServerRegistration<'_>) -> Result<Node, Problem> {
        let path = registration.title();
        let route = self.route(registration)?;
        let backend = self.backend(route, &path)?;
        let mut members = Vec::new();
        let mut add = |member: &str, from: &Node, field: &str, text: &str| {
            let text = NodeKind::Scalar(Value::from(text));
            let value = node(from.line, &format!("{path}: {field}"), text);
            members.push((member.to_owned(), value));
        };
        let spec = registration.spec();
        let metadata = registration.document.at(&["metadata", "name"]);
        let name = self.unique_name(registration);
        add("name", metadata.unwrap_or(spec), "metadata.name", &name);
        let endpoint = spec.get("path").unwrap_or(route);
        let text = spec.text(&["path"]).unwrap_or("/mcp");
        add("url", endpoint, "spec.path", &backend.url(text));
        if let Some(hostname) = backend.hostname.as_deref().or_else(|| hostname(route)) {
            add("hostname", route, &registration.target_path(), hostname);
        }
        if let Some((field, node)) = registration.prefix() {
            let text = node.text(&[]).unwrap_or_default();
            add("toolPrefix", node, &field, text);
        }
        if let Some(node) = spec.get("state") {
            let text = node.text(&[]).unwrap_or_default();
            add("state", node, "spec.state", text);
        }
        let line = registration.document.line;
        Ok(node(line, &path, NodeKind::Object(members)))
    }

    /// The data of the server in the `HTTPRoute` of `registration`; `None` if the route is not
    /// among the documents.
    ///
    /// # Errors
    /// The route has no server as its backend.
    pub(crate) fn routed(
        &self,
        registration: &ServerRegistration<'_>,
    ) -> Result<Option<RoutedServer>, Problem> {
        let Some(target) = registration.target else {
            return self.route(registration).map(|_| None);
        };
        let named = target.text(&["name"]).unwrap_or_default();
        let within = registration.target_namespace();
        let Some(route) = objects::find(self.all, "HTTPRoute", named, within) else {
            return Ok(None);
        };
        let backend = self.backend(route, &registration.title())?;
        let is_usual_tls = backend.port.as_deref() == Some(HTTPS);
        Ok(Some(RoutedServer {
            needs_tls: backend.tls && !is_usual_tls,
            hostname: backend
                .hostname
                .or_else(|| hostname(route).map(str::to_owned)),
        }))
    }

    /// The name of the server. If another namespace has a server of the same name, the namespace
    /// comes before it.
    fn unique_name(&self, registration: &ServerRegistration<'_>) -> String {
        let name = registration.name();
        let same = self.registrations.iter().filter(|it| it.name() == name);
        if same.count() > 1 {
            format!("{}.{name}", registration.namespace())
        } else {
            name.to_owned()
        }
    }

    fn route(&self, registration: &ServerRegistration<'_>) -> Result<&'a Node, Problem> {
        let path = format!("{}: {}", registration.title(), registration.target_path());
        let Some(target) = registration.target else {
            let line = registration.document.line;
            let reason = "is missing: it names the HTTPRoute of the server";
            let fix = "targetRef: { group: gateway.networking.k8s.io, kind: HTTPRoute, name: … }";
            return Err(Problem::new(line, path, reason).fix(fix));
        };
        let wanted = target.text(&["name"]).unwrap_or_default();
        let within = registration.target_namespace();
        objects::find(self.all, "HTTPRoute", wanted, within).ok_or_else(|| {
            let reason =
                format!("HTTPRoute {wanted:?} of namespace {within:?} is not in this file");
            let fix = format!("add it: kubectl get httproute {wanted} -n {within} -o yaml");
            Problem::new(target.line, path, reason).fix(fix)
        })
    }

    /// The address of the first backend of `route`.
    fn backend(&self, route: &Node, path: &str) -> Result<BackendAddress, Problem> {
        let path = format!("{path}: HTTPRoute {}", objects::name(route));
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
            // A kind of Istio, for the host of a ServiceEntry. Older gateways use TLS for it.
            "Hostname" => Ok(BackendAddress {
                host: named.to_owned(),
                port: Some(port.unwrap_or_else(|| HTTPS.to_owned())),
                tls: true,
                hostname: None,
            }),
            // A kind of Envoy Gateway.
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
        let service = objects::find(self.all, "Service", named, within);
        let external = service.and_then(|it| it.text(&["spec", "externalName"]));
        let Some(host) = external else {
            return BackendAddress {
                host: format!("{named}.{within}.svc.cluster.local"),
                port,
                tls: false,
                hostname: None,
            };
        };
        let ports = service.and_then(|it| it.at(&["spec", "ports"]));
        let mut ports = ports.map_or(&[][..], Node::items).iter();
        let is_https = ports.any(|it| {
            it.get("port").map(|port| port.value().to_string()) == port
                && it
                    .text(&["appProtocol"])
                    .is_some_and(|it| it.eq_ignore_ascii_case("https"))
        });
        BackendAddress {
            host: host.to_owned(),
            tls: is_https || port.as_deref() == Some(HTTPS),
            port,
            hostname: Some(host.to_owned()),
        }
    }

    fn envoy_backend(&self, named: &str, within: &str) -> Option<BackendAddress> {
        let backend = objects::find(self.all, "Backend", named, within)?;
        let endpoint = backend.at(&["spec", "endpoints"])?.items().first()?;
        let port = endpoint.at(&["fqdn", "port"]);
        let port = port.map(|port| port.value().to_string());
        Some(BackendAddress {
            host: endpoint.text(&["fqdn", "hostname"])?.to_owned(),
            tls: port.as_deref() == Some(HTTPS) || backend.at(&["spec", "tls"]).is_some(),
            port,
            hostname: None,
        })
    }
}

fn node(line: usize, path: &str, kind: NodeKind) -> Node {
    Node {
        line,
        path: path.to_owned(),
        kind,
    }
}

/// The items of the lists `field` in all rules of `route`.
fn rules<'a>(route: &'a Node, field: &str) -> impl Iterator<Item = &'a Node> {
    let rules = route.at(&["spec", "rules"]).map_or(&[][..], Node::items);
    let lists = rules.iter().filter_map(move |rule| rule.get(field));
    lists.flat_map(Node::items)
}

/// The host name in requests when they reach the server.
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
            let hostname = if more == external {
                "mcp.example.com"
            } else {
                "weather.mcp.local"
            };
            let expected = json!({"servers": [{"name": "weather", "url": url, "hostname": hostname, "toolPrefix": "weather_"}]});
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
            (&server["toolPrefix"], &server["state"]),
            (&json!("weather_"), &json!("Disabled"))
        );
    }

    #[test]
    fn tls_is_where_older_gateways_have_it() {
        let external = "kind: Service\napiVersion: v1\nmetadata: {name: w, namespace: mcp-test}\nspec: {type: ExternalName, externalName: h, ports: [{port: 8443, appProtocol: HTTPS}]}\n";
        for (backend, more, url) in [
            ("{name: h, kind: Hostname}", "", "https://h:443/mcp"),
            (
                "{name: h, kind: Hostname, port: 8080}",
                "",
                "https://h:8080/mcp",
            ),
            ("{name: w, port: 8443}", external, "https://h:8443/mcp"),
            ("{name: w, port: 80}", external, "http://h:80/mcp"),
            (
                "{name: w, port: 443}",
                "",
                "http://w.mcp-test.svc.cluster.local:443/mcp",
            ),
        ] {
            let text = [SERVER, &route(backend), more].join("---\n");
            let config = read(&tree::documents(&text).unwrap(), &mut Findings::default());
            assert_eq!(config.value()["servers"][0]["url"], url, "{backend}");
        }
    }

    #[test]
    fn the_first_versions_have_several_servers_in_one_object() {
        let list = "  targetRefs:\n  - name: weather-route\n    toolPrefix: w_\n  - name: weather-route\n    namespace: other\n  credentialRef: { name: s }\n  new: 1\n";
        let spec = SERVER.split_once("  targetRef:").unwrap().0;
        for kind in ["kind: MCPServer", "kind: MCPGateway"] {
            let object = spec.replace("kind: MCPServer", kind) + list;
            let other =
                route("{name: o, port: 2}").replace("namespace: mcp-test", "namespace: other");
            let text = [&*object, &route("{name: w, port: 1}"), &other].join("---\n");
            let mut findings = Findings::default();
            let config = read(&tree::documents(&text).unwrap(), &mut findings);
            assert_eq!(findings.errors, []);
            let servers = config.value()["servers"].clone();
            let of = |field: &str| [servers[0][field].clone(), servers[1][field].clone()];
            assert_eq!(of("toolPrefix"), ["w_", "weather_"]);
            assert_eq!(
                of("url"),
                [
                    "http://w.mcp-test.svc.cluster.local:1/mcp",
                    "http://o.other.svc.cluster.local:2/mcp"
                ]
            );
            let told: Vec<&str> = findings.warnings.iter().map(|it| &*it.path).collect();
            let title = format!("{} weather", kind.trim_start_matches("kind: "));
            let expected = ["credentialRef", "new"].map(|it| format!("{title}: spec.{it}"));
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn an_object_of_another_product_is_no_server() {
        for text in [
            SERVER.replace("mcp.kagenti.com", "toolhive.stacklok.dev"),
            SERVER.replace("kind: MCPServer", "kind: MCPGateway"),
            SERVER.replace("kind: MCPServer", "kind: MCPVirtualServer"),
        ] {
            let mut findings = Findings::default();
            let _ = read(&tree::documents(&text).unwrap(), &mut findings);
            let reason = &findings.errors[0].reason;
            assert!(reason.contains("but no MCPServer"), "{reason}");
        }
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
