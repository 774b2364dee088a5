//! What came of a call.

use std::rc::Rc;

use crate::gateway::upstream::discovered::ServerDescription;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::list_page::ListPage;
use crate::gateway::upstream::protocol::UpstreamSession;
use crate::mcp::cache_hints::CacheHints;

/// A server's answer, read.
#[derive(Debug, Clone)]
pub enum CallResult {
    /// To `server/discover`.
    Discovered(Rc<ServerDescription>),
    /// To `server/discover`: the server is one with sessions.
    Legacy,
    /// To `initialize`.
    Opened(Rc<ServerDescription>, Rc<UpstreamSession>),
    /// To a list: a page.
    Page {
        /// Its entries.
        page: Rc<ListPage>,
        /// For how long, and by whom, it may be kept.
        cache_hints: CacheHints,
        /// It was the caller's own, though others were waiting for it.
        private: bool,
    },
    /// To what has no result to speak of.
    Done,
    /// The server has no such method.
    NoMethod,
    /// The server knows the session no longer (404).
    SessionLost,
    /// The server failed.
    Failed(Failure),
    /// It was another caller's own.
    NotShared,
}

impl CallResult {
    /// Whether it is for who asked first, and nobody else.
    pub fn is_private(&self) -> bool {
        match self {
            Self::Page { private, .. } => *private,
            // What is said in a session is.
            Self::Opened(..) | Self::SessionLost => true,
            // A failure says nothing of the caller, and asking again would
            // only load a server that is failing.
            Self::Discovered(_)
            | Self::Legacy
            | Self::Done
            | Self::NoMethod
            | Self::Failed(_)
            | Self::NotShared => false,
        }
    }
}
