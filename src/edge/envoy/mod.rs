//! The plugin that Envoy runs: it turns callbacks into events, and effects into
//! host calls. Nothing else names `proxy_wasm` or is `unsafe`.

// The SDK's macro writes the module's entry point, which has no documentation.
#![allow(missing_docs)]

mod body_wait;
mod callback_queue;
mod clock;
mod host;
mod host_facts;
mod http_context;
mod http_stream;
mod memory_gauge;
mod metric;
mod plugin;
mod property;
mod reload;
mod root;
mod shared_data;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(root::Root::new(id)));
}}
