//! The response of a server to one request of the gateway, as JSON or as
//! server-sent events (MCP, streamable HTTP, "Sending messages").

use std::borrow::Cow;

use crate::http::media_type;
use crate::mcp::json::{self, Reader};
use crate::mcp::sse;

/// The response of a server.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum JsonRpcResponse<T> {
    /// What was read from the `result`.
    Result(T),
    /// A JSON-RPC error.
    Error(JsonRpcError),
}

/// The error of a server (JSON-RPC 2.0 section 5.1).
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct JsonRpcError {
    /// The code as text, `?` if it is not an integer, empty if there is none.
    pub code: String,
    /// The message: its start, if it is long.
    pub message: String,
    /// The JSON text of its data; `None` if there is none, or if it is long.
    pub data: Option<String>,
}

/// The most bytes that are kept of an error's message. Longer data is not kept at all. A request
/// that waits for other servers may keep an error for a long time.
const LONGEST_OF_ERROR: usize = 8192;

/// Finds the response to the request with the string id `id` in the `body` of an HTTP response with
/// this `content-type`: an event stream, or one message. Ignores other messages (notifications and
/// requests of the server), and events that are not messages. `None` if the response is not there.
///
/// `read` reads the value of `result`, and gives an error only where it is no JSON. So a long result
/// is read once, without a first pass for its end.
pub fn find<T>(
    content_type: Option<&str>,
    body: &[u8],
    id: &str,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, json::Error>,
) -> Option<JsonRpcResponse<T>> {
    let is_answer = |answered: Option<&str>| {
        let answered = answered.and_then(json::string);
        answered.is_some_and(|answered| answered == id)
    };
    let mut result = None;
    let read = &mut |reader: &mut Reader<'_>| {
        result = Some(read(reader)?);
        Ok(())
    };
    match first(content_type, body, &is_answer, read)? {
        JsonRpcResponse::Result(()) => result.map(JsonRpcResponse::Result),
        JsonRpcResponse::Error(error) => Some(JsonRpcResponse::Error(error)),
    }
}

/// Finds a JSON-RPC error in the `body`, whatever its id is: `null`, absent or of another request.
/// A server sends such an error if it cannot read a request (JSON-RPC 2.0 section 5).
pub fn find_error(content_type: Option<&str>, body: &[u8]) -> Option<JsonRpcError> {
    let read = &mut |reader: &mut Reader<'_>| reader.skip().map(drop);
    match first(content_type, body, &|_| true, read)? {
        JsonRpcResponse::Error(error) => Some(error),
        JsonRpcResponse::Result(()) => None,
    }
}

/// Reads the value of a `result`.
type ResultReader<'r> = &'r mut dyn FnMut(&mut Reader<'_>) -> Result<(), json::Error>;

/// The first response in the `body` whose id, a JSON text, `fits`.
fn first(
    content_type: Option<&str>,
    body: &[u8],
    fits: &dyn Fn(Option<&str>) -> bool,
    read: ResultReader<'_>,
) -> Option<JsonRpcResponse<()>> {
    if content_type.is_some_and(media_type::is_event_stream) {
        let mut messages = sse::messages(body).into_iter();
        return messages.find_map(|data| response(&data, fits, read));
    }
    // As in some SDKs, a byte order mark and invalid bytes do not make an answer unreadable.
    // Otherwise one invalid byte would hide the whole list.
    let text = match simdutf8::basic::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(body),
    };
    response(text.strip_prefix('\u{feff}').unwrap_or(&text), fits, read)
}

/// Reads a response whose id, a JSON text, `fits`. `None` if `text` is another message, or none.
///
/// Some servers write all members that a message can have, and `null` for those it does not have.
/// So `null` counts as a result only if there is no error.
fn response(
    text: &str,
    fits: &dyn Fn(Option<&str>) -> bool,
    read: ResultReader<'_>,
) -> Option<JsonRpcResponse<()>> {
    let (mut version, mut answered, mut error) = (None, None, None);
    let mut result = None;
    let mut reader = Reader::new(text);
    let is_unique = reader.object(|reader, name| {
        if name == "result" {
            let start = reader.mark();
            read(reader)?;
            result = Some(reader.since(start));
            return Ok(());
        }
        let value = reader.skip()?;
        match name.as_ref() {
            "jsonrpc" => version = Some(value),
            "id" => answered = Some(value),
            "error" => error = Some(value).filter(|error| *error != "null"),
            _ => {}
        }
        Ok(())
    });
    let is_message = is_unique == Ok(true) && reader.end().is_ok();
    if !is_message || json::string(version?)? != "2.0" || !fits(answered) {
        return None;
    }
    let result = result.filter(|result| !(*result == "null" && error.is_some()));
    match (result, error) {
        (Some(_), None) => Some(JsonRpcResponse::Result(())),
        (None, Some(error)) => Some(JsonRpcResponse::Error(JsonRpcError::read(error))),
        _ => None,
    }
}

impl JsonRpcError {
    fn read(text: &str) -> Self {
        let mut error = Self::default();
        // An error without a code or a message is still an error.
        let _ = json::members(text, |name, value| match name.as_ref() {
            // Only a number is accepted, since the code goes into the log.
            "code" => {
                error.code = value
                    .parse::<i64>()
                    .map_or_else(|_| "?".to_owned(), |code| code.to_string())
            }
            "message" => error.message = start_of(&json::string(value).unwrap_or_default()),
            "data" => error.data = (value.len() <= LONGEST_OF_ERROR).then(|| value.to_owned()),
            _ => {}
        });
        error
    }
}

/// The start of `text`, up to the length that is kept.
fn start_of(text: &str) -> String {
    let mut ends = (0..=text.len().min(LONGEST_OF_ERROR)).rev();
    let start = ends.find_map(|end| text.get(..end));
    start.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    const SSE: Option<&str> = Some("text/event-stream; charset=utf-8");

    fn result(text: &str) -> Option<JsonRpcResponse<String>> {
        Some(JsonRpcResponse::Result(text.to_owned()))
    }

    fn find(content_type: Option<&str>, body: &[u8], id: &str) -> Option<JsonRpcResponse<String>> {
        super::find(content_type, body, id, |reader| {
            reader.skip().map(str::to_owned)
        })
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_json_answer_is_found_by_its_id() {
        let body = br#"{"jsonrpc":"2.0","id":"gw-1","result":{"tools":[ 1.10 ]}}"#;
        assert_eq!(
            find(Some("application/json"), body, "gw-1"),
            result(r#"{"tools":[ 1.10 ]}"#)
        );
        assert_eq!(find(None, body, "gw-1"), result(r#"{"tools":[ 1.10 ]}"#));
        assert_eq!(find(None, body, "gw-2"), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_answer_among_events_is_found_by_its_id() {
        let body = b": hi\nid: 0\ndata:\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"gw-2\",\"result\":2}\n\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"id\":\"gw-1\",\"result\":1}\n\n";
        assert_eq!(find(SSE, body, "gw-1"), result("1"));
        assert_eq!(find(SSE, body, "gw-2"), result("2"));
        assert_eq!(find(SSE, body, "gw-3"), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_json_rpc_error_is_told_as_such() {
        let body = br#"{"jsonrpc":"2.0","id":"a","error":{"code":-32601,"message":"no","data":{"x":1.0}}}"#;
        let expected = JsonRpcResponse::Error(JsonRpcError {
            code: "-32601".into(),
            message: "no".into(),
            data: Some(r#"{"x":1.0}"#.into()),
        });
        assert_eq!(find(None, body, "a"), Some(expected));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_member_that_is_null_says_nothing() {
        let body = br#"{"jsonrpc":"2.0","id":"a","method":null,"result":{},"error":null}"#;
        assert_eq!(find(None, body, "a"), result("{}"));
        let body = br#"{"jsonrpc":"2.0","id":"a","result":null,"error":{"code":1,"message":"m"}}"#;
        assert!(matches!(
            find(None, body, "a"),
            Some(JsonRpcResponse::Error(_))
        ));
        let body = br#"{"jsonrpc":"2.0","id":"a","result":null}"#;
        assert_eq!(find(None, body, "a"), result("null"));
        let body = br#"{"jsonrpc":"2.0","id":"a","error":null}"#;
        assert_eq!(find(None, body, "a"), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn events_that_are_no_messages_are_passed_over() {
        let answer = r#"data: {"jsonrpc":"2.0","id":"a","result":1}"#;
        for before in [
            "event: ping\ndata: {}",
            "event: ping\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":2}",
            "data: {\"type\":\"heartbeat\"}",
            "data: [DONE]",
            "data: 17",
            "data: \u{fffd}",
        ] {
            let body = format!("{before}\n\n{answer}\n\n");
            assert_eq!(find(SSE, body.as_bytes(), "a"), result("1"), "{before}");
        }
        let body = [b"data: \xff\n\n", answer.as_bytes(), b"\n\n"].concat();
        assert_eq!(find(SSE, &body, "a"), result("1"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_error_is_found_whatever_its_id() {
        for id in ["", r#""id":null,"#, r#""id":"b","#, r#""id":7,"#] {
            let error =
                format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":-32600,"message":"m"}}}}"#);
            let events = format!(": x\n\ndata: 17\n\ndata: {error}\n\n");
            for (content_type, body) in [(None, &error), (SSE, &events)] {
                assert_eq!(find(content_type, body.as_bytes(), "a"), None, "{body}");
                let found = find_error(content_type, body.as_bytes());
                assert!(found.is_some(), "{body}");
            }
        }
        for body in [
            "<html>",
            r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
            r#"{"error":{"code":-32600,"message":"m"}}"#,
        ] {
            assert_eq!(find_error(None, body.as_bytes()), None, "{body}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn nonsense_is_no_answer() {
        for body in [
            "",
            "<html>",
            "[]",
            "{}",
            "null",
            r#"{"jsonrpc":"2.0","id":"a"}"#,
            r#"{"jsonrpc":"1.0","id":"a","result":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":1}"#,
            r#"{"jsonrpc":"2.0","id":"a","result":1,"error":{}}"#,
            r#"{"jsonrpc":"2.0","id":"a","result":1,"result":2}"#,
            r#"{"jsonrpc":"2.0","id":"a","result":{"tools":["#,
        ] {
            assert_eq!(find(None, body.as_bytes(), "a"), None, "{body}");
        }
        assert_eq!(find(None, b"\xff", "a"), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_result_that_cannot_be_read_is_still_a_response() {
        // This reader takes an object without members.
        let find = |body: &str| {
            super::find(None, body.as_bytes(), "a", |reader| {
                let member = |_: &mut Reader<'_>, _| Ok(());
                reader.value(|reader| reader.object(member).map_err(|error| error.expected))
            })
        };
        let unread = |expected| Some(JsonRpcResponse::Result(Err(expected)));
        for (value, expected) in [
            ("{}", Some(JsonRpcResponse::Result(Ok(true)))),
            ("1", unread("an object")),
            ("null", unread("an object")),
            (r#"{"x":[{"y":1}],"z":2}"#, unread(r#""," or "}""#)),
            (r#"{"x":[{"y":1}],"z":}"#, None),
            (r#"{"x":"#, None),
        ] {
            for body in [
                format!(r#"{{"jsonrpc":"2.0","id":"a","result":{value}}}"#),
                format!(r#"{{"result": {value} ,"jsonrpc":"2.0","id":"a"}}"#),
            ] {
                assert_eq!(find(&body), expected, "{body}");
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn one_bad_byte_takes_away_no_answer() {
        let body = b"{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":{\"x\":\"caf\xe9\"}}";
        assert_eq!(find(None, body, "a"), result("{\"x\":\"caf\u{fffd}\"}"));
        let marked = [b"\xef\xbb\xbf", &body[..]].concat();
        assert!(find(None, &marked, "a").is_some());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn of_a_long_error_the_start_is_kept() {
        let long = "\u{e9}".repeat(1_000_000);
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":"a","error":{{"code":1,"message":"x{long}","data":"{long}"}}}}"#
        );
        let kept = format!("x{}", "\u{e9}".repeat(4095));
        let error = JsonRpcResponse::Error(JsonRpcError {
            code: "1".to_owned(),
            message: kept,
            data: None,
        });
        assert_eq!(find(None, body.as_bytes(), "a"), Some(error));
    }
}
