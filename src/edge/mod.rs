//! The edge between the core and Envoy: the only code that knows the proxy-wasm
//! ABI (version 0.2.1). `abi` reads and writes its bytes and compiles on every
//! target; `envoy` makes the host calls and compiles for Envoy only.

pub mod abi;
#[cfg(all(target_arch = "wasm32", target_os = "wasi"))]
mod envoy;
