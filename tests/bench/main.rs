//! Tests of what the benchmarks compute before and after they measure. They need no Envoy.

#![cfg(not(target_family = "wasm"))]
// The tests use only a part of these modules.
#![allow(dead_code)]

#[path = "../../benches/envoy/args.rs"]
mod args;
#[path = "../../benches/envoy/client.rs"]
mod client;
#[path = "../../benches/envoy/config.rs"]
mod config;
#[path = "../../benches/envoy/cores.rs"]
mod cores;
#[path = "../../benches/envoy/cpu.rs"]
mod cpu;
#[path = "../../benches/envoy/envoy.rs"]
mod envoy;
#[path = "../../benches/envoy/gateway/mod.rs"]
mod gateway;
#[path = "../../benches/envoy/load.rs"]
mod load;
#[path = "../../benches/envoy/mappings.rs"]
mod mappings;
#[path = "../../benches/envoy/mcp/mod.rs"]
mod mcp;
#[path = "../../benches/envoy/memory/mod.rs"]
mod memory;
#[path = "../../benches/envoy/message.rs"]
mod message;
#[path = "../../benches/envoy/peers/mod.rs"]
mod peers;
#[path = "../../benches/envoy/policy.rs"]
mod policy;
#[path = "../../benches/envoy/process.rs"]
mod process;
#[path = "../../benches/envoy/report.rs"]
mod report;
#[path = "../../benches/envoy/rounds.rs"]
mod rounds;
#[path = "../../benches/envoy/setup.rs"]
mod setup;
#[path = "../../benches/envoy/soak/mod.rs"]
mod soak;
#[path = "../../benches/envoy/stats.rs"]
mod stats;
#[path = "../../benches/envoy/upstream.rs"]
mod upstream;

mod other_gateways;
mod parts;
#[path = "soak.rs"]
mod soak_growth;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;
