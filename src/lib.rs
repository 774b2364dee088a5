//! An MCP gateway inside stock Envoy, as one proxy-wasm HTTP filter.
//!
//! ```text
//! callback ─▶ edge: Event ─▶ stream::Stream::on ─▶ Step { effects, flow } ─▶ edge: host calls ─▶ Envoy
//!                                │ asks
//!                mcp  (what the message says)   http    (what the headers say)
//!                policy (may it pass)           gateway (which servers, which answer)
//! ```
//!
//! All modules but [`edge`] take plain data and give plain data. `ARCHITECTURE.md`
//! describes the modules and the invariants.

#![cfg_attr(
    not(test),
    deny(
        // One panic ends the worker's VM and every request on it.
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::print_stdout,
        clippy::print_stderr,
    )
)]

pub mod config;
pub mod edge;
pub mod gateway;
pub mod http;
pub mod mcp;
pub mod memory;
pub mod metrics;
pub mod policy;
pub mod seal;
pub mod stream;
