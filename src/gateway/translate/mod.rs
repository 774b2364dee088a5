//! The messages of a request and its answer, changed on their way between
//! client and server: names, resource URIs, ids, and the protocol version.

mod filtered_list;
pub mod ids;
mod pooled_request;
pub mod request;
pub mod result;
pub mod server_message;
pub mod translation;
