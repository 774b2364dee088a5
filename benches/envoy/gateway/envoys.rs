//! The three Envoys of a case.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::servers;
use crate::{Result, config};

/// Envoy's own filters: its MCP filter, and its MCP router in place of the HTTP router.
pub(super) fn native(upstreams: &[SocketAddr]) -> Value {
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
    let settings = match rules {
        0 => json!({}),
        _ => json!({ "authorization": authorization(rules) }),
    };
    ours_with(upstreams, settings, wasm)
}

/// The same with these settings beside the servers.
pub(super) fn ours_with(
    upstreams: &[SocketAddr],
    mut settings: Value,
    wasm: &Path,
) -> Result<Value> {
    let clusters = clusters(upstreams);
    let servers: Vec<Value> = clusters
        .iter()
        // The benchmark sends no identity, so all callers share one session.
        .map(|(name, _)| json!({ "name": name, "shareSession": true }))
        .collect();
    settings["servers"] = servers.into();
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

fn clusters(upstreams: &[SocketAddr]) -> Vec<(String, SocketAddr)> {
    let numbered = upstreams.iter().enumerate();
    numbered
        .map(|(server, &address)| (servers::name(server), address))
        .collect()
}
