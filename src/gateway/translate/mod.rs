//! Changes the messages of a request and of its answer between a client and a server: names,
//! resource URIs, ids, and the differences between the eras.

pub mod event;
mod filtered_list;
pub mod ids;
mod pooled_request;
pub mod request;
pub mod resource_uris;
pub mod result;
pub mod sent_message;
pub mod server_message;
pub mod session_aliases;
pub mod task_ids;
pub mod translated;
pub mod translation;
mod translation_kind;
