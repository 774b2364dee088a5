//! Many servers are added and removed at once.

use std::time::Instant;

use crate::cluster::{Cluster, until};
use crate::program::Controller;
use crate::server::McpServer;

const SERVERS: usize = 200;
/// The limit in MiB. The program under test is a debug build, which uses more memory than a
/// release build.
const MEMORY: u64 = 200;

#[test]
fn two_hundred_servers_are_served_and_removed_in_one_go() {
    let cluster = Cluster::new();
    let server = McpServer::start();
    let controller = Controller::start();
    let manifests: Vec<String> = (0..SERVERS)
        .map(|at| server.manifest(&format!("s{at:03}"), ""))
        .collect();
    cluster.apply(&manifests.join("---\n"));
    let started = Instant::now();
    until("all have answered", || {
        let servers = cluster.items("mcpservers");
        let answered = servers
            .iter()
            .filter(|it| it["status"]["tools"] == 2)
            .count();
        (answered == SERVERS).then_some(())
    });
    println!(
        "{SERVERS} servers: {:.1} s after the last one was applied",
        started.elapsed().as_secs_f64()
    );
    let gateway = until("the gateway counts them", || {
        let gateway = cluster.get("mcpgateway", "mcp", "infra")?;
        (gateway["status"]["tools"] == SERVERS * 2).then_some(gateway)
    });
    assert_eq!(gateway["status"]["servers"], SERVERS);
    let memory = controller.peak_memory();
    println!("{memory} MiB");
    assert!(memory < MEMORY, "{memory} MiB");
    cluster.ok(&["delete", "mcpservers", "-n", "team", "--all"]);
    until("their objects are gone", || {
        let left = cluster.written();
        (!left.iter().any(|it| it.contains(".s"))).then_some(())
    });
}
