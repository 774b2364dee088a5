//! Server-sent events. However a stream is cut into chunks, the events must be the same, each must
//! come as early as possible, and every byte must be passed on.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mcp_gateway::mcp::sse::{self, Data, EventId, Parser, SseEvent};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    stream: Stream<'a>,
    cuts: Vec<u8>,
    longest: Option<u8>,
    data: Option<&'a str>,
    id: Option<&'a str>,
}

#[derive(Arbitrary, Debug)]
enum Stream<'a> {
    Lines { mark: bool, lines: Vec<Line<'a>> },
    Bytes(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
struct Line<'a> {
    name: Name,
    value: &'a [u8],
    end: End,
}

#[derive(Arbitrary, Debug)]
enum Name {
    Blank,
    Comment,
    Data,
    DataWithoutBlank,
    DataAlone,
    Id,
    SseEvent,
    Retry,
    Mark,
    Other,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum End {
    Lf,
    Cr,
    CrLf,
    None,
}

impl Stream<'_> {
    fn bytes(&self) -> Vec<u8> {
        let (mark, lines) = match self {
            Self::Bytes(bytes) => return bytes.to_vec(),
            Self::Lines { mark, lines } => (mark, lines),
        };
        let mut out = Vec::new();
        if *mark {
            out.extend_from_slice(b"\xef\xbb\xbf");
        }
        for line in lines {
            let (name, value): (&[u8], &[u8]) = match line.name {
                Name::Blank => (b"", b""),
                Name::Comment => (b":", line.value),
                Name::Data => (b"data: ", line.value),
                Name::DataWithoutBlank => (b"data:", line.value),
                Name::DataAlone => (b"data", b""),
                Name::Id => (b"id: ", line.value),
                Name::SseEvent => (b"event: ", line.value),
                Name::Retry => (b"retry: ", line.value),
                Name::Mark => (b"\xef\xbb\xbfdata:", line.value),
                Name::Other => (b"", line.value),
            };
            out.extend_from_slice(name);
            out.extend_from_slice(value);
            out.extend_from_slice(match line.end {
                End::Lf => b"\n",
                End::Cr => b"\r",
                End::CrLf => b"\r\n",
                End::None => b"",
            });
        }
        out
    }
}

/// The parts that the parser gave.
#[derive(Debug, Default, PartialEq)]
struct Shown {
    raw: Vec<Vec<u8>>,
    /// The data of events that have data; `None` where it is unreadable.
    data: Vec<Option<String>>,
}

impl Shown {
    fn push(&mut self, event: SseEvent<'_>) {
        match self.raw.last_mut() {
            // This LF belongs to a CR at the end of the chunk before.
            Some(last) if event.raw == b"\n" && last.ends_with(b"\r") => last.push(b'\n'),
            _ => self.raw.push(event.raw.to_vec()),
        }
        match event.data() {
            Data::Empty => {}
            Data::Text(text) => self.data.push(Some(text.into_owned())),
            Data::Unreadable(_) => self.data.push(None),
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    let stream = input.stream.bytes();
    let longest = input.longest.map_or(usize::MAX, usize::from);

    let mut whole = Shown::default();
    let mut parser = Parser::new(longest);
    let taken = parser.push(&stream, |event| whole.push(event));
    let rest = parser.rest();
    for raw in &whole.raw {
        assert!(raw.len() <= longest.max(3).saturating_add(1));
    }

    let mut cut = Shown::default();
    let mut parser = Parser::new(longest);
    let (mut at, mut also_taken) = (0, Ok(()));
    // The rest comes byte by byte. Few streams are long.
    let sizes = input.cuts.iter().map(|size| usize::from(*size));
    for size in sizes.chain(std::iter::repeat(1)) {
        if at == stream.len() || also_taken.is_err() {
            break;
        }
        let end = stream.len().min(at + size);
        also_taken = parser.push(&stream[at..end], |event| cut.push(event));
        at = end;
        // The parser must not hold a complete part back. The reference parses the stream again each
        // time, so this is checked for short streams only.
        if also_taken.is_ok() && stream.len() < 512 {
            let complete = reference(&stream[..at]);
            assert_eq!(readable(&complete), cut.data, "after {at} bytes");
        }
    }
    assert_eq!(cut, whole);
    assert_eq!(also_taken, taken);
    if taken.is_err() {
        assert_eq!(parser.push(b"x", |event| panic!("{:?}", event.raw)), taken);
        return;
    }
    assert_eq!(parser.rest(), rest);
    assert_eq!([whole.raw.concat(), rest].concat(), stream);
    assert_eq!(readable(&reference(&stream)), whole.data);
    let messages: Vec<_> = (dispatched(&stream).iter())
        .filter(|event| event.is_message)
        .filter_map(|event| String::from_utf8(event.data.clone()).ok())
        .collect();
    assert_eq!(sse::messages(&stream), messages);
    for raw in &whole.raw {
        rewritten(raw, input.data, input.id);
    }
});

/// Checks that an event with other data and another id is otherwise the same.
fn rewritten(raw: &[u8], data: Option<&str>, id: Option<&str>) {
    let event = SseEvent { raw };
    let has_id = |field: &&Vec<u8>| is_id(field) && !field.contains(&0);
    let ids = fields(raw);
    let last = ids.iter().rev().find(has_id).map(|field| {
        let value = field.get(3..).unwrap_or_default();
        value.strip_prefix(b" ").unwrap_or(value)
    });
    assert_eq!(event.id(), last);

    let new_id = id.map_or(EventId::Unchanged, |id| EventId::Replaced(id.to_owned()));
    let rewritten = event.rewritten(data.map(str::as_bytes), &new_id);
    let unified = data.map(|data| data.replace("\r\n", "\n").replace('\r', "\n"));
    let mut new_data = unified.as_deref();
    let mut new_id = id.filter(|id| !id.contains(['\0', '\r', '\n']));
    let mut expected = Vec::new();
    for field in fields(raw) {
        if data.is_some() && is_data(&field) {
            let lines = new_data
                .take()
                .into_iter()
                .flat_map(|data| data.split('\n'));
            expected.extend(lines.map(|line| format!("data: {line}").into_bytes()));
        } else if id.is_some() && is_id(&field) {
            let new = new_id.take_if(|_| has_id(&&field));
            expected.extend(new.map(|id| format!("id: {id}").into_bytes()));
        } else {
            expected.push(field);
        }
    }
    if expected == fields(raw) && (data, id) == (None, None) {
        assert_eq!(rewritten, raw);
    }
    assert_eq!(fields(&rewritten), expected);
    let Some(unified) = unified.filter(|_| fields(raw).iter().any(|field| is_data(field))) else {
        return;
    };
    let mut shown = Shown::default();
    let mut parser = Parser::new(usize::MAX);
    // The stream must not be at its start.
    for bytes in [b"\n", rewritten.as_slice()] {
        let pushed = parser.push(bytes, |event| shown.push(event));
        assert_eq!(pushed, Ok(()));
    }
    assert_eq!(parser.rest(), b"");
    assert_eq!(shown.raw, [b"\n", rewritten.as_slice()]);
    let expected = Some(unified).filter(|lines| !lines.is_empty());
    assert_eq!(shown.data, Vec::from_iter(expected.map(Some)));
}

fn is_id(field: &[u8]) -> bool {
    field == b"id" || field.starts_with(b"id:")
}

fn is_data(field: &[u8]) -> bool {
    field == b"data" || field.starts_with(b"data:")
}

fn readable(data: &[Vec<u8>]) -> Vec<Option<String>> {
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).ok();
    data.iter().map(text).collect()
}

/// The lines of a text, up to the last line end.
fn fields(text: &[u8]) -> Vec<Vec<u8>> {
    let mut unified = Vec::new();
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'\n' if at > 0 && text[at - 1] == b'\r' => {}
            b'\r' => unified.push(b'\n'),
            byte => unified.push(*byte),
        }
    }
    let mut lines: Vec<_> = unified.split(|byte| *byte == b'\n').collect();
    lines.pop();
    lines.into_iter().map(<[u8]>::to_vec).collect()
}

/// The data of the events of a stream.
fn reference(stream: &[u8]) -> Vec<Vec<u8>> {
    let events = dispatched(stream).into_iter();
    events.map(|event| event.data).collect()
}

struct Dispatched {
    data: Vec<u8>,
    is_message: bool,
}

/// The events of a stream, computed as the standard describes it.
fn dispatched(stream: &[u8]) -> Vec<Dispatched> {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let (mut events, mut buffer, mut kind) = (Vec::new(), Vec::new(), Vec::new());
    for line in fields(stream) {
        if line.is_empty() {
            let (mut data, kind) = (std::mem::take(&mut buffer), std::mem::take(&mut kind));
            data.pop();
            if !data.is_empty() {
                let is_message = kind.is_empty() || kind == b"message";
                events.push(Dispatched { data, is_message });
            }
        } else if line == b"event" || line.starts_with(b"event:") {
            let value = line.get(6..).unwrap_or_default();
            kind = value.strip_prefix(b" ").unwrap_or(value).to_vec();
        } else if is_data(&line) {
            let value = line.get(5..).unwrap_or_default();
            buffer.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
            buffer.push(b'\n');
        }
    }
    events
}
