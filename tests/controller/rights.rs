//! The controller needs only the rights that `deploy/controller` gives it.

use std::fs;

use crate::cluster::{Cluster, beside, until};
use crate::program::Controller;
use crate::server::McpServer;

#[test]
fn the_rights_that_are_written_down_are_enough_and_few() {
    let cluster = Cluster::new();
    let base = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/controller");
    cluster.ok(&["apply", "--server-side", "--force-conflicts", "-k", base]);
    let token = cluster.ok(&["-n", "mcp-system", "create", "token", "mcp-gateway"]);
    let account = beside("account.kubeconfig");
    fs::copy(beside("admin.kubeconfig"), &account).unwrap();
    let account = format!("--kubeconfig={}", account.display());
    cluster.ok(&[
        &account,
        "config",
        "set-credentials",
        "account",
        &format!("--token={token}"),
    ]);
    cluster.ok(&[
        &account,
        "config",
        "set-context",
        "--current",
        "--user=account",
    ]);

    let user = "--as=system:serviceaccount:mcp-system:mcp-gateway";
    // The API server uses new roles a moment after it has stored them.
    for (verb, resource, namespace) in [
        ("list", "mcpservers.mcp.kagenti.com", "team"),
        ("create", "leases.coordination.k8s.io", "mcp-system"),
    ] {
        until("the rights are in force", || {
            let question = ["auth", "can-i", verb, resource, "-n", namespace, user];
            cluster
                .kubectl(&question, "")
                .status
                .success()
                .then_some(())
        });
    }
    let server = McpServer::start();
    cluster.apply(&server.manifest("weather", ""));
    let options = ["--namespace=mcp-system", "--lease=mcp-gateway"];
    let controller = Controller::with(&options, Some("account.kubeconfig"));
    until("the server has answered", || {
        let weather = cluster.get("mcpserver", "weather", "team")?;
        (weather["status"]["tools"] == 2).then_some(())
    });
    cluster.ok(&["delete", "mcpserver", "weather", "-n", "team"]);
    cluster.delete_gateway();
    let log = controller.log();
    assert!(!log.contains("orbidden"), "{log}");
    for (verb, resource) in [
        ("list", "secrets"),
        ("watch", "secrets"),
        ("create", "gateways.gateway.networking.k8s.io"),
        ("delete", "namespaces"),
        ("patch", "mcpservers.mcp.kagenti.com"),
        ("create", "pods"),
    ] {
        let output = cluster.kubectl(&["auth", "can-i", verb, resource, "-A", user], "");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said.trim(), "no", "{verb} {resource}");
    }
    cluster.ok(&["delete", "-k", base, "--ignore-not-found"]);
}
