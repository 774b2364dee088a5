//! Pages of lists, kept for as long as the servers allow, for all clients and all workers of this
//! Envoy.
//!
//! The store is a table of fixed size. The key of a page determines its slot, and a new page
//! replaces the old one in the slot. Each worker also keeps the pages that it has read.

use std::rc::Rc;
use std::time::Duration;

use crate::gateway::store::{self, Store};
use crate::gateway::upstream::list_page::ListPage;
use crate::gateway::upstream::page_key::PageKey;
use crate::gateway::worker::remembered::Remembered;
use crate::mcp::cache_hints::CacheHints;

/// The slots of the table, which all plugins of a VM share.
const SLOTS: u16 = 512;
/// The longest page that is kept, in bytes.
const LONGEST: usize = 262_144;
/// The most memory of the pages that each worker keeps, in bytes.
const MOST: usize = 16_777_216;

/// The pages that one worker keeps.
pub struct PageCache {
    store: Rc<dyn Store>,
    ready: Remembered<PageKey, CachedPage>,
}

struct CachedPage {
    page: Rc<ListPage>,
    /// When the page becomes stale, in time since 1970.
    until: Duration,
}

impl CachedPage {
    /// The page and how long it stays fresh after `now`; `None` where it is stale.
    fn fresh(&self, now: Duration) -> Option<(Rc<ListPage>, CacheHints)> {
        let left = self.until.checked_sub(now)?.as_millis();
        let cache_hints = CacheHints {
            ttl_ms: u64::try_from(left).ok().filter(|left| *left > 0)?,
            // Only public pages are kept.
            public: true,
        };
        Some((Rc::clone(&self.page), cache_hints))
    }
}

impl PageCache {
    /// `store` keeps the pages.
    pub fn new(store: Rc<dyn Store>) -> Self {
        Self {
            store,
            ready: Remembered::new(usize::from(SLOTS), Some(MOST)),
        }
    }

    /// From now on, keeps at most this many bytes in this worker.
    pub fn limit_bytes(&mut self, most: usize) {
        self.ready.limit_bytes(most.min(MOST));
    }

    /// Forgets the pages that this worker has read. Those in the store stay.
    pub fn clear(&mut self) {
        self.ready.clear();
    }

    /// The page under `key`; `None` where there is none, or where it is stale at `now`. `read`
    /// parses the text that this or another worker gave to [`PageCache::keep`].
    pub fn get(
        &mut self,
        key: PageKey,
        now: Duration,
        read: impl FnOnce(&str) -> Option<ListPage>,
    ) -> Option<(Rc<ListPage>, CacheHints)> {
        if let Some(kept) = self.ready.get(&key) {
            match kept.fresh(now) {
                Some(found) => return Some(found),
                None => drop(self.ready.remove(&key)),
            }
        }
        let stored = self.store.get(&slot(key))?;
        let (until, result) = StoredPage::read(&stored, key)?;
        let kept = CachedPage {
            page: Rc::new(read(result)?),
            until,
        };
        let found = kept.fresh(now)?;
        self.insert(key, kept);
        Some(found)
    }

    /// Keeps `page`, whose text is `result`, from `now` for `ttl`.
    pub fn keep(
        &mut self,
        key: PageKey,
        page: &Rc<ListPage>,
        result: &str,
        now: Duration,
        ttl: Duration,
    ) {
        if result.len() > LONGEST {
            return;
        }
        let kept = CachedPage {
            page: Rc::clone(page),
            until: now.saturating_add(ttl),
        };
        self.store
            .set(&slot(key), &StoredPage::write(key, kept.until, result));
        self.insert(key, kept);
    }

    fn insert(&mut self, key: PageKey, kept: CachedPage) {
        let bytes = kept.page.held.bytes();
        self.ready.insert(key, kept, bytes);
    }
}

/// The name of the slot for `key`.
fn slot(key: PageKey) -> String {
    store::slot("page", &key.0, SLOTS)
}

/// The content of a slot: the whole key, since other keys have the same slot; when the page becomes
/// stale, in milliseconds, little-endian; and the text of the result.
struct StoredPage;

impl StoredPage {
    fn write(key: PageKey, until: Duration, result: &str) -> Vec<u8> {
        let mut out = key.0.to_vec();
        let until = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        out.extend_from_slice(&until.to_le_bytes());
        out.extend_from_slice(result.as_bytes());
        out
    }

    fn read(bytes: &[u8], key: PageKey) -> Option<(Duration, &str)> {
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
    use crate::config::Server;
    use crate::gateway::store::MemoryStore;
    use crate::mcp::client_capabilities::ClientCapabilities;
    use crate::mcp::list::ListKind;
    use wasm_bindgen_test::wasm_bindgen_test;

    const RESULT: &str = r#"{"tools":[{"name":"x"}]}"#;

    fn servers() -> Vec<Server> {
        let config = br#"{"servers":[{"name":"a"},{"name":"b"}]}"#;
        Config::parse(config).unwrap().gateway.unwrap().servers
    }

    fn key(of: &str) -> PageKey {
        PageKey::new(
            of,
            &servers()[0],
            ListKind::Tools,
            None,
            Some("v"),
            ClientCapabilities::NONE,
        )
    }

    fn read(result: &str) -> Option<ListPage> {
        ListPage::parse(ListKind::Tools, &servers()[0], result, usize::MAX).ok()
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn keep(pages: &mut PageCache, key: PageKey, result: &str) {
        let page = Rc::new(read(result).unwrap());
        pages.keep(key, &page, result, SECOND, SECOND);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_page_is_there_for_every_worker_until_its_time_is_up() {
        let shared = MemoryStore::default();
        let (mut one, mut other) = (
            PageCache::new(Rc::new(shared.clone())),
            PageCache::new(Rc::new(shared)),
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
                assert_eq!(
                    found.as_ref().map(|(_, cache_hints)| cache_hints.ttl_ms),
                    left
                );
                if let Some((page, cache_hints)) = found {
                    assert!(cache_hints.public);
                    assert_eq!(page.entries[0].name, "a__x");
                }
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn everything_that_a_page_depends_on_is_in_its_key() {
        let servers = servers();
        let of = |plugin, server: usize, kind, cursor, version, capabilities| {
            PageKey::new(
                plugin,
                &servers[server],
                kind,
                cursor,
                version,
                ClientCapabilities::read(capabilities).0,
            )
        };
        let all = [
            of("p", 0, ListKind::Tools, None, Some("v"), "{}"),
            of("q", 0, ListKind::Tools, None, Some("v"), "{}"),
            of("p", 1, ListKind::Tools, None, Some("v"), "{}"),
            of("p", 0, ListKind::Prompts, None, Some("v"), "{}"),
            of("p", 0, ListKind::Tools, Some(""), Some("v"), "{}"),
            of("p", 0, ListKind::Tools, Some("c"), Some("v"), "{}"),
            of("p", 0, ListKind::Tools, None, Some("w"), "{}"),
            of("p", 0, ListKind::Tools, None, Some("v{"), "}"),
            of("p", 0, ListKind::Tools, None, Some("v"), r#"{"roots":{}}"#),
            of("p", 0, ListKind::Tools, None, None, "{}"),
        ];
        for (at, key) in all.iter().enumerate() {
            assert!(!all[..at].contains(key), "{at}");
        }
        assert_eq!(all[0], of("p", 0, ListKind::Tools, None, Some("v"), "{}"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn endpoints_share_the_text_of_a_page_and_each_reads_it_for_itself() {
        let config = br#"{"servers":[{"name":"a"}],"endpoints":[{"path":"/1"},{"path":"/2","tools":{"exclude":["x"]}}]}"#;
        let gateway = Config::parse(config).unwrap().gateway.unwrap();
        let [one, two] = [0, 1].map(|at| &gateway.views[at].servers[0]);
        let key = |server| {
            let (kind, none) = (ListKind::Tools, ClientCapabilities::NONE);
            PageKey::new("p", server, kind, None, None, none)
        };
        assert_ne!(key(one), key(two));
        assert_eq!(slot(key(one)), slot(key(two)));
        let read = |server| {
            move |text: &str| ListPage::parse(ListKind::Tools, server, text, usize::MAX).ok()
        };
        let mut pages = PageCache::new(Rc::new(MemoryStore::default()));
        let page = Rc::new(read(one)(RESULT).unwrap());
        pages.keep(key(one), &page, RESULT, SECOND, SECOND);
        for (server, entries) in [(two, 0), (one, 1), (two, 0)] {
            let (found, _) = pages.get(key(server), SECOND, read(server)).unwrap();
            assert_eq!(found.entries.len(), entries);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_table_does_not_grow_and_a_slot_is_its_last_pages() {
        let shared = MemoryStore::default();
        let mut pages = PageCache::new(Rc::new(shared.clone()));
        for n in 0..3000 {
            keep(&mut pages, key(&n.to_string()), RESULT);
        }
        assert!(shared.0.borrow().len() <= usize::from(SLOTS));
        assert!(pages.ready.count() <= usize::from(SLOTS));
        let mut other = PageCache::new(Rc::new(shared));
        let there = (0..3000).filter(|n| other.get(key(&n.to_string()), SECOND, read).is_some());
        assert!((400..=512).contains(&there.count()));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn long_pages_and_broken_slots_are_no_pages() {
        let shared = MemoryStore::default();
        let mut pages = PageCache::new(Rc::new(shared.clone()));
        let long = format!(r#"{{"tools":[],"x":"{}"}}"#, " ".repeat(LONGEST));
        keep(&mut pages, key("p"), &long);
        assert_eq!(shared.0.borrow().len(), 0);
        assert!(pages.get(key("p"), SECOND, read).is_none());
        for broken in [&b""[..], &[0; 40], &key("p").0] {
            shared.set(&slot(key("p")), broken);
            assert!(pages.get(key("p"), SECOND, read).is_none());
        }
    }
}
