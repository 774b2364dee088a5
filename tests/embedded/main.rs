//! The release build of the filter inside an Envoy for tests.
//!
//! Build the filter first: `cargo build --release --lib --target wasm32-wasip1`. `MCP_GATEWAY_WASM`
//! names another file. `host` stands for Envoy, and `host_rules` tests this host. Each
//! `scenarios_*` tests a part of what the filter promises. `crossings` counts how often the filter
//! and Envoy call each other.

// wasm32, the target of the filter, has no processes and no files.
#![cfg(not(target_family = "wasm"))]

mod crossings;
mod host;
mod host_rules;
mod scenarios_body_wait;
mod scenarios_joined;
mod scenarios_longer;
mod scenarios_outcomes;
mod scenarios_policy;
mod scenarios_routed;
mod scenarios_servers;
mod scenarios_sessions;
mod scenarios_shared;
mod scenarios_trailers;
mod size;
