//! How a server's response ends a request: with a success, with a JSON-RPC error, or with a tool
//! that failed. The scanner reads the response while it passes, in parts of any length, and needs a
//! fixed amount of memory: it keeps only the id, the code and names of members.

use std::mem;

use crate::mcp::json;
use crate::mcp::message::is_same_id;

/// How a response ends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// It has a result, and the result reports no error.
    Well,
    /// Its result has `isError: true` (MCP, "Tools", "Error Handling").
    ToolError,
    /// It is a JSON-RPC error with this code; `None` where the code is not a whole
    /// number.
    RpcError(Option<i64>),
}

/// Reads one message that arrives in parts. It does not check the syntax, since the client does.
#[derive(Default)]
pub struct AnswerScanner {
    /// The most bytes that are kept of an id or a name.
    longest: usize,
    /// The number of open objects and arrays.
    depth: usize,
    /// The kind of the open member of the message, if that member is an object.
    section: AnswerSection,
    in_string: bool,
    /// The last byte was a backslash in a string.
    is_escaped: bool,
    /// The next string in the object is the name of a member.
    awaits_name: bool,
    /// The member whose value comes next.
    member: Member,
    /// The text of a name or a value, as far as it has arrived.
    text: Vec<u8>,
    /// The text is longer than the limit, so only its start is kept.
    is_cut: bool,
    found: FoundMembers,
    has_ended: bool,
}

/// The object that is a member of a message.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum AnswerSection {
    #[default]
    Other,
    Result,
    Error,
}

/// A member that says how a request ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Member {
    #[default]
    Other,
    JsonRpc,
    Id,
    Method,
    Result,
    Error,
    IsError,
    Code,
}

/// The values of the message's members. A member that is `null` does not count: some servers write
/// all members that a message can have.
#[derive(Default)]
struct FoundMembers {
    has_version: bool,
    has_method: bool,
    has_result: bool,
    has_error: bool,
    /// The error is an object.
    is_error_object: bool,
    is_tool_error: bool,
    code: Option<i64>,
    /// The message has an id other than `null`.
    has_id: bool,
    /// The JSON text of the id. It is empty where the id is too long, or is neither a string nor a
    /// number.
    id: Vec<u8>,
}

impl AnswerScanner {
    /// A scanner at the start of a message that may answer the request with the id `id`, a JSON
    /// text.
    pub fn new(id: &str) -> Self {
        const NAMES: usize = 64;
        Self {
            longest: id.len().saturating_mul(json::MOST_ESCAPED).max(NAMES),
            ..Self::default()
        }
    }

    /// Takes the next part of the message.
    pub fn push(&mut self, part: &[u8]) {
        let mut rest = part;
        while !self.has_ended && !rest.is_empty() {
            rest = if self.in_string {
                self.string(rest)
            } else if self.is_followed() {
                let (byte, after) = rest.split_first().unwrap_or((&0, &[]));
                self.byte(*byte);
                after
            } else {
                self.deep(rest)
            };
        }
    }

    /// Whether the message is complete.
    pub const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether the part of the message that has arrived has a result.
    pub const fn has_result(&self) -> bool {
        self.found.has_result
    }

    /// How the message ends the request with the id `id`, a JSON text. `None` where the message is
    /// incomplete, or is not a response to this request. An error without an id counts as a
    /// response: the server could not read the request (JSON-RPC 2.0, section 5).
    pub fn outcome(&self, id: &str) -> Option<CallOutcome> {
        let found = &self.found;
        if !self.has_ended || found.has_method {
            return None;
        }
        let own = std::str::from_utf8(&found.id).unwrap_or_default();
        let answers = !own.is_empty() && is_same_id(own, id);
        let is_nameless = !found.has_id && found.has_version && found.is_error_object;
        if found.has_error {
            return (answers || is_nameless).then_some(CallOutcome::RpcError(found.code));
        }
        let outcome = if found.is_tool_error {
            CallOutcome::ToolError
        } else {
            CallOutcome::Well
        };
        (answers && found.has_result).then_some(outcome)
    }

    /// Whether the scanner reads the members of the innermost object.
    fn is_followed(&self) -> bool {
        match self.depth {
            0 | 1 => true,
            2 => self.section != AnswerSection::Other,
            _ => false,
        }
    }

    /// Skips bytes whose members the scanner does not read, up to a string or to the end of an
    /// object or array.
    fn deep<'r>(&mut self, rest: &'r [u8]) -> &'r [u8] {
        let mut bytes = rest.iter();
        for byte in bytes.by_ref() {
            match byte {
                b'"' => {
                    self.in_string = true;
                    break;
                }
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'}' | b']' => {
                    self.close();
                    if self.is_followed() {
                        break;
                    }
                }
                _ => {}
            }
        }
        bytes.as_slice()
    }

    /// Takes a part of a string, or its end.
    fn string<'r>(&mut self, rest: &'r [u8]) -> &'r [u8] {
        if mem::take(&mut self.is_escaped) {
            let (escaped, after) = rest.split_at_checked(1).unwrap_or((rest, &[]));
            self.keep(escaped);
            return after;
        }
        let special = json::after_plain(rest);
        let length = rest.len().saturating_sub(special.len());
        self.keep(rest.get(..length).unwrap_or_default());
        let (byte, after) = special.split_at_checked(1).unwrap_or((special, &[]));
        self.keep(byte);
        match byte {
            b"\\" => self.is_escaped = true,
            b"\"" => {
                self.in_string = false;
                if self.awaits_name && self.is_followed() {
                    self.end_name();
                }
            }
            _ => {}
        }
        after
    }

    /// Takes a byte outside of strings.
    fn byte(&mut self, byte: u8) {
        match byte {
            b'"' => {
                self.in_string = true;
                self.keep(b"\"");
            }
            b'{' | b'[' => self.open(byte == b'{'),
            b'}' | b']' => {
                self.end_value();
                self.close();
            }
            b',' => {
                self.end_value();
                self.awaits_name = true;
            }
            b':' => self.awaits_name = false,
            b' ' | b'\n' | b'\r' | b'\t' => {}
            byte => self.keep(&[byte]),
        }
    }

    /// Keeps `bytes` of a name, or of a value that matters.
    fn keep(&mut self, bytes: &[u8]) {
        let is_wanted = self.awaits_name || self.member != Member::Other;
        if self.depth == 0 || !is_wanted || !self.is_followed() || self.is_cut {
            return;
        }
        if self.text.len().saturating_add(bytes.len()) > self.longest {
            self.is_cut = true;
        } else {
            self.text.extend_from_slice(bytes);
        }
    }

    fn open(&mut self, is_object: bool) {
        self.text.clear();
        self.is_cut = false;
        let found = &mut self.found;
        match self.member {
            Member::Id => found.has_id = true,
            Member::Method => found.has_method = true,
            Member::Result => found.has_result = true,
            Member::Error => {
                found.has_error = true;
                found.is_error_object = is_object;
            }
            _ => {}
        }
        match (self.depth, self.member) {
            // A batch (an array) does not count as an answer.
            (0, _) => self.has_ended = !is_object,
            (1, Member::Result) if is_object => self.section = AnswerSection::Result,
            (1, Member::Error) if is_object => self.section = AnswerSection::Error,
            _ => {}
        }
        self.member = Member::Other;
        self.awaits_name = true;
        self.depth = self.depth.saturating_add(1);
    }

    fn close(&mut self) {
        self.awaits_name = false;
        self.depth = self.depth.saturating_sub(1);
        match self.depth {
            0 => self.has_ended = true,
            1 => self.section = AnswerSection::Other,
            _ => {}
        }
    }

    /// The name of a member is complete.
    fn end_name(&mut self) {
        let text = mem::take(&mut self.text);
        let name = std::str::from_utf8(&text).ok().and_then(json::string);
        self.member = match (self.depth, self.section, name.as_deref()) {
            _ if mem::take(&mut self.is_cut) => Member::Other,
            (1, _, Some("jsonrpc")) => Member::JsonRpc,
            (1, _, Some("id")) => Member::Id,
            (1, _, Some("method")) => Member::Method,
            (1, _, Some("result")) => Member::Result,
            (1, _, Some("error")) => Member::Error,
            (2, AnswerSection::Result, Some("isError")) => Member::IsError,
            (2, AnswerSection::Error, Some("code")) => Member::Code,
            _ => Member::Other,
        };
        self.text = text;
        self.text.clear();
    }

    /// A value that is neither an object nor an array is complete, if there was one.
    fn end_value(&mut self) {
        let member = mem::take(&mut self.member);
        let is_cut = mem::take(&mut self.is_cut);
        let text = self.text.as_slice();
        let is_set = is_cut || !(text.is_empty() || text == b"null");
        let found = &mut self.found;
        match member {
            Member::JsonRpc => found.has_version |= is_set,
            Member::Method => found.has_method |= is_set,
            Member::Result => found.has_result |= is_set,
            Member::Error => found.has_error |= is_set,
            Member::IsError => found.is_tool_error |= text == b"true",
            Member::Code => {
                let text = std::str::from_utf8(text).unwrap_or_default();
                found.code = text.parse().ok();
            }
            Member::Id if is_set => {
                found.has_id = true;
                found.id.clear();
                if !is_cut {
                    found.id.extend_from_slice(text);
                }
            }
            Member::Id | Member::Other => {}
        }
        self.text.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    /// The outcome of `text` for the id `id`. It must be the same for parts of every length.
    fn outcome(text: &str, id: &str) -> Option<CallOutcome> {
        let of_parts = |size: usize| {
            let mut scanner = AnswerScanner::new(id);
            for part in text.as_bytes().chunks(size) {
                scanner.push(part);
            }
            scanner.outcome(id)
        };
        let whole = of_parts(text.len().max(1));
        for size in [1, 2, 3, 7, 64] {
            assert_eq!(of_parts(size), whole, "{size}: {text}");
        }
        whole
    }

    const RPC: fn(i64) -> Option<CallOutcome> = |code| Some(CallOutcome::RpcError(Some(code)));
    const WELL: Option<CallOutcome> = Some(CallOutcome::Well);
    const TOOL: Option<CallOutcome> = Some(CallOutcome::ToolError);

    #[wasm_bindgen_test(unsupported = test)]
    fn a_result_is_well_unless_it_says_otherwise() {
        for (result, expected) in [
            ("{}", WELL),
            ("[]", WELL),
            ("1", WELL),
            (r#"{"isError":false,"content":[]}"#, WELL),
            (r#"{"content":[{"isError":true}]}"#, WELL),
            (r#"{"structuredContent":{"isError":true}}"#, WELL),
            (r#"{"content":["\"isError\":true","\\"]}"#, WELL),
            (r#"{"isError":"true"}"#, WELL),
            (r#"{"isError":1}"#, WELL),
            (r#"{"isError":[true]}"#, WELL),
            (r#"{"isError":{"isError":true}}"#, WELL),
            (r#"{"IsError":true}"#, WELL),
            (r#"[{"isError":true}]"#, WELL),
            (r#"{"isError":true}"#, TOOL),
            (r#"{ "isError" : true }"#, TOOL),
            (
                r#"{"content":[{"type":"text","text":"}{][\"\\"}],"isError":true}"#,
                TOOL,
            ),
            (r#"{"is\u0045rror":true,"content":[]}"#, TOOL),
            // A client may read either of the two members, so it may see the error.
            (r#"{"isError":true,"isError":false}"#, TOOL),
            (r#"{"a":{"b":[{}]},"isError":true}"#, TOOL),
        ] {
            for text in [
                format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result}}}"#),
                format!(" {{\n\"result\" : {result} ,\n\"id\" : 7, \"error\":null }} "),
                format!("\u{feff}{{\"method\":null,\"r\\u0065sult\":{result},\"id\":7}}"),
            ] {
                assert_eq!(outcome(&text, "7"), expected, "{text}");
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_error_has_its_code() {
        for (error, expected) in [
            (r#"{"code":-32602,"message":"no"}"#, RPC(-32602)),
            (r#"{"message":"\"code\":1","code": 429 }"#, RPC(429)),
            (r#"{"data":{"code":5},"c\u006fde":-1,"x":{}}"#, RPC(-1)),
            (r#"{"code":"E1"}"#, Some(CallOutcome::RpcError(None))),
            (r#"{"code":1.5}"#, Some(CallOutcome::RpcError(None))),
            (
                r#"{"code":99999999999999999999}"#,
                Some(CallOutcome::RpcError(None)),
            ),
            (r#"{"message":"m"}"#, Some(CallOutcome::RpcError(None))),
            (r#""overloaded""#, Some(CallOutcome::RpcError(None))),
            ("[1]", Some(CallOutcome::RpcError(None))),
        ] {
            for text in [
                format!(r#"{{"jsonrpc":"2.0","id":"a","error":{error}}}"#),
                format!(r#"{{"error": {error} ,"result":null,"id":"\u0061"}}"#),
            ] {
                assert_eq!(outcome(&text, r#""a""#), expected, "{text}");
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn only_the_response_to_the_request_ends_it() {
        for text in [
            r#"{"jsonrpc":"2.0","id":8,"result":{"isError":true}}"#,
            r#"{"jsonrpc":"2.0","id":"7","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":8,"error":{"code":1}}"#,
            r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
            r#"{"jsonrpc":"2.0","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":[7],"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":[7],"error":{"code":1}}"#,
            r#"{"error":{"code":1}}"#,
            r#"{"jsonrpc":"2.0","error":"overloaded"}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"x","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":7}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":null}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"isError":true}"#,
            r#"[{"jsonrpc":"2.0","id":7,"result":{}}]"#,
            "<html>{}</html>",
            "17",
            "",
        ] {
            assert_eq!(outcome(text, "7"), None, "{text}");
        }
        let nameless = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600}}"#;
        assert_eq!(outcome(nameless, "7"), RPC(-32600));
        assert_eq!(
            outcome(&nameless.replace(r#""id":null,"#, ""), "7"),
            RPC(-32600)
        );
        let float = r#"{"jsonrpc":"2.0","id":7.0,"result":{}}"#;
        assert_eq!(outcome(float, "7"), WELL);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn nothing_that_grows_is_kept() {
        let long = "x".repeat(1_000_000);
        let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
        let text = format!(
            r#"{{"{long}":"{long}","id":"{long}","id":7,"result":{{"{long}":{deep},"isError":true}}}}"#
        );
        let mut scanner = AnswerScanner::new("7");
        scanner.push(text.as_bytes());
        assert_eq!(scanner.outcome("7"), TOOL);
        assert!(scanner.text.capacity() < 1024);
        assert!(scanner.found.id.capacity() < 1024);
        // The scanner finds a long id of the client, even if the server escapes it.
        let id = format!("\"{}\"", "a".repeat(8000));
        let escaped = format!("\"{}\"", "\\u0061".repeat(8000));
        let text = format!(r#"{{"id":{escaped},"error":{{"code":1}}}}"#);
        assert_eq!(outcome(&text, &id), RPC(1));
    }
}
