//! How the rest of the filter refers to a server.

/// Names a server within one configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(u16);

impl ServerId {
    /// The server at this position among the enabled ones; `None` where no
    /// configuration has so many.
    pub fn from_index(index: usize) -> Option<Self> {
        index.try_into().ok().map(Self)
    }

    /// Its position as two bytes, big-endian.
    pub fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }

    /// Its position among the enabled ones.
    pub fn index(self) -> usize {
        self.0.into()
    }
}
