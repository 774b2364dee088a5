//! The servers that got clients' requests. A client's cancellation goes to the server of the
//! cancelled request, and may come to another worker of this Envoy.

use std::rc::Rc;

use crate::gateway::session::server_mark::ServerMark;
use crate::gateway::store::{self, Store};
use crate::seal;

/// The slots of the table. Each slot has the latest request that belongs there.
const SLOTS: u16 = 1024;

/// The servers of recent requests in legacy sessions.
pub struct RequestServers {
    store: Rc<dyn Store>,
}

impl RequestServers {
    /// `store` keeps the requests.
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

    /// The server that got the request; `None` where the gateway does not know it.
    pub fn server(&self, session: &[u8; 16], id: &str) -> Option<ServerMark> {
        let (slot, digest) = key(session, id);
        let value = self.store.get(&slot)?;
        let mark = value.strip_prefix(digest.as_slice())?;
        Some(ServerMark::from_bytes(mark.try_into().ok()?))
    }
}

/// The slot of a request, and the bytes with which its value starts.
fn key(session: &[u8; 16], id: &str) -> (String, [u8; 32]) {
    let digest = seal::digest(&[session, id.as_bytes()]);
    (store::slot("request", &digest, SLOTS), digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::store::MemoryStore;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_request_is_found_by_its_own_session_and_id_only() {
        let requests = RequestServers::new(Rc::new(MemoryStore::default()));
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
        let kept = Rc::new(MemoryStore::default());
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
