//! Whether a message may pass, and what later filters see of it.

pub mod access;
pub mod attributes;
pub mod authorization;
pub mod claim;
pub mod endpoint_id;
pub mod era_check;
pub mod export;
pub mod extract;
pub mod failed_request;
pub mod glob;
mod protobuf_value;
pub mod refusal;
pub mod rules;
pub mod scopes;
pub mod status;
pub mod trace;
pub mod traffic;

pub use endpoint_id::EndpointId;
pub use refusal::Refusal;
pub use status::Status;
