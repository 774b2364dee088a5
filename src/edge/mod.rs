//! Envoy: the only code that names `proxy_wasm`. Turns callbacks into events
//! and effects into host calls.

// The SDK's macro writes the module's entry point, which has no documentation.
#![allow(missing_docs)]

mod host;
mod http;
mod known;
mod pairs;
mod property;
mod queue;
mod root;
mod shared;
mod shared_data;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(root::Root::new(id)));
}}
