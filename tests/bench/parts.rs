//! The parts that the benchmark `peers` can remove from a rendered configuration.

use std::fs;

use serde_json::Value;

use crate::peers::parts::{Part, manager};

/// The shipped configuration. `mcp-gateway render` writes the same configuration with other
/// servers.
fn shipped() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/envoy/gateway.yaml");
    let text = fs::read_to_string(path).expect("the shipped configuration");
    serde_saphyr::from_str(&text).expect("YAML")
}

#[test]
fn each_part_is_there_once() {
    for part in Part::EACH.into_iter().chain([Part::Together]) {
        let mut bootstrap = shipped();
        part.remove(&mut bootstrap).expect("the part");
        assert_ne!(bootstrap, shipped(), "{part:?}");
        let again = part.remove(&mut bootstrap);
        assert!(again.is_err(), "{part:?}");
    }
}

#[test]
fn a_part_takes_nothing_else_with_it() {
    let mut bootstrap = shipped();
    Part::Metadata.remove(&mut bootstrap).expect("the part");
    let manager = manager(&mut bootstrap).expect("a manager");
    let filters = manager["http_filters"].as_array().expect("filters");
    let names: Vec<&Value> = filters.iter().map(|filter| &filter["name"]).collect();
    assert_eq!(names, ["mcp-gateway", "envoy.filters.http.router"]);
    assert!(manager.get("access_log").is_some());
}
