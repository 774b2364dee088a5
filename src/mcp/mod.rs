//! The messages of the Model Context Protocol. This module knows JSON-RPC and MCP, but not the
//! configuration, the policy or the host.

pub mod cache_hints;
pub mod call_outcome;
pub mod capabilities;
pub mod client_capabilities;
pub mod era;
pub mod event_outcome;
pub mod header_value;
pub mod json;
pub mod jsonrpc;
pub mod list;
pub mod lookalike;
pub mod message;
pub mod method;
pub mod param_header;
mod params;
pub mod resource_uri;
pub mod response;
pub mod sse;
pub mod standard_headers;
pub mod tool_definition;
pub mod version;

pub use message::{Invalid, Message};

/// `_meta` member with the protocol version. It makes a request modern.
pub const PROTOCOL_VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
/// `_meta` member with the client's capabilities; required in modern requests.
pub const CLIENT_CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
/// `_meta` member with the client's name and version.
pub const CLIENT_INFO_KEY: &str = "io.modelcontextprotocol/clientInfo";
/// `_meta` member with the lowest level of log messages that a client wants; modern
/// requests only.
pub const LOG_LEVEL_KEY: &str = "io.modelcontextprotocol/logLevel";
/// `_meta` member that names the task to which a message belongs.
pub const RELATED_TASK_KEY: &str = "io.modelcontextprotocol/related-task";
/// `_meta` member of a request with the token of its progress, and the parameter of
/// `notifications/progress` with that token.
pub const PROGRESS_TOKEN: &str = "progressToken";
/// `_meta` member of a result with the server's name and version.
pub const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";
/// `_meta` member of a merged list, which this gateway defines: the names of the servers that the
/// list lacks because they failed, in the order of the configuration.
pub const MISSING_SERVERS_KEY: &str = "io.github.mcp-gateway/missingServers";

/// Request header with the protocol version.
pub const PROTOCOL_VERSION_HEADER: &str = "mcp-protocol-version";
/// Header with the id of a session (legacy).
pub const SESSION_HEADER: &str = "mcp-session-id";
/// Request header with the id of the last event that the client received (legacy).
pub const LAST_EVENT_HEADER: &str = "last-event-id";
/// Request header that repeats the method (modern).
pub const METHOD_HEADER: &str = "mcp-method";
/// Request header that repeats `params.name`, `params.uri` or `params.taskId` (modern).
pub const NAME_HEADER: &str = "mcp-name";
