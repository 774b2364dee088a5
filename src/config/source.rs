//! From the bytes of a plugin configuration to one JSON tree, with names and
//! numbers as the types of the configuration expect them.

use std::fmt;

use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{Struct, Value as Protobuf};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::ConfigError;

/// Reads JSON text (of a `google.protobuf.StringValue`) or a serialized
/// `google.protobuf.Struct`: Envoy hands over the two kinds of configuration in
/// these forms. Empty input is an empty object.
///
/// Members are renamed to lowerCamelCase, whole floats become integers, and
/// members that are null are removed. These are the rules of protobuf's JSON. Below the
/// members [`AS_WRITTEN`] names and nulls stay.
///
/// # Errors
/// The input is neither of the two, or an object has the same member twice.
pub(super) fn tree(bytes: &[u8]) -> Result<Value, ConfigError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    match read(bytes) {
        Ok(tree) => Ok(tree),
        // A Struct starts with the tag of its first field, 0x0a. JSON text may
        // start with that byte too, a line feed. But a Struct also has the tag of
        // a value, 0x12, which no JSON text has.
        Err(error) => match Struct::decode(bytes) {
            Ok(message) if bytes.first() == Some(&0x0a) && bytes.contains(&0x12) => {
                from_struct(message, Names::Fields)
            }
            _ => Err(ConfigError::new(
                "",
                format!("cannot be read as JSON: {error}"),
            )),
        },
    }
}

/// The members below which names are not those of fields: tools of servers, and their
/// parameters.
const AS_WRITTEN: &[&str] = &["override"];

/// What the names of an object's members are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// Fields of the configuration.
    Fields,
    /// Anything else: they stay as they are, as do members that are null.
    AsWritten,
}

impl Names {
    /// The name that the tree has for the member `name`.
    fn of(self, name: String) -> String {
        match self {
            Self::Fields => camel(&name),
            Self::AsWritten => name,
        }
    }

    /// What the names in the value of the member `name` are.
    fn below(self, name: &str) -> Self {
        match self {
            Self::Fields if !AS_WRITTEN.contains(&name) => Self::Fields,
            _ => Self::AsWritten,
        }
    }

    /// Whether a member with this value stays.
    fn keeps(self, value: &Value) -> bool {
        self == Self::AsWritten || !value.is_null()
    }
}

fn from_struct(message: Struct, names: Names) -> Result<Value, ConfigError> {
    let mut object = Map::new();
    for (name, value) in message.fields {
        let name = names.of(name);
        let value = from_protobuf(value, names.below(&name))?;
        if names.keeps(&value) && object.insert(name.clone(), value).is_some() {
            return Err(ConfigError::new(name, "is given twice, in two spellings"));
        }
    }
    Ok(Value::Object(object))
}

fn from_protobuf(value: Protobuf, names: Names) -> Result<Value, ConfigError> {
    Ok(match value.kind {
        None => return Err(ConfigError::new("", "has a protobuf value without a kind")),
        Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::NumberValue(value)) => number(value),
        Some(Kind::StringValue(value)) => Value::String(value),
        Some(Kind::ListValue(list)) => Value::Array(
            list.values
                .into_iter()
                .map(|value| from_protobuf(value, names))
                .collect::<Result<_, _>>()?,
        ),
        Some(Kind::StructValue(value)) => from_struct(value, names)?,
    })
}

/// The number `value`; an integer if it is whole, since protobuf has floats only.
fn number(value: f64) -> Value {
    let number = Value::from(value);
    let text = number.to_string();
    match text.strip_suffix(".0").map(str::parse::<i64>) {
        Some(Ok(whole)) => Value::from(whole),
        _ => number,
    }
}

/// The name of a member in lowerCamelCase: `tool_prefix` becomes `toolPrefix`.
pub fn camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.peek() {
            Some(next) if character == '_' && next.is_ascii_lowercase() && !camel.is_empty() => {
                camel.push(next.to_ascii_uppercase());
                characters.next();
            }
            _ => camel.push(character),
        }
    }
    camel
}

/// JSON text as a tree, normalized while it is read.
fn read(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut text = serde_json::Deserializer::from_slice(bytes);
    let tree = Tree(Names::Fields).deserialize(&mut text)?;
    text.end().map(|()| tree)
}

/// Reads a value in which names are these.
#[derive(Clone, Copy)]
struct Tree(Names);

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(number(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = seq.next_element_seed(self)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let Self(names) = self;
        let mut object = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let name = names.of(name);
            let value = map.next_value_seed(Self(names.below(&name)))?;
            if !names.keeps(&value) {
                continue;
            }
            if object.contains_key(&name) {
                return Err(de::Error::custom(format_args!("{name} is given twice")));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn nothing_is_an_empty_object() {
        for bytes in [&b""[..], b" \n", b"{}"] {
            assert_eq!(tree(bytes), Ok(json!({})));
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn names_and_numbers_are_normalized() {
        let text = br#"{"tool_prefix":"a_b","maxListPages":64.0,"ratio":1.5,"nothing":null,"a":[{"b_c":1}],"_x":1}"#;
        let expected = json!({"toolPrefix": "a_b", "maxListPages": 64, "ratio": 1.5, "a": [{"bC": 1}], "_x": 1});
        assert_eq!(tree(text), Ok(expected));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_struct_says_the_same_as_json() {
        let text = |text: &str| Protobuf {
            kind: Some(Kind::StringValue(text.into())),
        };
        let server = Struct {
            fields: [
                ("name".into(), text("x")),
                (
                    "enabled".into(),
                    Protobuf {
                        kind: Some(Kind::BoolValue(true)),
                    },
                ),
            ]
            .into(),
        };
        let list = prost_types::ListValue {
            values: vec![Protobuf {
                kind: Some(Kind::StructValue(server)),
            }],
        };
        let message = Struct {
            fields: [
                (
                    "servers".into(),
                    Protobuf {
                        kind: Some(Kind::ListValue(list)),
                    },
                ),
                (
                    "max_list_pages".into(),
                    Protobuf {
                        kind: Some(Kind::NumberValue(64.0)),
                    },
                ),
                (
                    "nothing".into(),
                    Protobuf {
                        kind: Some(Kind::NullValue(0)),
                    },
                ),
            ]
            .into(),
        };
        let expected = json!({"servers": [{"name": "x", "enabled": true}], "maxListPages": 64});
        assert_eq!(tree(&message.encode_to_vec()), Ok(expected));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_stands_twice_is_refused_in_any_spelling() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"tool_prefix":"a","toolPrefix":"a"}"#,
            r#"{"x":[{"b":1,"b":2}]}"#,
        ] {
            let error = tree(text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains("is given twice"), "{error}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn names_that_are_no_fields_stay_as_they_are() {
        let text = r#"{"a_b":1,"override":{"get_it":{"set":{"x_y":null,"n":1.0,"override":{"u_v":null}}}},"c_d":null}"#;
        let set = json!({"x_y": null, "n": 1, "override": {"u_v": null}});
        let expected = json!({"aB": 1, "override": {"get_it": {"set": set}}});
        assert_eq!(tree(text.as_bytes()), Ok(expected));
        let twice = r#"{"override":{"get_it":{},"get_it":{}}}"#;
        assert!(tree(twice.as_bytes()).is_err());
        let both = r#"{"override":{"get_it":{},"getIt":{}}}"#;
        assert!(tree(both.as_bytes()).is_ok());
        let object = |name: &str, kind: Kind| Struct {
            fields: [(name.to_owned(), Protobuf { kind: Some(kind) })].into(),
        };
        let inner = object("x_y", Kind::NullValue(0));
        let message = object("override", Kind::StructValue(inner));
        let expected = json!({"override": {"x_y": null}});
        assert_eq!(tree(&message.encode_to_vec()), Ok(expected));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_neither_is_refused() {
        for bytes in [
            &b"{"[..],
            b"hello",
            b"\x0a\xff\xff\xff\xff",
            b"\xff\xfe",
            b"{}{}",
            b"\n{ \"rejectDuplicateKeys\": true, \"cors\": {}, \"trafficMode\": \"REJECT_NO_MCP\", \"requestStorageMode\": \"DYNAMIC_METADATA\" // why }",
        ] {
            let error = tree(bytes).expect_err("refused").to_string();
            assert!(error.starts_with("cannot be read as JSON: "), "{error}");
        }
    }
}
