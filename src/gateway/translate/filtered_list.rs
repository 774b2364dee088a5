//! Lists of any server's in policy mode: they show what the caller may use.

use std::rc::Rc;

use crate::config::Config;
use crate::gateway::translate::server_message::UnreadableMessage;
use crate::mcp::list::ListKind;
use crate::policy::authorization::Principal;

/// A list in policy mode, and who asked for it.
#[derive(Debug)]
pub(super) struct FilteredList {
    pub(super) config: Rc<Config>,
    pub(super) rights: Principal,
    /// Which it is; where that is not known it may be any.
    pub(super) kind: Option<ListKind>,
}

impl FilteredList {
    /// The response `text` without what the caller may not use; `None` where it
    /// stays as it is.
    ///
    /// # Errors
    /// It is none that every client reads the same way.
    pub(super) fn cut(&self, text: &str) -> Result<Option<Vec<u8>>, UnreadableMessage> {
        let Some(authorization) = &self.config.authorization else {
            return Ok(None);
        };
        let kinds = match &self.kind {
            Some(kind) => std::slice::from_ref(kind),
            None => ListKind::ALL,
        };
        let mut cut: Option<String> = None;
        for kind in kinds {
            let text = cut.as_deref().unwrap_or(text);
            let shorter = authorization.filtered(&self.rights, *kind, text);
            let shorter = shorter.map_err(UnreadableMessage::NotJson)?;
            if let Some(shorter) = shorter {
                cut =
                    Some(String::from_utf8(shorter).map_err(|_| UnreadableMessage::NotOneMessage)?);
            }
        }
        Ok(cut.map(String::into_bytes))
    }
}
