//! The HTTPRoutes of the Gateway API, for Envoy Gateway and Istio.

use mcp_gateway::http::protected_resource::{ResourceIdentifier, WELL_KNOWN};
use serde_json::{Value, json};

use super::backend_tls;
use super::filter::{FilterConfig, spellings};
use super::model::{BackendReference, WantedGateway, WantedServer};
use super::names;
use super::object::{Object, present};

const API: &str = "gateway.networking.k8s.io/v1";

/// Headers that servers must not get: those that the filter sets for other filters, and those that
/// Envoy needs only for finding the route.
const NOT_FOR_SERVERS: [&str; 8] = [
    "x-mcp-method",
    "x-mcp-toolname",
    "x-mcp-promptname",
    "x-mcp-resourceuri",
    "x-mcp-params",
    "x-mcp-servername",
    "x-mcp-cluster",
    "x-forwarded-proto",
];

/// The most matches of a rule. A route may have 128 in all.
const LONGEST_RULE: usize = 64;

/// The routes of the endpoint. A request is on such a route until the filter has read its body. The
/// filter answers lists itself, and moves requests for a server to the server's route.
pub(super) fn endpoint(
    gateway: &WantedGateway,
    filter: &FilterConfig,
    nowhere: &Value,
) -> Vec<Object> {
    let matches: Vec<Value> = match filter.paths() {
        Some(paths) => paths.iter().map(|path| exact(path)).collect(),
        None => vec![json!({"path": {"type": "PathPrefix", "value": "/"}})],
    };
    let comment = "Envoy selects this route until the filter has read the request. The filter answers\n\
                   lists. For a call, Envoy then selects the route of the server. So this backend gets\n\
                   no request.";
    let routes = of_matches(gateway, "endpoint", &matches, nowhere);
    routes.map(|route| route.with_comment(comment)).collect()
}

/// As many routes as `matches` need. They have a backend at which no server listens.
fn of_matches(
    gateway: &WantedGateway,
    role: &str,
    matches: &[Value],
    nowhere: &Value,
) -> impl Iterator<Item = Object> {
    let routes = matches.chunks(LONGEST_RULE).enumerate();
    routes.map(move |(at, matches)| {
        let name = match at {
            0 => names::role(gateway, role),
            at => names::role(gateway, &format!("{role}-{}", at.saturating_add(1))),
        };
        let rule = json!({
            "matches": matches,
            "timeouts": {"request": "0s"},
            "backendRefs": [nowhere],
        });
        route(gateway, &name, &gateway.hostnames, &rule)
    })
}

/// The routes of the metadata of the endpoint as an OAuth protected resource; empty if there is no
/// metadata.
pub(super) fn metadata(
    gateway: &WantedGateway,
    filter: &FilterConfig,
    nowhere: &Value,
) -> Vec<Object> {
    let Some(oauth) = &filter.parsed.oauth else {
        return Vec::new();
    };
    let mut paths = vec![String::new()];
    paths.extend(filter.paths().unwrap_or_default());
    if let ResourceIdentifier::Absolute { path, .. } = &oauth.resource.identifier {
        paths.extend(spellings(path));
    }
    let mut paths: Vec<String> = paths
        .iter()
        .map(|path| format!("{WELL_KNOWN}{}", path.trim_end_matches('/')))
        .collect();
    paths.sort();
    paths.dedup();
    let matches: Vec<Value> = paths.iter().map(|path| exact(path)).collect();
    let comment = "Clients read here who issues tokens. The filter answers everyone.";
    let routes = of_matches(gateway, "metadata", &matches, nowhere);
    routes.map(|route| route.with_comment(comment)).collect()
}

/// The route of `server`. When Envoy chooses this route, the filter has set the path of the server,
/// and the host is still the one that the client used. So the route has the host names of the
/// endpoint. `rewrite` sets the host of the server, if the control plane needs a filter of the route
/// for this. The path is matched exactly if possible: an exact path has priority over a prefix, and
/// the endpoint has an exact path.
pub(super) fn server(
    gateway: &WantedGateway,
    filter: &FilterConfig,
    server: &WantedServer,
    references: &[Value],
    rewrite: Option<Value>,
) -> Object {
    let read = filter.server(&server.name);
    let path = read.and_then(|read| read.path.split('?').next());
    let path = path.filter(|path| is_path_of_route(path));
    let path = path.map_or_else(
        || json!({"type": "PathPrefix", "value": "/"}),
        |path| json!({"type": "Exact", "value": path}),
    );
    let mut filters = vec![json!({
        "type": "RequestHeaderModifier",
        "requestHeaderModifier": {"remove": NOT_FOR_SERVERS},
    })];
    filters.extend(rewrite);
    let rule = json!({
        "matches": [{
            "path": path,
            "headers": [{"name": "x-mcp-servername", "value": server.name}],
        }],
        "filters": filters,
        // The stream of an answer may take any time.
        "timeouts": {"request": "0s"},
        "backendRefs": references,
    });
    let name = names::server(gateway, server);
    route(gateway, &name, &gateway.hostnames, &rule)
        .of_server(&server.name)
        .with_comment("Only the filter sets x-mcp-servername: it removes what clients send.")
}

/// A backend reference of an HTTPRoute.
fn backend_reference(gateway: &WantedGateway, to: &BackendReference) -> Value {
    let is_elsewhere = to.namespace != gateway.namespace && to.kind != "Hostname";
    present(json!({
        "group": to.group,
        "kind": to.kind,
        "name": to.name,
        "namespace": is_elsewhere.then_some(&to.namespace),
        "port": to.port,
        "weight": to.weight,
    }))
}

/// The `backendRefs` of the route to `server`, whose backend is `references`. Adds the objects that
/// they need to `objects`.
pub(super) fn to_references(
    gateway: &WantedGateway,
    server: &WantedServer,
    references: &[BackendReference],
    objects: &mut Vec<Object>,
) -> Vec<Value> {
    objects.extend(backend_tls::of_references(gateway, server, references));
    objects.extend(grants(gateway, server, references));
    let references = references.iter();
    references
        .map(|it| backend_reference(gateway, it))
        .collect()
}

/// The ReferenceGrants that allow the route of `server` to use references in the server's own
/// namespace, if this is not the gateway's namespace. The author of the server has asked for it.
fn grants(
    gateway: &WantedGateway,
    server: &WantedServer,
    references: &[BackendReference],
) -> Option<Object> {
    let own = references
        .iter()
        .filter(|it| it.namespace == server.namespace);
    let to: Vec<Value> = own
        .map(|it| json!({"group": it.group, "kind": it.kind, "name": it.name}))
        .collect();
    if server.namespace == gateway.namespace || to.is_empty() {
        return None;
    }
    let name = names::server_elsewhere(gateway, server);
    let group = "gateway.networking.k8s.io";
    let from = json!({"group": group, "kind": "HTTPRoute", "namespace": gateway.namespace});
    let grant = Object::new(json!({
        "apiVersion": "gateway.networking.k8s.io/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": names::metadata(gateway, &server.namespace, &name),
        "spec": {"from": [from], "to": to},
    }));
    Some(grant.of_server(&server.name))
}

/// A reference to the Gateway, or to the only listener of the endpoint.
pub(super) fn listener(gateway: &WantedGateway) -> Value {
    present(json!({
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "name": gateway.attachment.gateway,
        "sectionName": gateway.attachment.section,
    }))
}

fn route(gateway: &WantedGateway, name: &str, hostnames: &[String], rule: &Value) -> Object {
    let parent = listener(gateway);
    Object::new(json!({
        "apiVersion": API,
        "kind": "HTTPRoute",
        "metadata": names::metadata(gateway, &gateway.namespace, name),
        "spec": present(json!({
            "parentRefs": [parent],
            "hostnames": Some(hostnames).filter(|it| !it.is_empty()),
            "rules": [rule],
        })),
    }))
}

/// Whether an HTTPRoute allows `path` as an exact path.
pub(crate) fn is_path_of_route(path: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "-/._~!$&'()*+,;=:@%".contains(c);
    let refused = ["//", "/./", "/../", "%2f", "%2F"];
    path.starts_with('/')
        && path.chars().all(is_fit)
        && refused.iter().all(|part| !path.contains(part))
        && !path.ends_with("/.")
        && !path.ends_with("/..")
}

fn exact(path: &str) -> Value {
    json!({"path": {"type": "Exact", "value": path}})
}
