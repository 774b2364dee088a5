//! The host's key-value store, which all workers of one Envoy process share.

/// A store of bytes that the workers of one Envoy share.
pub trait Store: std::fmt::Debug {
    /// The value of `key`.
    fn get(&self, key: &str) -> Option<Vec<u8>>;
    /// Sets the value of `key`. That may fail without notice.
    fn set(&self, key: &str, value: &[u8]);
    /// Adds one to the number at `key`, which starts at 0. Gives the number before.
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

/// A store that keeps nothing.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct NoStore;

#[cfg(test)]
impl Store for NoStore {
    fn get(&self, _: &str) -> Option<Vec<u8>> {
        None
    }
    fn set(&self, _: &str, _: &[u8]) {}
}
