//! An Envoy for tests: loads the filter's release build and plays the rules of
//! Envoy 1.36 to 1.40 for proxy-wasm HTTP filters, the unkind ones too.
//!
//! ```text
//! let plugin = Host::new().cluster("weather").configure("{}").unwrap();
//! let mut stream = plugin.stream();
//! let outcome = stream.request(Request::post("/mcp").json("{}"));
//! assert_eq!(outcome, Outcome::Waiting);
//! stream.answer("weather", Response::json(200, "{}"));
//! let reply = stream.expect_reply(200);
//! ```
//!
//! What Envoy answers with a status, the filter gets as that status. What Envoy
//! answers with Ok but loses, hangs on or crashes on, fails the scenario with
//! the filter's log: a second reply, a second continue, headers or a body
//! changed after they went on, a `content-length` that is not the body's. So
//! does a crash of the VM, unless [`Host::expect_crash`] asks for it.
//!
//! The rules were read in Envoy's `source/extensions/common/wasm/context.cc` and
//! in proxy-wasm-cpp-host.

// Scenarios use what they need, and none needs all of it.
#![allow(dead_code, unused_imports)]

mod abi;
mod env;
mod filter_manager;
mod guest;
mod headers;
mod message;
mod module;
mod plugin;
mod state;
mod stream;
mod vm;
mod wasi;

pub(crate) use abi::Level;
pub(crate) use headers::Headers;
pub(crate) use message::{Call, Reply, Request, Response, Upstream};
pub(crate) use module::filter_path;
pub(crate) use plugin::{Host, Plugin, Refused};
pub(crate) use state::LogLine;
pub(crate) use stream::{Outcome, Stream};
