//! Lists in policy mode: they show only what the caller may use.

use std::rc::Rc;

use crate::config::Config;
use crate::gateway::translate::server_message::UnreadableMessage;
use crate::mcp::era::Era;
use crate::mcp::list::ListKind;
use crate::policy::authorization::Principal;

/// A list in policy mode, and who asked for it.
#[derive(Debug)]
pub(super) struct FilteredList {
    pub(super) config: Rc<Config>,
    pub(super) principal: Principal,
    /// The era of the client.
    pub(super) era: Era,
    /// The kind of list; `None` where the request does not say it, as on a stream of
    /// events. Then a response may be a list of any kind.
    pub(super) kind: Option<ListKind>,
}

impl FilteredList {
    /// The response `text` without the entries that the caller may not use; `None`
    /// where it stays unchanged.
    ///
    /// # Errors
    /// `text` is not a message that each client reads in the same way.
    pub(super) fn filter(&self, text: &str) -> Result<Option<Vec<u8>>, UnreadableMessage> {
        let Some(authorization) = &self.config.authorization else {
            return Ok(None);
        };
        let kinds = match &self.kind {
            Some(kind) => std::slice::from_ref(kind),
            None => ListKind::ALL,
        };
        let mut filtered: Option<String> = None;
        for kind in kinds {
            let text = filtered.as_deref().unwrap_or(text);
            let shorter = authorization.filtered(&self.principal, *kind, text);
            let shorter = shorter.map_err(UnreadableMessage::NotJson)?;
            if let Some(shorter) = shorter {
                let shorter = String::from_utf8(shorter);
                filtered = Some(shorter.map_err(|_| UnreadableMessage::NotOneMessage)?);
            }
        }
        Ok(filtered.map(String::into_bytes))
    }
}
