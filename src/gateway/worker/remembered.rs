//! A table of limited size. When it is full, the entry is removed that was added or renewed the
//! longest time ago. Each operation takes about the same time, however many entries there are.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};

use crate::memory::{HeldBytes, OVERHEAD};

/// A table of limited size. It finds keys by a secret hash of 64 bits, so all tables share the code
/// that keeps the order. Of two keys with the same hash, which nobody can find, the table has one.
pub struct Remembered<K, V> {
    most_entries: usize,
    /// `None` where only the number of entries is limited.
    most_bytes: Option<usize>,
    hasher: RandomState,
    /// The entries by the hashes of their keys.
    entries: HashMap<u64, RememberedEntry<K, V>>,
    /// The hashes of the keys, in the order in which their entries are removed.
    order: BTreeMap<u64, u64>,
    last: u64,
    bytes: usize,
    /// The memory that the table itself takes up.
    memory: HeldBytes,
}

struct RememberedEntry<K, V> {
    key: K,
    value: V,
    bytes: usize,
    at: u64,
}

impl<K: Eq + Hash, V> Remembered<K, V> {
    /// A table with at most this many entries, which have at most this many bytes together, if
    /// their bytes are limited.
    pub fn new(most_entries: usize, most_bytes: Option<usize>) -> Self {
        Self {
            most_entries,
            most_bytes,
            hasher: RandomState::new(),
            entries: HashMap::new(),
            order: BTreeMap::new(),
            last: 0,
            bytes: 0,
            memory: HeldBytes::default(),
        }
    }

    /// From now on, the entries have at most this many bytes together.
    pub fn limit_bytes(&mut self, most_bytes: usize) {
        self.most_bytes = Some(most_bytes);
        self.shrink();
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
        self.bytes = 0;
        self.measure();
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a new entry would replace an older one.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= self.most_entries
    }

    /// The value under `key`.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let entry = self.entries.get(&self.hasher.hash_one(key))?;
        (entry.key.borrow() == key).then_some(&entry.value)
    }

    /// The value under `key`, mutable.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let entry = self.entries.get_mut(&self.hasher.hash_one(key))?;
        (entry.key.borrow() == key).then_some(&mut entry.value)
    }

    /// Makes the entry under `key` the last one to be removed.
    pub fn renew<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        if let Some(entry) = self.entries.get_mut(&hash)
            && entry.key.borrow() == key
        {
            self.order.remove(&entry.at);
            self.last = self.last.wrapping_add(1);
            entry.at = self.last;
            self.order.insert(self.last, hash);
        }
    }

    /// Adds a value that has this many `bytes`, and replaces an older one under `key`. Other
    /// entries are removed if the table is too full. A value that is larger than the limit by
    /// itself is not added.
    pub fn insert(&mut self, key: K, value: V, bytes: usize) {
        let hash = self.hasher.hash_one(&key);
        self.remove_hash(hash);
        if self.is_too_much(bytes) {
            return;
        }
        self.last = self.last.wrapping_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        let at = self.last;
        self.order.insert(at, hash);
        let entry = RememberedEntry {
            key,
            value,
            bytes,
            at,
        };
        self.entries.insert(hash, entry);
        self.shrink();
    }

    /// Removes the entry under `key`.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let entry = self.entries.get(&hash)?;
        if entry.key.borrow() != key {
            return None;
        }
        self.remove_hash(hash)
    }

    fn remove_hash(&mut self, hash: u64) -> Option<V> {
        let entry = self.entries.remove(&hash)?;
        self.order.remove(&entry.at);
        self.bytes = self.bytes.saturating_sub(entry.bytes);
        self.measure();
        Some(entry.value)
    }

    /// Removes the entries for whose keys `is_kept` is `false`.
    pub fn retain(&mut self, is_kept: impl Fn(&K) -> bool) {
        let gone = self.entries.iter().filter(|(_, it)| !is_kept(&it.key));
        for hash in gone.map(|(hash, _)| *hash).collect::<Vec<_>>() {
            self.remove_hash(hash);
        }
    }

    /// The entries, in the order in which they are removed.
    pub fn oldest(&self) -> impl Iterator<Item = (&K, &V)> {
        let entries = self
            .order
            .values()
            .filter_map(|hash| self.entries.get(hash));
        entries.map(|entry| (&entry.key, &entry.value))
    }

    /// Whether `bytes` are more than all entries may have together.
    fn is_too_much(&self, bytes: usize) -> bool {
        self.most_bytes.is_some_and(|most| bytes > most)
    }

    fn shrink(&mut self) {
        while self.entries.len() > self.most_entries || self.is_too_much(self.bytes) {
            let Some((_, hash)) = self.order.pop_first() else {
                break;
            };
            self.remove_hash(hash);
        }
        self.measure();
    }

    fn measure(&mut self) {
        let each = size_of::<RememberedEntry<K, V>>().saturating_add(OVERHEAD);
        self.memory.set(self.entries.len().saturating_mul(each));
    }
}

/// `Debug` shows only the sizes: keys may contain credentials.
impl<K, V> fmt::Debug for Remembered<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered")
            .field("entries", &self.entries.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn what_was_added_or_renewed_longest_ago_goes_first() {
        let mut table = Remembered::new(3, None);
        for key in ["a", "b", "c"] {
            table.insert(key, (), 1);
        }
        table.renew(&"a");
        table.insert("d", (), 1);
        let keys: Vec<_> = table.oldest().map(|(key, ())| *key).collect();
        assert_eq!(keys, ["c", "a", "d"]);
        table.insert("c", (), 1);
        let keys: Vec<_> = table.oldest().map(|(key, ())| *key).collect();
        assert_eq!(keys, ["a", "d", "c"]);
        assert!(table.is_full());
        assert_eq!(table.remove(&"d"), Some(()));
        assert!(!table.is_full());
        table.retain(|key| *key != "a");
        assert_eq!(table.count(), 1);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn entries_have_no_more_bytes_than_allowed_in_any_order() {
        let before = crate::memory::held();
        let mut table = Remembered::new(50, Some(1000));
        let mut number: usize = 1;
        for step in 0..10_000 {
            number = (number * 7919 + step) % 100_003;
            match number % 4 {
                0 => drop(table.remove(&(number % 97))),
                1 => table.renew(&(number % 97)),
                _ => table.insert(number % 97, number, number % 300),
            }
            let bytes: usize = table.oldest().map(|(_, number)| number % 300).sum();
            assert_eq!(table.bytes, bytes, "{step}");
            assert!(bytes <= 1000 && table.count() <= 50, "{step}");
            assert_eq!(table.order.len(), table.count(), "{step}");
        }
        assert!(table.count() > 3);
        table.limit_bytes(0);
        assert!(table.oldest().all(|(_, number)| number % 300 == 0));
        table.insert(1, 1001, 1001);
        assert_eq!(table.get(&1), None, "it is too long");
        drop(table);
        assert_eq!(crate::memory::held(), before);
    }
}
