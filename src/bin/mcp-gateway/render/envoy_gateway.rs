//! Manifests for Envoy Gateway: a Backend and a route for each server, the filter
//! as an EnvoyExtensionPolicy, and the patch that lets it hold requests.

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
    vec![
        ("gateway.yaml", gateway(source, to)),
        (
            "backends.yaml",
            places.iter().map(backend).collect::<Vec<_>>().join("---\n"),
        ),
        ("routes.yaml", routes(source, places)),
        ("extension.yaml", extension(source, places, to)),
        ("hold.yaml", hold(to)),
    ]
}

fn gateway(source: &Source, to: &Manifests) -> String {
    let (port, buffer) = (to.port, buffer(source));
    let (infrastructure, proxy) = match keys(source) {
        Some(name) => (
            "  infrastructure:\n    parametersRef: { group: gateway.envoyproxy.io, kind: EnvoyProxy, name: mcp }\n",
            format!(
                "---
# The keys of sessions: kubectl create secret generic mcp-session-keys --from-literal=keys=…
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata:
  name: mcp
spec:
  provider:
    type: Kubernetes
    kubernetes:
      envoyDeployment:
        container:
          env:
          - name: {name}
            valueFrom: {{ secretKeyRef: {{ name: mcp-session-keys, key: keys }} }}
",
                name = scalar(name)
            ),
        ),
        None => ("", String::new()),
    };
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata:
  name: mcp
spec:
  controllerName: gateway.envoyproxy.io/gatewayclass-controller
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: mcp
spec:
  gatewayClassName: mcp
{infrastructure}  listeners:
  - name: http
    port: {port}
    protocol: HTTP
    allowedRoutes: {{ namespaces: {{ from: Same }} }}
---
# Above maxRequestBodySize: Envoy's own answer to a longer body is plain text.
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata:
  name: mcp
spec:
  targetRefs:
  - {{ group: gateway.networking.k8s.io, kind: Gateway, name: mcp }}
  connection:
    bufferLimit: {buffer}
{proxy}"
    )
}

fn backend(place: &Place) -> String {
    let (name, host, port) = (
        scalar(&object(&place.name)),
        scalar(&place.host),
        place.port,
    );
    let endpoint = match place.address() {
        Some(_) => format!("ip: {{ address: {host}, port: {port} }}"),
        None => format!("fqdn: {{ hostname: {host}, port: {port} }}"),
    };
    let tls = if place.tls {
        format!(
            "---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata:
  name: {name}
spec:
  targetRefs:
  - {{ group: gateway.envoyproxy.io, kind: Backend, name: {name} }}
  validation:
    hostname: {host}
    wellKnownCACertificates: System
"
        )
    } else {
        String::new()
    };
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata:
  name: {name}
spec:
  endpoints:
  - {endpoint}
{tls}"
    )
}

/// The endpoint's route, where no server stands behind since the filter answers,
/// and one for each server, on whatever path the server has.
fn routes(source: &Source, places: &[Place]) -> String {
    let matches: String = match endpoints(source) {
        [] => "  - matches:\n    - path: { type: PathPrefix, value: / }\n".to_owned(),
        paths => {
            let paths = paths
                .iter()
                .map(|path| format!("    - path: {{ type: Exact, value: {} }}\n", scalar(path)));
            format!("  - matches:\n{}", paths.collect::<String>())
        }
    };
    let mut text = format!(
        "# Where a request is before the filter has read it; lists are answered there.
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: endpoint
spec:
  parentRefs:
  - name: mcp
  rules:
{matches}    filters:
    - type: ExtensionRef
      extensionRef: {{ group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: no-server }}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata:
  name: no-server
spec:
  directResponse: {{ statusCode: 404 }}
"
    );
    for place in places {
        let name = scalar(&object(&place.name));
        text.push_str(&format!(
            "---
# Only the filter sets the header; what clients send is removed.
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {name}
spec:
  parentRefs:
  - name: mcp
  rules:
  - matches:
    - path: {{ type: PathPrefix, value: / }}
      headers: [{{ name: x-mcp-servername, value: {server} }}]
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier:
        remove: [{SHOWN}]
    timeouts: {{ request: 0s }}
    backendRefs:
    - {{ group: gateway.envoyproxy.io, kind: Backend, name: {name} }}
",
            server = scalar(&place.name)
        ));
    }
    text
}

fn extension(source: &Source, places: &[Place], to: &Manifests) -> String {
    let namespace = &to.namespace;
    let tree = configuration(source, places, |place| {
        format!("httproute/{namespace}/{}/rule/0", object(&place.name))
    });
    let env = match keys(source) {
        Some(name) => format!("    env:\n      hostKeys: [{}]\n", scalar(name)),
        None => String::new(),
    };
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata:
  name: mcp-gateway
spec:
  targetRefs:
  - {{ group: gateway.networking.k8s.io, kind: Gateway, name: mcp }}
  wasm:
  - name: mcp-gateway
    failOpen: false
    code:
      type: Image
      image: {{ url: {image} }}
{env}    config:
{config}",
        image = scalar(&to.image),
        config = yaml::block(&tree, 6)
    )
}

fn hold(to: &Manifests) -> String {
    let listener = scalar(&format!("{}/mcp/http", to.namespace));
    let patch = |path: &str, value: &str| {
        format!(
            "  - type: type.googleapis.com/envoy.config.listener.v3.Listener
    name: {listener}
    operation:
      op: add
      jsonPath: \"$..http_filters[?(@.typed_config.config.name=='mcp-gateway')].typed_config.config\"
      path: /{path}
      value: {value}
"
        )
    };
    format!(
        "# What EnvoyExtensionPolicy cannot say; without it every request hangs. Envoy
# Gateway must allow it: extensionApis.enableEnvoyPatchPolicy: true.
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyPatchPolicy
metadata:
  name: mcp-gateway-hold
spec:
  targetRef: {{ group: gateway.networking.k8s.io, kind: Gateway, name: mcp }}
  type: JSONPatch
  jsonPatches:
{}{}",
        patch("allow_on_headers_stop_iteration", "true"),
        patch("failure_policy", "FAIL_RELOAD")
    )
}
