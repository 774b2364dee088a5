//! The example configurations of `envoy/` do in real Envoy what their comments say.
//!
//! Build the filter and the server first:
//! `cargo build --release --lib --target wasm32-wasip1` and
//! `cargo build --example weather`. The environment variables are those of `tests/envoy`.

// A Wasm program cannot start processes.
#![cfg(not(target_family = "wasm"))]

#[path = "../envoy/harness/mod.rs"]
#[allow(dead_code, reason = "the tests in tests/envoy need more of it")]
mod harness;

mod acl;
mod authorization;
mod collector;
mod example;
mod ext_authz;
mod filter_state;
mod jwt;
mod login;
mod oauth;
mod observability;
mod rate_limit;
mod recipes;
mod token;
mod validate;
