//! Envoy bootstraps: one listener, its filters, one virtual host.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::Result;

/// Two MiB, for both filters.
pub(crate) const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// Values of `requestStorageMode`, which both filters have.
pub(crate) const METADATA: &str = "DYNAMIC_METADATA";
pub(crate) const BOTH: &str = "DYNAMIC_METADATA_AND_FILTER_STATE";

/// More than the largest body, since the benchmark measures the buffering of whole bodies.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// A bootstrap in which all requests go through these filters to one server.
pub(crate) fn bootstrap(upstream: SocketAddr, mut filters: Vec<Value>) -> Value {
    filters.push(router());
    let host = json!({
        "name": "all",
        "domains": ["*"],
        "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "upstream" } }],
    });
    assemble(&[("upstream".to_owned(), upstream)], &filters, &host)
}

/// A bootstrap with a listener with these filters. The last filter must be a terminal one.
pub(crate) fn assemble(
    clusters: &[(String, SocketAddr)],
    filters: &[Value],
    virtual_host: &Value,
) -> Value {
    json!({
        "admin": { "address": socket(SocketAddr::from(([127, 0, 0, 1], 0))) },
        "static_resources": {
            "listeners": [{
                "name": "bench",
                "address": socket(SocketAddr::from(([127, 0, 0, 1], 0))),
                "per_connection_buffer_limit_bytes": BUFFER_BYTES,
                "filter_chains": [{ "filters": [connection_manager(filters, virtual_host)] }],
            }],
            "clusters": clusters.iter().map(cluster).collect::<Vec<_>>(),
        },
    })
}

pub(crate) fn router() -> Value {
    json!({
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        },
    })
}

fn cluster((name, address): &(String, SocketAddr)) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{
                "lb_endpoints": [{ "endpoint": { "address": socket(*address) } }],
            }],
        },
    })
}

/// Envoy's own MCP filter. It writes the attributes to the place that `storage` names.
pub(crate) fn native_filters(storage: &str) -> Vec<Value> {
    vec![json!({
        "name": "envoy.filters.http.mcp",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.mcp.v3.Mcp",
            "traffic_mode": "REJECT_NO_MCP",
            "max_request_body_size": MAX_BODY_BYTES,
            "request_storage_mode": storage,
        },
    })]
}

/// The virtual host behind this filter in gateway mode, as in `envoy/gateway.yaml`.
pub(crate) fn gateway_host() -> Value {
    json!({
        "name": "all",
        "domains": ["*"],
        "request_headers_to_remove": [
            "x-forwarded-proto",
            "x-mcp-method",
            "x-mcp-toolname",
            "x-mcp-promptname",
            "x-mcp-resourceuri",
            "x-mcp-servername",
            "x-mcp-cluster",
        ],
        "routes": [{
            "match": {
                "prefix": "/",
                "headers": [{ "name": "x-mcp-cluster", "present_match": true }],
            },
            "route": { "cluster_header": "x-mcp-cluster", "timeout": "0s", "idle_timeout": "300s" },
        }],
    })
}

/// This repository's filter, and Envoy's filter that turns its headers into the same metadata that
/// Envoy's own MCP filter writes.
pub(crate) fn our_filters(wasm: &Path, mut settings: Value) -> Result<Vec<Value>> {
    let wasm = wasm
        .to_str()
        .ok_or_else(|| format!("{} is not UTF-8", wasm.display()))?;
    settings["maxRequestBodySize"] = MAX_BODY_BYTES.into();
    Ok(vec![
        json!({
            "name": "envoy.filters.http.wasm",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": {
                    "name": "mcp_gateway",
                    "failure_policy": "FAIL_RELOAD",
                    "allow_on_headers_stop_iteration": true,
                    "vm_config": {
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": { "local": { "filename": wasm } },
                    },
                    "configuration": {
                        "@type": "type.googleapis.com/google.protobuf.StringValue",
                        "value": settings.to_string(),
                    },
                },
            },
        }),
        json!({
            "name": "envoy.filters.http.header_to_metadata",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config",
                "request_rules": [
                    {
                        "header": "x-mcp-method",
                        "on_header_present": {
                            "metadata_namespace": "mcp_proxy",
                            "key": "method",
                            "type": "STRING",
                        },
                    },
                    {
                        "header": "x-mcp-params",
                        "on_header_present": {
                            "metadata_namespace": "mcp_proxy",
                            "key": "params",
                            "type": "PROTOBUF_VALUE",
                            "encode": "BASE64",
                        },
                        "remove": true,
                    },
                ],
            },
        }),
    ])
}

fn connection_manager(http_filters: &[Value], virtual_host: &Value) -> Value {
    json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "bench",
            "codec_type": "HTTP1",
            "http_filters": http_filters,
            "route_config": { "virtual_hosts": [virtual_host] },
        },
    })
}

fn socket(address: SocketAddr) -> Value {
    json!({
        "socket_address": {
            "address": address.ip().to_string(),
            "port_value": address.port(),
        },
    })
}
