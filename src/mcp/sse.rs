//! Server-sent events (HTML standard, "Parsing an event stream"). The parser reads them chunk by
//! chunk, and the filter passes them on byte for byte. MCP messages are the data of events; event
//! names, ids and retry times belong to the transport.

use std::borrow::Cow;
use std::{iter, mem};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A part of a stream: an event with the blank line that ends it, or a part before an event that a
/// client ignores (a comment, a blank line, a byte order mark). The part is bytes, since a server
/// may send any bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct SseEvent<'a> {
    /// The bytes of the stream.
    pub raw: &'a [u8],
}

/// The data of an event.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum Data<'a> {
    /// There is none, as in an event that has only an id.
    Empty,
    /// The data lines, joined by LF.
    Text(Cow<'a, str>),
    /// The data lines are not UTF-8. The text is that of a client that replaces each invalid byte
    /// with U+FFFD.
    Unreadable(String),
}

impl<'a> SseEvent<'a> {
    /// The data of the event.
    pub fn data(&self) -> Data<'a> {
        let mut joined: Option<Cow<[u8]>> = None;
        for value in lines(self.raw).filter_map(|line| line.data()) {
            joined = Some(match joined {
                None => Cow::Borrowed(value),
                Some(before) => {
                    let mut lines = before.into_owned();
                    lines.push(b'\n');
                    lines.extend_from_slice(value);
                    Cow::Owned(lines)
                }
            });
        }
        let lossy = |bytes: &[u8]| Data::Unreadable(String::from_utf8_lossy(bytes).into_owned());
        match joined {
            None | Some(Cow::Borrowed([])) => Data::Empty,
            Some(Cow::Borrowed(line)) => match simdutf8::basic::from_utf8(line) {
                Ok(text) => Data::Text(Cow::Borrowed(text)),
                Err(_) => lossy(line),
            },
            Some(Cow::Owned(lines)) => match String::from_utf8(lines) {
                Ok(text) => Data::Text(Cow::Owned(text)),
                Err(error) => lossy(error.as_bytes()),
            },
        }
    }

    /// Whether its type is `message`: its last `event` line has this type or is empty, or there is
    /// no such line. Clients of MCP ignore events of other types.
    pub fn is_message(&self) -> bool {
        let types = lines(self.raw).filter_map(|line| line.field(b"event"));
        types
            .last()
            .is_none_or(|name| name.is_empty() || name == b"message")
    }

    /// The id of the event: the value of its last `id` line. The standard ignores a
    /// value with a NUL.
    pub fn id(&self) -> Option<&'a [u8]> {
        lines(self.raw).filter_map(|line| line.id()).last()
    }

    /// The event with new data (`None` keeps the old data), and with its id changed according to
    /// `id`. The data is written in the place of the first data line, with one line for each line
    /// of the data. The id is written in the place of the first id line; it is left out if it has a
    /// NUL or a line end. The other lines stay. An event without a data line gets no data, and one
    /// without an id gets no id.
    pub fn rewritten(&self, data: Option<&[u8]>, id: &EventId) -> Vec<u8> {
        const OTHER_LINES: usize = 128;
        let size = data.map_or(0, <[u8]>::len).saturating_add(OTHER_LINES);
        let mut out = Vec::with_capacity(size.max(self.raw.len()));
        // The data that is not written yet.
        let mut new_data = data;
        let mut new_id = match id {
            EventId::Replaced(id) => Some(id.as_bytes()),
            EventId::Unchanged | EventId::Removed => None,
        }
        .filter(|id| !id.iter().any(|byte| b"\0\r\n".contains(byte)));
        for line in lines(self.raw) {
            if data.is_some() && line.data().is_some() {
                let values = new_data.take().into_iter().flat_map(lines);
                for value in values {
                    line.push(&mut out, &[b"data: ", value.text]);
                }
            } else if *id != EventId::Unchanged && line.field(b"id").is_some() {
                if let Some(new) = line.id().and_then(|_| new_id.take()) {
                    line.push(&mut out, &[b"id: ", new]);
                }
            } else {
                if line.text.is_empty() && line.end.starts_with(b"\n") && out.ends_with(b"\r") {
                    // A line was removed in between. Now CR and LF would be one line end and not a
                    // blank line, so add another LF.
                    out.push(b'\n');
                }
                line.push(&mut out, &[line.text]);
            }
        }
        out
    }
}

/// What happens to the id of an event that is rewritten.
#[derive(Clone, PartialEq, Eq)]
pub enum EventId {
    /// It stays, or the event has none.
    Unchanged,
    /// The lines with an id are removed: clients cannot resume at this event.
    Removed,
    /// The id is replaced with this one.
    Replaced(String),
}

/// An event is longer than allowed. The parser accepts nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Splits a stream that arrives in chunks into events. It keeps only the incomplete event.
pub struct Parser {
    longest: usize,
    /// The start of the incomplete event.
    held: Vec<u8>,
    /// Where the last line of it starts.
    line: usize,
    /// The number of bytes of this line that were searched for its end.
    read: usize,
    /// The stream may start with a byte order mark.
    at_start: bool,
}

impl Parser {
    /// A parser at the start of a stream whose events have at most `longest`
    /// bytes each.
    pub fn new(longest: usize) -> Self {
        Self {
            longest,
            held: Vec::new(),
            line: 0,
            read: 0,
            at_start: true,
        }
    }

    /// Takes a chunk, and calls `on_event` with each part that is complete now. All parts in their
    /// order, and then the [`rest`](Self::rest), are the stream byte for byte.
    ///
    /// Parts that a client ignores do not wait for the next event: a comment keeps a connection
    /// alive only if it is sent at once. If a chunk ends between CR and LF at the end of an event,
    /// the LF comes as a blank line.
    ///
    /// # Errors
    /// An event is longer than allowed. `on_event` has got the events before it.
    pub fn push(
        &mut self,
        chunk: &[u8],
        mut on_event: impl FnMut(SseEvent<'_>),
    ) -> Result<(), TooLong> {
        // An event within one chunk is not copied.
        let bytes = if self.held.is_empty() {
            Cow::Borrowed(chunk)
        } else {
            self.held.extend_from_slice(chunk);
            Cow::Owned(mem::take(&mut self.held))
        };
        let mut rest: &[u8] = &bytes;
        while let Some(length) = self.next(rest)? {
            let (raw, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            on_event(SseEvent { raw });
            rest = after;
        }
        self.held = if rest.len() == bytes.len() {
            bytes.into_owned()
        } else {
            rest.to_vec()
        };
        Ok(())
    }

    /// How many bytes of memory the start of the incomplete event takes up.
    pub fn size(&self) -> usize {
        self.held.capacity()
    }

    /// The start of an event that the end of the stream has cut off. Clients ignore it, as the
    /// standard says.
    pub fn rest(self) -> Vec<u8> {
        self.held
    }

    /// The length of the next part of `stream`, if it is complete.
    fn next(&mut self, stream: &[u8]) -> Result<Option<usize>, TooLong> {
        if self.at_start {
            if stream.starts_with(BYTE_ORDER_MARK) {
                self.at_start = false;
                return Ok(Some(BYTE_ORDER_MARK.len()));
            }
            if BYTE_ORDER_MARK.starts_with(stream) {
                return Ok(None);
            }
            self.at_start = false;
        }
        let event = self.event(stream);
        if event.unwrap_or(stream.len()) > self.longest {
            self.longest = 0;
            return Err(TooLong);
        }
        Ok(event.map(|end| match stream.get(end.saturating_sub(1)..) {
            Some([b'\r', b'\n', ..]) => end.saturating_add(1),
            _ => end,
        }))
    }

    /// The length of the event at the start of `stream`, without an LF after its last CR. Bytes
    /// that were searched before are not searched again.
    fn event(&mut self, stream: &[u8]) -> Option<usize> {
        loop {
            let Some(found) = line_end(stream.get(self.read..)?) else {
                self.read = stream.len();
                return None;
            };
            let end = self.read.saturating_add(found);
            let line = stream.get(self.line..end)?;
            let is_first = self.line == 0;
            let next = end.saturating_add(1);
            (self.line, self.read) = (next, next);
            let is_blank = line.is_empty() && !stream.get(..next)?.ends_with(b"\r\n");
            if is_blank || (is_first && line.starts_with(b":")) {
                (self.line, self.read) = (0, 0);
                return Some(next);
            }
        }
    }
}

/// The data of each event of the type `message` in the whole `stream`. Events without data, or with
/// data that is not UTF-8, are left out. An event that the end of the stream cuts off is ignored,
/// as the standard says.
pub fn messages(stream: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    // No event is longer than the limit.
    let _ = Parser::new(usize::MAX).push(stream, |event| {
        if let (true, Data::Text(text)) = (event.is_message(), event.data()) {
            found.push(text.into_owned());
        }
    });
    found
}

/// A line, and its end: CR LF, LF or CR, or nothing for the last line.
struct Line<'a> {
    text: &'a [u8],
    end: &'a [u8],
}

impl<'a> Line<'a> {
    /// The value, if the line is the field `name`.
    fn field(&self, name: &[u8]) -> Option<&'a [u8]> {
        match self.text.strip_prefix(name)? {
            [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
            [] => Some(&[]),
            _ => None,
        }
    }

    /// The part of the event's data in this line, if it is a data line.
    fn data(&self) -> Option<&'a [u8]> {
        self.field(b"data")
    }

    /// The id in this line, if it is an id line.
    fn id(&self) -> Option<&'a [u8]> {
        self.field(b"id").filter(|value| !value.contains(&0))
    }

    /// Appends a line made of `parts`, with the end of this line.
    fn push(&self, out: &mut Vec<u8>, parts: &[&[u8]]) {
        for part in parts {
            out.extend_from_slice(part);
        }
        out.extend_from_slice(self.end);
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut rest = Some(bytes);
    iter::from_fn(move || {
        let bytes = rest?;
        let (text, after) = bytes.split_at_checked(line_end(bytes).unwrap_or(bytes.len()))?;
        let length = match after {
            [b'\r', b'\n', ..] => 2,
            [_, ..] => 1,
            [] => 0,
        };
        let (end, after) = after.split_at_checked(length)?;
        rest = (length > 0).then_some(after);
        Some(Line { text, end })
    })
}

/// Where the first CR or LF is.
#[inline(never)]
pub(super) fn line_end(bytes: &[u8]) -> Option<usize> {
    let is_end = |byte: &u8| *byte == b'\n' || *byte == b'\r';
    let mut rest = bytes;
    // JSON is mostly one long line. The compiler uses SIMD instructions for a loop over blocks
    // with one comparison, but not for one with two.
    while let Some((block, after)) = rest.split_first_chunk::<64>() {
        let may_end = block
            .iter()
            .fold(false, |found, byte| found | (*byte <= b'\r'));
        if may_end && block.iter().any(is_end) {
            break;
        }
        rest = after;
    }
    let passed = bytes.len().saturating_sub(rest.len());
    let at = rest.iter().position(is_end)?;
    passed.checked_add(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(id: &str) -> EventId {
        EventId::Replaced(id.to_owned())
    }
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_data_of_events_is_read_with_any_line_ending() {
        for stream in [
            "data: one\n\ndata: two\n\n",
            "data: one\r\n\r\ndata: two\r\n\r\n",
            "data: one\r\rdata: two\r\r",
            "\u{feff}data:one\n\n: comment\nevent: message\ndata: two\nid: 7\nretry: 3\n\n",
            "id: 0\ndata:\n\ndata: one\n\n\n\ndata: two\n\n",
        ] {
            assert_eq!(messages(stream.as_bytes()), ["one", "two"], "{stream:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn events_of_another_type_are_no_messages() {
        for (stream, expected) in [
            ("event: message\ndata: x\n\n", true),
            ("event:message\r\ndata: x\r\n\r\n", true),
            ("event\ndata: x\n\n", true),
            ("event:\ndata: x\n\n", true),
            ("event: ping\nevent: message\ndata: x\n\n", true),
            ("event: ping\nevent:\ndata: x\n\n", true),
            (": event: ping\nevents: ping\ndata: x\n\n", true),
            ("event: ping\ndata: x\n\n", false),
            ("data: x\nevent: ping\n\n", false),
            ("event: message\nevent: ping\ndata: x\n\n", false),
            ("event:  message\ndata: x\n\n", false),
            ("event: message \ndata: x\n\n", false),
            ("event: Message\ndata: x\n\n", false),
        ] {
            let found = messages(stream.as_bytes());
            assert_eq!(found == ["x"], expected, "{stream:?}");
        }
        // An unreadable event does not hide other events.
        assert_eq!(messages(b"data: \xff\n\ndata: x\n\n"), ["x"]);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn several_data_lines_are_one_text() {
        assert_eq!(messages(b"data: a\ndata:  b\ndata\n\n"), ["a\n b\n"]);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_event_cut_off_by_the_end_is_dropped() {
        for stream in [
            "data: x",
            "data: x\n",
            "data: x\r\n",
            "",
            "\n\n",
            "datax: y\n\n",
            " data: y\n\n",
        ] {
            assert_eq!(messages(stream.as_bytes()), [""; 0], "{stream:?}");
        }
    }

    /// Shows the parts of `chunks`, and the rest.
    fn parted(chunks: &[&[u8]]) -> (Vec<Vec<String>>, String) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut parser = Parser::new(1000);
        let mut shown = Vec::new();
        for chunk in chunks {
            let mut now = Vec::new();
            let pushed = parser.push(chunk, |event| now.push(text(event.raw)));
            assert_eq!(pushed, Ok(()), "{chunks:?}");
            shown.push(now);
        }
        (shown, text(&parser.rest()))
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_event_is_shown_with_the_chunk_that_completes_it() {
        for (chunks, shown, rest) in [
            (
                &["data: x\n\ndata: y\n\n"][..],
                &[&["data: x\n\n", "data: y\n\n"][..]][..],
                "",
            ),
            (&["data: x\n", "\n"], &[&[], &["data: x\n\n"]], ""),
            (
                &["da", "ta: x\n\nda", "ta"],
                &[&[], &["data: x\n\n"], &[]],
                "data",
            ),
            // The part has the CR that ends the blank line. An LF may belong to this CR.
            (&["data: x\r\n\r\n"], &[&["data: x\r\n\r\n"]], ""),
            (
                &["data: x\r", "\n\r", "\ndata"],
                &[&[], &["data: x\r\n\r"], &["\n"]],
                "data",
            ),
            (
                &["data: x\r\r", "", "\n"],
                &[&["data: x\r\r"], &[], &["\n"]],
                "",
            ),
            (
                &["data: x\r\r", "\r", "\n\n"],
                &[&["data: x\r\r"], &["\r"], &["\n", "\n"]],
                "",
            ),
            (
                &["data: x\n\r\ndata: y\r\n\n"],
                &[&["data: x\n\r\n", "data: y\r\n\n"]],
                "",
            ),
            // A part that a client ignores does not wait for the next event.
            (&[": hi\n", "\n"], &[&[": hi\n"], &["\n"]], ""),
            (
                &[": hi\r", "\n: ho\n"],
                &[&[": hi\r"], &["\n", ": ho\n"]],
                "",
            ),
            (&["id: 1\n: hi\n", "\n"], &[&[], &["id: 1\n: hi\n\n"]], ""),
            (&["\n\n\r\n"], &[&["\n", "\n", "\r\n"]], ""),
        ] {
            let bytes: Vec<&[u8]> = chunks.iter().map(|chunk| chunk.as_bytes()).collect();
            assert_eq!(
                parted(&bytes),
                (owned(shown), rest.to_owned()),
                "{chunks:?}"
            );
        }
    }

    fn owned(shown: &[&[&str]]) -> Vec<Vec<String>> {
        let strings = |texts: &&[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        shown.iter().map(strings).collect()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_byte_order_mark_counts_at_the_start_only() {
        let event: &[u8] = b"data: x\n\n";
        let shown = ["\u{feff}", "data: x\n\n"].map(str::to_owned);
        for cut in 0..3 {
            let (first, then) = BYTE_ORDER_MARK.split_at(cut);
            let (parts, rest) = parted(&[first, then, event]);
            assert_eq!(parts.concat(), shown);
            assert_eq!(rest, "");
        }
        assert_eq!(parted(&[b"\xef", b"\xbb"]).1, "\u{fffd}");
        // In another place it is part of an unknown field name.
        assert_eq!(
            messages("\u{feff}data: x\n\n\u{feff}data: y\ndata: z\n\n".as_bytes()),
            ["x", "z"]
        );
        assert_eq!(messages("\n\u{feff}data: y\n\n".as_bytes()), [""; 0]);
        assert_eq!(messages("\u{feff}\u{feff}data: y\n\n".as_bytes()), [""; 0]);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn data_that_is_no_utf8_is_passed_on_and_told() {
        let stream: &[u8] =
            b"data: \xc3\xa4\n\ndata: \xff\n\nid: \xff\ndata: x\n\ndata: \xc3\ndata: \xa4\n\n";
        let expected = [
            Data::Text("ä".into()),
            Data::Unreadable("\u{fffd}".into()),
            Data::Text("x".into()),
            Data::Unreadable("\u{fffd}\n\u{fffd}".into()),
        ];
        for size in [1, 8, stream.len()] {
            let (mut parser, mut found, mut raw) = (Parser::new(1000), Vec::new(), Vec::new());
            for chunk in stream.chunks(size) {
                let pushed = parser.push(chunk, |event| {
                    found.push(match event.data() {
                        Data::Text(text) => Data::Text(text.into_owned().into()),
                        Data::Empty => Data::Empty,
                        Data::Unreadable(text) => Data::Unreadable(text),
                    });
                    raw.extend_from_slice(event.raw);
                });
                assert_eq!(pushed, Ok(()));
            }
            assert_eq!(found, expected);
            assert_eq!(raw, stream);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_event_may_be_as_long_as_allowed() {
        for (stream, expected) in [
            ("data: x\n\n", Ok(())),
            ("data: x\r\r\n", Ok(())),
            ("data: x\n\ndata: y\n\n: z\n", Ok(())),
            ("data: x", Ok(())),
            ("data: xy\n\n", Err(TooLong)),
            ("data: xyza", Err(TooLong)),
            (": abcdefgh\n", Err(TooLong)),
        ] {
            for size in [1, 4, 100] {
                let mut parser = Parser::new(9);
                let pushed = stream
                    .as_bytes()
                    .chunks(size)
                    .try_for_each(|chunk| parser.push(chunk, |_| {}));
                assert_eq!(pushed, expected, "{stream:?} in chunks of {size}");
                if expected.is_err() {
                    let after = parser.push(b"\n", |event| panic!("{event:?}"));
                    assert_eq!(after, Err(TooLong), "{stream:?}");
                }
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_event_is_rewritten_where_its_data_is() {
        for (raw, data, expected) in [
            ("data: old\n\n", "new", "data: new\n\n"),
            ("data:old\r\n\r\n", "new", "data: new\r\n\r\n"),
            ("data\r\r", "new", "data: new\r\r"),
            (
                "event: message\n: c\ndata: a\nid: 7\ndata: b\nretry: 1\n\n",
                "new",
                "event: message\n: c\ndata: new\nid: 7\nretry: 1\n\n",
            ),
            (
                "data: a\r\n\r\n",
                "b\nc\r\rd\r\n",
                "data: b\r\ndata: c\r\ndata: \r\ndata: d\r\ndata: \r\n\r\n",
            ),
            ("data: a\n\n", "", "data: \n\n"),
            // The new text must not put an LF after a CR that had none.
            ("data: a\rdata: b\n\n", "c", "data: c\r\n\n"),
            ("data: a\rid: 1\rdata: b\n\n", "c", "data: c\rid: 1\r\n\n"),
            ("id: 1\n\n", "new", "id: 1\n\n"),
            ("datax: 1\n data: 2\n\n", "new", "datax: 1\n data: 2\n\n"),
        ] {
            let event = SseEvent {
                raw: raw.as_bytes(),
            };
            let rewritten = event.rewritten(Some(data.as_bytes()), &EventId::Unchanged);
            assert_eq!(String::from_utf8_lossy(&rewritten), expected, "{raw:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_id_of_an_event_is_read_and_replaced() {
        for (raw, id, expected) in [
            ("id: 7\ndata: x\n\n", Some("7"), "id: new\ndata: x\n\n"),
            (
                "data: x\r\nid:7\r\n\r\n",
                Some("7"),
                "data: x\r\nid: new\r\n\r\n",
            ),
            ("id\rdata: x\r\r", Some(""), "id: new\rdata: x\r\r"),
            (
                "id: 1\n: c\nid:  2\nretry: 1\nid: \0\n\n",
                Some(" 2"),
                "id: new\n: c\nretry: 1\n\n",
            ),
            ("id: a\0\nid: 1\n\n", Some("1"), "id: new\n\n"),
            ("id: a\0\ndata: x\n\n", None, "data: x\n\n"),
            ("data: id: 7\n\n", None, "data: id: 7\n\n"),
            (
                "ids: 7\n id: 7\nID: 7\n\n",
                None,
                "ids: 7\n id: 7\nID: 7\n\n",
            ),
            (
                "data: a\rid: 1\rid: 2\n\n",
                Some("2"),
                "data: a\rid: new\r\n\n",
            ),
        ] {
            let event = SseEvent {
                raw: raw.as_bytes(),
            };
            assert_eq!(event.id(), id.map(str::as_bytes), "{raw:?}");
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            assert_eq!(
                text(event.rewritten(None, &replaced("new"))),
                expected,
                "{raw:?}"
            );
            assert_eq!(text(event.rewritten(None, &EventId::Unchanged)), raw);
        }
        let event = SseEvent {
            raw: b"id: 1\ndata: a\ndata: b\nid: 2\n\n",
        };
        let both = event.rewritten(Some(b"c"), &replaced("n"));
        assert_eq!(both, b"id: n\ndata: c\n\n");
        // These ids would end their line, or would be no id.
        for id in ["a\nb", "a\rb", "\0"] {
            let without = event.rewritten(None, &replaced(id));
            assert_eq!(without, b"data: a\ndata: b\n\n", "{id:?}");
        }
        let empty = event.rewritten(None, &replaced(""));
        assert_eq!(SseEvent { raw: &empty }.id(), Some(&b""[..]));
    }
}
