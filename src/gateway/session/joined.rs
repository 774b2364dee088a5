//! Servers that have joined the session of a legacy client after it began. They were down then, or
//! a newer configuration added them. The client's session id cannot change, so this Envoy process
//! keeps the parts of these servers, for all its workers and for newer configurations.

use std::rc::Rc;

use super::encoding::{Decoder, push_part};
use super::server_mark::ServerMark;
use super::version_codes::VERSION_CODES;
use super::{Session, SessionPart};
use crate::config::Server;
use crate::gateway::store::{self, Store};
use crate::seal;

/// The slots of the table. A new part replaces the part that was in its slot. The server of the
/// replaced part joins its session again.
const SLOTS: u16 = 4096;

/// The servers that have joined sessions.
#[derive(Clone)]
pub struct JoinedServers {
    store: Rc<dyn Store>,
}

impl JoinedServers {
    /// `store` keeps the parts.
    pub fn new(store: Rc<dyn Store>) -> Self {
        Self { store }
    }

    /// The part of `server` in the session with the id `session`, if it has joined.
    pub fn part(&self, session: &[u8; 16], server: &Server) -> Option<SessionPart> {
        let key = JoinedKey::new(session, server);
        let kept = self.store.get(&key.slot)?;
        let part = kept.strip_prefix(key.owner.as_slice())?;
        let mut decoder = Decoder::new(part, VERSION_CODES);
        let (part, _) = decoder.part()?;
        decoder.is_at_end().then_some(part)
    }

    /// Stores that `server` has joined the session with the id `session`, with this `part`.
    pub fn join(&self, session: &[u8; 16], server: &Server, part: &SessionPart) {
        let JoinedKey { slot, owner } = JoinedKey::new(session, server);
        let mut kept = owner;
        if push_part(&mut kept, part, VERSION_CODES, false).is_some() {
            self.store.set(&slot, &kept);
        }
    }

    /// Removes `server` from the session: the server has forgotten the session, or the client has
    /// ended it.
    pub fn leave(&self, session: &[u8; 16], server: &Server) {
        let JoinedKey { slot, owner } = JoinedKey::new(session, server);
        let kept = self.store.get(&slot);
        if kept.is_some_and(|kept| kept.starts_with(&owner)) {
            self.store.set(&slot, &[]);
        }
    }

    /// Adds to `session` the parts of those `servers` of its endpoint that have joined it.
    pub fn add_to(&self, session: &mut Session, servers: &[Server]) {
        for server in servers {
            if let Some(part) = session.parts.get_mut(server.id.index())
                && *part == SessionPart::Absent
                && let Some(joined) = self.part(&session.id, server)
            {
                *part = joined;
                session.joined.push(server.id);
            }
        }
    }
}

/// The slot of a part, and the session and server that it belongs to.
struct JoinedKey {
    slot: String,
    owner: Vec<u8>,
}

impl JoinedKey {
    fn new(session: &[u8; 16], server: &Server) -> Self {
        let mark = ServerMark::of(server);
        let digest = seal::digest(&[session, mark.bytes()]);
        Self {
            slot: store::slot("joined", &digest, SLOTS),
            owner: [&session[..], mark.bytes()].concat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::gateway::store::MemoryStore;
    use crate::mcp::capabilities::ServerCapabilities;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn servers(config: &str) -> Vec<Server> {
        let config = format!(r#"{{"servers":[{config}]}}"#);
        let config = Config::parse(config.as_bytes()).unwrap();
        config.gateway.unwrap().servers
    }

    fn part(session: Option<&str>) -> SessionPart {
        SessionPart::Legacy {
            offers: ServerCapabilities::TOOLS,
            version: "2025-06-18",
            session: session.map(str::to_owned),
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_server_has_joined_one_session_until_it_leaves_it() {
        let servers = servers(r#"{"name":"a"},{"name":"b"}"#);
        let [a, b] = servers.as_slice() else { panic!() };
        let joined = JoinedServers::new(Rc::new(MemoryStore::default()));
        let (one, two) = ([1; 16], [2; 16]);
        for joining in [
            part(None),
            part(Some("s-1")),
            part(Some(&"x".repeat(60_000))),
        ] {
            joined.join(&one, a, &joining);
            assert_eq!(joined.part(&one, a), Some(joining));
            assert_eq!(joined.part(&one, b), None);
            assert_eq!(joined.part(&two, a), None);
        }
        joined.leave(&two, a);
        assert!(joined.part(&one, a).is_some());
        joined.leave(&one, a);
        assert_eq!(joined.part(&one, a), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_server_that_is_elsewhere_now_has_not_joined() {
        let joined = JoinedServers::new(Rc::new(MemoryStore::default()));
        joined.join(&[1; 16], &servers(r#"{"name":"a"}"#)[0], &part(None));
        for (config, has_joined) in [
            (r#"{"name":"a","timeout":"9s"}"#, true),
            (r#"{"name":"a","path":"/x"}"#, false),
            (r#"{"name":"a","cluster":"b"}"#, false),
        ] {
            let found = joined.part(&[1; 16], &servers(config)[0]);
            assert_eq!(found.is_some(), has_joined, "{config}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn so_many_join_that_the_first_ones_join_again_and_none_gets_anothers() {
        let map = Rc::new(MemoryStore::default());
        let joined = JoinedServers::new(map.clone());
        let server = &servers(r#"{"name":"a"}"#)[0];
        let session = |number: u16| {
            let mut id = [0; 16];
            id[..2].copy_from_slice(&number.to_be_bytes());
            id
        };
        for number in 0..20_000 {
            joined.join(&session(number), server, &part(Some(&number.to_string())));
        }
        let mut found = 0;
        for number in 0..20_000 {
            if let Some(kept) = joined.part(&session(number), server) {
                assert_eq!(kept, part(Some(&number.to_string())));
                found += 1;
            }
        }
        assert!(found > 3000 && map.0.borrow().len() <= 4096, "{found}");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn only_absent_parts_are_filled() {
        let servers = servers(r#"{"name":"a"},{"name":"b"},{"name":"c"}"#);
        let joined = JoinedServers::new(Rc::new(MemoryStore::default()));
        let mut session = Session {
            id: [1; 16],
            version: "2025-11-25",
            capabilities: "{}".into(),
            info: None,
            parts: vec![part(Some("own")), SessionPart::Absent, SessionPart::Absent],
            joined: Vec::new(),
        };
        for server in &servers[..2] {
            joined.join(&session.id, server, &part(Some("joined")));
        }
        joined.add_to(&mut session, &servers);
        let expected = [part(Some("own")), part(Some("joined")), SessionPart::Absent];
        assert_eq!(session.parts, expected);
        assert_eq!(session.joined, [servers[1].id]);
    }
}
