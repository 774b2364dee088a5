//! Tests of the command line as users run it: the program, real Envoy and the example
//! servers.
//!
//! Build the filter and the servers first:
//! `cargo build --release --lib --target wasm32-wasip1` and
//! `cargo build --examples`. The environment variables are those of `tests/envoy`.

// A Wasm program cannot start processes.
#![cfg(not(target_family = "wasm"))]

#[path = "../envoy/harness/mod.rs"]
#[allow(dead_code, reason = "the tests in tests/envoy need more of it")]
mod harness;

#[path = "../examples/token.rs"]
#[allow(dead_code, reason = "the tests in tests/examples need more of it")]
mod token;

mod ask;
mod check;
mod client;
mod completions;
mod failing;
mod files;
mod install;
mod load;
mod migrate;
mod pin;
mod program;
mod reload;
mod reload_sessions;
mod render;
mod render_cluster;
mod run;
mod safety;
mod session_edits;
mod slow;
mod stdio;
mod table;
mod tls;
