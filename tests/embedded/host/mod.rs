//! An Envoy for tests. It loads the release build of the filter, and follows the rules of Envoy
//! 1.36 to 1.40 for proxy-wasm HTTP filters, including those that are hard to meet.
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
//! If Envoy refuses a host call with a status, the filter gets this status. If Envoy answers Ok but
//! loses the change, hangs or crashes, the host fails the scenario, and shows the filter's log.
//! This happens for a second reply, a second continue, a change of headers or of a body that have
//! gone on, and a `content-length` that is not that of the body. It also happens if the VM crashes,
//! unless [`Host::expect_crash`] allows it.
//!
//! The rules come from Envoy's `source/extensions/common/wasm/context.cc` and from
//! proxy-wasm-cpp-host.

// No scenario uses all of this module.
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
