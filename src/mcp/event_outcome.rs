//! Finds the response to a request in a stream of server-sent events, while the stream passes. It
//! does not keep the data of events; see [`AnswerScanner`].

use std::mem;

use crate::mcp::call_outcome::{AnswerScanner, CallOutcome};
use crate::mcp::sse;

/// Reads a stream of events that arrives in parts.
pub struct EventScanner {
    /// The JSON text of the request's id.
    id: String,
    /// The data of the event that is still incomplete.
    data: AnswerScanner,
    /// The event has a data line.
    has_data: bool,
    /// The start of the event's type.
    event_type: Vec<u8>,
    line: LinePart,
    /// The start of the line, up to the colon.
    name: Vec<u8>,
    /// The last byte was a CR, so a following LF belongs to the same line end.
    ends_with_cr: bool,
    /// No line has ended yet, so a byte order mark may come.
    is_first_line: bool,
}

/// The part of a line that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinePart {
    /// The name of its field.
    Name,
    /// The first byte of the value. If it is a space, it is not part of the value.
    Space(LineField),
    /// The value.
    Value(LineField),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineField {
    Data,
    Type,
    Other,
}

/// The most bytes that are kept of names and types. Those that matter are shorter.
const LONGEST: usize = 16;

impl EventScanner {
    /// A scanner at the start of a stream that has the response to the request with the id `id`, a
    /// JSON text.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            data: AnswerScanner::new(id),
            has_data: false,
            event_type: Vec::new(),
            line: LinePart::Name,
            name: Vec::new(),
            ends_with_cr: false,
            is_first_line: true,
        }
    }

    /// Takes the next part of the stream. When the event with the response is complete, gives how
    /// the request ended. The rest of the stream is not read.
    pub fn push(&mut self, part: &[u8]) -> Option<CallOutcome> {
        let mut rest = part;
        while !rest.is_empty() {
            if let (true, [b'\n', after @ ..]) = (mem::take(&mut self.ends_with_cr), rest) {
                rest = after;
                continue;
            }
            let length = sse::line_end(rest).unwrap_or(rest.len());
            let (text, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            self.push_text(text);
            rest = after;
            if let [end, after @ ..] = after {
                self.ends_with_cr = *end == b'\r';
                rest = after;
                let outcome = self.end_line();
                if outcome.is_some() {
                    return outcome;
                }
            }
        }
        None
    }

    /// Takes a part of a line.
    fn push_text(&mut self, mut text: &[u8]) {
        while let (LinePart::Name, [byte, after @ ..]) = (self.line, text) {
            text = after;
            if *byte == b':' {
                let field = self.start_value();
                self.line = LinePart::Space(field);
            } else if self.name.len() < LONGEST {
                self.name.push(*byte);
            }
        }
        if let (LinePart::Space(field), false) = (self.line, text.is_empty()) {
            self.line = LinePart::Value(field);
            text = text.strip_prefix(b" ").unwrap_or(text);
        }
        match self.line {
            LinePart::Value(LineField::Data) => self.data.push(text),
            LinePart::Value(LineField::Type) => {
                let room = LONGEST.saturating_sub(self.event_type.len());
                let text = text.get(..room).unwrap_or(text);
                self.event_type.extend_from_slice(text);
            }
            _ => {}
        }
    }

    /// The name of a line's field is complete.
    fn start_value(&mut self) -> LineField {
        let name = self.name.as_slice();
        let name = match name.strip_prefix(b"\xef\xbb\xbf") {
            Some(name) if self.is_first_line => name,
            _ => name,
        };
        match name {
            b"data" => {
                if mem::replace(&mut self.has_data, true) {
                    self.data.push(b"\n");
                }
                LineField::Data
            }
            b"event" => {
                self.event_type.clear();
                LineField::Type
            }
            _ => LineField::Other,
        }
    }

    /// A line is complete. A blank one ends the event.
    fn end_line(&mut self) -> Option<CallOutcome> {
        let is_blank = self.line == LinePart::Name && self.name.is_empty();
        if self.line == LinePart::Name && !is_blank {
            // A field without a value.
            self.start_value();
        }
        self.line = LinePart::Name;
        self.name.clear();
        self.is_first_line = false;
        if !is_blank || !mem::take(&mut self.has_data) {
            if is_blank {
                self.event_type.clear();
            }
            return None;
        }
        let data = mem::replace(&mut self.data, AnswerScanner::new(&self.id));
        let event_type = mem::take(&mut self.event_type);
        // Clients of MCP ignore events of other types.
        let is_message = event_type.is_empty() || event_type == b"message";
        data.outcome(&self.id).filter(|_| is_message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    /// The outcome of the stream. It must be the same for parts of every length.
    fn outcome(stream: &str) -> Option<CallOutcome> {
        let of_parts = |size: usize| {
            let mut scanner = EventScanner::new("7");
            let mut parts = stream.as_bytes().chunks(size);
            parts.find_map(|part| scanner.push(part))
        };
        let whole = of_parts(stream.len().max(1));
        for size in [1, 2, 3, 5] {
            assert_eq!(of_parts(size), whole, "{size}: {stream:?}");
        }
        whole
    }

    const FAILED: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"content":[],"isError":true}}"#;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_response_is_found_among_other_events() {
        for before in [
            "",
            "\u{feff}",
            ": comment\n\n",
            "id: 1\ndata:\n\n",
            "event: ping\ndata: {}\n\n",
            "event: ping\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"error\":{}}}\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{}}\n\n",
            "event: error\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":1}}\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sampling/createMessage\",\"params\":{}}\n\n",
            "data: [DONE]\n\n",
            "data: {\"half\n\n",
            "xdata: {\n\ndatax: {\n\n",
            "retry: 5\n\n\n\n",
        ] {
            for ends in ["\n", "\r", "\r\n"] {
                for answer in [
                    format!("data: {FAILED}\n\n"),
                    format!("data:{FAILED}\n\n"),
                    format!("event: message\nid: 9\ndata: {FAILED}\n\n"),
                    format!("event: ping\nevent\ndata: {FAILED}\n\n"),
                    format!("data: {}\n\n", FAILED.replace(',', ",\ndata: ")),
                ] {
                    let stream = format!("{before}{answer}").replace('\n', ends);
                    let found = outcome(&stream);
                    assert_eq!(found, Some(CallOutcome::ToolError), "{stream:?}");
                }
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_no_response_to_the_request_ends_nothing() {
        for stream in [
            String::new(),
            format!("data: {FAILED}\n"),
            format!("data: {FAILED}"),
            format!("event: messages\ndata: {FAILED}\n\n"),
            format!("event: a-type-that-is-longer-than-is-kept\ndata: {FAILED}\n\n"),
            format!("dat: {FAILED}\n\n"),
            format!(": data: {FAILED}\n\n"),
            format!("data: {}\n\n", FAILED.replace("7", "8")),
            format!("data: [{FAILED}]\n\n"),
        ] {
            assert_eq!(outcome(&stream), None, "{stream:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn nothing_that_grows_is_kept() {
        let long = "x".repeat(100_000);
        let mut scanner = EventScanner::new("7");
        let stream = format!("{long}: a\nevent: {long}\ndata: {{\"a\":\"{long}\"}}\n");
        assert_eq!(scanner.push(stream.as_bytes()), None);
        assert!(scanner.name.capacity() < 1024);
        assert!(scanner.event_type.capacity() < 1024);
    }
}
