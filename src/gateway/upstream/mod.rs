//! One server: what the gateway asks it, and what it answers.

pub mod call;
pub mod call_result;
pub mod client_context;
pub mod discovered;
pub mod failure;
mod initialized;
pub mod list_page;
pub mod page_key;
pub mod protocol;
