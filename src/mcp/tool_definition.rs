//! The definition of a tool (MCP 2026-07-28, "Tools") in a server's list.

use super::json;
use super::json::canonical::push_canonical;
use super::lookalike::is_lookalike;

/// The members that define a tool, or that a model reads, in the order of the canonical form.
const MEMBERS: [&str; 6] = [
    "annotations",
    "description",
    "inputSchema",
    "name",
    "outputSchema",
    "title",
];

/// The longest definition that has a canonical form here, in bytes.
const LONGEST: usize = 1_048_576;

/// The canonical form (RFC 8785) of an object with the members `name`, `title`, `description`,
/// `inputSchema`, `outputSchema` and `annotations` of `entry`, an entry of a list of tools. Members
/// that the entry lacks are left out, and so are all its other members. `None` where the entry is
/// not an object, has one of these members twice or with a lookalike, or a member has no canonical
/// form; or where the members have more than 1 MiB.
pub fn canonical(entry: &str) -> Option<Vec<u8>> {
    let mut values = [None; MEMBERS.len()];
    let mut is_ambiguous = false;
    json::members(entry, |name, value| {
        // A client that ignores the case of names reads the last one of both.
        is_ambiguous |= is_lookalike(&name, &MEMBERS);
        let known = MEMBERS.iter().zip(&mut values);
        for (_, place) in known.filter(|(member, _)| **member == name) {
            is_ambiguous |= place.replace(value).is_some();
        }
    })
    .ok()?;
    let lengths = values.iter().flatten().map(|value| value.len());
    let length = lengths.fold(0, usize::saturating_add);
    if is_ambiguous || length > LONGEST || !entry.trim_start().starts_with('{') {
        return None;
    }
    let mut out = Vec::with_capacity(length);
    let mut is_sound = true;
    json::object::push_object(&mut out, |definition| {
        for (name, value) in MEMBERS.iter().zip(values) {
            if let Some(value) = value {
                is_sound &= push_canonical(definition.member(name), value).is_some();
            }
        }
    });
    is_sound.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn text(entry: &str) -> Option<String> {
        Some(String::from_utf8(canonical(entry)?).unwrap())
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_definition_has_one_form_however_it_is_written() {
        let expected = r#"{"annotations":{"readOnlyHint":true},"description":"D","inputSchema":{"properties":{"a":{"maximum":10},"b":{}},"type":"object"},"name":"x","outputSchema":{},"title":null}"#;
        for entry in [
            r#"{"name":"x","title":null,"description":"D","inputSchema":{"type":"object","properties":{"a":{"maximum":10},"b":{}}},"outputSchema":{},"annotations":{"readOnlyHint":true}}"#,
            r#" { "_meta":{"v":1}, "annotations":{"readOnlyHint":true}, "outputSchema": {} , "icons":[], "n\u0061me":"\u0078","title" : null,"inputSchema":{"properties":{"b":{},"a":{"maximum":1e1}},"type":"object"},"description":"\u0044"} "#,
        ] {
            assert_eq!(text(entry).as_deref(), Some(expected));
        }
        assert_eq!(text(r#"{"name":"x"}"#).as_deref(), Some(r#"{"name":"x"}"#));
        assert_eq!(text("{}").as_deref(), Some("{}"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_ambiguous_or_too_long_has_none() {
        for entry in [
            "[]",
            "1",
            r#"{"name":"x","name":"x"}"#,
            r#"{"name":"x","description":"a","descripti\u006fn":"b"}"#,
            r#"{"name":"x","description":"a","Description":"b"}"#,
            r#"{"name":"x","de\u017fcription":"b"}"#,
            r#"{"name":"x","inputschema":{}}"#,
            r#"{"name":"x","title\u0000":"b"}"#,
            r#"{"name":"x","inputSchema":{"a":1,"a":2}}"#,
            r#"{"name":"x","annotations":{"title":"\ud800"}}"#,
            r#"{"name":"x","inputSchema":{"maximum":1e999}}"#,
        ] {
            assert_eq!(text(entry), None, "{entry}");
        }
        // Members that are not part of the definition do not matter.
        let entry = r#"{"name":"x","_meta":{"a":1,"a":2},"icons":1e999,"icons":2}"#;
        assert_eq!(text(entry).as_deref(), Some(r#"{"name":"x"}"#));
        let long = |length: usize| format!(r#"{{"description":"{}"}}"#, "d".repeat(length));
        assert!(text(&long(1_048_574)).is_some());
        assert_eq!(text(&long(1_048_575)), None);
    }
}
