//! Reads a server's message, only as far as the translation needs it.

use std::borrow::Cow;
use std::fmt;

use crate::config::UriPrefix;
use crate::gateway::translate::resource_uris::{self, ResultShape};
use crate::gateway::upstream::app_uris;
use crate::mcp::json::edit::{self, Edit};
use crate::mcp::json::{self, Error, Reader};
use crate::mcp::lookalike::is_lookalike;
use crate::mcp::message::is_same_id;

/// A message of a server.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct ServerMessage<'a> {
    /// The whole message.
    pub text: &'a str,
    /// The kind of message.
    pub kind: MessageKind<'a>,
    /// The JSON text of its id; `None` where it has none.
    pub id: Option<&'a str>,
    /// The JSON text of each `result` of a response, or of each `params` of a request or
    /// notification. There are several if the server wrote the member several times: clients differ
    /// in which one they read.
    pub contents: Vec<&'a str>,
    /// The edits that replace the server's URIs with those that clients know.
    pub uri_edits: Vec<Edit>,
}

/// The kind of a server's message.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum MessageKind<'a> {
    /// A response with a result.
    Response,
    /// A response with an error.
    Error,
    /// A request for this method.
    Request(Cow<'a, str>),
    /// A notification of this method.
    Notification(Cow<'a, str>),
}

/// Why a text is not exactly one JSON-RPC message that each client reads in the same way.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum UnreadableMessage {
    /// It is not JSON.
    NotJson(Error),
    /// It is JSON, but no client reads it as a message.
    NotAMessage,
    /// Clients may read it differently, but no client reads it as a response. For example it has
    /// two methods, or is a batch without responses.
    NotAResponse,
    /// Some clients may read it as a response, and others as something else. For example it has two
    /// ids, or a result and an error. Or its result has no form in the client's era.
    NotOneMessage,
}

impl<'a> ServerMessage<'a> {
    /// Reads `text`, a message of a server. `prefix` says how clients know the server's URIs, and
    /// `shape` is the shape of a result, which says where URIs are. If a member is there twice, the
    /// URIs in both are renamed, since a client may read either.
    ///
    /// # Errors
    /// `text` is not exactly one message.
    pub fn read(
        text: &'a str,
        shape: ResultShape,
        prefix: &UriPrefix,
    ) -> Result<Self, UnreadableMessage> {
        let shape = if prefix.is_empty() {
            ResultShape::Other
        } else {
            shape
        };
        let mut members = MessageMembers::default();
        let mut reader = Reader::new(text);
        if reader.peek() != Some(b'{') {
            return Err(unreadable(text)?);
        }
        reader.object(|reader, name| members.read(reader, &name, shape))?;
        reader.end()?;
        let (id, mut uris) = (members.id, std::mem::take(&mut members.uris));
        let (kind, contents) = members.kind()?;
        if let (MessageKind::Notification(method), false) = (&kind, prefix.is_empty()) {
            for params in &contents {
                let mut found = Vec::new();
                let mut reader = Reader::new(params);
                resource_uris::find_in_notification(&mut reader, method, &mut found)?;
                let start = json::span(text, params).map_or(0, |span| span.start);
                uris.extend(found.into_iter().map(|at| at.saturating_add(start)));
            }
        }
        Ok(Self {
            text,
            kind,
            id,
            contents,
            uri_edits: app_uris::rename_edits(text, uris, prefix),
        })
    }

    /// Whether it is a response to the request with the id `id`, a JSON text.
    pub fn answers(&self, id: &str) -> bool {
        matches!(self.kind, MessageKind::Response | MessageKind::Error)
            && self.id.is_some_and(|own| is_same_id(own, id))
    }

    /// The message after its `uri_edits` and these `edits`; `None` where it stays unchanged.
    pub fn edited(self, edits: Vec<Edit>) -> Option<Vec<u8>> {
        let mut all = self.uri_edits;
        all.extend(edits);
        (!all.is_empty()).then(|| edit::apply(self.text, all))
    }
}

/// Why `text`, which is not an object, is not a message. An array may be a batch.
fn unreadable(text: &str) -> Result<UnreadableMessage, Error> {
    let mut worst = UnreadableMessage::NotAMessage;
    let mut reader = Reader::new(text);
    if reader.peek() != Some(b'[') {
        reader.skip()?;
        reader.end()?;
        return Ok(worst);
    }
    json::elements(text, |element| {
        // A batch cannot contain another batch.
        if !element.starts_with('{') {
            return;
        }
        match ServerMessage::read(element, ResultShape::Other, &UriPrefix::NONE) {
            Ok(ServerMessage {
                kind: MessageKind::Response | MessageKind::Error,
                ..
            })
            | Err(UnreadableMessage::NotOneMessage) => worst = UnreadableMessage::NotOneMessage,
            Ok(_) | Err(UnreadableMessage::NotAResponse)
                if worst == UnreadableMessage::NotAMessage =>
            {
                worst = UnreadableMessage::NotAResponse;
            }
            _ => {}
        }
    })?;
    Ok(worst)
}

/// The members of a message, collected while the message is read. Some servers write all members
/// that a message can have, and `null` for those it does not have. Such a member does not count.
#[derive(Default)]
struct MessageMembers<'a> {
    id: Option<&'a str>,
    method: Option<&'a str>,
    params: Vec<&'a str>,
    results: Vec<&'a str>,
    has_error: bool,
    /// There are two ids or two methods, or too many results or parameters.
    is_ambiguous: bool,
    /// Some client may read a member as a result or an error.
    may_answer: bool,
    /// Some client may read a member as a method.
    may_have_method: bool,
    /// The bytes at which the URIs start.
    uris: Vec<usize>,
}

impl<'a> MessageMembers<'a> {
    fn read(
        &mut self,
        reader: &mut Reader<'a>,
        name: &str,
        shape: ResultShape,
    ) -> Result<(), Error> {
        let start = reader.mark();
        match name {
            "result" => resource_uris::find_in_result(reader, shape, &mut self.uris)?,
            _ => {
                reader.skip()?;
            }
        }
        let value = reader.since(start);
        let is_null = value == "null";
        match name {
            "result" => self.results.push(value),
            "id" => self.is_ambiguous |= self.id.replace(value).is_some(),
            "method" if !is_null => self.is_ambiguous |= self.method.replace(value).is_some(),
            "params" => self.params.push(value),
            "error" => self.has_error |= !is_null,
            _ => {}
        }
        self.is_ambiguous |= self.results.len().max(self.params.len()) > edit::MOST_REPLACED;
        self.may_answer |= !is_null && is_like(name, &["result", "error"]);
        self.may_have_method |= !is_null && is_like(name, &["method"]);
        Ok(())
    }

    /// The kind of the message, and its results or parameters.
    fn kind(mut self) -> Result<(MessageKind<'a>, Vec<&'a str>), UnreadableMessage> {
        if self.has_error || self.method.is_some() {
            self.results.retain(|result| *result != "null");
        }
        let has_result = !self.results.is_empty();
        let unreadable = match (self.may_answer || has_result, self.may_have_method) {
            (true, _) => UnreadableMessage::NotOneMessage,
            (false, true) => UnreadableMessage::NotAResponse,
            (false, false) => UnreadableMessage::NotAMessage,
        };
        match (self.method, has_result, self.has_error) {
            _ if self.is_ambiguous => Err(unreadable),
            (None, true, false) => Ok((MessageKind::Response, self.results)),
            (None, false, true) => Ok((MessageKind::Error, Vec::new())),
            (Some(method), false, false) => {
                let method = json::string(method).ok_or(unreadable)?;
                let kind = match self.id {
                    None | Some("null") => MessageKind::Notification(method),
                    Some(_) => MessageKind::Request(method),
                };
                Ok((kind, self.params))
            }
            _ => Err(unreadable),
        }
    }
}

/// Whether some client may read `name` as one of `known`: some clients ignore the case.
fn is_like(name: &str, known: &[&str]) -> bool {
    known.contains(&name) || is_lookalike(name, known)
}

impl From<Error> for UnreadableMessage {
    fn from(error: Error) -> Self {
        Self::NotJson(error)
    }
}

impl fmt::Display for UnreadableMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(error) => write!(f, "not JSON: {error}"),
            Self::NotAMessage => f.write_str("no JSON-RPC message"),
            Self::NotAResponse | Self::NotOneMessage => f.write_str("not one JSON-RPC message"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_message_may_not_have_very_many_results_or_parameters() {
        let read = |text: &str| {
            let read = ServerMessage::read(text, ResultShape::Tool, &UriPrefix::of("w"));
            read.map(|read| read.contents.len())
        };
        for (member, rest, why) in [
            (
                r#""result":{}"#,
                r#""id":1"#,
                UnreadableMessage::NotOneMessage,
            ),
            (
                r#""params":{}"#,
                r#""method":"x""#,
                UnreadableMessage::NotAResponse,
            ),
        ] {
            let text = |count| format!("{{{rest},{}}}", vec![member; count].join(","));
            assert_eq!(read(&text(16)), Ok(16), "{member}");
            assert_eq!(read(&text(17)), Err(why), "{member}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn it_is_told_what_a_message_is() {
        for (text, kind, id, contents) in [
            (
                r#"{"result":{},"params":1,"id":"a"}"#,
                MessageKind::Response,
                Some(r#""a""#),
                &["{}"][..],
            ),
            (
                r#"{"result": { "content":[] } ,"result":null}"#,
                MessageKind::Response,
                None,
                &[r#"{ "content":[] }"#, "null"],
            ),
            (
                r#"{"error":{},"id":null,"params":1}"#,
                MessageKind::Error,
                Some("null"),
                &[],
            ),
            (r#"{"error":1}"#, MessageKind::Error, None, &[]),
            (
                r#"{"id":1,"method":null,"params":null,"result":{},"error":null}"#,
                MessageKind::Response,
                Some("1"),
                &["{}"],
            ),
            (
                r#"{"id":1,"result":null,"error":{}}"#,
                MessageKind::Error,
                Some("1"),
                &[],
            ),
            (
                r#"{"id":null,"method":"x","result":null,"error":null}"#,
                MessageKind::Notification("x".into()),
                Some("null"),
                &[],
            ),
            (
                r#"{"method":"p\u0069ng","id":1,"params":{},"params":[2]}"#,
                MessageKind::Request("ping".into()),
                Some("1"),
                &["{}", "[2]"],
            ),
            (
                r#"{"method":"x"}"#,
                MessageKind::Notification("x".into()),
                None,
                &[],
            ),
        ] {
            let read = ServerMessage::read(text, ResultShape::Tool, &UriPrefix::of("w")).unwrap();
            assert_eq!((read.kind, read.id), (kind, id), "{text}");
            assert_eq!((read.text, read.contents.as_slice()), (text, contents));
        }
        for (text, expected) in [
            ("[]", UnreadableMessage::NotAMessage),
            ("[1]", UnreadableMessage::NotAMessage),
            ("1", UnreadableMessage::NotAMessage),
            ("null", UnreadableMessage::NotAMessage),
            ("{}", UnreadableMessage::NotAMessage),
            (r#"{"type":"heartbeat"}"#, UnreadableMessage::NotAMessage),
            (r#"{"id":1}"#, UnreadableMessage::NotAMessage),
            (r#"{"id":1,"id":1}"#, UnreadableMessage::NotAMessage),
            (r#"{"id":1,"error":null}"#, UnreadableMessage::NotAMessage),
            (r#"[{"method":"x"}]"#, UnreadableMessage::NotAResponse),
            (
                r#"{"method":"x","method":"x"}"#,
                UnreadableMessage::NotAResponse,
            ),
            (r#"{"method":1}"#, UnreadableMessage::NotAResponse),
            (r#"{"Method":"x"}"#, UnreadableMessage::NotAResponse),
            (
                r#"[{"method":"x"},{"id":1,"result":{}}]"#,
                UnreadableMessage::NotOneMessage,
            ),
            (
                r#"[{"id":1,"error":{}},{"method":"x"}]"#,
                UnreadableMessage::NotOneMessage,
            ),
            (
                r#"[[{"id":1,"result":{}}]]"#,
                UnreadableMessage::NotAMessage,
            ),
            (
                r#"{"id":1,"id":1,"result":{}}"#,
                UnreadableMessage::NotOneMessage,
            ),
            (
                r#"{"id":1,"result":{},"error":{}}"#,
                UnreadableMessage::NotOneMessage,
            ),
            (
                r#"{"id":1,"result":{},"method":"x"}"#,
                UnreadableMessage::NotOneMessage,
            ),
            (r#"{"id":1,"Result":{}}"#, UnreadableMessage::NotOneMessage),
        ] {
            let read = ServerMessage::read(text, ResultShape::Tool, &UriPrefix::of("w"));
            assert_eq!(read, Err(expected), "{text}");
        }
        for text in ["", "{", "[", "{}{}", r#"{"id":1,"result":{"content":[}}"#] {
            let read = ServerMessage::read(text, ResultShape::Tool, &UriPrefix::of("w"));
            assert!(matches!(read, Err(UnreadableMessage::NotJson(_))), "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_answer_is_known_by_its_id() {
        for (own, id, expected) in [
            ("1", "1", true),
            ("1.0", "1", true),
            (r#""a""#, r#""\u0061""#, true),
            ("1", r#""1""#, false),
            ("1", "2", false),
            (r#""a""#, r#""b""#, false),
            ("null", "1", false),
        ] {
            let text = format!(r#"{{"id":{own},"result":{{}}}}"#);
            let read = ServerMessage::read(&text, ResultShape::Other, &UriPrefix::NONE).unwrap();
            assert_eq!(read.answers(id), expected, "{own} for {id}");
        }
        let request = ServerMessage::read(
            r#"{"id":1,"method":"ping"}"#,
            ResultShape::Other,
            &UriPrefix::NONE,
        )
        .unwrap();
        assert!(!request.answers("1"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn deep_nesting_does_not_exhaust_the_stack() {
        let arrays = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let read = ServerMessage::read(&arrays, ResultShape::Task, &UriPrefix::of("w"));
        assert_eq!(read, Err(UnreadableMessage::NotAMessage));
        let deep = format!(
            "{}1{}",
            r#"{"result":"#.repeat(100_000),
            "}".repeat(100_000)
        );
        let text = format!(r#"{{"id":1,"result":{deep}}}"#);
        assert_eq!(
            ServerMessage::read(&text, ResultShape::Task, &UriPrefix::of("w"))
                .unwrap()
                .uri_edits,
            []
        );
    }
}
