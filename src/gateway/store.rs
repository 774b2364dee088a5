//! The host's key-value store, which all workers of one Envoy process share.

/// A store of bytes that the workers of one Envoy share.
pub trait Store {
    /// The value of `key`.
    fn get(&self, key: &str) -> Option<Vec<u8>>;
    /// Sets the value of `key`. If this fails, the caller does not notice it.
    fn set(&self, key: &str, value: &[u8]);
    /// Adds one to the number at `key`, which starts at 0. Gives the number before the addition.
    fn increment(&self, key: &str) -> u64 {
        let number = number(self.get(key));
        self.set(key, &number.wrapping_add(1).to_be_bytes());
        number
    }
}

/// The number that [`Store::increment`] wrote; 0 where there is none.
pub fn number(value: Option<Vec<u8>>) -> u64 {
    let bytes = value.and_then(|value| value.try_into().ok());
    u64::from_be_bytes(bytes.unwrap_or_default())
}

/// The name of the slot for the value with this `digest`, in a `table` with this many `slots`. The
/// number of slots is fixed because the host's store cannot delete: a new value replaces the one
/// that was in its slot.
pub fn slot(table: &str, digest: &[u8], slots: u16) -> String {
    let number = digest.first_chunk().copied().map_or(0, u16::from_le_bytes);
    let number = number.checked_rem(slots).unwrap_or(0);
    format!("mcp-gateway.{table}.{number}")
}

/// A store in memory. Its clones are the same store.
#[cfg(test)]
#[derive(Default, Clone)]
pub(crate) struct MemoryStore(
    pub(crate) std::rc::Rc<std::cell::RefCell<std::collections::HashMap<String, Vec<u8>>>>,
);

#[cfg(test)]
impl Store for MemoryStore {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.0.borrow().get(key).cloned()
    }
    fn set(&self, key: &str, value: &[u8]) {
        self.0.borrow_mut().insert(key.to_owned(), value.to_vec());
    }
}

/// A store that keeps nothing.
#[cfg(test)]
pub(crate) struct NoStore;

#[cfg(test)]
impl Store for NoStore {
    fn get(&self, _: &str) -> Option<Vec<u8>> {
        None
    }
    fn set(&self, _: &str, _: &[u8]) {}
}
