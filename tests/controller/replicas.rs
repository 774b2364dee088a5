//! Two replicas: only one of them writes, and the other one takes over when the first one
//! ends.

use crate::cluster::{Cluster, text, until};
use crate::program::Controller;
use crate::server::McpServer;

fn holder(cluster: &Cluster) -> Option<String> {
    let lease = cluster.get("lease", "mcp-gateway-controller", "infra")?;
    Some(text(&lease, "/spec/holderIdentity").to_owned()).filter(|it| !it.is_empty())
}

#[test]
fn one_replica_writes_and_the_other_goes_on() {
    let cluster = Cluster::new();
    let first = Controller::with(&["--namespace=infra", "--identity=first"], None);
    until("the first has the Lease", || {
        (holder(&cluster)? == "first").then_some(())
    });
    let second = Controller::with(&["--namespace=infra", "--identity=second"], None);
    let server = McpServer::start();
    let serves = |name: &str| {
        cluster.apply(&server.manifest(name, ""));
        until("the server has answered", || {
            let server = cluster.get("mcpserver", name, "team")?;
            (server["status"]["tools"] == 2).then_some(())
        });
    };
    serves("a");
    let writes = "mcp_gateway_controller_writes_total";
    assert!(first.metric(writes) > 0.0 && second.metric(writes) == 0.0);
    // The first replica ends in an orderly way, and gives up the Lease.
    drop(first);
    serves("b");
    assert_eq!(holder(&cluster).as_deref(), Some("second"));
    let third = Controller::with(&["--namespace=infra", "--identity=third"], None);
    // The second replica is killed, as by the failure of its node. The third one has to
    // wait until the Lease expires.
    second.kill();
    serves("c");
    assert_eq!(holder(&cluster).as_deref(), Some("third"));
    assert!(third.metric(writes) > 0.0);
}
