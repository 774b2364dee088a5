//! What this worker has learnt of the tools that clients see otherwise than their servers
//! describe them (`tools.override`). There is one entry for each in the configuration at
//! most.

use std::collections::{HashMap, HashSet};

use crate::config::ServerId;
use crate::gateway::routing::tool_view::ParamHeader;

/// The place of a view: its server, and its place among the views of that.
pub type ViewId = (ServerId, usize);

/// What was learnt from lists.
#[derive(Debug, Default)]
pub struct LearntViews {
    headers: HashMap<ViewId, Vec<ParamHeader>>,
    unlisted: HashSet<ViewId>,
}

impl LearntViews {
    /// The headers that repeat removed parameters of the tool; `None` where no list has
    /// said that yet.
    pub fn headers(&self, view: ViewId) -> Option<&[ParamHeader]> {
        self.headers.get(&view).map(Vec::as_slice)
    }

    /// A list of the server has the tool with these `headers`.
    pub fn is_listed(&mut self, view: ViewId, headers: &[ParamHeader]) {
        if self.headers(view) != Some(headers) {
            self.headers.insert(view, headers.to_vec());
        }
    }

    /// A whole list of the server has no such tool. `true` the first time, to be logged.
    pub fn is_unlisted(&mut self, view: ViewId) -> bool {
        self.headers.entry(view).or_default();
        self.unlisted.insert(view)
    }
}
