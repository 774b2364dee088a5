//! The two eras of the protocol.

/// The era of a request or of a server. A client may change it with each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// Stateless, `_meta` on every request (2026-07-28 and later).
    Modern,
    /// `initialize`, sessions (up to 2025-11-25).
    Legacy,
}
