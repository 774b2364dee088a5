//! A table of limited size. When it is full, the entry is removed that was added or renewed the
//! longest time ago. Each operation takes about the same time, however many entries there are.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};

use crate::memory::{HeldBytes, OVERHEAD};

/// A table of limited size. It finds keys by a secret hash of 64 bits. Of two keys with the same
/// hash, which nobody can find, the table has one.
pub struct Remembered<K, V> {
    hasher: RandomState,
    index: EntryIndex,
    /// The entries, at their places in the index.
    entries: Vec<Option<(K, V)>>,
    /// The memory that the table itself takes up.
    memory: HeldBytes,
}

/// The places of the entries, and the order in which they are removed. All tables share this code.
struct EntryIndex {
    most_entries: usize,
    /// `None` where only the number of entries is limited.
    most_bytes: Option<usize>,
    /// By the hashes of the keys.
    places: HashMap<u64, IndexedEntry>,
    /// The hashes of the keys, in the order in which their entries are removed.
    order: BTreeMap<u64, u64>,
    last: u64,
    bytes: usize,
    /// The places of entries that were removed.
    free: Vec<usize>,
}

struct IndexedEntry {
    place: usize,
    bytes: usize,
    at: u64,
}

impl<K: Eq + Hash, V> Remembered<K, V> {
    /// A table with at most this many entries, which have at most this many bytes together, if
    /// their bytes are limited.
    pub fn new(most_entries: usize, most_bytes: Option<usize>) -> Self {
        Self {
            hasher: RandomState::new(),
            index: EntryIndex {
                most_entries,
                most_bytes,
                places: HashMap::new(),
                order: BTreeMap::new(),
                last: 0,
                bytes: 0,
                free: Vec::new(),
            },
            entries: Vec::new(),
            memory: HeldBytes::default(),
        }
    }

    /// From now on, the entries have at most this many bytes together.
    pub fn limit_bytes(&mut self, most_bytes: usize) {
        self.index.most_bytes = Some(most_bytes);
        self.shrink();
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        self.index.clear();
        self.entries.clear();
        self.measure();
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.index.places.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.index.places.is_empty()
    }

    /// Whether a new entry would replace an older one.
    pub fn is_full(&self) -> bool {
        self.index.places.len() >= self.index.most_entries
    }

    /// The hash and the place of the entry under `key`.
    fn find<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<(u64, usize)>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let place = self.index.places.get(&hash)?.place;
        let (known, _) = self.entries.get(place)?.as_ref()?;
        (known.borrow() == key).then_some((hash, place))
    }

    /// The value under `key`.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (_, place) = self.find(key)?;
        self.entries.get(place)?.as_ref().map(|(_, value)| value)
    }

    /// The value under `key`, mutable.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (_, place) = self.find(key)?;
        let entry = self.entries.get_mut(place)?.as_mut();
        entry.map(|(_, value)| value)
    }

    /// Makes the entry under `key` the last one to be removed.
    pub fn renew<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some((hash, _)) = self.find(key) {
            self.index.renew(hash);
        }
    }

    /// Adds a value that has this many `bytes`, and replaces an older one under `key`. Other
    /// entries are removed if the table is too full. A value that is larger than the limit by
    /// itself is not added.
    pub fn insert(&mut self, key: K, value: V, bytes: usize) {
        let hash = self.hasher.hash_one(&key);
        self.remove_hash(hash);
        if self.index.is_too_much(bytes) {
            return;
        }
        let place = self.index.insert(hash, bytes);
        let entry = Some((key, value));
        match self.entries.get_mut(place) {
            Some(free) => *free = entry,
            None => self.entries.push(entry),
        }
        self.shrink();
    }

    /// Removes the entry under `key`.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (hash, _) = self.find(key)?;
        self.remove_hash(hash)
    }

    #[inline(never)]
    fn remove_hash(&mut self, hash: u64) -> Option<V> {
        let place = self.index.remove(hash)?;
        let entry = self.entries.get_mut(place)?.take();
        self.measure();
        entry.map(|(_, value)| value)
    }

    /// Removes the entries for whose keys `is_kept` is `false`.
    pub fn retain(&mut self, is_kept: impl Fn(&K) -> bool) {
        let is_gone = |place: &IndexedEntry| {
            let entry = self.entries.get(place.place).and_then(Option::as_ref);
            entry.is_some_and(|(key, _)| !is_kept(key))
        };
        let gone = self.index.places.iter().filter(|(_, place)| is_gone(place));
        for hash in gone.map(|(hash, _)| *hash).collect::<Vec<_>>() {
            self.remove_hash(hash);
        }
    }

    /// The entries, in the order in which they are removed.
    pub fn oldest(&self) -> impl Iterator<Item = (&K, &V)> {
        let order = self.index.order.values();
        let places = order.filter_map(|hash| self.index.places.get(hash));
        let entries = places.filter_map(|place| self.entries.get(place.place)?.as_ref());
        entries.map(|(key, value)| (key, value))
    }

    fn shrink(&mut self) {
        while let Some(hash) = self.index.excess() {
            self.remove_hash(hash);
        }
        self.measure();
    }

    fn measure(&mut self) {
        let each = size_of::<(K, V)>().saturating_add(size_of::<IndexedEntry>());
        let each = each.saturating_add(OVERHEAD);
        self.memory
            .set(self.index.places.len().saturating_mul(each));
    }
}

impl EntryIndex {
    fn clear(&mut self) {
        self.places.clear();
        self.order.clear();
        self.free.clear();
        self.bytes = 0;
    }

    /// Adds an entry of this many `bytes`, and gives its place: a free one, or the one after all
    /// others.
    fn insert(&mut self, hash: u64, bytes: usize) -> usize {
        let place = self.free.pop().unwrap_or(self.places.len());
        self.last = self.last.wrapping_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        let at = self.last;
        self.order.insert(at, hash);
        self.places.insert(hash, IndexedEntry { place, bytes, at });
        place
    }

    /// Makes an entry the last one to be removed.
    fn renew(&mut self, hash: u64) {
        if let Some(place) = self.places.get_mut(&hash) {
            self.order.remove(&place.at);
            self.last = self.last.wrapping_add(1);
            place.at = self.last;
            self.order.insert(self.last, hash);
        }
    }

    /// Removes an entry, and gives its place, which is free now.
    fn remove(&mut self, hash: u64) -> Option<usize> {
        let IndexedEntry { place, bytes, at } = self.places.remove(&hash)?;
        self.order.remove(&at);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.free.push(place);
        Some(place)
    }

    /// Whether `bytes` are more than all entries may have together.
    fn is_too_much(&self, bytes: usize) -> bool {
        self.most_bytes.is_some_and(|most| bytes > most)
    }

    /// The entry to remove next, if the table is too full.
    fn excess(&self) -> Option<u64> {
        let is_excess = self.places.len() > self.most_entries || self.is_too_much(self.bytes);
        self.order.values().next().copied().filter(|_| is_excess)
    }
}

/// `Debug` shows only the sizes: keys may contain credentials.
impl<K, V> fmt::Debug for Remembered<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered")
            .field("entries", &self.index.places.len())
            .field("bytes", &self.index.bytes)
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
            assert_eq!(table.index.bytes, bytes, "{step}");
            assert!(bytes <= 1000 && table.count() <= 50, "{step}");
            assert_eq!(table.index.order.len(), table.count(), "{step}");
            assert!(table.entries.len() <= 51, "places are used again");
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
