//! What one worker remembers about pinned tools: the results of comparing lists with pins, and the
//! tools that it has logged already.

use std::collections::HashSet;
use std::time::Duration;

use crate::config::ServerPins;
use crate::gateway::store::{self, Store};
use crate::gateway::upstream::tool_pins::{PinVerdict, PinVerdicts};
use crate::memory::{HeldBytes, OVERHEAD};
use crate::seal;

/// How long the results for a list are used before the gateway asks the server again.
const LIST_TTL: Duration = Duration::from_secs(60);

/// The most lists that a worker remembers. There is one for each server, and one for each kind of
/// client that the server can distinguish. Clients can fill the table. Then the oldest list is
/// forgotten, and the gateway asks for it again.
const MOST_LISTS: usize = 1024;

/// The most bytes of these lists. The last list is kept even if it is longer.
const MOST_BYTES: usize = 4_194_304;

/// The most tools that are counted and logged: a server could list new tools without end.
const MOST_REPORTED: usize = 1024;

/// The slots of the table of reported tools, which all workers share.
const SLOTS: u16 = 1024;

/// The key of a server's list: a digest of everything that the server can know of the client.
pub type PinnedListKey = [u8; 32];

/// What a worker remembers about pinned tools.
#[derive(Default)]
pub struct KnownPins {
    /// In the order in which the worker read them.
    lists: Vec<KnownList>,
    reported: HashSet<[u8; 32]>,
}

struct KnownList {
    key: PinnedListKey,
    since: Duration,
    verdicts: PinVerdicts,
    held: HeldBytes,
}

impl KnownPins {
    /// Forgets all lists.
    pub fn forget_lists(&mut self) {
        self.lists.clear();
    }

    /// Remembers the results for the list of a server under `key`, which the worker read at `now`.
    pub fn remember(&mut self, key: PinnedListKey, verdicts: PinVerdicts, now: Duration) {
        let bytes = verdicts.bytes().saturating_add(size_of::<KnownList>());
        self.lists.retain(|list| list.key != key);
        let sizes = self.lists.iter().map(|list| list.held.bytes());
        let mut all = sizes.fold(bytes, usize::saturating_add);
        while self.lists.len() >= MOST_LISTS || (all > MOST_BYTES && !self.lists.is_empty()) {
            let oldest = self.lists.remove(0);
            all = all.saturating_sub(oldest.held.bytes());
        }
        self.lists.push(KnownList {
            key,
            since: now,
            verdicts,
            held: HeldBytes::new(bytes.saturating_add(OVERHEAD)),
        });
    }

    /// The result at `now` for the tool that the server with these `pins` calls `own`; `None` where
    /// the gateway must read the list under `key` first.
    pub fn verdict(
        &self,
        key: &PinnedListKey,
        pins: &ServerPins,
        own: &str,
        now: Duration,
    ) -> Option<PinVerdict> {
        let known = self.lists.iter().find(|list| list.key == *key)?;
        // A list in the future counts as old: the clock was set back.
        let age = now.checked_sub(known.since)?;
        (age < LIST_TTL).then(|| known.verdicts.verdict(pins, own))
    }

    /// Whether to report `what` about the tool that the server with these `pins` calls `own`: no
    /// worker of this Envoy has reported it since the plugin `plugin` has these pins, and the limit
    /// of reports is not reached.
    pub fn is_new(
        &mut self,
        store: &dyn Store,
        plugin: &str,
        pins: &ServerPins,
        what: &str,
        own: &str,
    ) -> bool {
        if self.reported.len() >= MOST_REPORTED {
            return false;
        }
        let parts = [
            plugin.as_bytes(),
            &pins.fingerprint,
            what.as_bytes(),
            own.as_bytes(),
        ];
        let digest = seal::digest(&parts);
        if !self.reported.insert(digest) {
            return false;
        }
        let slot = store::slot("pin", &digest, SLOTS);
        if store.get(&slot).is_some_and(|known| known == digest) {
            return false;
        }
        store.set(&slot, &digest);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::gateway::store::{MemoryStore, NoStore};
    use wasm_bindgen_test::wasm_bindgen_test;

    fn pins(policy: &str) -> ServerPins {
        let config = format!(
            r#"{{"servers":[{{"name":"a"}}],"pins":{{"policy":"{policy}","servers":{{"a":{{"tools":{{}}}}}}}}}}"#
        );
        let gateway = Config::parse(config.as_bytes()).unwrap().gateway.unwrap();
        gateway.servers[0].pins.clone().unwrap()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_list_is_good_for_a_minute() {
        let pins = pins("DENY");
        let mut known = KnownPins::default();
        let verdicts = PinVerdicts::of(&pins, std::iter::empty());
        let at = Duration::from_secs;
        known.remember([1; 32], verdicts, at(1000));
        for (second, verdict) in [
            (1000, Some(PinVerdict::Unlisted)),
            (1059, Some(PinVerdict::Unlisted)),
            (1060, None),
            (999, None),
        ] {
            assert_eq!(known.verdict(&[1; 32], &pins, "x", at(second)), verdict);
        }
        assert_eq!(known.verdict(&[2; 32], &pins, "x", at(1000)), None);
        known.forget_lists();
        assert_eq!(known.verdict(&[1; 32], &pins, "x", at(1000)), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn clients_cannot_fill_the_memory() {
        let (pins, before) = (pins("DENY"), crate::memory::held());
        let mut known = KnownPins::default();
        for number in 0..5000_u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_le_bytes());
            let verdicts = PinVerdicts::of(&pins, std::iter::empty());
            known.remember(key, verdicts.clone(), Duration::ZERO);
            known.remember(key, verdicts, Duration::ZERO);
            assert!(known.verdict(&key, &pins, "x", Duration::ZERO).is_some());
        }
        assert_eq!(known.lists.len(), MOST_LISTS);
        assert!(crate::memory::held() - before < 1_000_000);
        known.forget_lists();
        assert_eq!(crate::memory::held(), before);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn each_tool_is_new_once_for_all_workers() {
        let store = MemoryStore::default();
        let (deny, warn) = (pins("DENY"), pins("WARN"));
        let (mut one, mut two) = (KnownPins::default(), KnownPins::default());
        assert!(one.is_new(&store, "p", &deny, "changed", "x"));
        assert!(!one.is_new(&store, "p", &deny, "changed", "x"));
        assert!(!two.is_new(&store, "p", &deny, "changed", "x"));
        assert!(two.is_new(&store, "p", &deny, "unlisted", "x"));
        assert!(two.is_new(&store, "p", &deny, "changed", "y"));
        assert!(two.is_new(&store, "q", &deny, "changed", "x"));
        assert!(
            two.is_new(&store, "p", &warn, "changed", "x"),
            "another configuration"
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn tools_without_end_are_not_remembered() {
        let pins = pins("DENY");
        let mut known = KnownPins::default();
        let names = (0..3000).map(|number| format!("t{number}"));
        let new = names.filter(|name| known.is_new(&NoStore, "", &pins, "changed", name));
        assert_eq!(new.count(), MOST_REPORTED);
    }
}
