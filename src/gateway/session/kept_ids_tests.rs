//! Sessions whose servers give long session ids.

use std::rc::Rc;
use std::time::Duration;

use wasm_bindgen_test::wasm_bindgen_test;

use super::kept_ids::KeptIds;
use super::sealed::{SealError, SessionSealer};
use super::{Session, SessionPart, id};
use crate::config::{Config, Server, ServerId};
use crate::gateway::store::{MemoryStore, Store};
use crate::mcp::capabilities::ServerCapabilities;
use crate::seal::NONCE;
use crate::seal::tests::keys;

const NOW: Duration = Duration::from_secs(1_790_000_000);
const TTL: Duration = Duration::from_secs(60);

fn servers(count: usize) -> Vec<Server> {
    let servers: Vec<String> = (0..count)
        .map(|at| format!(r#"{{"name":"s{at}"}}"#))
        .collect();
    let config = format!(r#"{{"servers":[{}]}}"#, servers.join(","));
    let config = Config::parse(config.as_bytes()).unwrap();
    config.gateway.unwrap().servers
}

fn nonce(at: usize) -> [u8; NONCE] {
    let mut nonce = [7; NONCE];
    nonce[..8].copy_from_slice(&(at as u64).to_le_bytes());
    nonce
}

/// The session number `at`. It has one server for each length, whose session id is that long.
fn session(at: usize, lengths: &[usize]) -> Session {
    let part = |(index, length): (usize, &usize)| SessionPart::Legacy {
        offers: ServerCapabilities::TOOLS,
        version: "2025-06-18",
        session: Some(format!("{at}.{index}.{}", "x".repeat(*length))),
    };
    Session {
        joined: Vec::new(),
        id: id(&nonce(at)),
        version: "2025-11-25",
        capabilities: "{}".into(),
        info: None,
        parts: lengths.iter().enumerate().map(part).collect(),
    }
}

fn sealer(count: usize, store: Option<&Rc<MemoryStore>>) -> SessionSealer {
    let store = store.map(|store| KeptIds::new(Rc::clone(store) as Rc<dyn Store>));
    SessionSealer::new(keys(&[1]), TTL, &servers(count)).keeping(store)
}

fn seal(sealer: &SessionSealer, at: usize, lengths: &[usize]) -> Result<String, SealError> {
    sealer.seal(&session(at, lengths), nonce(at), b"/mcp", None, NOW)
}

#[wasm_bindgen_test(unsupported = test)]
fn whatever_the_lengths_the_id_is_short_and_the_session_comes_back() {
    for lengths in [
        &[400; 20][..],
        &[700; 60],
        &[1_100],
        &[4_600],
        &[30_000, 20, 30_000],
        &[60_000],
        &[10; 250],
    ] {
        let store = Rc::new(MemoryStore::default());
        let sealer = sealer(lengths.len(), Some(&store));
        let text = seal(&sealer, 1, lengths).unwrap();
        assert!(text.len() <= 6_144, "{lengths:?}: {}", text.len());
        let opened = sealer.open(&text, b"/mcp", None, NOW);
        assert_eq!(*opened.unwrap().session, session(1, lengths));
        // It expires like every session.
        assert_eq!(sealer.open(&text, b"/mcp", None, NOW + TTL), None);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_fits_is_not_kept_and_of_the_rest_only_the_longest() {
    let store = Rc::new(MemoryStore::default());
    let sealer = sealer(3, Some(&store));
    seal(&sealer, 1, &[1_400, 1_400, 1_400]).unwrap();
    assert!(store.0.borrow().is_empty());
    seal(&sealer, 2, &[500, 6_000, 500]).unwrap();
    let kept = store.0.borrow();
    let longest = kept.values().map(Vec::len).max();
    assert!(
        longest.is_some_and(|bytes| (6_000..6_100).contains(&bytes)),
        "{longest:?}"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_session_that_several_replicas_serve_is_whole_or_refused() {
    let lengths = [10, 700, 10, 800, 9];
    let sealer = sealer(lengths.len(), None);
    assert!(seal(&sealer, 1, &lengths).is_ok());
    for (lengths, server, length) in [
        ([10, 4_000, 10, 4_100, 9], 3, 4_104),
        ([5_000, 1, 1, 1, 1], 0, 5_004),
        ([1_000; 5], 0, 1_004),
    ] {
        assert_eq!(
            seal(&sealer, 1, &lengths),
            Err(SealError::TooLong {
                server: ServerId::from_index(server),
                length
            })
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_cannot_be_kept_is_refused() {
    let store = Rc::new(MemoryStore::default());
    let too_long = |lengths: &[usize]| {
        let sealed = seal(&sealer(lengths.len(), Some(&store)), 1, lengths);
        matches!(sealed, Err(SealError::TooLong { .. }))
    };
    assert!(too_long(&[60_000, 60_000]));
    // The session is too long even without the session ids of the servers.
    assert!(too_long(&[10; 1_200]));
    assert!(store.0.borrow().is_empty());
}

#[wasm_bindgen_test(unsupported = test)]
fn the_oldest_session_makes_room_and_the_table_does_not_grow() {
    let store = Rc::new(MemoryStore::default());
    let sealer = sealer(1, Some(&store));
    let sealed: Vec<String> = (0..1_500)
        .map(|at| seal(&sealer, at, &[6_000]).unwrap())
        .collect();
    for (at, text) in sealed.iter().enumerate() {
        let opened = sealer.open(text, b"/mcp", None, NOW);
        let is_there = at >= 1_500 - 1_024;
        let opened = opened.map(|opened| Rc::unwrap_or_clone(opened.session));
        assert_eq!(opened, is_there.then(|| session(at, &[6_000])), "{at}");
    }
    // The counter is one of them.
    assert_eq!(store.0.borrow().len(), 1_025);
}

#[wasm_bindgen_test(unsupported = test)]
fn only_the_process_that_keeps_the_ids_opens_the_session() {
    let (store, other) = (
        Rc::new(MemoryStore::default()),
        Rc::new(MemoryStore::default()),
    );
    let text = seal(&sealer(1, Some(&store)), 1, &[6_000]).unwrap();
    for stranger in [sealer(1, Some(&other)), sealer(1, None)] {
        assert_eq!(stranger.open(&text, b"/mcp", None, NOW), None);
    }
    // A slot may contain any bytes.
    for value in [&b""[..], &[0; 16], &[0; 40]] {
        store.set("mcp-gateway.session-ids.0", value);
        let opened = sealer(1, Some(&store)).open(&text, b"/mcp", None, NOW);
        assert_eq!(opened, None, "{value:?}");
    }
}
