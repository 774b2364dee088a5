//! Turns the bytes of a plugin configuration into one JSON tree, with the names and numbers that
//! the types of the configuration expect.

use std::cell::OnceCell;
use std::fmt;

use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{Struct, Value as Protobuf};
use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::ConfigError;
use super::fields::below;
use super::free_names::NamePlace;

/// Reads JSON text (of a `google.protobuf.StringValue`) or a serialized `google.protobuf.Struct`:
/// Envoy gives the two kinds of configuration in these forms. Empty input becomes an empty object.
///
/// Members are renamed to lowerCamelCase, whole floats become integers, and members that are null
/// are removed. These are the rules of protobuf's JSON. Members with names that the user chose, for
/// example tools, [keep their names](NamePlace::keeps_names), and the user's JSON values [keep
/// their nulls](NamePlace::keeps).
///
/// # Errors
/// The input has neither form, or an object has the same member twice.
pub(super) fn tree(bytes: &[u8]) -> Result<Value, ConfigError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    match from_json(bytes) {
        Ok(tree) => tree,
        // A Struct starts with the tag of its first field, 0x0a. JSON text may
        // start with that byte too, a line feed. But a Struct also has the tag of
        // a value, 0x12, which no JSON text has.
        Err(error) => match Struct::decode(bytes) {
            Ok(message) if bytes.first() == Some(&0x0a) && bytes.contains(&0x12) => {
                from_struct(message, NamePlace::Root, Trail::Root)
            }
            _ => Err(ConfigError::new(
                "",
                format!("cannot be read as JSON: {error}"),
            )),
        },
    }
}

/// The tree of JSON text. The inner error is about JSON that is no configuration.
fn from_json(bytes: &[u8]) -> Result<Result<Value, ConfigError>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let twice = OnceCell::new();
    let visitor = TreeVisitor {
        place: NamePlace::Root,
        trail: Trail::Root,
        twice: &twice,
    };
    let tree = visitor.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(twice.into_inner().map_or(Ok(tree), Err))
}

fn from_struct(message: Struct, place: NamePlace, trail: Trail<'_>) -> Result<Value, ConfigError> {
    let mut object = Map::new();
    for (name, value) in message.fields {
        let name = name_at(place, name);
        let trail = Trail::Member(&trail, &name);
        let value = from_protobuf(value, place.below(&name), trail)?;
        if place.keeps(&value) {
            if object.contains_key(&name) {
                return Err(given_twice(trail));
            }
            object.insert(name, value);
        }
    }
    Ok(Value::Object(object))
}

/// The name of a member of an object at `place`.
fn name_at(place: NamePlace, name: String) -> String {
    if place.keeps_names() {
        name
    } else {
        camel(&name)
    }
}

fn from_protobuf(
    value: Protobuf,
    place: NamePlace,
    trail: Trail<'_>,
) -> Result<Value, ConfigError> {
    Ok(match value.kind {
        None => {
            let reason = "has a protobuf value without a kind";
            return Err(ConfigError::new(trail.path(), reason));
        }
        Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::NumberValue(value)) => number(value),
        Some(Kind::StringValue(value)) => Value::String(value),
        Some(Kind::ListValue(list)) => {
            let values = list.values.into_iter().enumerate();
            let values =
                values.map(|(at, value)| from_protobuf(value, place, Trail::Entry(&trail, at)));
            Value::Array(values.collect::<Result<_, _>>()?)
        }
        Some(Kind::StructValue(value)) => from_struct(value, place, trail)?,
    })
}

/// Where a value is in the tree. It becomes a path only for an error.
#[derive(Clone, Copy)]
enum Trail<'t> {
    /// The whole configuration.
    Root,
    /// The member of an object.
    Member(&'t Trail<'t>, &'t str),
    /// The entry of a list.
    Entry(&'t Trail<'t>, usize),
}

impl Trail<'_> {
    /// The path, such as `servers[1].toolPrefix`.
    fn path(self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Member(above, name) => below(&above.path(), name),
            Self::Entry(above, at) => format!("{}[{at}]", above.path()),
        }
    }
}

/// The error about a member that is in its object twice, perhaps in both spellings.
fn given_twice(trail: Trail<'_>) -> ConfigError {
    ConfigError::new(trail.path(), "is given twice")
}

/// The number `value`. A whole number becomes an integer, since protobuf has only floats.
fn number(value: f64) -> Value {
    let number = Value::from(value);
    let text = json_text(&number);
    match text.strip_suffix(".0").map(str::parse::<i64>) {
        Some(Ok(whole)) => Value::from(whole),
        _ => number,
    }
}

/// The JSON text of a tree.
pub(super) fn json_text(tree: &impl Serialize) -> String {
    // Each tree has one: the names of all members are texts.
    serde_json::to_string(tree).unwrap_or_default()
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

/// Reads JSON text at a place into a tree, and normalizes it at the same time.
#[derive(Clone, Copy)]
struct TreeVisitor<'t> {
    place: NamePlace,
    trail: Trail<'t>,
    /// The first member that is there twice. It is no error of the JSON, whose errors have no path.
    twice: &'t OnceCell<ConfigError>,
}

impl<'de> DeserializeSeed<'de> for TreeVisitor<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TreeVisitor<'_> {
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
        loop {
            let trail = Trail::Entry(&self.trail, array.len());
            let element = TreeVisitor { trail, ..self };
            match seq.next_element_seed(element)? {
                Some(element) => array.push(element),
                None => return Ok(Value::Array(array)),
            }
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let name = name_at(self.place, name);
            let trail = Trail::Member(&self.trail, &name);
            let value = map.next_value_seed(TreeVisitor {
                place: self.place.below(&name),
                trail,
                twice: self.twice,
            })?;
            if !self.place.keeps(&value) {
                continue;
            }
            if object.contains_key(&name) {
                self.twice.get_or_init(|| given_twice(trail));
                continue;
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
    fn names_of_tools_and_servers_stay_as_they_are() {
        let text = br#"{"pins":{"servers":{"my_server":{"tools":{"get_x":"a_b","getX":"c","none":null}}},"other_field":{"get_x":1}},"x":{"servers":{"my_server":1}}}"#;
        let expected = json!({
            "pins": {
                "servers": {"my_server": {"tools": {"get_x": "a_b", "getX": "c"}}},
                "otherField": {"getX": 1},
            },
            "x": {"servers": {"myServer": 1}},
        });
        assert_eq!(tree(text), Ok(expected));
        let value = |kind| Protobuf { kind: Some(kind) };
        let object = |name: &str, inner: Protobuf| {
            let fields = [(name.to_owned(), inner)].into();
            value(Kind::StructValue(Struct { fields }))
        };
        let digest = value(Kind::StringValue("d".into()));
        let servers = object("my_server", object("tools", object("get_x", digest)));
        let message = Struct {
            fields: [("pins".to_owned(), object("servers", servers))].into(),
        };
        let expected = json!({"pins": {"servers": {"my_server": {"tools": {"get_x": "d"}}}}});
        assert_eq!(tree(&message.encode_to_vec()), Ok(expected));
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
    fn what_stands_twice_is_refused_in_any_spelling_with_its_path() {
        for (text, path) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"tool_prefix":"a","toolPrefix":"a"}"#, "toolPrefix"),
            (
                r#"{"servers":[{"name":"a"},{"name":"b","tools":{"include":["x"],"include":[]}}]}"#,
                "servers[1].tools.include",
            ),
            (r#"{"x":[[{"b":1}],[{"b":1},{"b":1,"b":2}]]}"#, "x[1][1].b"),
            // The first one counts.
            (r#"{"a":{"b":1,"b":2,"c":1,"c":2},"a":1}"#, "a.b"),
        ] {
            let error = tree(text.as_bytes()).expect_err(text).to_string();
            assert_eq!(error, format!("{path}: is given twice"), "{text}");
        }
        assert!(tree(br#"{"a":1,"a":null}"#).is_ok());
        let no_json = tree(br#"{"a":1,"a":2"#).unwrap_err().to_string();
        assert!(no_json.starts_with("cannot be read as JSON: "), "{no_json}");
        let flag = || Protobuf {
            kind: Some(Kind::BoolValue(true)),
        };
        let fields = ["clear_route_cache", "clearRouteCache"].map(|name| (name.to_owned(), flag()));
        let entry = Struct {
            fields: fields.into(),
        };
        let list = prost_types::ListValue {
            values: vec![
                flag(),
                Protobuf {
                    kind: Some(Kind::StructValue(entry)),
                },
            ],
        };
        let list = Protobuf {
            kind: Some(Kind::ListValue(list)),
        };
        let message = Struct {
            fields: [("x".to_owned(), list)].into(),
        };
        let error = tree(&message.encode_to_vec()).unwrap_err().to_string();
        assert_eq!(error, "x[1].clearRouteCache: is given twice");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn names_that_are_no_fields_stay_as_they_are() {
        let at = |value: &str| {
            format!(r#"{{"servers":[{{"tools":{{"override":{value}}}}}],"c_d":null}}"#)
        };
        let text = at(r#"{"get_it":{"set":{"x_y":null,"n":1.0,"override":{"u_v":null}}}}"#);
        let set = json!({"x_y": null, "n": 1, "override": {"u_v": null}});
        let expected = json!({"servers": [{"tools": {"override": {"get_it": {"set": set}}}}]});
        assert_eq!(tree(text.as_bytes()), Ok(expected));
        assert!(tree(at(r#"{"get_it":{},"get_it":{}}"#).as_bytes()).is_err());
        assert!(tree(at(r#"{"get_it":{},"getIt":{}}"#).as_bytes()).is_ok());
        // At another place, this is an ordinary field.
        let elsewhere = br#"{"tools":{"override":{"a_b":null,"c_d":1}}}"#;
        assert_eq!(
            tree(elsewhere),
            Ok(json!({"tools": {"override": {"cD": 1}}}))
        );
        let object = |name: &str, kind: Kind| Struct {
            fields: [(name.to_owned(), Protobuf { kind: Some(kind) })].into(),
        };
        let inner = object("x_y", Kind::NullValue(0));
        let tools = object("override", Kind::StructValue(inner));
        let server = object("tools", Kind::StructValue(tools));
        let server = Protobuf {
            kind: Some(Kind::StructValue(server)),
        };
        let list = prost_types::ListValue {
            values: vec![server],
        };
        let message = object("servers", Kind::ListValue(list));
        let expected = json!({"servers": [{"tools": {"override": {"x_y": null}}}]});
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
