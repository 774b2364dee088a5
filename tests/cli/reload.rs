//! Envoy reloads the configuration of `envoy/reload` when its files are replaced. The
//! program `mcp-gateway` does not run.

use std::fs;
use std::time::Duration;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::server::Server;
use crate::harness::setup;
use crate::load::{Asker, Load};
use crate::program::{folder, save};

pub(crate) fn shipped(name: &str) -> String {
    let path = setup::repository().join("envoy/reload").join(name);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // On a busy machine, a worker may notice only after more than a second that it has a connection.
    text.replace("connect_timeout: 5s", "connect_timeout: 30s")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moving_a_file_there_is_enough_and_no_request_fails() {
    let (weather, calendar) = (Server::start("weather"), Server::start("calendar"));
    let folder = folder();
    let wasm = setup::filter();
    let filter = shipped("filter.yaml").replace(
        "target/wasm32-wasip1/release/mcp_gateway.wasm",
        wasm.to_str().expect("UTF-8"),
    );
    // With this value, a server that the filter leaves out of lists after a failure stays
    // left out for the rest of the test. A missing cluster must not count as such a
    // failure.
    let filter = filter.replace(
        "          cors:",
        "          failedServerTtl: 600s\n          cors:",
    );
    assert!(filter.contains("failedServerTtl"), "{filter}");
    let clusters = shipped("clusters.yaml")
        .replace(
            "port_value: 9001",
            &format!("port_value: {}", weather.address.port()),
        )
        .replace(
            "port_value: 9002",
            &format!("port_value: {}", calendar.address.port()),
        );
    let without = filter.replace("          - name: calendar\n", "");
    assert!(without.len() < filter.len(), "{filter}");
    save(&folder.join("filter.yaml"), &without);
    let (first, _) = clusters.rsplit_once("- \"@type\"").expect("two clusters");
    save(&folder.join("clusters.yaml"), first);
    let other = Bootstrap::policy(weather.address);
    let whole = other.text().to_owned();
    let bootstrap = other
        .replace(&whole, &shipped("envoy.yaml"))
        .replace("port_value: 9901", "port_value: 0")
        .replace("port_value: 10000", "port_value: 0")
        .replace(
            "path: envoy/reload/filter.yaml",
            &format!("path: {}", folder.join("filter.yaml").display()),
        )
        .replace(
            "path: envoy/reload/clusters.yaml",
            &format!("path: {}", folder.join("clusters.yaml").display()),
        );
    let mut envoy = Envoy::start("reload", &bootstrap);
    let asker = Asker::new(envoy.address);
    // Here the filter gets a server before Envoy gets the cluster of this server.
    save(&folder.join("filter.yaml"), &filter);
    asker.until_missing("calendar").await;
    save(&folder.join("clusters.yaml"), &clusters);
    asker.until(|tools| tools.len() == 6).await;
    save(&folder.join("filter.yaml"), &without);
    asker.until(|tools| tools.len() == 3).await;
    save(&folder.join("clusters.yaml"), first);
    let load = Load::start(envoy.address);
    let mut slowest = Duration::ZERO;
    for _ in 0..3 {
        save(&folder.join("clusters.yaml"), &clusters);
        save(&folder.join("filter.yaml"), &filter);
        slowest = slowest.max(asker.until(|tools| tools.len() == 6).await);
        save(&folder.join("filter.yaml"), &without);
        slowest = slowest.max(asker.until(|tools| tools.len() == 3).await);
        save(&folder.join("clusters.yaml"), first);
    }
    // Envoy logs an error if the filter refuses its configuration.
    envoy.failures_are_expected();
    save(
        &folder.join("filter.yaml"),
        &without.replace("name: weather", "name: we ather"),
    );
    envoy.logged("Filesystem config update rejected");
    save(&folder.join("clusters.yaml"), "resources: [");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(asker.tools().await.expect("a list").len(), 3);
    let (asked, failed) = load.end().await;
    println!(
        "{asked} requests, {} failed, visible after {slowest:?} at most",
        failed.len()
    );
    assert!(
        failed.is_empty(),
        "{} of {asked} failed: {:?}",
        failed.len(),
        failed.first()
    );
}
