//! The id of a server in the rest of the filter.

/// The id of a server within one configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(u16);

impl ServerId {
    /// The server with this index among the enabled ones; `None` where the index is too large for
    /// any configuration.
    pub fn from_index(index: usize) -> Option<Self> {
        index.try_into().ok().map(Self)
    }

    /// Its index as two bytes, big-endian.
    pub fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }

    /// Its index among the enabled servers.
    pub fn index(self) -> usize {
        self.0.into()
    }
}
