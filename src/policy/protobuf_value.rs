//! Serializes extracted parameters as a `google.protobuf.Value`, which `header_to_metadata` reads
//! (Protocol Buffers, "Encoding"; `google/protobuf/struct.proto`).
//!
//! The types of `prost` need a tree of owned values with a map for each object. This is done for
//! every message, so the bytes are written directly.

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::extract::{Extracted, ExtractedMember};

/// The numbers of the fields of `google.protobuf.Value`.
const NULL: u32 = 1;
const NUMBER: u32 = 2;
const STRING: u32 = 3;
const BOOL: u32 = 4;
const STRUCT: u32 = 5;
/// The number of the field of `google.protobuf.Struct`, a map.
const FIELDS: u32 = 1;
/// The numbers of the fields of an entry of a map.
const KEY: u32 = 1;
const VALUE: u32 = 2;

/// Each of these fields has a key of one byte.
const KEY_BYTES: usize = 1;

/// The serialized `value`.
pub(super) fn encode(value: &Extracted<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(length(value));
    push(&mut out, value);
    out
}

fn push(out: &mut Vec<u8>, value: &Extracted<'_>) {
    match value {
        Extracted::Object(members) => {
            push_start(out, STRUCT, struct_length(members));
            for member in members {
                push_start(out, FIELDS, entry_length(member));
                let (name, value) = member;
                push_text(out, KEY, name);
                push_start(out, VALUE, length(value));
                push(out, value);
            }
        }
        Extracted::Text(text) => push_text(out, STRING, text),
        Extracted::Literal(text @ ("true" | "false")) => {
            encode_key(BOOL, WireType::Varint, out);
            out.push(u8::from(*text == "true"));
        }
        // A JSON number is a Rust number; the only other literal is null.
        Extracted::Literal(text) => match text.parse::<f64>() {
            Ok(number) => {
                encode_key(NUMBER, WireType::SixtyFourBit, out);
                out.extend_from_slice(&number.to_le_bytes());
            }
            Err(_) => {
                encode_key(NULL, WireType::Varint, out);
                out.push(0);
            }
        },
    }
}

fn push_text(out: &mut Vec<u8>, field: u32, text: &str) {
    push_start(out, field, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// The start of a field that has so many bytes.
fn push_start(out: &mut Vec<u8>, field: u32, length: usize) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(varint(length), out);
}

/// The bytes of a serialized value.
pub(super) fn length(value: &Extracted<'_>) -> usize {
    match value {
        Extracted::Object(members) => field_length(struct_length(members)),
        Extracted::Text(text) => field_length(text.len()),
        Extracted::Literal("true" | "false" | "null") => KEY_BYTES.saturating_add(1),
        Extracted::Literal(_) => KEY_BYTES.saturating_add(size_of::<f64>()),
    }
}

fn struct_length(members: &[ExtractedMember<'_>]) -> usize {
    let entries = members.iter().map(|it| field_length(entry_length(it)));
    entries.fold(0, usize::saturating_add)
}

fn entry_length((name, value): &ExtractedMember<'_>) -> usize {
    field_length(name.len()).saturating_add(field_length(length(value)))
}

/// The bytes of a field whose content has so many bytes.
fn field_length(content: usize) -> usize {
    let start = KEY_BYTES.saturating_add(encoded_len_varint(varint(content)));
    content.saturating_add(start)
}

fn varint(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;
    use prost_types::value::Kind;
    use prost_types::{Struct, Value};
    use wasm_bindgen_test::wasm_bindgen_test;

    fn text(text: &str) -> Extracted<'static> {
        Extracted::Text(text.to_owned().into())
    }

    /// The same value as a type of `prost`.
    fn expected(value: &Extracted<'_>) -> Value {
        let kind = match value {
            Extracted::Object(members) => Kind::StructValue(Struct {
                fields: members
                    .iter()
                    .map(|(name, value)| (name.clone().into_owned(), expected(value)))
                    .collect(),
            }),
            Extracted::Text(text) => Kind::StringValue(text.clone().into_owned()),
            Extracted::Literal("true") => Kind::BoolValue(true),
            Extracted::Literal("false") => Kind::BoolValue(false),
            Extracted::Literal("null") => Kind::NullValue(0),
            Extracted::Literal(number) => Kind::NumberValue(number.parse().unwrap()),
        };
        Value { kind: Some(kind) }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_library_reads_the_same_values() {
        let object = |members: Vec<(&'static str, Extracted<'static>)>| {
            let members = members.into_iter();
            Extracted::Object(members.map(|(name, value)| (name.into(), value)).collect())
        };
        let mut deep = text("");
        for _ in 0..16 {
            deep = object(vec![("x", deep)]);
        }
        for value in [
            text(""),
            text("get_weather"),
            text(&"\u{e9}".repeat(10_000)),
            Extracted::Literal("true"),
            Extracted::Literal("false"),
            Extracted::Literal("null"),
            Extracted::Literal("0"),
            Extracted::Literal("-1.5e300"),
            Extracted::Literal("12345678901234567890123"),
            object(vec![]),
            object(vec![("", text("x")), ("b", object(vec![]))]),
            object(vec![
                ("name", text(&"n".repeat(127))),
                ("more", text(&"n".repeat(128))),
                ("z", Extracted::Literal("1")),
                ("a", object(vec![("n", Extracted::Literal("null"))])),
            ]),
            deep,
        ] {
            let bytes = encode(&value);
            assert_eq!(bytes.len(), length(&value));
            assert_eq!(Value::decode(&*bytes).unwrap(), expected(&value));
        }
    }
}
