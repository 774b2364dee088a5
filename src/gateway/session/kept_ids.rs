//! Session ids of servers that do not fit into the session id that a client gets. This Envoy
//! process keeps them, for all its workers. It keeps them only if it made the key of sessions
//! itself, since then no other replica can open these sessions anyway.

use std::rc::Rc;

use crate::gateway::store::Store;

/// The slots of the table. The host's store cannot delete, so the number of slots is fixed, and a
/// new session replaces the oldest one.
const SLOTS: u16 = 1024;

/// The most bytes of the ids of one session.
const MAX_BYTES: usize = 65_536;

/// The key of the counter of sessions that took a slot.
const COUNTER: &str = "mcp-gateway.session-ids";

/// The kept ids of the latest sessions.
#[derive(Clone)]
pub struct KeptIds {
    store: Rc<dyn Store>,
}

impl KeptIds {
    /// `store` keeps the ids.
    pub fn new(store: Rc<dyn Store>) -> Self {
        Self { store }
    }

    /// Keeps the `ids` of the session with the id `session`. Gives the number of their slot; `None`
    /// where the ids have more than 65,536 bytes.
    pub(super) fn keep(&self, session: &[u8; 16], ids: &[u8]) -> Option<u16> {
        if ids.len() > MAX_BYTES {
            return None;
        }
        let count = self.store.increment(COUNTER);
        let slot = u16::try_from(count.checked_rem(SLOTS.into())?).ok()?;
        self.store.set(&key(slot), &[session, ids].concat());
        Some(slot)
    }

    /// The ids that [`keep`](Self::keep) wrote into `slot` for `session`; `None` where a newer
    /// session has taken the slot.
    pub(super) fn get(&self, session: &[u8; 16], slot: u16) -> Option<Vec<u8>> {
        let kept = self.store.get(&key(slot))?;
        let (whose, ids) = kept.split_first_chunk::<16>()?;
        (whose == session).then(|| ids.to_vec())
    }
}

fn key(slot: u16) -> String {
    format!("mcp-gateway.session-ids.{slot}")
}
