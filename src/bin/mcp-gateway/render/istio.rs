//! Manifests for Istio: servers outside of the mesh, a route for each, and the
//! filter as an EnvoyFilter, since a WasmPlugin cannot hold requests.

use super::Manifests;
use super::servers::{SHOWN, buffer, configuration, endpoints, keys, object};
use crate::place::Place;
use crate::source::Source;
use crate::yaml::{self, scalar};

/// The files of one folder.
pub(crate) fn render(
    source: &Source,
    places: &[Place],
    to: &Manifests,
) -> Vec<(&'static str, String)> {
    let outside: Vec<String> = places
        .iter()
        .filter_map(|place| server(place, to))
        .collect();
    let mut files = vec![("gateway.yaml", gateway(to))];
    if !outside.is_empty() {
        files.push(("servers.yaml", outside.join("---\n")));
    }
    files.push(("routes.yaml", routes(source, places, to)));
    files.push(("filter.yaml", filter(source, places, to)));
    files
}

fn gateway(to: &Manifests) -> String {
    let (namespace, port) = (scalar(&to.namespace), to.port);
    format!(
        "apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: mcp
  namespace: {namespace}
spec:
  selector: {{ istio: ingressgateway }}
  servers:
  - port: {{ number: {port}, name: http, protocol: HTTP }}
    hosts: [\"*\"]
"
    )
}

/// What Istio has to know of a server that is no Service of the cluster.
fn server(place: &Place, to: &Manifests) -> Option<String> {
    if place.host.ends_with(".svc.cluster.local") {
        return None;
    }
    let (name, namespace) = (
        scalar(&format!("mcp-{}", object(&place.name))),
        scalar(&to.namespace),
    );
    let (host, port) = (scalar(&host(place)), place.port);
    let resolution = match place.address() {
        Some(_) => format!("STATIC\n  endpoints:\n  - address: {}", scalar(&place.host)),
        None => "DNS".to_owned(),
    };
    let (protocol, tls) = if place.tls {
        (
            "HTTPS",
            format!("    tls: {{ mode: SIMPLE, sni: {host} }}\n"),
        )
    } else {
        ("HTTP", String::new())
    };
    let port_name = protocol.to_lowercase();
    // The gateway speaks TLS, so that what it routes is HTTP.
    Some(format!(
        "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: {name}
  namespace: {namespace}
spec:
  hosts: [{host}]
  location: MESH_EXTERNAL
  ports:
  - {{ number: {port}, name: {port_name}-mcp, protocol: HTTP }}
  resolution: {resolution}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: {name}
  namespace: {namespace}
spec:
  host: {host}
  trafficPolicy:
    connectionPool: {{ tcp: {{ connectTimeout: 5s }} }}
{tls}"
    ))
}

/// A service's host is a name, also where the server has an address only.
fn host(place: &Place) -> String {
    match place.address() {
        Some(_) => format!("{}.mcp.internal", object(&place.name)),
        None => place.host.clone(),
    }
}

fn routes(source: &Source, places: &[Place], to: &Manifests) -> String {
    let namespace = scalar(&to.namespace);
    let each: String = places
        .iter()
        .map(|place| {
            format!(
                "  - match:
    - headers: {{ x-mcp-servername: {{ exact: {server} }} }}
    headers:
      request:
        remove: [{SHOWN}]
    route:
    - destination: {{ host: {host}, port: {{ number: {port} }} }}
",
                server = scalar(&place.name),
                host = scalar(&host(place)),
                port = place.port
            )
        })
        .collect();
    let matches: String = match endpoints(source) {
        [] => "    - uri: { prefix: / }\n".to_owned(),
        paths => paths
            .iter()
            .map(|path| format!("    - uri: {{ exact: {} }}\n", scalar(path)))
            .collect(),
    };
    format!(
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: mcp
  namespace: {namespace}
spec:
  hosts: [\"*\"]
  gateways: [mcp]
  http:
  # Only the filter sets the header; what clients send is removed.
{each}  # Lists are answered in the filter; nothing else gets here.
  - match:
{matches}    directResponse: {{ status: 404 }}
"
    )
}

fn filter(source: &Source, places: &[Place], to: &Manifests) -> String {
    let tree = configuration(source, places, |place| {
        format!("outbound|{}||{}", place.port, host(place))
    });
    let env = match keys(source) {
        Some(name) => format!(
            "              environment_variables: {{ host_env_keys: [{}] }}\n",
            scalar(name)
        ),
        None => String::new(),
    };
    let json = format!("{:#}", tree.value());
    format!(
        "# In place of a WasmPlugin, which cannot hold. Needs a proxy of Envoy 1.36, and a
# control plane that knows the field: Istio 1.28.
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: mcp-gateway
  namespace: {namespace}
spec:
  workloadSelector: {{ labels: {{ istio: ingressgateway }} }}
  configPatches:
  - applyTo: EXTENSION_CONFIG
    match: {{ context: GATEWAY }}
    patch:
      operation: ADD
      value:
        name: mcp-gateway
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
          config:
            name: mcp-gateway
            allow_on_headers_stop_iteration: true
            failure_policy: FAIL_RELOAD
            vm_config:
              vm_id: mcp-gateway
              runtime: envoy.wasm.runtime.v8
{env}              code:
                remote:
                  http_uri: {{ uri: {image}, cluster: _, timeout: 30s }}
            configuration:
              \"@type\": type.googleapis.com/google.protobuf.StringValue
              value: |
{config}  # Behind authentication. With an AuthorizationPolicy by what the filter shows, put
  # envoy.filters.http.rbac in place of the router: it has to come after the filter.
  - applyTo: HTTP_FILTER
    match:
      context: GATEWAY
      listener:
        filterChain:
          filter:
            name: envoy.filters.network.http_connection_manager
            subFilter: {{ name: envoy.filters.http.router }}
    patch:
      operation: INSERT_BEFORE
      value:
        name: mcp-gateway
        config_discovery:
          config_source: {{ ads: {{}}, initial_fetch_timeout: 0s, resource_api_version: V3 }}
          type_urls: [type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm]
  # Above maxRequestBodySize: Envoy's own answer to a longer body is plain text.
  - applyTo: LISTENER
    match: {{ context: GATEWAY }}
    patch:
      operation: MERGE
      value: {{ per_connection_buffer_limit_bytes: {buffer} }}
",
        namespace = scalar(&to.namespace),
        image = yaml::scalar(&format!("oci://{}", to.image)),
        config = super::servers::indented(&json, 16),
        buffer = buffer(source)
    )
}
