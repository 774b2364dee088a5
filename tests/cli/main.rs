//! The command line as its users have it: the program, real Envoy, the example
//! servers.
//!
//! Build the filter and the servers first:
//! `cargo build --release --lib --target wasm32-wasip1` and
//! `cargo build --examples`; the variables are those of `tests/envoy`.

// The filter's own target has no processes to start.
#![cfg(not(target_family = "wasm"))]

#[path = "../envoy/harness/mod.rs"]
#[allow(dead_code, reason = "the tests in tests/envoy need more of it")]
mod harness;

mod check;
mod load;
mod program;
mod reload;
mod render;
mod run;
mod slow;
