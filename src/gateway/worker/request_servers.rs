//! The server that a client's request went to. The client's cancellation needs it,
//! and may come to another worker of this Envoy.

use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use crate::gateway::session::server_mark::ServerMark;
use crate::gateway::worker::page_cache::Store;

/// The host's store never deletes, so it is a table of so many slots. Each holds
/// the latest of its requests.
const SLOTS: u16 = 1024;

/// The servers of requests that were routed lately in legacy sessions.
#[derive(Debug)]
pub struct RequestServers {
    store: Rc<dyn Store>,
}

impl RequestServers {
    /// Requests are kept in `store`.
    pub fn new(store: Rc<dyn Store>) -> Self {
        Self { store }
    }

    /// Remembers that the request with this id (JSON text) of `session` went to
    /// `server`.
    pub fn remember(&self, session: &[u8; 16], id: &str, server: ServerMark) {
        let (slot, digest) = key(session, id);
        let value = [&digest[..], server.bytes()].concat();
        self.store.set(&slot, &value);
    }

    /// The server that the request went to; `None` where that is not known.
    pub fn server(&self, session: &[u8; 16], id: &str) -> Option<ServerMark> {
        let (slot, digest) = key(session, id);
        let value = self.store.get(&slot)?;
        let mark = value.strip_prefix(digest.as_slice())?;
        Some(ServerMark::from_bytes(mark.try_into().ok()?))
    }
}

fn key(session: &[u8; 16], id: &str) -> (String, [u8; 16]) {
    let mut digest = Sha256::new();
    digest.update(session);
    digest.update(id.as_bytes());
    let digest: [u8; 32] = digest.finalize().into();
    let (name, rest) = digest.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
    let slot = match rest {
        [first, second, ..] => u16::from_le_bytes([*first, *second]).checked_rem(SLOTS),
        _ => None,
    };
    let slot = format!("mcp-gateway.request.{}", slot.unwrap_or_default());
    (slot, *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::HashMap;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[derive(Debug, Default)]
    struct Kept(RefCell<HashMap<String, Vec<u8>>>);

    impl Store for Kept {
        fn get(&self, key: &str) -> Option<Vec<u8>> {
            self.0.borrow().get(key).cloned()
        }
        fn set(&self, key: &str, value: &[u8]) {
            self.0.borrow_mut().insert(key.into(), value.into());
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_request_is_found_by_its_own_session_and_id_only() {
        let requests = RequestServers::new(Rc::new(Kept::default()));
        let id = |number| ServerMark::from_bytes([number; ServerMark::LENGTH]);
        requests.remember(&[1; 16], "7", id(3));
        for (session, id, place) in [
            ([1; 16], "7", Some(id(3))),
            ([1; 16], "\"7\"", None),
            ([2; 16], "7", None),
        ] {
            assert_eq!(requests.server(&session, id), place, "{session:?} {id}");
        }
        requests.remember(&[1; 16], "7", id(0));
        assert_eq!(requests.server(&[1; 16], "7"), Some(id(0)));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_stands_in_a_slot_may_be_anything() {
        let kept = Rc::new(Kept::default());
        let requests = RequestServers::new(Rc::clone(&kept) as Rc<dyn Store>);
        let (slot, digest) = key(&[1; 16], "7");
        for value in [
            &b""[..],
            &digest,
            &[0; 20],
            &[&digest[..], &[0; 5]].concat(),
        ] {
            kept.set(&slot, value);
            assert_eq!(requests.server(&[1; 16], "7"), None, "{value:?}");
        }
    }
}
