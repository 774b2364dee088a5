//! Pages that are kept as their servers allow, for all clients and workers of
//! this Envoy.
//!
//! The host's store never forgets, so it is a table of fixed size: a page
//! stands in the slot that its key leads to, until another needs it. What a
//! worker has read of it, it keeps ready for use.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use super::freshness::Freshness;
use super::kind::Kind;
use super::page::Page;
use crate::config::Server;
use crate::seal;

/// Slots of the host's table, for each plugin of a VM together.
const SLOTS: u16 = 512;
/// Longer pages are not kept, in bytes.
const LONGEST: usize = 262_144;
/// What a worker keeps ready, in bytes of entries.
const MOST: usize = 16_777_216;

/// What the workers of one Envoy share.
pub trait Store: std::fmt::Debug {
    /// What stands under `key`.
    fn get(&self, key: &str) -> Option<Vec<u8>>;
    /// Writes what stands under `key`. It may fail: then nothing is kept.
    fn set(&self, key: &str, value: &[u8]);
}

/// Names a page by everything that its content depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of a page: `plugin` names this plugin in its VM; the client's
    /// part is its protocol version and capabilities.
    pub fn new(
        plugin: &str,
        server: &Server,
        kind: Kind,
        cursor: Option<&str>,
        protocol_version: &str,
        capabilities: &str,
    ) -> Self {
        let parts = [
            plugin.as_bytes(),
            &server.identity,
            kind.method().as_bytes(),
            if cursor.is_some() { b"1" } else { b"0" },
            cursor.unwrap_or_default().as_bytes(),
            protocol_version.as_bytes(),
            capabilities.as_bytes(),
        ];
        Self(seal::digest(&parts))
    }

    fn slot(self) -> String {
        let [first, second, ..] = self.0;
        let number = u16::from_le_bytes([first, second]).checked_rem(SLOTS);
        format!("mcp-gateway.page.{}", number.unwrap_or_default())
    }
}

/// The pages that one worker knows.
#[derive(Debug)]
pub struct Pages {
    store: Rc<dyn Store>,
    ready: HashMap<Key, Kept>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    page: Rc<Page>,
    /// Since the clock's start.
    until: Duration,
}

impl Kept {
    /// What is left of it at `now`.
    fn fresh(&self, now: Duration) -> Option<(Rc<Page>, Freshness)> {
        let left = self.until.checked_sub(now)?.as_millis();
        let freshness = Freshness {
            ttl_ms: u64::try_from(left).ok().filter(|left| *left > 0)?,
            // Nothing else is kept.
            public: true,
        };
        Some((Rc::clone(&self.page), freshness))
    }
}

impl Pages {
    /// Pages in `store`.
    pub fn new(store: Rc<dyn Store>) -> Self {
        Self {
            store,
            ready: HashMap::new(),
            bytes: 0,
        }
    }

    /// The page under `key`, if it is there and `now` still fresh; `read` makes
    /// one of the text that [`Pages::keep`] was given, by this worker or another.
    pub fn get(
        &mut self,
        key: Key,
        now: Duration,
        read: impl FnOnce(&str) -> Option<Page>,
    ) -> Option<(Rc<Page>, Freshness)> {
        if let Some(found) = self.ready.get(&key).and_then(|kept| kept.fresh(now)) {
            return Some(found);
        }
        let stored = self.store.get(&key.slot())?;
        let (until, result) = Stored::read(&stored, key)?;
        let kept = Kept {
            page: Rc::new(read(result)?),
            until,
        };
        let found = kept.fresh(now)?;
        self.insert(key, kept, now);
        Some(found)
    }

    /// Keeps `page`, whose text is `result`, from `now` for `ttl`.
    pub fn keep(
        &mut self,
        key: Key,
        (page, result): (&Rc<Page>, &str),
        now: Duration,
        ttl: Duration,
    ) {
        if result.len() > LONGEST {
            return;
        }
        let kept = Kept {
            page: Rc::clone(page),
            until: now.saturating_add(ttl),
        };
        self.store
            .set(&key.slot(), &Stored::write(key, kept.until, result));
        self.insert(key, kept, now);
    }

    fn insert(&mut self, key: Key, kept: Kept, now: Duration) {
        self.bytes = self.bytes.saturating_add(kept.page.bytes);
        if let Some(old) = self.ready.insert(key, kept) {
            self.bytes = self.bytes.saturating_sub(old.page.bytes);
        }
        if self.bytes <= MOST && self.ready.len() <= usize::from(SLOTS) {
            return;
        }
        self.ready.retain(|_, kept| kept.until > now);
        self.bytes = self.ready.values().map(|kept| kept.page.bytes).sum();
        if self.bytes > MOST || self.ready.len() > usize::from(SLOTS) {
            self.ready.clear();
            self.bytes = 0;
        }
    }
}

/// What stands in a slot: the whole key, since several lead there; the end in
/// milliseconds, little-endian; the text.
struct Stored;

impl Stored {
    fn write(key: Key, until: Duration, result: &str) -> Vec<u8> {
        let mut out = key.0.to_vec();
        let until = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        out.extend_from_slice(&until.to_le_bytes());
        out.extend_from_slice(result.as_bytes());
        out
    }

    fn read(bytes: &[u8], key: Key) -> Option<(Duration, &str)> {
        let (have, rest) = bytes.split_first_chunk::<32>()?;
        let (until, result) = rest.split_first_chunk::<8>()?;
        (*have == key.0).then_some(())?;
        let until = Duration::from_millis(u64::from_le_bytes(*until));
        Some((until, std::str::from_utf8(result).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::cell::RefCell;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[derive(Debug, Default, Clone)]
    struct Shared(Rc<RefCell<HashMap<String, Vec<u8>>>>);

    impl Store for Shared {
        fn get(&self, key: &str) -> Option<Vec<u8>> {
            self.0.borrow().get(key).cloned()
        }
        fn set(&self, key: &str, value: &[u8]) {
            self.0.borrow_mut().insert(key.into(), value.into());
        }
    }

    const RESULT: &str = r#"{"tools":[{"name":"x"}]}"#;

    fn servers() -> Vec<Server> {
        let config = br#"{"servers":[{"name":"a"},{"name":"b"}]}"#;
        Config::parse(config).unwrap().gateway.unwrap().servers
    }

    fn key(of: &str) -> Key {
        Key::new(of, &servers()[0], Kind::Tools, None, "v", "{}")
    }

    fn read(result: &str) -> Option<Page> {
        Page::read(Kind::Tools, &servers()[0], result).ok()
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn keep(pages: &mut Pages, key: Key, result: &str) {
        let page = Rc::new(read(result).unwrap());
        pages.keep(key, (&page, result), SECOND, SECOND);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_page_is_there_for_every_worker_until_its_time_is_up() {
        let shared = Shared::default();
        let (mut one, mut other) = (
            Pages::new(Rc::new(shared.clone())),
            Pages::new(Rc::new(shared)),
        );
        keep(&mut one, key("p"), RESULT);
        for pages in [&mut one, &mut other] {
            for (ms, left) in [
                (1000, Some(1000)),
                (1400, Some(600)),
                (1999, Some(1)),
                (2000, None),
            ] {
                let found = pages.get(key("p"), Duration::from_millis(ms), read);
                assert_eq!(found.as_ref().map(|(_, freshness)| freshness.ttl_ms), left);
                if let Some((page, freshness)) = found {
                    assert!(freshness.public);
                    assert_eq!(page.entries[0].name, "a__x");
                }
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn everything_that_a_page_depends_on_is_in_its_key() {
        let servers = servers();
        let of = |plugin, server: usize, kind, cursor, version, capabilities| {
            Key::new(
                plugin,
                &servers[server],
                kind,
                cursor,
                version,
                capabilities,
            )
        };
        let all = [
            of("p", 0, Kind::Tools, None, "v", "{}"),
            of("q", 0, Kind::Tools, None, "v", "{}"),
            of("p", 1, Kind::Tools, None, "v", "{}"),
            of("p", 0, Kind::Prompts, None, "v", "{}"),
            of("p", 0, Kind::Tools, Some(""), "v", "{}"),
            of("p", 0, Kind::Tools, Some("c"), "v", "{}"),
            of("p", 0, Kind::Tools, None, "w", "{}"),
            of("p", 0, Kind::Tools, None, "v{", "}"),
            of("p", 0, Kind::Tools, None, "v", "{ }"),
        ];
        for (at, key) in all.iter().enumerate() {
            assert!(!all[..at].contains(key), "{at}");
        }
        assert_eq!(all[0], of("p", 0, Kind::Tools, None, "v", "{}"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_table_does_not_grow_and_a_slot_is_its_last_pages() {
        let shared = Shared::default();
        let mut pages = Pages::new(Rc::new(shared.clone()));
        for n in 0..3000 {
            keep(&mut pages, key(&n.to_string()), RESULT);
        }
        assert!(shared.0.borrow().len() <= usize::from(SLOTS));
        assert!(pages.ready.len() <= usize::from(SLOTS));
        let mut other = Pages::new(Rc::new(shared));
        let there = (0..3000).filter(|n| other.get(key(&n.to_string()), SECOND, read).is_some());
        assert!((400..=512).contains(&there.count()));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn long_pages_and_broken_slots_are_no_pages() {
        let shared = Shared::default();
        let mut pages = Pages::new(Rc::new(shared.clone()));
        let long = format!(r#"{{"tools":[],"x":"{}"}}"#, " ".repeat(LONGEST));
        keep(&mut pages, key("p"), &long);
        assert_eq!(shared.0.borrow().len(), 0);
        assert!(pages.get(key("p"), SECOND, read).is_none());
        for broken in [&b""[..], &[0; 40], &key("p").0] {
            shared.set(&key("p").slot(), broken);
            assert!(pages.get(key("p"), SECOND, read).is_none());
        }
    }
}
