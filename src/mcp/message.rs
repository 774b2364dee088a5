//! One JSON-RPC 2.0 message of MCP, read from the body of a request.
//!
//! A message is accepted only if every JSON reader reads it in the same way: UTF-8
//! without a byte order mark, one object, no member twice in the envelope, in
//! `params` or in `params._meta`. Otherwise a policy could decide about one reading
//! while the server acts on another.

use std::borrow::Cow;
use std::fmt;

use super::json::{self, Error, Reader};
use super::lookalike::is_lookalike;
use super::method;
pub use super::params::{Meta, Params};

/// A message. It borrows from the body.
#[cfg_attr(test, derive(Debug))]
pub struct Message<'a> {
    /// The whole body. All other parts of the message are slices of it.
    pub text: &'a str,
    /// The kind of message, with its parts.
    pub content: Content<'a>,
}

/// The three kinds of JSON-RPC message that a client sends.
#[cfg_attr(test, derive(Debug))]
pub enum Content<'a> {
    /// Has a method and an id, and expects a response.
    Request {
        /// The JSON text of the id: a string or a number.
        id: &'a str,
        /// The method, unescaped.
        method: Cow<'a, str>,
        /// The parameters.
        params: Params<'a>,
    },
    /// Has a method and no id.
    Notification {
        /// The method, unescaped.
        method: Cow<'a, str>,
        /// The parameters.
        params: Params<'a>,
    },
    /// The response to a request of the server: has `result` or `error`, no method.
    Response {
        /// The JSON text of the id of the server's request.
        id: &'a str,
    },
}

/// Why a body is not a message.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum Invalid {
    /// Not UTF-8, or not one JSON value.
    NotJson(String),
    /// JSON, but not one JSON-RPC 2.0 message.
    NotJsonRpc(&'static str),
    /// A member is there twice, or next to a lookalike of it. The text names the object.
    DuplicateKey(&'static str),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(why) => write!(f, "the body is not JSON in UTF-8: {why}"),
            Self::NotJsonRpc(why) => write!(f, "not a JSON-RPC 2.0 message: {why}"),
            Self::DuplicateKey(place) => write!(f, "{place} has the same key twice"),
        }
    }
}

/// The error of [`Message::parse`].
#[cfg_attr(test, derive(Debug))]
pub struct ParseError<'a> {
    /// Why.
    pub why: Invalid,
    /// The JSON text of the id, if the body has exactly one valid id.
    pub id: Option<&'a str>,
}

impl<'a> Message<'a> {
    /// Reads `body`, in one pass.
    ///
    /// # Errors
    /// The body is not a message.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError<'a>> {
        let text = simdutf8::basic::from_utf8(body).map_err(|_| ParseError {
            why: Invalid::NotJson("not UTF-8".to_owned()),
            id: None,
        })?;
        Self::read(text)
    }

    /// Reads the `text` of a body, in one pass.
    ///
    /// # Errors
    /// The body is not a message.
    pub fn read(text: &'a str) -> Result<Self, ParseError<'a>> {
        let not_json = |why: String| ParseError {
            why: Invalid::NotJson(why),
            id: None,
        };
        let mut envelope = Envelope::default();
        envelope
            .read(text)
            .map_err(|error| not_json(error.to_string()))?;
        let id = envelope.id();
        match envelope.content() {
            Ok(content) => Ok(Self { text, content }),
            Err(why) => Err(ParseError { why, id }),
        }
    }

    /// The method; [`method::RESPONSE`] for a response.
    pub fn method(&self) -> &str {
        match &self.content {
            Content::Request { method, .. } | Content::Notification { method, .. } => method,
            Content::Response { .. } => method::RESPONSE,
        }
    }

    /// The JSON text of the id; notifications have none.
    pub fn id(&self) -> Option<&'a str> {
        match &self.content {
            Content::Request { id, .. } | Content::Response { id } => Some(id),
            Content::Notification { .. } => None,
        }
    }

    /// The parameters; responses have none.
    pub fn params(&self) -> Option<&Params<'a>> {
        match &self.content {
            Content::Request { params, .. } | Content::Notification { params, .. } => Some(params),
            Content::Response { .. } => None,
        }
    }

    /// The parameter that the header `Mcp-Name` repeats, if the method has one and it
    /// is a string.
    pub fn name(&self) -> Option<Cow<'a, str>> {
        json::string(self.params()?.get(method::name_param(self.method())?)?)
    }
}

/// Whether the JSON text `value` is a string or a number, as MCP requires of a
/// request id and a progress token.
pub fn is_id(value: &str) -> bool {
    value.starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit())
}

/// Whether two JSON texts are the same id or progress token. A server may write the
/// same string or number in another way than the client did.
pub fn is_same_id(one: &str, other: &str) -> bool {
    let number = |id: &str| id.parse::<f64>().ok();
    one == other
        || json::string(one).is_some_and(|one| json::string(other) == Some(one))
        || number(one).is_some_and(|one| number(other) == Some(one))
}

/// The first faults found while reading a message that is JSON.
#[derive(Debug, Default)]
pub(super) struct Faults {
    duplicate: Option<&'static str>,
    not_rpc: Option<&'static str>,
}

impl Faults {
    /// At least some readers see a name twice in `place`.
    pub(super) fn duplicate(&mut self, place: &'static str) {
        self.duplicate.get_or_insert(place);
    }

    /// The message is not JSON-RPC, and the reason.
    pub(super) fn not_rpc(&mut self, why: &'static str) {
        self.not_rpc.get_or_insert(why);
    }

    /// The first fault. Duplicates come first, since a message with them is refused in every mode.
    fn check(&self) -> Result<(), Invalid> {
        match (self.duplicate, self.not_rpc) {
            (Some(place), _) => Err(Invalid::DuplicateKey(place)),
            (None, Some(why)) => Err(Invalid::NotJsonRpc(why)),
            (None, None) => Ok(()),
        }
    }
}

/// The members of a message, before the kind of message is known.
#[derive(Default)]
struct Envelope<'a> {
    jsonrpc: Option<&'a str>,
    method: Option<&'a str>,
    params: Option<Params<'a>>,
    ids: Vec<&'a str>,
    answers: usize,
    faults: Faults,
}

impl<'a> Envelope<'a> {
    const NAMES: &'static [&'static str] =
        &["jsonrpc", "id", "method", "params", "result", "error"];

    fn read(&mut self, text: &'a str) -> Result<(), Error> {
        let mut reader = Reader::new(text);
        match reader.peek() {
            Some(b'{') => {
                if !reader.object(|reader, name| self.member(reader, &name))? {
                    self.faults.duplicate("the message");
                }
            }
            first => {
                reader.skip()?;
                let is_batch = first == Some(b'[');
                self.faults.not_rpc(if is_batch {
                    "batches are not supported"
                } else {
                    "a message is an object"
                });
            }
        }
        reader.end()
    }

    fn member(&mut self, reader: &mut Reader<'a>, name: &str) -> Result<(), Error> {
        if name == "params" && reader.peek() == Some(b'{') {
            self.params = Some(Params::read(reader, &mut self.faults)?);
            return Ok(());
        }
        let value = reader.skip()?;
        match name {
            "jsonrpc" => self.jsonrpc = Some(value),
            "method" => self.method = Some(value),
            "params" => self.faults.not_rpc("params must be an object"),
            // Two ids are enough to know that there is not exactly one.
            "id" if self.ids.len() < 2 => self.ids.push(value),
            "result" | "error" => self.answers = self.answers.saturating_add(1),
            other if is_lookalike(other, Self::NAMES) => self.faults.duplicate("the message"),
            _ => {}
        }
        Ok(())
    }

    /// The only id, if it is a string or a number (MCP does not allow null).
    fn id(&self) -> Option<&'a str> {
        match self.ids.as_slice() {
            [id] if is_id(id) => Some(id),
            _ => None,
        }
    }

    fn content(self) -> Result<Content<'a>, Invalid> {
        let id = self.id();
        self.faults.check()?;
        if self.jsonrpc.and_then(json::string).as_deref() != Some("2.0") {
            return Err(Invalid::NotJsonRpc("jsonrpc must be \"2.0\""));
        }
        if id.is_none() && !self.ids.is_empty() {
            return Err(Invalid::NotJsonRpc("id must be a string or a number"));
        }
        let Some(method) = self.method else {
            return match (id, self.answers) {
                (Some(id), 1) => Ok(Content::Response { id }),
                _ => Err(Invalid::NotJsonRpc(
                    "neither a request (method) nor a response (id and one of result, error)",
                )),
            };
        };
        if self.answers > 0 {
            return Err(Invalid::NotJsonRpc("a request has no result and no error"));
        }
        let method =
            json::string(method).ok_or(Invalid::NotJsonRpc("method must be a Unicode string"))?;
        let params = self.params.unwrap_or_default();
        Ok(match id {
            Some(id) => Content::Request { id, method, params },
            None => Content::Notification { method, params },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn refused(body: &str) -> (Invalid, Option<String>) {
        let error = Message::parse(body.as_bytes()).expect_err(body);
        (error.why, error.id.map(str::to_owned))
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_request_shows_method_id_and_name() {
        let body =
            br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"get_weather"}}"#;
        let message = Message::parse(body).unwrap();
        assert!(matches!(message.content, Content::Request { .. }));
        assert_eq!(message.method(), "tools/call");
        assert_eq!(message.id().unwrap(), "7");
        assert_eq!(message.name().as_deref(), Some("get_weather"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_name_is_the_parameter_that_the_method_is_about() {
        for (method, params, name) in [
            ("tools/call", r#"{"name":"n\u0061me"}"#, Some("name")),
            ("prompts/get", r#"{"name":"p","uri":"u"}"#, Some("p")),
            (
                "resources/read",
                r#"{"name":"p","uri":"file:///x"}"#,
                Some("file:///x"),
            ),
            ("tasks/get", r#"{"taskId":"t"}"#, Some("t")),
            ("tools/list", r#"{"name":"p"}"#, None),
            ("tools/call", r#"{"name":7}"#, None),
            ("tools/call", "{}", None),
        ] {
            let body =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
            let message = Message::parse(body.as_bytes()).unwrap();
            assert_eq!(message.name().as_deref(), name, "{body}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn any_string_and_any_number_is_an_id_as_it_stands() {
        for id in [
            "0",
            "-1",
            "1.50",
            "123456789012345678901234567890",
            "1e5",
            r#""""#,
            r#""\u0061""#,
        ] {
            let body = format!(r#"{{"id":{id},"jsonrpc":"2.0","method":"ping"}}"#);
            assert_eq!(Message::parse(body.as_bytes()).unwrap().id().unwrap(), id);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn notifications_and_responses_are_told_apart() {
        let message = Message::parse(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        assert!(message.is_ok_and(|it| matches!(it.content, Content::Notification { .. })));
        for answer in [r#""result":{}"#, r#""error":{"code":1,"message":"m"}"#] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":"s-1",{answer}}}"#);
            let message = Message::parse(body.as_bytes()).unwrap();
            assert_eq!(message.method(), "__jsonrpc_response");
            assert_eq!(message.id().unwrap(), r#""s-1""#);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_duplicate_where_a_policy_reads_is_refused_with_the_id() {
        for (body, place, id) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#,
                "the message",
                Some("1"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"x":1,"x":2,"method":"a"}"#,
                "the message",
                Some("1"),
            ),
            // Some readers treat one name as another.
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}"#,
                "the message",
                Some("1"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"METHOD":"b"}"#,
                "the message",
                Some("1"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","param\u017f":{}}"#,
                "the message",
                Some("1"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_Meta":{}}}"#,
                "params",
                Some("1"),
            ),
            // Other faults of the message do not hide this one.
            (
                r#"{"jsonrpc":"2.0","id":null,"method":"a","params":{"name":"x","name":"y"}}"#,
                "params",
                None,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"\ud800":1,"name":"x","name":"y"}}"#,
                "params",
                Some("1"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}"#,
                "the message",
                None,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":"x","n\u0061me":"y"}}"#,
                "params",
                Some("1"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"k":1,"k":2}}}"#,
                "params._meta",
                Some("1"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"io.modelcontextprotocol/ProtocolVersion":"2026-07-28"}}}"#,
                "params._meta",
                Some("1"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"io.modelcontextprotocol/related-ta\u017fk":{}}}}"#,
                "params._meta",
                Some("1"),
            ),
        ] {
            assert_eq!(
                refused(body),
                (Invalid::DuplicateKey(place), id.map(str::to_owned)),
                "{body}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_duplicate_inside_arguments_is_the_servers_business() {
        let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"a":1,"a":2},"_meta":{"k":1,"K":2}}}"#;
        assert!(Message::parse(body).is_ok());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_json_but_no_message_is_told_so() {
        for (body, id) in [
            ("[]", None),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, None),
            ("1", None),
            ("null", None),
            ("{}", None),
            (r#"{"id":1,"method":"ping"}"#, Some("1")),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, Some("1")),
            (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, Some("1")),
            (r#"{"jsonrpc":"2.0","id":1}"#, Some("1")),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, None),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, None),
            (r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, None),
            (r#"{"jsonrpc":"2.0","id":"x","method":5}"#, Some(r#""x""#)),
            (r#"{"jsonrpc":"2.0","id":1,"method":"\ud800"}"#, Some("1")),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
                Some("1"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#,
                Some("1"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":[]}}"#,
                Some("1"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
                Some("1"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
                Some("1"),
            ),
            (r#"{"jsonrpc":"2.0","result":{}}"#, None),
        ] {
            let (why, echoed) = refused(body);
            assert!(matches!(why, Invalid::NotJsonRpc(_)), "{body}: {why:?}");
            assert_eq!(echoed.as_deref(), id, "{body}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_no_json_in_utf8_is_told_so() {
        let utf16: Vec<u8> = "{\"jsonrpc\":\"2.0\"}"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let mut bom = vec![0xef, 0xbb, 0xbf];
        bom.extend_from_slice(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
        for body in [
            &b""[..],
            b"{",
            b"hello",
            &utf16,
            &bom,
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}",
        ] {
            let error = Message::parse(body).unwrap_err();
            assert!(matches!(error.why, Invalid::NotJson(_)), "{body:?}");
            assert!(error.id.is_none());
        }
    }
}
