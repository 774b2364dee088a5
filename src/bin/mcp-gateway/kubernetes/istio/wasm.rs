//! The filter in the HTTP filters of Istio's proxy.

use serde_json::{Map, Value, json};

use super::GATEWAY_NAME;
use crate::kubernetes::filter::{FilterConfig, is_enabled};
use crate::kubernetes::model::{Authentication, Listener, WantedGateway};
use crate::kubernetes::object::{Object, present};
use crate::kubernetes::{local_replies, names, variables};

const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
const CONNECTION_MANAGER: &str = "envoy.filters.network.http_connection_manager";
const CONNECTION_MANAGER_TYPE: &str = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// The filter, in front of authentication and behind it, and the settings of the listener that it
/// needs.
///
/// # Errors
/// A configuration cannot be written as JSON, which is a bug.
pub(super) fn envoy_filter(
    gateway: &WantedGateway,
    filter: &FilterConfig,
) -> Result<Object, String> {
    let name = format!("mcp-gateway.{}", names::gateway(&gateway.name));
    let front = format!("{name}.front");
    let variables = variables::names(gateway);
    let mut patches = Vec::new();
    match &gateway.authentication {
        Authentication::Jwt(jwt) => {
            patches.push(extension(gateway, &name, &filter.behind(), variables)?);
            // The filter in front of authentication needs no secrets.
            patches.push(extension(gateway, &front, &filter.front(), None)?);
            for place in ListenerMatch::all(gateway) {
                patches.push(place.insert("INSERT_FIRST", None, &discovered(&front)));
                let token = token_required(&jwt.issuer);
                patches.push(place.insert("INSERT_BEFORE", Some("rbac"), &token));
                patches.push(place.insert("INSERT_BEFORE", Some("rbac"), &discovered(&name)));
            }
        }
        Authentication::Anonymous => {
            patches.push(extension(gateway, &name, &filter.config, variables)?);
            for place in ListenerMatch::all(gateway) {
                patches.push(place.insert("INSERT_BEFORE", Some("router"), &discovered(&name)));
            }
        }
    }
    for place in ListenerMatch::all(gateway) {
        patches.push(place.listener(filter.buffer_limit()));
        patches.push(place.connection_manager(&local_replies::config(gateway, filter)));
    }
    let servers = gateway.servers.iter().filter(|it| is_enabled(it));
    patches.extend(servers.map(|server| {
        let host = filter.server(&server.name).map(|it| &*it.authority);
        to_server(gateway, &names::server(gateway, server), host)
    }));
    let labels = json!({GATEWAY_NAME: gateway.attachment.gateway});
    let object_name = names::gateway(&gateway.name);
    let object = Object::new(json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": names::metadata(gateway, &gateway.namespace, &object_name),
        "spec": {"workloadSelector": {"labels": labels}, "configPatches": patches},
    }));
    Ok(object.with_comment(
        "An EnvoyFilter, because a WasmPlugin cannot set allow_on_headers_stop_iteration. With\n\
         authentication the filter is twice in the chain: before authentication it answers\n\
         browsers, and clients without a token; after authentication it serves MCP. Needs Envoy\n\
         1.36 in the proxy, and a control plane that has this field: Istio 1.28.",
    ))
}

/// The filter with the name `name`. Istio's agent downloads it.
fn extension(
    gateway: &WantedGateway,
    name: &str,
    config: &Map<String, Value>,
    variables: Option<Vec<&str>>,
) -> Result<Value, String> {
    let text = serde_json::to_string_pretty(config).map_err(|error| format!("a bug: {error}"))?;
    let variables = variables.map(|names| json!({"host_env_keys": names}));
    let uri = format!("oci://{}", gateway.image);
    let vm = present(json!({
        "vm_id": name,
        "runtime": "envoy.wasm.runtime.v8",
        "environment_variables": variables,
        "code": {"remote": {"http_uri": {"uri": uri, "cluster": "_", "timeout": "30s"}}},
    }));
    let config = json!({
        "name": name,
        "allow_on_headers_stop_iteration": true,
        "failure_policy": "FAIL_RELOAD",
        "vm_config": vm,
        "configuration": {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": text,
        },
    });
    Ok(json!({
        "applyTo": "EXTENSION_CONFIG",
        "match": {"context": "GATEWAY"},
        "patch": {
            "operation": "ADD",
            "value": {"name": name, "typed_config": {"@type": WASM, "config": config}},
        },
    }))
}

/// The filter in the chain with the name `name`, whose configuration comes by ECDS.
fn discovered(name: &str) -> Value {
    let source = json!({"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"});
    json!({
        "name": name,
        "config_discovery": {"config_source": source, "type_urls": [WASM]},
    })
}

/// The filter that lets only requests with a valid token pass. The gateway's filter answers lists
/// itself, so these requests do not get to Istio's authorization.
fn token_required(issuer: &str) -> Value {
    let issuer = json!({
        "filter": "envoy.filters.http.jwt_authn",
        "path": [{"key": "payload"}, {"key": "iss"}],
        "value": {"string_match": {"exact": issuer}},
    });
    let policy = json!({
        "permissions": [{"any": true}],
        "principals": [{"metadata": issuer}],
    });
    json!({
        "name": "mcp-token-required",
        "typed_config": {"@type": RBAC, "rules": {"policies": {"token": policy}}},
    })
}

/// The settings for the server with this `http_route`, which an HTTPRoute cannot have: the `host` of
/// its requests, perhaps with a port, and the retry policy. Envoy sends a request again only if it
/// was not sent, so that no tool runs twice.
fn to_server(gateway: &WantedGateway, http_route: &str, host: Option<&str>) -> Value {
    let name = format!("{}.{http_route}.0", gateway.namespace);
    let policy = json!({"retry_on": "connect-failure,refused-stream", "num_retries": 1});
    let route = present(json!({
        "host_rewrite_literal": host,
        "idle_timeout": "300s",
        "retry_policy": policy,
    }));
    json!({
        "applyTo": "HTTP_ROUTE",
        "match": {
            "context": "GATEWAY",
            "routeConfiguration": {"vhost": {"route": {"name": name}}},
        },
        "patch": {"operation": "MERGE", "value": {"route": route}},
    })
}

/// The listeners of the proxy to patch: all, or the one with a port.
struct ListenerMatch(Option<u16>);

impl ListenerMatch {
    fn all(gateway: &WantedGateway) -> Vec<Self> {
        let attachment = &gateway.attachment;
        if attachment.section.is_none() {
            return vec![Self(None)];
        }
        let meant = attachment.meant();
        meant
            .map(|Listener { port, .. }| Self(Some(*port)))
            .collect()
    }

    /// The patch that inserts `filter`. `operation` says where, relative to the filter `next`.
    fn insert(&self, operation: &str, next: Option<&str>, filter: &Value) -> Value {
        let next = next.map(|next| json!({"name": format!("envoy.filters.http.{next}")}));
        let chain = present(json!({"name": CONNECTION_MANAGER, "subFilter": next}));
        json!({
            "applyTo": "HTTP_FILTER",
            "match": self.matching(Some(chain)),
            "patch": {"operation": operation, "value": filter},
        })
    }

    /// The buffer limit is above `maxRequestBodySize`, so that the filter answers a request that is
    /// too long. Envoy's own answer would be plain text.
    fn listener(&self, buffer_limit: usize) -> Value {
        json!({
            "applyTo": "LISTENER",
            "match": self.matching(None),
            "patch": {
                "operation": "MERGE",
                "value": {"per_connection_buffer_limit_bytes": buffer_limit},
            },
        })
    }

    fn connection_manager(&self, local_replies: &Value) -> Value {
        let value = json!({
            "typed_config": {
                "@type": CONNECTION_MANAGER_TYPE,
                "local_reply_config": local_replies,
            },
        });
        json!({
            "applyTo": "NETWORK_FILTER",
            "match": self.matching(Some(json!({"name": CONNECTION_MANAGER}))),
            "patch": {"operation": "MERGE", "value": value},
        })
    }

    fn matching(&self, filter: Option<Value>) -> Value {
        let listener = present(json!({
            "portNumber": self.0,
            "filterChain": filter.map(|filter| json!({"filter": filter})),
        }));
        let is_any = listener.as_object().is_some_and(Map::is_empty);
        present(json!({
            "context": "GATEWAY",
            "listener": (!is_any).then_some(listener),
        }))
    }
}
