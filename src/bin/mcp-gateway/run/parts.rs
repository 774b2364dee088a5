//! Splits an Envoy configuration. The filter and the clusters get their own files, which Envoy
//! reads again when they are replaced. The bootstrap does not change while Envoy runs.

use serde_json::{Value, json};

use super::host_check;
use super::work_dir::WorkDir;

/// The start of Envoy's own answer about a server that it cannot reach.
pub(super) const LOCAL_REPLY_MARK: &str = "Envoy: ";
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// An Envoy configuration in parts.
#[derive(Clone, PartialEq)]
pub(super) struct EnvoyParts {
    pub(super) bootstrap: Value,
    pub(super) filter: Value,
    pub(super) clusters: Vec<Value>,
}

/// What `run` adds to an Envoy configuration.
pub(super) struct RunParts {
    pub(super) work_dir: WorkDir,
    /// The allowed hosts in requests, in lower case and without a port; `None` for all.
    pub(super) hosts: Option<Vec<String>>,
    /// The port of the admin interface on loopback, if it has one.
    pub(super) admin_port: Option<u16>,
}

impl EnvoyParts {
    /// Splits `config` for the files in the work directory. Adds the admin interface and a listener
    /// that bypasses the filter, through which `run` asks Envoy and the servers. Both are on
    /// sockets that no other user can open. `None` if `config` does not have the shape of the
    /// shipped configuration.
    pub(super) fn new(config: Value, run: &RunParts) -> Option<Self> {
        let work_dir = &run.work_dir;
        let mut parts = split(config, &work_dir.filter(), &work_dir.clusters())?;
        let admin = json!({"address": pipe(&work_dir.admin_socket())});
        let bootstrap = parts.bootstrap.as_object_mut()?;
        bootstrap.insert("admin".to_owned(), admin);
        let listeners = parts.bootstrap.pointer_mut("/static_resources/listeners")?;
        let listeners = listeners.as_array_mut()?;
        // Without this, another Envoy at the same port would get a part of the connections.
        let endpoint = listeners.first_mut()?.as_object_mut()?;
        endpoint.insert("enable_reuse_port".to_owned(), false.into());
        if let Some(hosts) = &run.hosts {
            let manager = listeners
                .first_mut()?
                .pointer_mut("/filter_chains/0/filters/0/typed_config")?;
            host_check::add(manager, hosts)?;
        }
        listeners.push(direct_listener(&work_dir.direct_socket()));
        if let Some(port) = run.admin_port {
            listeners.push(admin_listener(port));
            let resources = parts
                .bootstrap
                .get_mut("static_resources")?
                .as_object_mut()?;
            let admin = admin_cluster(&work_dir.admin_socket());
            resources.insert("clusters".to_owned(), json!([admin]));
        }
        Some(parts)
    }
}

/// Moves the first HTTP filter and the clusters out of `config`, and makes Envoy read them from
/// these files.
fn split(mut config: Value, filter_file: &str, clusters_file: &str) -> Option<EnvoyParts> {
    let resources = config.get_mut("static_resources")?;
    let mut clusters = resources.as_object_mut()?.remove("clusters")?;
    let manager = resources.pointer_mut("/listeners/0/filter_chains/0/filters/0/typed_config")?;
    let http_filter = manager.pointer_mut("/http_filters/0")?.as_object_mut()?;
    let filter = json!({
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": http_filter.get("name")?,
        "typed_config": http_filter.remove("typed_config")?,
    });
    let discovery = json!({"config_source": file_source(filter_file), "type_urls": [WASM]});
    http_filter.insert("config_discovery".to_owned(), discovery);
    for cluster in clusters.as_array_mut()? {
        let kind = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
        let cluster = cluster.as_object_mut()?;
        cluster.insert("@type".to_owned(), kind.into());
    }
    let bootstrap = config.as_object_mut()?;
    let node = json!({"id": "mcp-gateway", "cluster": "mcp-gateway"});
    bootstrap.insert("node".to_owned(), node);
    let dynamic = json!({"cds_config": file_source(clusters_file)});
    bootstrap.insert("dynamic_resources".to_owned(), dynamic);
    Some(EnvoyParts {
        bootstrap: config,
        filter,
        clusters: clusters.as_array()?.clone(),
    })
}

fn file_source(path: &str) -> Value {
    json!({"resource_api_version": "V3", "path_config_source": {"path": path}})
}

/// The address of a Unix socket.
fn pipe(path: &str) -> Value {
    json!({"pipe": {"path": path, "mode": 0o600}})
}

/// A listener that forwards each request to the cluster that `x-cluster` names.
fn direct_listener(socket: &str) -> Value {
    // By default, Envoy's answer does not say why a connection failed.
    let local_replies = json!({"body_format": {"text_format_source": {
        "inline_string": format!("{LOCAL_REPLY_MARK}%RESPONSE_CODE_DETAILS%"),
    }}});
    let host = json!({
        "name": "direct",
        "domains": ["*"],
        "request_headers_to_remove": ["x-cluster", "x-forwarded-proto"],
        "routes": [{
            "match": {"prefix": "/", "headers": [{"name": "x-cluster", "present_match": true}]},
            // The program that asks has its own time limit.
            "route": {"cluster_header": "x-cluster", "timeout": "0s"},
        }],
    });
    listener("direct", &pipe(socket), &host, &local_replies)
}

/// A listener on loopback for the admin interface, which itself is on a socket.
fn admin_listener(port: u16) -> Value {
    let route = |mut origin: Value| {
        if let Some(origin) = origin.as_object_mut() {
            origin.insert("name".to_owned(), "origin".into());
        }
        json!({
            "match": {"prefix": "/", "headers": [origin]},
            "route": {"cluster": "admin", "timeout": "0s"},
        })
    };
    let host = json!({
        "name": "admin",
        // Web pages are not allowed: a host name that was rebound to this machine is not in this
        // list.
        "domains": ["localhost", "127.0.0.1", format!("localhost:{port}"), format!("127.0.0.1:{port}")],
        // A page of another origin can send requests to this host, too, for example
        // `/quitquitquit`.
        "routes": [
            route(json!({"present_match": true, "invert_match": true})),
            route(json!({"string_match": {"safe_regex": {
                "regex": format!("http://(localhost|127\\.0\\.0\\.1):{port}"),
            }}})),
        ],
    });
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    listener("admin", &address, &host, &json!({}))
}

/// A listener that only routes. No other process can listen on its address.
fn listener(name: &str, address: &Value, virtual_host: &Value, local_replies: &Value) -> Value {
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "local_reply_config": local_replies,
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        }],
        "route_config": {"virtual_hosts": [virtual_host]},
    });
    json!({
        "name": name,
        "address": address,
        "enable_reuse_port": false,
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": manager,
        }]}],
    })
}

fn admin_cluster(socket: &str) -> Value {
    json!({
        "name": "admin",
        "load_assignment": {"cluster_name": "admin", "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": {"pipe": {"path": socket}}}},
        ]}]},
    })
}

/// All clusters of `new`, and those of `old` with other names: requests may still be under way in
/// the old ones.
pub(super) fn union(old: &[Value], new: &[Value]) -> Vec<Value> {
    let is_gone = |old: &&Value| !new.iter().any(|new| new.get("name") == old.get("name"));
    let gone = old.iter().filter(is_gone);
    new.iter().chain(gone).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::tree;
    use std::fs;
    use std::path::Path;

    fn shipped(name: &str) -> Value {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy");
        let text =
            fs::read_to_string(folder.join(name)).unwrap_or_else(|it| panic!("{name}: {it}"));
        tree::documents(&text).unwrap()[0].value()
    }

    #[test]
    fn the_files_of_envoy_reload_are_the_parts_of_the_shipped_configuration() {
        let parts = split(
            shipped("gateway.yaml"),
            "envoy/reload/filter.yaml",
            "envoy/reload/clusters.yaml",
        )
        .unwrap();
        assert_eq!(shipped("reload/envoy.yaml"), parts.bootstrap);
        assert_eq!(
            shipped("reload/filter.yaml"),
            json!({"resources": [parts.filter]})
        );
        assert_eq!(
            shipped("reload/clusters.yaml"),
            json!({"resources": parts.clusters})
        );
    }

    #[test]
    fn a_cluster_that_is_not_named_any_more_stays_beside_the_new_ones() {
        let (a, b, c) = (
            json!({"name": "a"}),
            json!({"name": "b"}),
            json!({"name": "a", "x": 1}),
        );
        assert_eq!(union(&[a, b.clone()], std::slice::from_ref(&c)), [c, b]);
    }
}
