//! Lists in policy mode: they show only what the caller may use.

use std::rc::Rc;

use crate::config::Config;
use crate::gateway::translate::server_message::UnreadableMessage;
use crate::mcp::era::Era;
use crate::mcp::list::ListKind;
use crate::policy::authorization::Principal;

/// A list in policy mode, and who asked for it.
pub(super) struct FilteredList {
    pub(super) config: Rc<Config>,
    pub(super) principal: Principal,
    /// The era of the client.
    pub(super) era: Era,
    /// The kind of list; `None` where the request does not name it, as on a stream of events. Then
    /// any response may be a list of any kind.
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

    /// Filters the body of an error, HTTP 4xx or 5xx, as [`filter`](Self::filter) does. The body
    /// need not be JSON: a text for people stays unchanged.
    ///
    /// # Errors
    /// The body starts like a JSON object or array, but the gateway cannot read it.
    pub(super) fn filter_error(&self, body: &[u8]) -> Result<Option<Vec<u8>>, UnreadableMessage> {
        let read = simdutf8::basic::from_utf8(body).map_err(|_| UnreadableMessage::NotOneMessage);
        match read.and_then(|text| self.filter(text)) {
            Err(why) if is_structured(body) => Err(why),
            Err(_) => Ok(None),
            filtered => filtered,
        }
    }
}

/// Whether some client may read `body` as a JSON object or array, in any Unicode
/// encoding.
fn is_structured(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    let is_skipped = |c: char| c.is_whitespace() || "\0\u{feff}\u{fffd}".contains(c);
    text.trim_start_matches(is_skipped).starts_with(['{', '['])
}
