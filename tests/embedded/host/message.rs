//! The messages of a scenario: what the client and the servers send, and what of it arrives.

use super::headers::Headers;
use std::time::Duration;

/// A client's request, and the pieces in which its body arrives.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(super) headers: Headers,
    pub(super) body: Body,
}

/// A response of the server behind the filter, or of a server that the filter called.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(super) headers: Headers,
    pub(super) body: Body,
}

/// A body in the pieces in which Envoy's codec hands it to the filters.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    sizes: Vec<usize>,
    /// Whether end_of_stream comes with the last bytes. HTTP/1 sends it in a separate empty piece,
    /// so that is the default.
    ends_with_last: bool,
    pub(super) trailers: Option<Headers>,
    unsized_: bool,
}

impl Body {
    /// The pieces, each with its end_of_stream flag.
    pub(super) fn pieces(&self) -> Vec<(Vec<u8>, bool)> {
        let mut pieces = Vec::new();
        let mut rest = self.bytes.as_slice();
        for &size in &self.sizes {
            let (piece, left) = rest.split_at(size.min(rest.len()));
            pieces.push((piece.to_vec(), false));
            rest = left;
        }
        if !rest.is_empty() {
            pieces.push((rest.to_vec(), false));
        }
        if self.trailers.is_none() {
            match pieces.last_mut() {
                Some(last) if self.ends_with_last => last.1 = true,
                Some(_) => pieces.push((Vec::new(), true)),
                None => {}
            }
        }
        pieces
    }

    /// Whether there is no body at all. Then end_of_stream comes with the headers.
    pub(super) fn is_absent(&self) -> bool {
        self.bytes.is_empty() && self.sizes.is_empty() && self.trailers.is_none()
    }

    /// The headers. If the length of the body is known, they have a `content-length`, as HTTP/1
    /// clients send it.
    fn announce(&self, headers: &Headers) -> Headers {
        let mut headers = headers.clone();
        let known = !self.unsized_ && self.trailers.is_none() && !self.bytes.is_empty();
        if known && !headers.contains("content-length") {
            headers.add("content-length", self.bytes.len().to_string());
        }
        headers
    }
}

macro_rules! body_builders {
    ($message:ty) => {
        impl $message {
            /// Adds a header. Other headers with this name stay.
            pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
                self.headers.add(name, value);
                self
            }

            /// Sets the body. The message has a `content-length` unless [`Self::without_length`] is
            /// used.
            pub(crate) fn body(mut self, bytes: impl AsRef<[u8]>) -> Self {
                self.body.bytes = bytes.as_ref().to_vec();
                self
            }

            /// Sets the sizes of the first pieces. The rest of the body is the last piece.
            pub(crate) fn chunks(mut self, sizes: &[usize]) -> Self {
                self.body.sizes = sizes.to_vec();
                self
            }

            /// Sends end_of_stream with the last bytes, as HTTP/2 may do, instead of in a separate
            /// empty piece.
            pub(crate) fn end_with_last_chunk(mut self) -> Self {
                self.body.ends_with_last = true;
                self
            }

            /// Sends no `content-length`.
            pub(crate) fn without_length(mut self) -> Self {
                self.body.unsized_ = true;
                self
            }

            /// Adds a trailer. With trailers, no body callback gets end_of_stream.
            pub(crate) fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
                let trailers = self.body.trailers.get_or_insert_default();
                trailers.add(name, value);
                self
            }

            pub(super) fn head(&self) -> Headers {
                self.body.announce(&self.headers)
            }
        }
    };
}

body_builders!(Request);
body_builders!(Response);

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        let mut headers = Headers::new();
        headers.add(":method", method);
        headers.add(":scheme", "http");
        headers.add(":authority", "gateway.test");
        headers.add(":path", path);
        Self {
            headers,
            body: Body::default(),
        }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    pub(crate) fn delete(path: &str) -> Self {
        Self::new("DELETE", path)
    }

    pub(crate) fn options(path: &str) -> Self {
        Self::new("OPTIONS", path)
    }

    /// Sets `content-type: application/json` and this body, byte for byte.
    pub(crate) fn json(self, body: impl AsRef<[u8]>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    /// Replaces a header, for example `:authority`.
    pub(crate) fn set(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.replace(name, value);
        self
    }
}

impl Response {
    pub(crate) fn new(status: u16) -> Self {
        let mut headers = Headers::new();
        headers.add(":status", status.to_string());
        Self {
            headers,
            body: Body::default(),
        }
    }

    pub(crate) fn json(status: u16, body: impl AsRef<[u8]>) -> Self {
        Self::new(status)
            .header("content-type", "application/json")
            .body(body)
    }

    /// An event stream, whose length is not known.
    pub(crate) fn events(body: impl AsRef<[u8]>) -> Self {
        Self::new(200)
            .header("content-type", "text/event-stream")
            .body(body)
            .without_length()
    }

    /// A text with which Envoy itself answers in place of a server.
    pub(super) fn of_envoy(status: u16, text: &str) -> Self {
        Self::new(status)
            .header("content-type", "text/plain")
            .body(text)
    }
}

/// What the server behind the filter got.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<Headers>,
    /// Whether the whole request went on.
    pub(crate) complete: bool,
    /// Whether Envoy chooses the route again: because the filter called the foreign function
    /// `clear_route_cache`, or because it changed request headers, which also clears the route for
    /// filters of ABI 0.2.1.
    pub(crate) route_cache_cleared: bool,
    /// How often the filter called this foreign function.
    pub(crate) clear_route_cache_calls: u32,
}

impl Upstream {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.text(name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        json_of(&self.body)
    }
}

/// What the client got.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<Headers>,
    pub(crate) complete: bool,
    /// Whether this is a local reply: of the filter, or of Envoy in its place (413).
    pub(crate) local: bool,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.text(name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        json_of(&self.body)
    }
}

/// An HTTP call that the filter made.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The host's token for the call. No two calls have the same token.
    pub(crate) token: u32,
    /// The context in which the filter made the call.
    pub(crate) context: u32,
    pub(crate) cluster: String,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    /// `None` if the filter gave 0. Envoy then waits without a limit.
    pub(crate) timeout: Option<Duration>,
    pub(crate) answered: bool,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.text(name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        json_of(&self.body)
    }
}

fn json_of(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|error| panic!("no JSON ({error}): {}", String::from_utf8_lossy(bytes)))
}
