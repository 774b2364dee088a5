//! What the headers of a request say, and what an answer is made of. Knows
//! HTTP, Fetch (CORS) and OAuth; knows no MCP and no host.

pub mod challenge;
pub mod cors;
pub mod headers;
pub mod media_type;
pub mod protected_resource;
pub mod reply;

pub use headers::Headers;
pub use reply::Reply;
