//! The outcome of a request: `wasm.mcp.status`.

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Read and understood.
    Ok,
    /// Not JSON, or cut off.
    ParseError,
    /// Not MCP, but only MCP may pass.
    RejectNoMcp,
    /// JSON, but not one JSON-RPC 2.0 message.
    NotJsonRpc,
    /// A member that a policy may read is there twice.
    DuplicateKeys,
    /// Longer than `maxRequestBodySize`.
    BodyTooLarge,
    /// A standard header does not match the body.
    HeaderMismatch,
    /// The message lacks what its protocol version requires.
    InvalidRequest,
    /// The protocol version is not supported.
    UnsupportedVersion,
    /// A value is too long or too deep to be exported.
    NotExportable,
    /// The method, tool, prompt or resource does not exist here.
    Unknown,
    /// The origin is not allowed.
    Origin,
    /// The access token is missing.
    Unauthorized,
    /// A server failed.
    ServerFailed,
    /// The session is missing, over, or another client's.
    Session,
    /// `authorization` denies it.
    Denied,
    /// The body did not start in time.
    BodyTimeout,
    /// Envoy does not hold requests for this filter.
    NotHeld,
    /// The memory of the worker is used up (`memory.heldBytes`).
    Memory,
}

impl Status {
    /// Every status that a refused message can have.
    pub const REFUSED: &'static [Self] = &[
        Self::ParseError,
        Self::RejectNoMcp,
        Self::NotJsonRpc,
        Self::DuplicateKeys,
        Self::BodyTooLarge,
        Self::HeaderMismatch,
        Self::InvalidRequest,
        Self::UnsupportedVersion,
        Self::NotExportable,
        Self::Unknown,
        Self::Origin,
        Self::ServerFailed,
        Self::Session,
        Self::Denied,
        Self::BodyTimeout,
        Self::NotHeld,
        Self::Memory,
        Self::Unauthorized,
    ];

    /// The value of `wasm.mcp.status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "mcp_ok",
            Self::ParseError => "mcp_parse_error",
            Self::RejectNoMcp => "mcp_reject_no_mcp",
            Self::NotJsonRpc => "mcp_not_jsonrpc",
            Self::DuplicateKeys => "mcp_duplicate_keys",
            Self::BodyTooLarge => "mcp_body_too_large",
            Self::HeaderMismatch => "mcp_header_mismatch",
            Self::InvalidRequest => "mcp_invalid_request",
            Self::UnsupportedVersion => "mcp_unsupported_version",
            Self::NotExportable => "mcp_not_exportable",
            Self::Unknown => "mcp_unknown",
            Self::Origin => "mcp_origin",
            Self::ServerFailed => "mcp_server_failed",
            Self::Session => "mcp_session",
            Self::Denied => "mcp_denied",
            Self::BodyTimeout => "mcp_body_timeout",
            Self::NotHeld => "mcp_not_held",
            Self::Memory => "mcp_memory",
            Self::Unauthorized => "mcp_unauthorized",
        }
    }
}
