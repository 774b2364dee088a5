//! The configuration of Envoy without a control plane.

use serde_json::{Map, Value, json};

use super::workload::{ADMIN_PORT, FILTER, PORT, authorities_file};
use crate::envoy_config::{self, Cluster, EnvoySettings};
use crate::kubernetes::address::{self, NOWHERE};
use crate::kubernetes::filter::{FilterConfig, is_enabled};
use crate::kubernetes::model::{
    Authentication, JwtAuthentication, JwtKeys, WantedGateway, WantedServer,
};
use crate::kubernetes::object::present;
use crate::kubernetes::{local_replies, variables};
use crate::syntax::yaml;

/// The certificates of the system's authorities, in Envoy's image.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The cluster for the keys that sign tokens. No server can have this name: a server's name has no
/// slash, and its cluster has its name.
const KEYS: &str = "mcp-gateway/token-keys";

/// The cluster of an endpoint at which no server listens. No server can have this name.
pub(super) const NOWHERE_CLUSTER: &str = "mcp-gateway/nowhere";

/// The configuration of Envoy for `gateway`.
///
/// # Errors
/// The address of the keys is not a URL, or there is a bug.
pub(super) fn config(gateway: &WantedGateway, filter: &FilterConfig) -> Result<String, String> {
    let servers = gateway.servers.iter().filter(|it| is_enabled(it));
    let mut clusters: Vec<Cluster> = servers.filter_map(|it| cluster(gateway, it)).collect();
    if clusters.is_empty() {
        let (host, port) = NOWHERE;
        clusters.push(Cluster::new(NOWHERE_CLUSTER, host, port));
    }
    let mut before = Vec::new();
    let mut config = filter.config.clone();
    if let Authentication::Jwt(jwt) = &gateway.authentication {
        config = filter.behind();
        before.push(front(gateway, &filter.front()));
        before.push(jwt_authn(jwt));
        if let JwtKeys::Uri(uri) = &jwt.keys {
            clusters.push(keys(uri)?);
        }
    }
    envoy_config::text(&EnvoySettings {
        address: "0.0.0.0".to_owned(),
        port: PORT,
        admin_port: ADMIN_PORT,
        wasm: FILTER.to_owned(),
        buffer_limit: filter.buffer_limit(),
        variables: gateway.variables.iter().map(|it| it.name.clone()).collect(),
        before,
        local_replies: local_replies::challenges(gateway, filter),
        config: yaml::block(&config).map_err(|error| format!("a bug: {error}"))?,
        clusters,
    })
}

fn cluster(gateway: &WantedGateway, server: &WantedServer) -> Option<Cluster> {
    let backend = server.backend.as_ref()?;
    let (host, port) = address::host_and_port(backend);
    let default = if server.tls.is_some() { 443 } else { 80 };
    let cluster = Cluster::new(&server.name, &host, port.unwrap_or(default));
    Some(match &server.tls {
        None => cluster,
        Some(tls) if tls.authorities.is_none() => {
            cluster.with_tls(&tls.hostname, SYSTEM_AUTHORITIES)
        }
        Some(tls) => cluster.with_tls(&tls.hostname, &authorities_file(gateway, server)),
    })
}

/// The filter in front of authentication.
fn front(gateway: &WantedGateway, config: &Map<String, Value>) -> Value {
    // The variables must be the same as for the filter behind authentication, since both run in one
    // VM.
    let variables = variables::names(gateway).map(|names| json!({"host_env_keys": names}));
    let vm = present(json!({
        "vm_id": "mcp-gateway",
        "runtime": "envoy.wasm.runtime.v8",
        "environment_variables": variables,
        "code": {"local": {"filename": FILTER}},
    }));
    json!({
        "name": "mcp-gateway-front",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "mcp-gateway-front",
                "allow_on_headers_stop_iteration": true,
                "failure_policy": "FAIL_RELOAD",
                "vm_config": vm,
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.Struct",
                    "value": config,
                },
            },
        },
    })
}

fn jwt_authn(jwt: &JwtAuthentication) -> Value {
    let (local, remote) = match &jwt.keys {
        JwtKeys::Inline(keys) => (Some(json!({"inline_string": keys})), None),
        JwtKeys::Uri(uri) => {
            let uri = json!({"uri": uri, "cluster": KEYS, "timeout": "5s"});
            (
                None,
                Some(json!({"http_uri": uri, "cache_duration": "300s"})),
            )
        }
    };
    let provider = present(json!({
        "issuer": jwt.issuer,
        "audiences": jwt.audiences,
        "payload_in_metadata": "payload",
        "local_jwks": local,
        "remote_jwks": remote,
    }));
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"login": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "login"}}],
        },
    })
}

/// The cluster for the keys at `uri`.
fn keys(uri: &str) -> Result<Cluster, String> {
    let (host, port, is_tls) = crate::upstream::parse(uri)
        .ok_or_else(|| format!("{uri:?} must be an http or https URL: tokens need its keys"))?;
    let cluster = Cluster::new(KEYS, &host, port);
    Ok(if is_tls {
        cluster.with_tls(&host, SYSTEM_AUTHORITIES)
    } else {
        cluster
    })
}
