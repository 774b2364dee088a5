//! What this worker has learnt from lists about the tools that clients see differently than their
//! servers describe them (`tools.override`). There is at most one entry for each of them in the
//! configuration.

use std::collections::HashMap;

use crate::config::ServerId;
use crate::gateway::routing::tool_view::ParamHeader;

/// The id of a tool view: its server, and its index among the tool views of that server.
pub type ViewId = (ServerId, usize);

/// What was learnt from lists.
#[derive(Default)]
pub struct LearntViews(HashMap<ViewId, LearntView>);

#[derive(Default)]
struct LearntView {
    headers: Vec<ParamHeader>,
    /// A whole list did not have the tool.
    is_unlisted: bool,
}

impl LearntViews {
    /// The headers that repeat removed parameters of the tool; `None` where the worker has read no
    /// list with the tool yet.
    pub fn headers(&self, view: ViewId) -> Option<&[ParamHeader]> {
        self.0.get(&view).map(|learnt| learnt.headers.as_slice())
    }

    /// Remembers that a list of the server has the tool, with these `headers`.
    pub fn is_listed(&mut self, view: ViewId, headers: &[ParamHeader]) {
        let learnt = self.0.entry(view).or_default();
        if learnt.headers != headers {
            learnt.headers = headers.to_vec();
        }
    }

    /// Remembers that a whole list of the server does not have the tool. Gives `true` the first
    /// time, and then the caller logs it.
    pub fn is_unlisted(&mut self, view: ViewId) -> bool {
        let learnt = self.0.entry(view).or_default();
        !std::mem::replace(&mut learnt.is_unlisted, true)
    }
}
