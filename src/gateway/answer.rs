//! What came of a call.

use std::rc::Rc;

use super::discover::Discovered;
use super::failure::Failure;
use super::freshness::Freshness;
use super::page::Page;

/// A server's answer, read.
#[derive(Debug, Clone)]
pub enum Answer {
    /// To `server/discover`.
    Discovered(Rc<Discovered>),
    /// To a list: a page.
    Page {
        /// Its entries.
        page: Rc<Page>,
        /// For how long, and by whom, it may be kept.
        freshness: Freshness,
        /// It was the caller's own, though others were waiting for it.
        private: bool,
    },
    /// The server has no such method.
    NoMethod,
    /// The server failed.
    Failed(Failure),
    /// It was another caller's own.
    NotShared,
}

impl Answer {
    /// Whether it is for who asked first, and nobody else.
    pub fn is_private(&self) -> bool {
        match self {
            Self::Page { private, .. } => *private,
            // A failure says nothing of the caller, and asking again would
            // only load a server that is failing.
            Self::Discovered(_) | Self::NoMethod | Self::Failed(_) | Self::NotShared => false,
        }
    }
}
