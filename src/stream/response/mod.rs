//! The response to a request. A server, another filter or this filter made it.

mod events;
pub(in crate::stream) mod head;
pub(in crate::stream) mod kind;
mod lease;
mod message;
pub(in crate::stream) mod routed;
mod server_headers;
mod watch;
