//! Tests with real Envoy: the shipped configurations, real servers, and clients that use MCP SDKs.
//!
//! Build the filter first: `cargo build --release --lib --target wasm32-wasip1`, and the example
//! servers: `cargo build --examples`. Set `MCP_GATEWAY_WASM` to test another filter, `ENVOY` to use
//! another Envoy, and `ENVOY_VERSION` to use another version of it. After each test, Envoy's log
//! must have no failure. The logs stay in `target/tmp/envoy` for a day.

// wasm32, the target of the filter, cannot start processes.
#![cfg(not(target_family = "wasm"))]

mod authorization;
mod authorization_caller;
mod authorization_policy;
mod body_wait;
mod browsers;
mod challenges;
mod clients;
mod configuration;
mod cors;
mod gateway_behind;
mod gateway_cache;
mod gateway_calls;
mod gateway_endpoints;
mod gateway_failures;
mod gateway_faults;
mod gateway_headers;
mod gateway_idle;
mod gateway_joined;
mod gateway_kinds;
mod gateway_lists;
mod gateway_lookup;
mod gateway_names;
mod gateway_nonsense;
mod gateway_outcomes;
mod gateway_pins;
mod gateway_requests;
mod gateway_server_headers;
mod gateway_skills;
mod gateway_sole;
mod gateway_streams;
mod gateway_tasks;
mod gateway_views;
mod growing;
mod harness;
mod harness_tests;
mod headers_credentials;
mod headers_forwarded;
mod hostile;
mod memory;
mod metadata;
mod metrics;
mod policy_rbac;
mod policy_server;
mod random;
mod refusals;
mod session_long_ids;
mod session_many;
mod session_replicas;
mod session_servers;
mod session_streams;
mod sessions;
mod small_buffers;
mod soak;
mod sources;
#[path = "../examples/token.rs"]
#[allow(dead_code, reason = "the tests in tests/examples need more of it")]
mod token;
mod tool_search;
mod trailers;
mod twice;
mod upgrade;
mod visible;
mod without_hold;
