//! The configurations of the other gateways, for servers at these addresses.
//!
//! They are written after the documentation and the source of each gateway, as of 2026. They were
//! not tried with the gateways themselves, only with stand-ins that read the same files and options.
//! Envoy 1.40 accepts the configuration that is for Envoy in front of Kuadrant's gateway.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::parts::manager;
use crate::gateway::envoys;
use crate::{Result, config};

/// The port on which `aigw run` listens. It has no option for it.
pub(crate) const AIGW_PORT: u16 = 1975;

/// The host of Kuadrant's gateway. Its router writes this host into each request.
pub(crate) const KUADRANT_HOST: &str = "mcp.bench.test";

/// What comes between the name of a server and the name of its tool, for Kuadrant's broker.
const KUADRANT_SEPARATOR: &str = "_";

/// The file for `aigw run --mcp-config`.
pub(crate) fn aigw(servers: &[(String, SocketAddr)]) -> Value {
    let entry = |(name, address): &(String, SocketAddr)| {
        let server = json!({ "type": "http", "url": url(*address) });
        (name.clone(), server)
    };
    let servers: serde_json::Map<_, _> = servers.iter().map(entry).collect();
    json!({ "mcpServers": servers })
}

/// The file for `agentgateway -f`. JSON is YAML, too.
pub(crate) fn agentgateway(servers: &[(String, SocketAddr)], port: u16) -> Value {
    let target = |(name, address): &(String, SocketAddr)| json!({ "name": name, "mcp": { "host": url(*address) } });
    let targets: Vec<Value> = servers.iter().map(target).collect();
    json!({
        "binds": [{
            "port": port,
            "listeners": [{
                "routes": [{ "backends": [{ "mcp": { "targets": targets } }] }],
            }],
        }],
    })
}

/// The file for `mcp-broker-router --mcp-gateway-config`. The prefix has another name in newer
/// versions; each version ignores the name that it does not know.
pub(crate) fn kuadrant(servers: &[(String, SocketAddr)]) -> Value {
    let server = |(name, address): &(String, SocketAddr)| {
        let prefix = format!("{name}{KUADRANT_SEPARATOR}");
        json!({
            "name": name,
            "url": url(*address),
            "hostname": host(name),
            "toolPrefix": prefix,
            "prefix": prefix,
            "enabled": true,
        })
    };
    json!({ "servers": servers.iter().map(server).collect::<Vec<_>>() })
}

/// Envoy in front of Kuadrant's broker and of the servers. The router, an external processor, gives
/// each request the host of the broker or of a server.
pub(crate) fn kuadrant_envoy(
    servers: &[(String, SocketAddr)],
    (broker, router): (SocketAddr, SocketAddr),
    port: u16,
) -> Result<Value> {
    let mut clusters = servers.to_vec();
    clusters.push(("broker".to_owned(), broker));
    clusters.push(("router".to_owned(), router));
    let processor = json!({
        "name": "envoy.filters.http.ext_proc",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
            "failure_mode_allow": false,
            "message_timeout": "10s",
            "mutation_rules": { "allow_all_routing": true },
            "processing_mode": {
                "request_header_mode": "SEND",
                "request_body_mode": "BUFFERED",
                "request_trailer_mode": "SKIP",
                "response_header_mode": "SEND",
                "response_body_mode": "NONE",
                "response_trailer_mode": "SKIP",
            },
            "grpc_service": { "envoy_grpc": { "cluster_name": "router" } },
        },
    });
    let filters = [processor, config::router()];
    let mut bootstrap = config::assemble(&clusters, &filters, &to("broker", "*"));
    let hosts = servers
        .iter()
        .map(|(name, _)| to(name, &host(name)))
        .chain([to("broker", "*")])
        .collect();
    manager(&mut bootstrap)?["route_config"]["virtual_hosts"] = hosts;
    let resources = &mut bootstrap["static_resources"];
    resources["listeners"][0]["address"]["socket_address"]["port_value"] = port.into();
    // gRPC needs HTTP/2.
    if let Some(router) = resources["clusters"]
        .as_array_mut()
        .and_then(|clusters| clusters.last_mut())
    {
        router["typed_extension_protocol_options"] = json!({
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { "http2_protocol_options": {} },
            },
        });
    }
    Ok(bootstrap)
}

/// The configuration of our filter for so many servers. If `keeps_lists`, the gateway keeps the
/// servers' lists.
pub(crate) fn small(servers: usize, keeps_lists: bool) -> Value {
    let mut settings = envoys::settings(servers);
    if keeps_lists {
        for server in settings["servers"].as_array_mut().into_iter().flatten() {
            server["listTtl"] = LIST_TTL.into();
        }
    }
    settings
}

/// The file for `mcp-gateway render`: the same, and the address of each server.
pub(crate) fn ours(servers: &[(String, SocketAddr)], keeps_lists: bool) -> Value {
    let mut settings = small(servers.len(), keeps_lists);
    let entries = settings["servers"].as_array_mut().into_iter().flatten();
    for (server, (_, address)) in entries.zip(servers) {
        server["url"] = url(*address).into();
    }
    settings
}

/// Longer than a run.
pub(crate) const LIST_TTL: &str = "24h";

fn url(address: SocketAddr) -> String {
    format!("http://{address}/mcp")
}

fn host(server: &str) -> String {
    format!("{server}.bench.test")
}

/// A virtual host whose requests all go to this cluster.
fn to(cluster: &str, domain: &str) -> Value {
    json!({
        "name": cluster,
        "domains": [domain],
        "routes": [{
            "match": { "prefix": "/" },
            "route": { "cluster": cluster, "timeout": "0s" },
        }],
    })
}
