//! The headers of requests, and local responses. Knows HTTP, Fetch (CORS) and OAuth,
//! and nothing of MCP or of the host.

pub mod challenge;
pub mod cors;
pub mod headers;
pub mod media_type;
pub mod protected_resource;
pub mod reply;
pub mod url;

pub use headers::Headers;
pub use reply::Reply;
