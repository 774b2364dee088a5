//! The TLS settings of servers, for Envoy Gateway and Istio.

use serde_json::{Value, json};

use super::model::{BackendReference, ServerTls, WantedGateway, WantedServer};
use super::names;
use super::object::{Object, present};

/// The policies for the Services among `references`. Each policy is in the namespace of its
/// Service.
pub(super) fn of_references(
    gateway: &WantedGateway,
    server: &WantedServer,
    references: &[BackendReference],
) -> Vec<Object> {
    let Some(tls) = &server.tls else {
        return Vec::new();
    };
    let mut namespaces: Vec<&str> = references.iter().map(|it| &*it.namespace).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let policies = namespaces.iter().map(|namespace| {
        let there = references.iter().filter(|it| it.namespace == *namespace);
        let targets: Vec<Value> = there
            .map(|it| json!({"group": it.group, "kind": it.kind, "name": it.name}))
            .collect();
        policy(gateway, server, namespace, &targets, tls)
    });
    policies.collect()
}

/// The policy for `target`, the object of a host.
pub(super) fn of_host(
    gateway: &WantedGateway,
    server: &WantedServer,
    target: &Value,
) -> Option<Object> {
    let tls = server.tls.as_ref()?;
    let targets = [target.clone()];
    Some(policy(gateway, server, &gateway.namespace, &targets, tls))
}

fn policy(
    gateway: &WantedGateway,
    server: &WantedServer,
    namespace: &str,
    targets: &[Value],
    tls: &ServerTls,
) -> Object {
    let name = if namespace == gateway.namespace {
        names::server(gateway, server)
    } else {
        names::server_elsewhere(gateway, server)
    };
    let hostname = tls.hostname.to_ascii_lowercase();
    let authorities = tls.authorities.as_ref();
    let reference =
        authorities.map(|name| json!([{"group": "", "kind": "ConfigMap", "name": name}]));
    let object = Object::new(json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "BackendTLSPolicy",
        "metadata": names::metadata(gateway, namespace, &name),
        "spec": {
            "targetRefs": targets,
            "validation": present(json!({
                "hostname": hostname,
                // Without this, Istio accepts a valid certificate of any name.
                "subjectAltNames": [{"type": "Hostname", "hostname": hostname}],
                "wellKnownCACertificates": authorities.is_none().then_some("System"),
                "caCertificateRefs": reference,
            })),
        },
    }));
    object.of_server(&server.name)
}
