//! The README and the book in `docs/` are correct: their commands run and print what the
//! page says, the filter accepts their configurations, their excerpts are parts of files
//! that other tests run, and their links lead to something that exists. `block.rs` has the
//! rules.
//!
//! Build the filter and the example servers first:
//! `cargo build --release --lib --target wasm32-wasip1` and
//! `cargo build --examples`. `DOCS_PAGE=docs/start/laptop.md` runs the commands
//! of that page only.

// A Wasm program cannot start processes.
#![cfg(not(target_family = "wasm"))]

#[path = "../envoy/harness/mod.rs"]
#[allow(dead_code, reason = "the tests in tests/envoy need more of it")]
mod harness;

mod block;
mod commands;
mod contents;
mod data;
mod excerpts;
mod links;
mod page;
mod reference;
mod sdk;
mod service;
