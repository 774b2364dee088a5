//! Resource URIs in what a server sends: as clients see them, with the
//! server's prefix. It goes in where a string starts, so everything else, and
//! how the URI itself is written, stays byte for byte.

use std::borrow::Cow;
use std::fmt;

use crate::mcp::json::edit::{self, Edit};
use crate::mcp::json::{self, Error, Reader};
use crate::mcp::method;

const RESOURCES_UPDATED: &str = "notifications/resources/updated";
const SUBSCRIPTIONS_ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
const TASKS: &str = "notifications/tasks";

/// What a result answers; this says where it holds URIs of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultShape {
    /// `tools/call`: in `content`.
    Tool,
    /// `prompts/get`: in `messages`.
    Prompt,
    /// `resources/read`: in `contents`.
    Resource,
    /// One of these, and nobody knows which: `tasks/result`, or an answer that
    /// comes on another stream than its request.
    Unknown,
    /// `tasks/get` (modern): as [`Unknown`](Self::Unknown), in the task's `result`.
    Task,
    /// Something that is answered without URIs.
    Other,
}

impl ResultShape {
    /// What the request with this method asks.
    pub fn by(method: &str) -> Self {
        match method {
            method::TOOLS_CALL => Self::Tool,
            method::PROMPTS_GET => Self::Prompt,
            method::RESOURCES_READ => Self::Resource,
            "tasks/result" => Self::Unknown,
            "tasks/get" => Self::Task,
            _ => Self::Other,
        }
    }
}

/// A message of a server's.
#[derive(Debug, PartialEq, Eq)]
pub struct ServerMessage<'a> {
    /// The message as it stands.
    pub text: &'a str,
    /// What it is.
    pub kind: MessageKind<'a>,
    /// Its id as it stands; `None` where it has none.
    pub id: Option<&'a str>,
    /// Each `result` of a response, each `params` of a request or notification,
    /// as it stands: one, or none, or several where the server wrote several.
    pub contents: Vec<&'a str>,
    /// The edits that rename its URIs.
    pub edits: Vec<Edit>,
}

/// What kind of message it is.
#[derive(Debug, PartialEq, Eq)]
pub enum MessageKind<'a> {
    /// Has a result.
    Response,
    /// Has an error.
    Error,
    /// Has a method and an id.
    Request(Cow<'a, str>),
    /// Has a method and no id.
    Notification(Cow<'a, str>),
}

impl ServerMessage<'_> {
    /// Whether it answers the request with the id `id`, as it stands there.
    pub fn answers(&self, id: &str) -> bool {
        matches!(self.kind, MessageKind::Response | MessageKind::Error)
            && self.id.is_some_and(|own| is_same_id(own, id))
    }

    /// The message with its URIs renamed and these edits made; `None` where it
    /// stays as it is.
    pub fn edited(self, more: Vec<Edit>) -> Option<Vec<u8>> {
        let mut edits = self.edits;
        edits.extend(more);
        (!edits.is_empty()).then(|| edit::apply(self.text, edits))
    }
}

/// Whether two JSON texts are the same id or progress token: a server may write
/// the same string or number another way.
pub fn is_same_id(one: &str, other: &str) -> bool {
    let number = |id: &str| id.parse::<f64>().ok();
    one == other
        || json::string(one).is_some_and(|one| json::string(other) == Some(one))
        || number(one).is_some_and(|one| number(other) == Some(one))
}

/// Why a text is not one JSON-RPC message that every client reads the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreadableMessage {
    /// It is no JSON.
    NotJson(Error),
    /// It is something else, or two kinds of message at once, or has a second
    /// id or method.
    NotOneMessage,
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
            Self::NotOneMessage => f.write_str("not one JSON-RPC message"),
        }
    }
}

/// Reads `text`, the answer to a request or another message of the server's,
/// and finds where `prefix` goes before its URIs. Of members that stand there
/// twice both are renamed: a client may read either.
///
/// # Errors
/// `text` is not one message.
pub fn message<'a>(
    text: &'a str,
    asked: ResultShape,
    prefix: &str,
) -> Result<ServerMessage<'a>, UnreadableMessage> {
    let (mut id, mut method, mut params, mut results) = (None, None, Vec::new(), Vec::new());
    let (mut has_error, mut is_ambiguous) = (false, false);
    let mut uris = Vec::new();
    let mut reader = Reader::new(text);
    let asked = if prefix.is_empty() {
        ResultShape::Other
    } else {
        asked
    };
    let is_object = reader.peek() == Some(b'{');
    object(&mut reader, |reader, name| {
        let start = reader.mark();
        match name {
            "result" => result(reader, asked, &mut uris)?,
            _ => skip(reader)?,
        }
        let value = reader.since(start);
        match name {
            "result" => results.push(value),
            "id" => is_ambiguous |= id.replace(value).is_some(),
            "method" => is_ambiguous |= method.replace(value).is_some(),
            "params" => params.push(value),
            "error" => has_error = true,
            _ => {}
        }
        Ok(())
    })?;
    reader.end()?;
    if !is_object || is_ambiguous {
        return Err(UnreadableMessage::NotOneMessage);
    }
    let (kind, contents) = match (method.map(json::string), results.is_empty(), has_error) {
        (None, false, false) => (MessageKind::Response, results),
        (None, true, true) => (MessageKind::Error, Vec::new()),
        (Some(Some(method)), true, false) if id.is_some() => (MessageKind::Request(method), params),
        (Some(Some(method)), true, false) => (MessageKind::Notification(method), params),
        _ => return Err(UnreadableMessage::NotOneMessage),
    };
    if let (MessageKind::Notification(method), false) = (&kind, prefix.is_empty()) {
        for params in &contents {
            let mut found = Vec::new();
            notification(&mut Reader::new(params), method, &mut found)?;
            let start = json::span(text, params).map_or(0, |span| span.start);
            uris.extend(found.into_iter().map(|at| at.saturating_add(start)));
        }
    }
    let quoted = json::quoted(prefix);
    let inner = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let put_in = |at: usize| Edit::insert(at.saturating_add(1), inner.unwrap_or_default());
    let edits = uris.into_iter().map(put_in).collect();
    Ok(ServerMessage {
        text,
        kind,
        id,
        contents,
        edits,
    })
}

/// Finds the URIs of a result: the bytes at which their strings start.
fn result(reader: &mut Reader<'_>, asked: ResultShape, uris: &mut Vec<usize>) -> Result<(), Error> {
    object(reader, |reader, name| match (asked, name) {
        (ResultShape::Tool | ResultShape::Unknown, "content") => blocks(reader, uris),
        (ResultShape::Prompt | ResultShape::Unknown, "messages") => array(reader, |reader| {
            object(reader, |reader, name| match name {
                "content" => blocks(reader, uris),
                _ => skip(reader),
            })
        }),
        (ResultShape::Resource | ResultShape::Unknown, "contents") => {
            array(reader, |reader| contents(reader, uris))
        }
        (ResultShape::Task, "result") => result(reader, ResultShape::Unknown, uris),
        _ => skip(reader),
    })
}

/// Finds those of the parameters of a notification.
fn notification(reader: &mut Reader<'_>, method: &str, uris: &mut Vec<usize>) -> Result<(), Error> {
    match method {
        RESOURCES_UPDATED => contents(reader, uris),
        SUBSCRIPTIONS_ACKNOWLEDGED => object(reader, |reader, name| match name {
            "notifications" => object(reader, |reader, name| match name {
                "resourceSubscriptions" => array(reader, |reader| uri(reader, uris)),
                _ => skip(reader),
            }),
            _ => skip(reader),
        }),
        // As the answer to `tasks/get`.
        TASKS => result(reader, ResultShape::Task, uris),
        _ => Ok(()),
    }
}

/// Finds those of one content block, or of several.
fn blocks(reader: &mut Reader<'_>, uris: &mut Vec<usize>) -> Result<(), Error> {
    if reader.peek() == Some(b'[') {
        array(reader, |reader| block(reader, uris))
    } else {
        block(reader, uris)
    }
}

fn block(reader: &mut Reader<'_>, uris: &mut Vec<usize>) -> Result<(), Error> {
    // The type may come last.
    let (mut is_link, mut is_embedded) = (false, false);
    let (mut linked, mut embedded) = (Vec::new(), Vec::new());
    object(reader, |reader, name| match name {
        "type" => {
            let kind = json::string(reader.skip()?);
            is_link |= kind.as_deref() == Some("resource_link");
            is_embedded |= kind.as_deref() == Some("resource");
            Ok(())
        }
        "uri" => uri(reader, &mut linked),
        "resource" => contents(reader, &mut embedded),
        _ => skip(reader),
    })?;
    if is_link {
        uris.append(&mut linked);
    }
    if is_embedded {
        uris.append(&mut embedded);
    }
    Ok(())
}

/// Finds that of something whose member `uri` it is.
fn contents(reader: &mut Reader<'_>, uris: &mut Vec<usize>) -> Result<(), Error> {
    object(reader, |reader, name| match name {
        "uri" => uri(reader, uris),
        _ => skip(reader),
    })
}

fn uri(reader: &mut Reader<'_>, uris: &mut Vec<usize>) -> Result<(), Error> {
    let start = reader.mark();
    if reader.skip()?.starts_with('"') {
        uris.push(start);
    }
    Ok(())
}

fn skip(reader: &mut Reader<'_>) -> Result<(), Error> {
    reader.skip()?;
    Ok(())
}

/// Opens an object, and passes over anything else.
fn object<'a>(
    reader: &mut Reader<'a>,
    mut member: impl FnMut(&mut Reader<'a>, &str) -> Result<(), Error>,
) -> Result<(), Error> {
    if reader.peek() != Some(b'{') {
        return skip(reader);
    }
    reader.object(|reader, name| member(reader, &name))?;
    Ok(())
}

/// Opens an array, and passes over anything else.
fn array<'a>(
    reader: &mut Reader<'a>,
    element: impl FnMut(&mut Reader<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    if reader.peek() != Some(b'[') {
        return skip(reader);
    }
    reader.array(element)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    /// The message as a client gets it; `None` where it is the server's.
    fn renamed(text: &str, asked: ResultShape) -> Option<String> {
        let read = message(text, asked, "w+").unwrap_or_else(|why| panic!("{why}: {text}"));
        let renamed = read.edited(Vec::new());
        renamed.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    /// In each text `@` is where the prefix belongs.
    fn check(asked: ResultShape, text: &str) {
        let expected = text.contains('@').then(|| text.replace('@', "w+"));
        assert_eq!(renamed(&text.replace('@', ""), asked), expected, "{text}");
    }

    fn response(result: &str) -> String {
        format!(r#" {{"jsonrpc" : "2.0","id":1,"result": {result} }}"#)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_uris_of_a_result_are_renamed_and_nothing_else() {
        const LINK: &str = r#"{"type":"resource_link", "uri" : "@file:///a","name":"uri"}"#;
        const EMBEDDED: &str = r#"{"resource":{"text":"x","uri":"@x:y"},"type":"resource"}"#;
        const TEXT: &str = r#"{"type":"text","text":"file:///a","uri":"a","resource":{"uri":"a"}}"#;
        let blocks = format!("[{TEXT},{LINK} ,{EMBEDDED},1,{{}},[{{}}],null]");
        let plain = blocks.replace('@', "");
        for (asked, result) in [
            (
                ResultShape::Tool,
                format!(
                    r#"{{"content":{blocks},"structuredContent":{{"content":{plain}}},"_meta":{plain},"contents":{plain},"messages":[{{"content":{plain}}}]}}"#
                ),
            ),
            (
                ResultShape::Prompt,
                format!(
                    r#"{{"description":"","messages":[{{"role":"user","content":{LINK}}},{{"content":{EMBEDDED}}},{{"content":{blocks}}},{{"content":"a"}},{{}},1],"content":{plain}}}"#
                ),
            ),
            (
                ResultShape::Resource,
                r#"{"contents":[{"uri":"@a","text":"","_meta":{"uri":"a"}},{"blob":"","uri":"@b"},{"uri":1},"a"],"uri":"a","content":[{"type":"resource_link","uri":"a"}]}"#.to_owned(),
            ),
            (
                ResultShape::Unknown,
                format!(
                    r#"{{"content":{blocks},"contents":[{{"uri":"@a"}}],"messages":[{{"content":{LINK}}}],"result":{{"content":{plain}}}}}"#
                ),
            ),
            (
                ResultShape::Task,
                format!(
                    r#"{{"taskId":"t","status":"completed","result":{{"content":{blocks},"result":{{"content":{plain}}}}},"content":{plain}}}"#
                ),
            ),
            (
                ResultShape::Other,
                format!(r#"{{"content":{plain},"contents":[{{"uri":"a"}}]}}"#),
            ),
        ] {
            check(asked, &response(&result));
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn results_of_another_shape_stay_as_they_are() {
        for result in [
            "null",
            "[]",
            "{}",
            r#""content""#,
            r#"{"content":null}"#,
            r#"{"content":"file:///a","isError":true}"#,
            r#"{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}}}"#,
            r#"{"messages":{},"contents":{"uri":"a"}}"#,
        ] {
            for asked in [ResultShape::Unknown, ResultShape::Task] {
                check(asked, &response(result));
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_stands_there_twice_is_renamed_twice() {
        for text in [
            r#"{"id":1,"result":{"content":[{"type":"resource_link","uri":"@a"}],"content":[{"type":"resource_link","uri":"@a"}]}}"#,
            r#"{"id":1,"result":{"content":[{"uri":"@a","uri":"@b","type":"resource_link","type":"text"}]}}"#,
            r#"{"id":1,"result":{"content":[{"resource":{"uri":"@a"},"type":"resource_link","uri":"@b","type":"resource"}]}}"#,
            r#"{"id":1,"result":{"content":[{"type":"resource_link","uri":"@a"}]},"result":{"content":{"type":"resource_link","uri":"@a"}}}"#,
            r#"{"id":1,"r\u0065sult":{"content":[{"typ\u0065":"r\u0065source_link","\u0075ri":"@\u0061\ud800"}]}}"#,
        ] {
            check(ResultShape::Tool, text);
        }
        let twice = r#"{"method":"notifications/resources/updated","params":{"uri":"@a","uri":"@b"},"params":{"uri":"@c"}}"#;
        check(ResultShape::Other, twice);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn notifications_are_renamed_whatever_was_asked() {
        for text in [
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"@a","_meta":{"uri":"a"}}}"#,
            r#"{"params":{"uri" : "@a"},"method":"notifications/resources\/updated"}"#,
            r#"{"method":"notifications/subscriptions/acknowledged","params":{"notifications":{"resourcesListChanged":true,"resourceSubscriptions":["@a", "@b",1]},"resourceSubscriptions":["a"]}}"#,
            r#"{"method":"notifications/tasks","params":{"taskId":"t","status":"completed","result":{"content":[{"type":"resource_link","uri":"@a"}]}}}"#,
            r#"{"method":"notifications/message","params":{"uri":"a","data":{"uri":"a"}}}"#,
            r#"{"method":"notifications/resources/updated","params":["a"]}"#,
            r#"{"method":"notifications/resources/updated"}"#,
            // A request of the server's, and an error, have none of these.
            r#"{"id":1,"method":"notifications/resources/updated","params":{"uri":"a"}}"#,
            r#"{"id":1,"error":{"code":-32002,"message":"","data":{"uri":"a"}}}"#,
        ] {
            for asked in [ResultShape::Other, ResultShape::Tool, ResultShape::Resource] {
                check(asked, text);
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_prefix_is_written_as_json() {
        let text = r#"{"id":1,"result":{"contents":[{"uri":"a"}]}}"#;
        let read = |prefix| message(text, ResultShape::Resource, prefix).unwrap();
        let renamed = |prefix| read(prefix).edited(Vec::new());
        let expected = r#"{"id":1,"result":{"contents":[{"uri":"\"\\\na"}]}}"#;
        assert_eq!(renamed("\"\\\n"), Some(expected.as_bytes().to_vec()));
        assert_eq!(renamed(""), None);
        let more = vec![Edit::replace(text, read("").id.unwrap(), "2").unwrap()];
        let expected = r#"{"id":2,"result":{"contents":[{"uri":"x:a"}]}}"#;
        assert_eq!(read("x:").edited(more), Some(expected.as_bytes().to_vec()));
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
            let read = message(text, ResultShape::Tool, "w+").unwrap();
            assert_eq!((read.kind, read.id), (kind, id), "{text}");
            assert_eq!((read.text, read.contents.as_slice()), (text, contents));
        }
        for text in [
            "[]",
            "1",
            "{}",
            r#"[{"id":1,"result":{}}]"#,
            r#"{"id":1}"#,
            r#"{"id":1,"id":1,"result":{}}"#,
            r#"{"id":1,"result":{},"error":{}}"#,
            r#"{"id":1,"result":{},"method":"x"}"#,
            r#"{"method":"x","method":"x"}"#,
            r#"{"method":1}"#,
        ] {
            let read = message(text, ResultShape::Tool, "w+");
            assert_eq!(read, Err(UnreadableMessage::NotOneMessage), "{text}");
        }
        for text in ["", "{", "[", "{}{}", r#"{"id":1,"result":{"content":[}}"#] {
            let read = message(text, ResultShape::Tool, "w+");
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
            let read = message(&text, ResultShape::Other, "").unwrap();
            assert_eq!(read.answers(id), expected, "{own} for {id}");
        }
        let request = message(r#"{"id":1,"method":"ping"}"#, ResultShape::Other, "").unwrap();
        assert!(!request.answers("1"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_request_says_where_to_look() {
        for (method, asked) in [
            ("tools/call", ResultShape::Tool),
            ("prompts/get", ResultShape::Prompt),
            ("resources/read", ResultShape::Resource),
            ("tasks/result", ResultShape::Unknown),
            ("tasks/get", ResultShape::Task),
            ("completion/complete", ResultShape::Other),
        ] {
            assert_eq!(ResultShape::by(method), asked);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn deep_nesting_does_not_exhaust_the_stack() {
        let deep = format!(
            "{}1{}",
            r#"{"result":"#.repeat(100_000),
            "}".repeat(100_000)
        );
        let text = format!(r#"{{"id":1,"result":{deep}}}"#);
        assert_eq!(message(&text, ResultShape::Task, "w+").unwrap().edits, []);
    }
}
