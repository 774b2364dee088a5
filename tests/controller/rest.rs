//! If nothing changes, the controller writes nothing.

use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::{Cluster, text, until};
use crate::program::Controller;
use crate::server::McpServer;

/// In this time, the controller reads Secrets again and asks servers again.
const AT_REST: Duration = Duration::from_secs(25);

/// The writes of the controller in the audit log, without the first `known` lines and
/// without the writes of kubectl and of Kubernetes itself.
fn writes_after(cluster: &Cluster, known: usize) -> Vec<String> {
    let is_own = |it: &&Value| {
        let agent = text(it, "/userAgent");
        !["kube-", "kubectl"]
            .iter()
            .any(|other| agent.starts_with(other))
    };
    let all = cluster.writes();
    let line = |it: &Value| format!("{} {}", text(it, "/verb"), text(it, "/requestURI"));
    all.iter().skip(known).filter(is_own).map(line).collect()
}

#[test]
fn nothing_is_written_at_rest_or_by_a_restart() {
    let cluster = Cluster::new();
    let server = McpServer::start();
    cluster.apply(&[server.manifest("a", ""), server.manifest("b", "")].join("---\n"));
    let controller = Controller::start();
    until("both servers have answered", || {
        let servers = cluster.items("mcpservers");
        servers
            .iter()
            .all(|it| it["status"]["tools"] == 2)
            .then_some(())
    });
    controller.until_at_rest();
    let known = cluster.writes().len();
    assert!(controller.metric("mcp_gateway_controller_writes_total") > 0.0);
    sleep(AT_REST);
    assert_eq!(writes_after(&cluster, known), [""; 0]);
    drop(controller);
    let controller = Controller::start();
    sleep(AT_REST);
    assert_eq!(writes_after(&cluster, known), [""; 0]);
    assert!(controller.metric("mcp_gateway_controller_reconciles_total") > 0.0);
}
