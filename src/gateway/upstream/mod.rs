//! One server: the gateway's requests to it, and its answers.

pub mod app_uris;
pub mod call;
pub mod call_result;
pub mod call_writer;
pub mod client_context;
pub mod entry_text;
pub mod failure;
pub mod list_page;
pub mod page_key;
pub mod page_names;
pub mod page_text;
pub mod protocol;
pub mod server_description;
pub mod session_loss;
pub mod skill_uris;
pub mod tool_pins;
