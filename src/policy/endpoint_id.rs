//! The id of an endpoint, by which rules know the endpoint that a caller uses.

/// The id of an endpoint within one configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EndpointId(u16);

impl EndpointId {
    /// The endpoint with this index; `None` where the index is too large for any configuration.
    pub fn from_index(index: usize) -> Option<Self> {
        index.try_into().ok().map(Self)
    }

    /// Its index among the endpoints.
    pub fn index(self) -> usize {
        self.0.into()
    }
}
