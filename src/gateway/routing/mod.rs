//! Which server gets a message, and the request that this server gets.

pub mod call_headers;
pub mod forwarding;
pub mod names;
pub mod passthrough;
pub mod request_headers;
pub mod subscriptions;
pub mod target;
pub mod tool_view;
