//! The release build of the filter inside an Envoy for tests.
//!
//! Build the filter first: `cargo build --release --lib --target wasm32-wasip1`;
//! `MCP_GATEWAY_WASM` names another file. `host` is the Envoy, `host_rules` its
//! own tests, each `scenarios_*` a part of what the filter promises, and `crossings`
//! how often filter and Envoy call each other.

// The filter's own target has no process to run in and no files to read.
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
