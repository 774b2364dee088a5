//! JSON text read in place: the members of an object and the elements of an
//! array as slices of the text they stand in, so that what is not understood
//! can be passed on byte for byte. No tree is built, and no nesting depth can
//! exhaust the stack: values are skipped, not descended into.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
pub use serde_json::Error;
pub use serde_json::value::RawValue;

/// What a JSON text turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An object; `unique` tells that no member name came twice, compared after
    /// unescaping (RFC 8259 section 4 leaves open which of them a reader takes).
    Object {
        /// No name came twice.
        unique: bool,
    },
    /// An array.
    Array,
    /// A string, number, boolean or null.
    Scalar,
}

/// Reads `text` as one JSON value and shows each member of an object, name
/// unescaped, value as it stands. Every member is shown, duplicates too.
///
/// # Errors
/// `text` is not one JSON value (RFC 8259), or a member name escapes half a
/// surrogate pair, which no Unicode string can hold.
pub fn members<'a>(
    text: &'a str,
    visit: impl FnMut(Cow<'a, str>, &'a RawValue),
) -> Result<Shape, Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let shape = reader.deserialize_any(Members(visit))?;
    reader.end()?;
    Ok(shape)
}

/// Shows each element of the array `text`, as it stands.
///
/// # Errors
/// `text` is not a JSON array.
pub fn elements<'a>(text: &'a str, visit: impl FnMut(&'a RawValue)) -> Result<(), Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.deserialize_seq(Elements(visit))?;
    reader.end()
}

/// The string that `text` stands for, `None` when it is not a JSON string.
pub fn string(text: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(text)
        .ok()
        .map(|text| text.0)
}

/// Where `part`, a slice of `whole`, stands in it; `None` when it does not.
pub fn span(whole: &str, part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}

/// Appends `text` as a JSON string.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    // Writing to a Vec cannot fail, and a str is always a JSON string.
    let _ = serde_json::to_writer(out, text);
}

/// A JSON string, borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// The member names seen in one object. Few are compared one by one; many are
/// hashed, so that an object of a hundred thousand members stays cheap.
#[derive(Default)]
struct Seen<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Seen<'a> {
    const FEW: usize = 16;

    /// Remembers `name`; `false` when it was there already.
    fn insert(&mut self, name: Cow<'a, str>) -> bool {
        if self.few.contains(&name) {
            return false;
        }
        if self.few.len() < Self::FEW {
            self.few.push(name);
            return true;
        }
        self.many.insert(name)
    }
}

struct Members<F>(F);

impl<'de, F: FnMut(Cow<'de, str>, &'de RawValue)> Visitor<'de> for Members<F> {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Shape, A::Error> {
        let mut seen = Seen::default();
        let mut unique = true;
        while let Some((name, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
            unique &= seen.insert(name.0.clone());
            (self.0)(name.0, value);
        }
        Ok(Shape::Object { unique })
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Shape::Array)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }
    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }
    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }
}

struct Elements<F>(F);

impl<'de, F: FnMut(&'de RawValue)> Visitor<'de> for Elements<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(element) = seq.next_element::<&'de RawValue>()? {
            (self.0)(element);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn read(text: &str) -> (Option<Shape>, Vec<(String, String)>) {
        let mut seen = Vec::new();
        let shape = members(text, |name, value| {
            seen.push((name.into_owned(), value.get().to_owned()));
        });
        (shape.ok(), seen)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn members_are_shown_in_order_and_as_they_stand() {
        let (shape, seen) = read(r#" {"a" : 1.10, "b":{"x":[1, 2]} , "":null} "#);
        assert_eq!(shape, Some(Shape::Object { unique: true }));
        let expected = [("a", "1.10"), ("b", r#"{"x":[1, 2]}"#), ("", "null")];
        assert_eq!(seen, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_name_is_compared_after_unescaping() {
        for text in [
            r#"{"name":1,"name":2}"#,
            r#"{"name":1,"n\u0061me":2}"#,
            r#"{"":1,"":2}"#,
        ] {
            assert_eq!(
                read(text).0,
                Some(Shape::Object { unique: false }),
                "{text}"
            );
        }
        assert_eq!(
            read(r#"{"name":1,"Name":2}"#).0,
            Some(Shape::Object { unique: true })
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_duplicate_among_many_names_is_found() {
        let names: Vec<String> = (0..1000).map(|n| format!("\"k{n}\":0")).collect();
        let unique = format!("{{{}}}", names.join(","));
        assert_eq!(read(&unique).0, Some(Shape::Object { unique: true }));
        let twice = format!("{{{},\"k999\":0}}", names.join(","));
        assert_eq!(read(&twice).0, Some(Shape::Object { unique: false }));
        let early = format!("{{{},\"k0\":0}}", names.join(","));
        assert_eq!(read(&early).0, Some(Shape::Object { unique: false }));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_no_single_json_value_is_an_error() {
        for text in [
            "",
            " ",
            "{",
            "{}{}",
            "{} x",
            "{\"a\":}",
            "{a:1}",
            "{'a':1}",
            "{\"a\":1,}",
            "\u{feff}{}",
            "{\"a\":01}",
            "{\"a\":.5}",
            "{\"a\":NaN}",
            "{\"a\":\"\u{1}\"}",
            "{\"\\ud800\":1}",
            "nul",
        ] {
            assert_eq!(read(text).0, None, "{text:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn other_shapes_are_told_apart() {
        assert_eq!(read("[{}]").0, Some(Shape::Array));
        for text in ["1", "-1", "1.5", "true", "null", "\"x\"", "\"\\n\""] {
            assert_eq!(read(text).0, Some(Shape::Scalar), "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn deep_nesting_does_not_exhaust_the_stack() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(read(&deep).0, Some(Shape::Object { unique: true }));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn strings_are_unescaped_and_other_values_are_none() {
        assert_eq!(string(r#""a""#).as_deref(), Some("a"));
        assert_eq!(
            string(r#""\u00e4\n\ud83d\ude00""#).as_deref(),
            Some("ä\n😀")
        );
        for text in ["1", "null", "{}", r#""\ud800""#, r#""a"#] {
            assert_eq!(string(text), None, "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_span_is_where_a_member_stands() {
        let text = r#"{"a": "b"}"#;
        members(text, |_, value| {
            assert_eq!(span(text, value.get()), Some(6..9))
        })
        .unwrap();
        assert_eq!(span(text, "elsewhere"), None);
    }
}
