//! What the tests are built from: Envoy, servers and clients. Each is its own process, or a task of
//! the test.

pub(crate) mod answers;
pub(crate) mod bootstrap;
pub(crate) mod capture;
pub(crate) mod challenge;
pub(crate) mod envoy;
pub(crate) mod fake;
pub(crate) mod frames;
pub(crate) mod http;
pub(crate) mod legacy;
pub(crate) mod message;
pub(crate) mod port;
pub(crate) mod process;
pub(crate) mod python;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod setup;
pub(crate) mod shared;
pub(crate) mod wire;
