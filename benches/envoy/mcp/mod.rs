//! MCP as the clients and the servers of the benchmarks write it.

pub(crate) mod answers;
pub(crate) mod requests;

const VERSION: &str = "2026-07-28";
const LEGACY_VERSION: &str = "2025-11-25";

/// The header with the id of a session.
pub(crate) const SESSION: &str = "mcp-session-id";
