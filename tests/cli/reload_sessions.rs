//! When the gateway gets a new configuration, it ends its own sessions with legacy servers.

use std::time::Duration;

use serde_json::json;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::legacy::Legacy;
use crate::harness::setup;
use crate::load::Asker;
use crate::program::{folder, save};
use crate::reload::shipped;

const RELOADS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_configuration_ends_the_sessions_of_the_old_one() {
    let server = Legacy::start("weather").await;
    let folder = folder();
    let wasm = setup::filter();
    let filter = shipped("filter.yaml")
        .replace(
            "target/wasm32-wasip1/release/mcp_gateway.wasm",
            wasm.to_str().expect("UTF-8"),
        )
        .replace(
            "          - name: weather\n          - name: calendar\n",
            "          - { name: weather, shareSession: true, timeout: 5s }\n",
        );
    let configured = |number: usize| filter.replace("timeout: 5s", &format!("timeout: {number}s"));
    assert_ne!(configured(6), filter);
    let port = format!("port_value: {}", server.address.port());
    let clusters = shipped("clusters.yaml").replace("port_value: 9001", &port);
    save(&folder.join("filter.yaml"), &filter);
    save(&folder.join("clusters.yaml"), &clusters);
    let other = Bootstrap::policy(server.address);
    let whole = other.text().to_owned();
    let path = |name: &str| format!("path: {}", folder.join(name).display());
    let bootstrap = other
        .replace(&whole, &shipped("envoy.yaml"))
        .replace("port_value: 9901", "port_value: 0")
        .replace("port_value: 10000", "port_value: 0")
        .replace("path: envoy/reload/filter.yaml", &path("filter.yaml"))
        .replace("path: envoy/reload/clusters.yaml", &path("clusters.yaml"));
    let envoy = Envoy::with_workers(1, "reload_sessions", &bootstrap);
    for number in 1..=RELOADS {
        let begun = server.sessions().0;
        let asker = Asker::new(envoy.address);
        // The gateway opens a new session with each configuration.
        while server.sessions().0 == begun {
            let asked = asker.ask("tools/list", json!({})).await;
            assert!(asked.is_ok(), "{asked:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        save(&folder.join("filter.yaml"), &configured(5 + number));
    }
    server
        .until("one session is left at most", |server| {
            let (begun, left) = server.sessions();
            begun >= RELOADS && left <= 1
        })
        .await;
}
