//! Kubernetes documents as a configuration: each `MCPServer`
//! (`mcp.kagenti.com/v1alpha1`) is a server, where its `HTTPRoute` leads.

use serde_json::Value;

use crate::problem::Problem;
use crate::tree::{Kind, Node};

/// Whether these documents are Kubernetes'.
pub(crate) fn are(documents: &[Node]) -> bool {
    documents
        .iter()
        .any(|document| document.get("apiVersion").is_some() && document.get("kind").is_some())
}

/// The configuration that `documents` stand for, and what of them it leaves out.
///
/// # Errors
/// What is not there, or cannot be followed.
pub(crate) fn read(documents: &[Node]) -> Result<(Node, Vec<Problem>), Vec<Problem>> {
    let of_kind = |kind: &'static str| {
        documents
            .iter()
            .filter(move |it| it.text(&["kind"]) == Some(kind))
    };
    let (mut servers, mut problems, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for server in of_kind("MCPServer") {
        match self::server(server, documents) {
            Ok(server) => servers.push(server),
            Err(problem) => problems.push(problem),
        }
        if let Some(credential) = server.at(&["spec", "credentialRef"]) {
            let path = format!("MCPServer {}: spec.credentialRef", name(server));
            let reason = "is not carried over: the gateway sends what clients send";
            warnings.push(Problem::new(credential.line, path, reason));
        }
    }
    if servers.is_empty() && problems.is_empty() {
        let reason = "no MCPServer in these Kubernetes documents";
        let fix = "add them: kubectl get mcpservers,httproutes -A -o yaml";
        problems.push(Problem::new(1, "", reason).fix(fix));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let line = servers.first().map_or(1, |server| server.line);
    let servers = node(line, "servers", Kind::List(servers));
    let config = node(
        line,
        "",
        Kind::Object(vec![("servers".to_owned(), servers)]),
    );
    Ok((config, warnings))
}

fn node(line: usize, path: &str, kind: Kind) -> Node {
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

/// One server of the configuration.
fn server(server: &Node, documents: &[Node]) -> Result<Node, Problem> {
    let shown = format!("MCPServer {}", name(server));
    let route = route(server, &shown, documents)?;
    let place = backend(server, &shown, route, documents)?;
    let mut members = Vec::new();
    let mut put = |key: &str, from: &Node, path: &str, value: &str| {
        let scalar = Kind::Scalar(Value::from(value));
        members.push((
            key.to_owned(),
            node(from.line, &format!("{shown}: {path}"), scalar),
        ));
    };
    let metadata = server.at(&["metadata", "name"]).unwrap_or(server);
    // Names that two namespaces share have theirs before them.
    let shared = documents
        .iter()
        .filter(|it| it.text(&["kind"]) == Some("MCPServer") && name(it) == name(server));
    let unique = if shared.count() > 1 {
        format!("{}.{}", namespace(server), name(server))
    } else {
        name(server).to_owned()
    };
    put("name", metadata, "metadata.name", &unique);
    let path = server.at(&["spec", "path"]);
    let text = server.text(&["spec", "path"]).unwrap_or("/mcp");
    put(
        "url",
        path.unwrap_or(route),
        "spec.path",
        &format!("{place}{text}"),
    );
    if let Some(hostname) = hostname(route) {
        put("hostname", route, "spec.targetRef", hostname);
    }
    if let Some(prefix) = server.at(&["spec", "toolPrefix"]) {
        let text = server.text(&["spec", "toolPrefix"]).unwrap_or_default();
        put("toolPrefix", prefix, "spec.toolPrefix", text);
    }
    Ok(node(server.line, &shown, Kind::Object(members)))
}

fn route<'a>(server: &Node, shown: &str, documents: &'a [Node]) -> Result<&'a Node, Problem> {
    let refused =
        |line, reason: String| Problem::new(line, format!("{shown}: spec.targetRef"), reason);
    let Some(target) = server.at(&["spec", "targetRef"]) else {
        return Err(refused(
            server.line,
            "is missing: it names the server's HTTPRoute".to_owned(),
        ));
    };
    let wanted = target.text(&["name"]).unwrap_or_default();
    let within = target.text(&["namespace"]).unwrap_or(namespace(server));
    let mut routes = documents
        .iter()
        .filter(|it| it.text(&["kind"]) == Some("HTTPRoute"));
    routes
        .find(|it| name(it) == wanted && namespace(it) == within)
        .ok_or_else(|| {
            let reason =
                format!("HTTPRoute {wanted:?} of namespace {within:?} is not in this file");
            let fix = format!("add it: kubectl get httproute {wanted} -n {within} -o yaml");
            refused(target.line, reason).fix(fix)
        })
}

/// Where the first backend of `route` is: `http://weather.mcp.svc.cluster.local:80`.
fn backend(
    server: &Node,
    shown: &str,
    route: &Node,
    documents: &[Node],
) -> Result<String, Problem> {
    let shown = format!("{shown}: HTTPRoute {}", name(route));
    let rules = route.at(&["spec", "rules"]).map_or(&[][..], Node::items);
    let backends = rules.iter().filter_map(|rule| rule.get("backendRefs"));
    let Some(backend) = backends.flat_map(Node::items).next() else {
        return Err(Problem::new(
            route.line,
            shown,
            "has no backendRefs: they say where the server is",
        ));
    };
    let name = backend.text(&["name"]).unwrap_or_default();
    let port = backend.get("port").map(|port| port.value().to_string());
    let within = backend.text(&["namespace"]).unwrap_or(namespace(route));
    let named = |kind: &str| {
        let mut all = documents
            .iter()
            .filter(|it| it.text(&["kind"]) == Some(kind));
        all.find(|it| self::name(it) == name && namespace(it) == within)
            .cloned()
    };
    let (host, port, tls) = match backend.text(&["kind"]).unwrap_or("Service") {
        "Service" => match named("Service")
            .and_then(|it| it.text(&["spec", "externalName"]).map(str::to_owned))
        {
            Some(host) => {
                let tls = port.as_deref() == Some("443");
                (host, port, tls)
            }
            None => (format!("{name}.{within}.svc.cluster.local"), port, false),
        },
        // Istio's own, for a ServiceEntry.
        "Hostname" => {
            let tls = port.as_deref() == Some("443");
            (name.to_owned(), port, tls)
        }
        // Envoy Gateway's own.
        "Backend" => {
            let backend = named("Backend");
            let endpoints = backend
                .as_ref()
                .and_then(|it| it.at(&["spec", "endpoints"]));
            let fqdn = endpoints
                .and_then(|it| it.items().first())
                .and_then(|it| it.get("fqdn"));
            let Some((fqdn, host)) = fqdn.and_then(|it| Some((it, it.text(&["hostname"])?))) else {
                let reason = format!("Backend {name:?} with an fqdn is not in this file");
                return Err(Problem::new(server.line, shown, reason));
            };
            let port = fqdn.get("port").map(|port| port.value().to_string());
            let tls = backend
                .as_ref()
                .is_some_and(|it| it.at(&["spec", "tls"]).is_some());
            (
                host.to_owned(),
                port.clone(),
                tls || port.as_deref() == Some("443"),
            )
        }
        other => {
            let reason = format!(
                "a backend of kind {other:?}: only Service, Hostname and Backend are known"
            );
            return Err(Problem::new(route.line, shown, reason));
        }
    };
    let scheme = if tls { "https" } else { "http" };
    Ok(match port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

/// The host that the server gets to see.
fn hostname(route: &Node) -> Option<&str> {
    let rules = route.at(&["spec", "rules"]).map_or(&[][..], Node::items);
    let filters = rules
        .iter()
        .filter_map(|rule| rule.get("filters"))
        .flat_map(Node::items);
    let mut rewritten = filters.filter_map(|filter| filter.text(&["urlRewrite", "hostname"]));
    rewritten.next().or_else(
        || match &route.at(&["spec", "hostnames"])?.items().first()?.kind {
            Kind::Scalar(Value::String(host)) if !host.starts_with('*') => Some(host),
            _ => None,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;
    use serde_json::json;

    const SERVER: &str = "apiVersion: mcp.kagenti.com/v1alpha1\nkind: MCPServer\nmetadata:\n  name: weather\n  namespace: mcp-test\nspec:\n  toolPrefix: weather_\n  targetRef:\n    group: gateway.networking.k8s.io\n    kind: HTTPRoute\n    name: weather-route\n";

    fn route(backend: &str) -> String {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata:\n  name: weather-route\n  namespace: mcp-test\nspec:\n  hostnames: [weather.mcp.local]\n  rules:\n  - backendRefs:\n    - {backend}\n"
        )
    }

    #[test]
    fn a_server_is_where_its_route_leads() {
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
            assert!(are(&documents));
            let (config, _) = read(&documents).unwrap_or_else(|it| panic!("{it:?}"));
            let expected = json!({"servers": [{"name": "weather", "url": url, "hostname": "weather.mcp.local", "toolPrefix": "weather_"}]});
            assert_eq!(config.value(), expected, "{backend}");
        }
    }

    #[test]
    fn what_cannot_be_followed_says_so() {
        for (text, line, reason) in [
            (
                SERVER.to_owned(),
                8,
                "HTTPRoute \"weather-route\" of namespace \"mcp-test\" is not in this file",
            ),
            (
                [SERVER, &route("{name: w, kind: Bucket}")].join("---\n"),
                13,
                "a backend of kind \"Bucket\": only",
            ),
            (
                [SERVER, &route("{name: w, kind: Backend}")].join("---\n"),
                1,
                "Backend \"w\" with an fqdn",
            ),
            (
                "apiVersion: v1\nkind: Service\n".to_owned(),
                1,
                "no MCPServer",
            ),
        ] {
            let problems = read(&tree::documents(&text).unwrap()).expect_err(&text);
            assert_eq!(problems.len(), 1);
            assert!(problems[0].reason.starts_with(reason), "{problems:?}");
            assert_eq!(problems[0].line, line, "{reason}");
        }
    }
}
