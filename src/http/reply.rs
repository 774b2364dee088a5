//! A local response: one that the filter sends itself.

use std::borrow::Cow;

/// Status, header fields and body of a local response.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// HTTP status code.
    pub status: u16,
    /// Header fields, without those that the host adds (`content-length`).
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// The value of Envoy's `%RESPONSE_CODE_DETAILS%`.
    pub details: &'static str,
}

impl Reply {
    /// A response without a body.
    pub fn empty(status: u16, details: &'static str) -> Self {
        Self {
            status,
            details,
            ..Self::default()
        }
    }

    /// A response with a JSON body.
    pub fn json(status: u16, body: Vec<u8>, details: &'static str) -> Self {
        Self {
            status,
            body,
            details,
            ..Self::default()
        }
        .with("content-type", "application/json")
    }

    /// The response with one more header field.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}
