//! Hosts that Istio does not know: hosts outside of the cluster, and IP addresses.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::kubernetes::address::{NOWHERE, is_ip};
use crate::kubernetes::filter::is_enabled;
use crate::kubernetes::model::{Backend, WantedGateway, WantedServer};
use crate::kubernetes::object::Object;
use crate::kubernetes::{backend_tls, names};

/// The domain of the names that IP addresses get.
const INTERNAL: &str = "mcp.internal";

/// The name of `host` in the mesh. An IP address gets a name, too.
pub(super) fn mesh_name(gateway: &WantedGateway, host: &str) -> String {
    if is_ip(host) {
        format!("{}.{INTERNAL}", names::host(gateway, host))
    } else {
        host.to_ascii_lowercase()
    }
}

/// The reference to `host` in an HTTPRoute.
pub(super) fn reference(gateway: &WantedGateway, host: &str, port: u16) -> Value {
    json!({
        "group": "networking.istio.io",
        "kind": "Hostname",
        "name": mesh_name(gateway, host),
        "port": port,
    })
}

/// An endpoint at which no server listens.
pub(super) fn nowhere() -> Backend {
    let (host, port) = NOWHERE;
    let host = host.to_owned();
    Backend::Host { host, port }
}

/// The hosts of all servers, each once with all its ports, and their TLS.
pub(super) fn objects(gateway: &WantedGateway) -> Vec<Object> {
    let mut ports: BTreeMap<String, BTreeMap<u16, Option<&WantedServer>>> = BTreeMap::new();
    let (host, port) = NOWHERE;
    ports.entry(host.to_owned()).or_default().insert(port, None);
    for server in gateway.servers.iter().filter(|it| is_enabled(it)) {
        if let Some(Backend::Host { host, port }) = &server.backend {
            let known = ports.entry(host.to_ascii_lowercase()).or_default();
            known.entry(*port).or_insert(Some(server));
        }
    }
    let mut objects = Vec::new();
    for (host, ports) in &ports {
        let numbers: Vec<u16> = ports.keys().copied().collect();
        objects.push(entry(gateway, host, &numbers));
        for (port, server) in ports {
            let target = json!({
                "group": "networking.istio.io",
                "kind": "ServiceEntry",
                "name": names::host(gateway, host),
                "sectionName": port_name(*port),
            });
            let server = server.iter();
            objects.extend(server.filter_map(|it| backend_tls::of_host(gateway, it, &target)));
        }
    }
    objects
}

/// The protocol is HTTP even if the server uses TLS: the proxy adds TLS after routing.
fn entry(gateway: &WantedGateway, host: &str, ports: &[u16]) -> Object {
    let ports: Vec<Value> = ports
        .iter()
        .map(|port| json!({"number": port, "name": port_name(*port), "protocol": "HTTP"}))
        .collect();
    let mut spec = json!({
        "hosts": [mesh_name(gateway, host)],
        "exportTo": ["."],
        "location": "MESH_EXTERNAL",
        "ports": ports,
        "resolution": "DNS",
    });
    if is_ip(host)
        && let Some(spec) = spec.as_object_mut()
    {
        spec.insert("resolution".to_owned(), json!("STATIC"));
        spec.insert("endpoints".to_owned(), json!([{"address": host}]));
    }
    let object = Object::new(json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": names::metadata(gateway, &gateway.namespace, &names::host(gateway, host)),
        "spec": spec,
    }));
    if host == NOWHERE.0 {
        object.with_comment("No server has this address. The filter answers what is sent there.")
    } else {
        object
    }
}

fn port_name(port: u16) -> String {
    format!("http-{port}")
}
