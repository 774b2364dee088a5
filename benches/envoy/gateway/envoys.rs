//! The three Envoys of a case.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::servers;
use crate::{Result, config};

/// Envoy's own filters: its MCP filter, and its MCP router in place of the HTTP router.
pub(crate) fn native(upstreams: &[SocketAddr]) -> Value {
    let clusters = clusters(upstreams);
    let backends: Vec<Value> = clusters
        .iter()
        .map(|(name, _)| json!({ "name": name, "mcp_cluster": { "cluster": name } }))
        .collect();
    let mut filters = config::native_filters(config::METADATA);
    filters.push(json!({
        "name": "envoy.filters.http.mcp_router",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.mcp_router.v3.McpRouter",
            "servers": backends,
        },
    }));
    // This is required, although the MCP router does not use it.
    let host = json!({
        "name": "all",
        "domains": ["*"],
        "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": servers::name(0) } }],
    });
    config::assemble(&clusters, &filters, &host)
}

/// This repository's filter, as in `envoy/gateway.yaml`.
pub(super) fn ours(upstreams: &[SocketAddr], rules: usize, wasm: &Path) -> Result<Value> {
    let mut settings = settings(upstreams.len());
    if rules > 0 {
        settings["authorization"] = authorization(rules);
    }
    ours_with(upstreams, settings, wasm)
}

/// The configuration of this repository's filter for so many servers.
pub(crate) fn settings(servers: usize) -> Value {
    let servers: Vec<Value> = (0..servers)
        // The benchmark sends no identity, so all callers share one session.
        .map(|server| json!({ "name": servers::name(server), "shareSession": true }))
        .collect();
    json!({ "servers": servers })
}

/// This repository's filter with these settings, and nothing else that a gateway can do without.
pub(crate) fn ours_with(upstreams: &[SocketAddr], settings: Value, wasm: &Path) -> Result<Value> {
    let clusters = clusters(upstreams);
    let mut filters = config::our_filters(wasm, settings)?;
    filters.push(config::router());
    Ok(config::assemble(
        &clusters,
        &filters,
        &config::gateway_host(),
    ))
}

/// This many rules. Only the last one matches.
fn authorization(rules: usize) -> Value {
    let rule = |n: usize| {
        let is = if n == rules { "!" } else { "" };
        let when = format!("{is}('x-group-{n}' in request.headers)");
        json!({ "action": "ALLOW", "tools": ["*"], "when": when })
    };
    json!({ "rules": (1..=rules).map(rule).collect::<Vec<_>>() })
}

pub(crate) fn clusters(upstreams: &[SocketAddr]) -> Vec<(String, SocketAddr)> {
    let numbered = upstreams.iter().enumerate();
    numbered
        .map(|(server, &address)| (servers::name(server), address))
        .collect()
}
