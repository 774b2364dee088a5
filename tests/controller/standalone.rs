//! `--target standalone`: Envoy without a control plane, in a Deployment that the
//! controller writes.

use serde_json::{Value, json};

use crate::cluster::{Cluster, text, until};
use crate::program::Controller;
use crate::server::McpServer;

const SECRET: &str = "---\napiVersion: v1\nkind: Secret\nmetadata: { name: weather, namespace: team }\nstringData: { token: s3cr3t-value }\n";
const HEADER: &str =
    "  headers: [{ name: x-key, valueFrom: { secretKeyRef: { name: weather, key: token } } }]";

/// Writes into the Deployment's status how many pods are updated, and how many are
/// available.
fn set_pods(cluster: &Cluster, updated: u64, available: u64) {
    let deployment = cluster.get("deployment", "mcp", "infra").unwrap();
    let status = json!({"status": {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": 1,
        "updatedReplicas": updated,
        "readyReplicas": available,
        "availableReplicas": available,
    }});
    let text = status.to_string();
    let command = ["patch", "deployment", "mcp", "-n", "infra", "--type=merge"];
    cluster.ok(&[&command[..], &["--subresource=status", "-p", &text]].concat());
}

/// The pod template of the Deployment.
fn template(cluster: &Cluster) -> Option<Value> {
    let deployment = cluster.get("deployment", "mcp", "infra")?;
    Some(deployment["spec"]["template"].clone())
}

fn is(status: &'static str) -> impl Fn(&Value) -> bool {
    move |condition| condition["status"] == status
}

#[test]
fn envoy_by_itself_is_programmed_when_its_pods_are_up() {
    let cluster = Cluster::new();
    let server = McpServer::start();
    cluster.apply(&(server.manifest("weather", HEADER) + SECRET));
    let options = ["--no-leader-election", "--target=standalone"];
    let controller = Controller::with(&options, None);
    until("the server has answered", || {
        let weather = cluster.get("mcpserver", "weather", "team")?;
        (weather["status"]["tools"] == 2).then_some(())
    });
    let of_gateway =
        |status| cluster.condition_of("mcpgateway", "mcp", "infra", "Programmed", is(status));
    controller.until_at_rest();
    assert_eq!(
        of_gateway("Unknown")["message"],
        "Deployment infra/mcp: 0 of 1 pods are up"
    );
    cluster.condition("weather", "Ready", is("Unknown"));
    assert_eq!(
        cluster.written(),
        [
            "ConfigMap infra/mcp",
            "Deployment infra/mcp",
            "Secret infra/mcp-session-keys",
            "Secret infra/mcp-variables",
            "Service infra/mcp",
        ]
    );
    let map = cluster.get("configmap", "mcp", "infra").unwrap();
    let envoy = text(&map, "/data/envoy.yaml");
    assert!(
        envoy.starts_with("# Made by `mcp-gateway`: MCP servers behind one endpoint.\n"),
        "{envoy}"
    );
    assert!(!envoy.contains("s3cr3t-value"));
    set_pods(&cluster, 1, 1);
    of_gateway("True");
    cluster.condition("weather", "Ready", is("True"));
    let gateway = cluster.get("mcpgateway", "mcp", "infra").unwrap();
    assert_eq!(gateway["status"]["url"], "http://mcp.infra.svc:8080/mcp");

    // A new configuration of Envoy changes the pod template, so that Kubernetes replaces
    // the pods.
    let before = template(&cluster);
    cluster.apply(&server.manifest("calendar", ""));
    until("the pod is to be replaced", || {
        (template(&cluster) != before).then_some(())
    });
    controller.until_at_rest();
    of_gateway("Unknown");
    set_pods(&cluster, 0, 1);
    of_gateway("Unknown");
    let failed = json!({"status": {"conditions": [{
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": "no node has place",
    }]}});
    let command = ["patch", "deployment", "mcp", "-n", "infra", "--type=merge"];
    let text = failed.to_string();
    cluster.ok(&[&command[..], &["--subresource=status", "-p", &text]].concat());
    assert_eq!(
        of_gateway("False")["message"],
        "Deployment infra/mcp: ProgressDeadlineExceeded: no node has place"
    );
    cluster.ok(&[
        &command[..],
        &[
            "--subresource=status",
            "-p",
            r#"{"status":{"conditions":null}}"#,
        ],
    ]
    .concat());
    set_pods(&cluster, 1, 1);
    of_gateway("True");
    cluster.condition("calendar", "Ready", is("True"));
    assert!(!controller.log().contains("s3cr3t-value"));
    cluster.delete_gateway();
}
