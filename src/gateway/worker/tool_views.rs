//! What this worker has learnt from lists about the tools that clients see differently than their
//! servers describe them (`tools.override`). There is at most one entry for each of them in the
//! configuration.

use std::collections::{HashMap, HashSet};

use crate::config::ServerId;
use crate::gateway::routing::tool_view::ParamHeader;

/// The id of a tool view: its server, and its index among the tool views of that server.
pub type ViewId = (ServerId, usize);

/// What was learnt from lists.
#[derive(Default)]
pub struct LearntViews {
    headers: HashMap<ViewId, Vec<ParamHeader>>,
    unlisted: HashSet<ViewId>,
}

impl LearntViews {
    /// The headers that repeat removed parameters of the tool; `None` where the worker has read no
    /// list with the tool yet.
    pub fn headers(&self, view: ViewId) -> Option<&[ParamHeader]> {
        self.headers.get(&view).map(Vec::as_slice)
    }

    /// Remembers that a list of the server has the tool, with these `headers`.
    pub fn is_listed(&mut self, view: ViewId, headers: &[ParamHeader]) {
        if self.headers(view) != Some(headers) {
            self.headers.insert(view, headers.to_vec());
        }
    }

    /// Remembers that a whole list of the server does not have the tool. Gives `true` the first
    /// time, and then the caller logs it.
    pub fn is_unlisted(&mut self, view: ViewId) -> bool {
        self.headers.entry(view).or_default();
        self.unlisted.insert(view)
    }
}
