//! The pods of Envoy, and the Service in front of them.

use serde_json::{Value, json};

use crate::kubernetes::filter::is_enabled;
use crate::kubernetes::model::{Listener, WantedGateway, WantedServer};
use crate::kubernetes::object::{Object, present};
use crate::kubernetes::{names, variables};

/// Envoy's image. This project is tested with this version.
const ENVOY: &str = "docker.io/envoyproxy/envoy:distroless-v1.40.0";

/// The user of Envoy, which is not root.
const USER: u32 = 65532;

/// The ports in the pod.
pub(super) const PORT: u16 = 10000;
pub(super) const ADMIN_PORT: u16 = 9901;

/// The path of the filter in the pod.
pub(super) const FILTER: &str = "/filter/plugin.wasm";

/// The path of the authorities of `server` in the pod.
pub(super) fn authorities_file(gateway: &WantedGateway, server: &WantedServer) -> String {
    let names: Vec<&str> = with_authorities(gateway)
        .map(|(it, ..)| &*it.name)
        .collect();
    let at = names.iter().position(|name| *name == server.name);
    format!("/authorities/{}/ca.crt", at.unwrap_or_default())
}

/// The servers with authorities of their own, and the ConfigMaps that contain their certificates.
fn with_authorities(gateway: &WantedGateway) -> impl Iterator<Item = (&WantedServer, &str)> {
    let servers = gateway.servers.iter().filter(|it| is_enabled(it));
    servers.filter_map(|server| Some((server, &**server.tls.as_ref()?.authorities.as_ref()?)))
}

/// The objects for Envoy with this configuration.
pub(super) fn objects(gateway: &WantedGateway, envoy: &str) -> Vec<Object> {
    let name = names::gateway(&gateway.name);
    let metadata = || names::metadata(gateway, &gateway.namespace, &name);
    let config_map = Object::new(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(),
        "data": {"envoy.yaml": envoy},
    }));
    let listener = gateway.attachment.listeners.first();
    let port = listener.map_or(PORT, |Listener { port, .. }| *port);
    let selector = json!({names::GATEWAY_LABEL: name});
    let service = Object::new(json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(),
        "spec": {
            "selector": selector,
            "ports": [{"name": "http", "port": port, "targetPort": "http"}],
        },
    }));
    let deployment = Object::new(json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(),
        "spec": {
            "replicas": 1,
            "strategy": {"rollingUpdate": {"maxUnavailable": 0}},
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {
                    "labels": selector,
                    "annotations": annotations(gateway, envoy),
                },
                "spec": pod(gateway, &name),
            },
        },
    }));
    vec![config_map, deployment.with_comment(
        "An image as a volume needs Kubernetes 1.33. For an older version, use an init container\n\
         that copies plugin.wasm to an emptyDir volume.",
    ), service]
}

fn pod(gateway: &WantedGateway, config_map: &str) -> Value {
    let mut mounts = vec![
        json!({"name": "configuration", "mountPath": "/etc/envoy", "readOnly": true}),
        json!({"name": "filter", "mountPath": "/filter", "readOnly": true}),
    ];
    let mut volumes = vec![
        json!({"name": "configuration", "configMap": {"name": config_map}}),
        json!({"name": "filter", "image": {"reference": gateway.image}}),
    ];
    for (at, (_, authorities)) in with_authorities(gateway).enumerate() {
        let name = format!("authorities-{at}");
        let items = json!([{"key": "ca.crt", "path": "ca.crt"}]);
        volumes.push(json!({"name": name, "configMap": {"name": authorities, "items": items}}));
        let path = format!("/authorities/{at}");
        mounts.push(json!({"name": name, "mountPath": path, "readOnly": true}));
    }
    let container = present(json!({
        "name": "envoy",
        "image": ENVOY,
        "command": ["/usr/local/bin/envoy"],
        "args": ["-c", "/etc/envoy/envoy.yaml", "-l", "warn", "--disable-hot-restart"],
        "env": variables::env(gateway),
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": "http"}},
        // The pod still gets requests until every node knows that it ends.
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
        },
        "volumeMounts": mounts,
    }));
    json!({
        "automountServiceAccountToken": false,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes,
    })
}

/// Annotations that change with the configuration and with the values of the variables, so that the
/// pods are replaced.
fn annotations(gateway: &WantedGateway, envoy: &str) -> Value {
    let mut annotations = variables::annotations(gateway).unwrap_or_else(|| json!({}));
    if let Some(annotations) = annotations.as_object_mut() {
        let digest = Value::from(names::hash(envoy));
        annotations.insert("mcp.kagenti.com/config".to_owned(), digest);
    }
    annotations
}
