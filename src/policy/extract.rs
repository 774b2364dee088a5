//! Extracts the parameters that policies read from a message: scalars and objects
//! at given paths. Arrays are left out, as the native filter does.

use std::borrow::Cow;
use std::collections::HashSet;

use super::Refusal;
use super::export::LONGEST;
use crate::mcp::Invalid;
use crate::mcp::json::object::push_object;
use crate::mcp::json::{self, Shape};
use crate::mcp::lookalike::{fold, is_lookalike};
use crate::mcp::message::Params;

/// The deepest nesting of objects that can be extracted. `header_to_metadata`
/// ignores a protobuf message of a hundred levels, of which each object takes
/// three, and then a policy would see nothing.
const DEPTH: usize = 16;

/// The most members of one extracted value, at all depths together. As JSON, each has four bytes or
/// more, such as `"":0`. So with more, the object that policies see would be longer than [`LONGEST`]
/// bytes, and the request is refused anyway. To find this out first saves time: to put the values of
/// two paths together takes the square of their number.
const MOST: usize = LONGEST / 4;

/// The extracted part of `params`.
#[derive(Clone)]
pub enum Extracted<'a> {
    /// An object, with its members in the order of the paths.
    Object(Vec<ExtractedMember<'a>>),
    /// A string.
    Text(Cow<'a, str>),
    /// A number, boolean or null: its JSON text.
    Literal(&'a str),
}

/// The name and the value of a member of an extracted object.
pub type ExtractedMember<'a> = (Cow<'a, str>, Extracted<'a>);

/// The values at `paths` in `params`; `None` if there are none.
///
/// # Errors
/// A member along a path is there twice, or with a lookalike; a value is nested too deeply, has too
/// many members, is not Unicode, or is a number that is not finite. A policy and a server could read
/// such a value differently.
pub fn extract<'a, S: AsRef<str>>(
    params: &Params<'a>,
    paths: &[impl AsRef<[S]>],
) -> Result<Option<Extracted<'a>>, Refusal> {
    let mut found = ExtractedMembers::new();
    for path in paths {
        let Some((first, rest)) = path.as_ref().split_first() else {
            continue;
        };
        if params.has_lookalike(first.as_ref()) {
            return Err(DUPLICATE);
        }
        let Some((name, value)) = params.member(first.as_ref()) else {
            continue;
        };
        if let Some(value) = at_path(value, rest)? {
            add(&mut found, name.clone(), value);
        }
    }
    Ok((!found.is_empty()).then_some(Extracted::Object(found)))
}

const DUPLICATE: Refusal = Refusal::Body(Invalid::DuplicateKey("params"));
const NOT_EXPORTABLE: Refusal = Refusal::NotExportable("params");
const TOO_LONG: Refusal = Refusal::TooLong("params", LONGEST);

/// The members of an extracted object, in their order.
type ExtractedMembers<'a> = Vec<ExtractedMember<'a>>;

/// Adds a member; two objects of one name become one.
fn add<'a>(members: &mut ExtractedMembers<'a>, name: Cow<'a, str>, value: Extracted<'a>) {
    match (members.iter_mut().find(|(have, _)| *have == name), value) {
        (Some((_, Extracted::Object(have))), Extracted::Object(more)) => {
            for (name, value) in more {
                add(have, name, value);
            }
        }
        // Two paths name the same value.
        (Some(_), _) => {}
        (None, value) => members.push((name, value)),
    }
}

fn at_path<'a, S: AsRef<str>>(raw: &'a str, path: &[S]) -> Result<Option<Extracted<'a>>, Refusal> {
    let Some((first, rest)) = path.split_first() else {
        let mut left = MOST;
        return read(raw, DEPTH, &mut left);
    };
    let first = first.as_ref();
    let Some(members) = object(raw)? else {
        return Ok(None);
    };
    if members.iter().any(|(name, _)| is_lookalike(name, &[first])) {
        return Err(DUPLICATE);
    }
    let Some((name, value)) = members.into_iter().find(|(name, _)| name == first) else {
        return Ok(None);
    };
    let value = at_path(value, rest)?;
    Ok(value.map(|value| Extracted::Object(vec![(name, value)])))
}

/// The value `raw`. Its objects are nested in at most `depth` levels, and have at most `left` members
/// together.
fn read<'a>(
    raw: &'a str,
    depth: usize,
    left: &mut usize,
) -> Result<Option<Extracted<'a>>, Refusal> {
    match raw.as_bytes().first() {
        Some(b'[') => Ok(None),
        Some(b'"') => text(raw)
            .map(Extracted::Text)
            .map(Some)
            .ok_or(NOT_EXPORTABLE),
        Some(b'{') => {
            let depth = depth.checked_sub(1).ok_or(NOT_EXPORTABLE)?;
            let Some(members) = object(raw)? else {
                return Ok(None);
            };
            if members.iter().any(|(name, _)| ends_early(name)) {
                return Err(NOT_EXPORTABLE);
            }
            // A policy may read any of these members.
            let folded: HashSet<String> = members
                .iter()
                .map(|(name, _)| fold(name).collect())
                .collect();
            if folded.len() < members.len() {
                return Err(DUPLICATE);
            }
            let mut object = Vec::with_capacity(members.len());
            for (name, value) in members {
                if let Some(value) = read(value, depth, left)? {
                    *left = left.checked_sub(1).ok_or(TOO_LONG)?;
                    object.push((name, value));
                }
            }
            Ok(Some(Extracted::Object(object)))
        }
        // In metadata it would become infinite, which is not valid JSON.
        _ if !json::is_finite(raw) => Err(Refusal::NotFinite("params")),
        _ => Ok(Some(Extracted::Literal(raw))),
    }
}

/// The members of an object, in their order: names, and values as JSON texts.
type Raw<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// The string with the JSON text `raw`; `None` if it is no string, or if readers may read different
/// strings: it has half a surrogate pair, which is not Unicode, or [`ends_early`].
pub(super) fn text(raw: &str) -> Option<Cow<'_, str>> {
    json::string(raw).filter(|text| !ends_early(text))
}

/// Whether `text` has a NUL. For some readers, such as `cJSON`, the text ends there: then a rule
/// would match the whole text, and a server would act on its start.
pub(super) fn ends_early(text: &str) -> bool {
    text.contains('\0')
}

/// The members of `raw`; `None` if it is not an object.
///
/// # Errors
/// A name is there twice.
fn object(raw: &str) -> Result<Option<Raw<'_>>, Refusal> {
    let mut members = Raw::new();
    match json::members(raw, |name, value| members.push((name, value))) {
        Ok(Shape::Object { unique: true }) => Ok(Some(members)),
        Ok(Shape::Object { unique: false }) => Err(DUPLICATE),
        Ok(_) => Ok(None),
        Err(_) => Err(NOT_EXPORTABLE),
    }
}

impl Extracted<'_> {
    /// Appends the JSON text.
    pub fn push_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Object(members) => push_object(out, |object| {
                for (name, value) in members {
                    value.push_json(object.member(name));
                }
            }),
            Self::Text(text) => json::push_string(out, text),
            Self::Literal(text) => out.extend_from_slice(text.as_bytes()),
        }
    }

    /// [`Extracted::push_json`] appends at most this many bytes.
    pub fn most_json(&self) -> usize {
        /// Two quotes; or the braces of an object.
        const ENDS: usize = 2;
        /// A colon and a comma.
        const SEPARATORS: usize = 2;
        let text = |text: &str| {
            text.len()
                .saturating_mul(json::MOST_ESCAPED)
                .saturating_add(ENDS)
        };
        match self {
            Self::Object(members) => members.iter().fold(ENDS, |length, (name, value)| {
                let member = text(name).saturating_add(value.most_json());
                length.saturating_add(member).saturating_add(SEPARATORS)
            }),
            Self::Text(value) => text(value),
            Self::Literal(value) => value.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::{Message, method};
    use wasm_bindgen_test::wasm_bindgen_test;

    fn extracted(method: &str, params: &str) -> Result<Option<String>, Refusal> {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let message = Message::parse(body.as_bytes()).unwrap();
        let extracted = extract(message.params().unwrap(), method::extraction(method))?;
        Ok(extracted.map(|extracted| {
            let mut json = Vec::new();
            extracted.push_json(&mut json);
            String::from_utf8(json).unwrap()
        }))
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn each_method_shows_its_parameters_and_no_others() {
        for (method, params, expected) in [
            (
                "tools/call",
                r#"{"name":"x","arguments":{"a":1}}"#,
                Some(r#"{"name":"x"}"#),
            ),
            ("prompts/get", r#"{"name":"x"}"#, Some(r#"{"name":"x"}"#)),
            (
                "resources/read",
                r#"{"uri":"file:///x"}"#,
                Some(r#"{"uri":"file:///x"}"#),
            ),
            (
                "initialize",
                r#"{"protocolVersion":"2025-11-25","clientInfo":{"name":"c","version":"1"}}"#,
                Some(r#"{"protocolVersion":"2025-11-25","clientInfo":{"name":"c"}}"#),
            ),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"p","x":[1],"y":{"z":null}}}"#,
                Some(r#"{"ref":{"type":"ref/prompt","name":"p","y":{"z":null}}}"#),
            ),
            (
                "logging/setLevel",
                r#"{"level":"info"}"#,
                Some(r#"{"level":"info"}"#),
            ),
            (
                "notifications/progress",
                r#"{"progressToken":1,"progress":0.50}"#,
                Some(r#"{"progressToken":1,"progress":0.50}"#),
            ),
            (
                "notifications/cancelled",
                r#"{"requestId":"r"}"#,
                Some(r#"{"requestId":"r"}"#),
            ),
            ("tasks/get", r#"{"taskId":"t"}"#, Some(r#"{"taskId":"t"}"#)),
            ("tools/list", r#"{"cursor":"c"}"#, None),
            ("tools/call", r#"{"name":["x"]}"#, None),
            ("tools/call", "{}", None),
        ] {
            assert_eq!(
                extracted(method, params),
                Ok(expected.map(str::to_owned)),
                "{method} {params}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_duplicate_along_a_path_is_refused() {
        for (method, params) in [
            (
                "initialize",
                r#"{"clientInfo":{"name":"a","n\u0061me":"b"}}"#,
            ),
            ("initialize", r#"{"clientInfo":{"name":"a","Name":"b"}}"#),
            ("initialize", r#"{"ClientInfo":{"name":"a"}}"#),
            ("tools/call", r#"{"name":"a","Name":"b"}"#),
            ("tools/call", r#"{"NAME":"b"}"#),
            ("tools/call", r#"{"name\u0000":"b"}"#),
            ("tools/call", r#"{"name\u0000z":"b","name":"a"}"#),
            ("tasks/get", r#"{"ta\u017fkId":"b"}"#),
            ("completion/complete", r#"{"ref":{"x":{"y":1,"y":2}}}"#),
            ("completion/complete", r#"{"ref":{"name":1,"Name":2}}"#),
        ] {
            assert_eq!(
                extracted(method, params),
                Err(DUPLICATE),
                "{method} {params}"
            );
        }
        assert!(extracted("tools/call", r#"{"name":"a","arguments":{"x":1,"X":2}}"#).is_ok());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn paths_of_a_rule_are_taken_together() {
        let body = br#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"arguments":{"a":1,"b":{"c":2,"d":[3]},"e":4},"z":5}}"#;
        let message = Message::parse(body).unwrap();
        let extracted = |paths: &[&[&str]]| {
            let mut json = Vec::new();
            extract(message.params().unwrap(), paths)
                .unwrap()
                .unwrap()
                .push_json(&mut json);
            String::from_utf8(json).unwrap()
        };
        assert_eq!(
            extracted(&[&["arguments", "e"], &["arguments", "b", "c"], &["z"]]),
            r#"{"arguments":{"e":4,"b":{"c":2}},"z":5}"#
        );
        assert_eq!(
            extracted(&[&["arguments"], &["arguments", "a"], &["none", "x"]]),
            r#"{"arguments":{"a":1,"b":{"c":2},"e":4}}"#
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_a_policy_could_not_see_whole_is_refused() {
        let refused = Err(Refusal::NotExportable("params"));
        for params in [
            r#"{"name":"\ud800"}"#,
            r#"{"name":"x\u0000"}"#,
            r#"{"name":{"a":"\u0000"}}"#,
            r#"{"name":{"a\u0000b":1}}"#,
        ] {
            assert_eq!(extracted("tools/call", params), refused, "{params}");
        }
        let deep = |levels: usize| {
            format!(
                r#"{{"ref":{}1{}}}"#,
                r#"{"a":"#.repeat(levels),
                "}".repeat(levels)
            )
        };
        assert!(extracted("completion/complete", &deep(16)).is_ok());
        assert_eq!(extracted("completion/complete", &deep(17)), refused);
        assert_eq!(extracted("completion/complete", &deep(100_000)), refused);
    }

    /// With a hundred thousand members, this test would take minutes if they were put together.
    #[wasm_bindgen_test(unsupported = test)]
    fn an_object_with_more_members_than_can_be_shown_is_refused() {
        let path = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
        let paths = [path("arguments.a1"), path("arguments"), path("arguments")];
        let members = |count: usize| {
            let members = (0..count).map(|n| format!(r#""a{n}":[],"b{n}":0"#));
            members.collect::<Vec<_>>().join(",")
        };
        let half = members(MOST / 2);
        for (arguments, is_fine) in [
            (members(MOST), true),
            (members(MOST + 1), false),
            (members(100_000), false),
            // The two objects are members, too.
            (format!(r#""x":{{{half}}},"y":{{"z":{{}}}}"#), true),
            (format!(r#""x":{{{half}}},"y":{{{half}}}"#), false),
        ] {
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"arguments":{{{arguments}}}}}}}"#
            );
            let message = Message::parse(body.as_bytes()).unwrap();
            let found = extract(message.params().unwrap(), &paths);
            assert_eq!(
                found.err(),
                (!is_fine).then_some(TOO_LONG),
                "{arguments:.60}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_number_that_is_not_finite_is_refused() {
        let refused = Err(Refusal::NotFinite("params"));
        let long = "9".repeat(400);
        for (number, is_finite) in [
            ("1e999", false),
            ("-1e999", false),
            ("1.8e308", false),
            (long.as_str(), false),
            ("1.7976931348623157e308", true),
            ("1e-999", true),
            ("[1e999]", true),
            (r#""1e999""#, true),
            (r#""inf""#, true),
        ] {
            for params in [
                format!(r#"{{"ref":{number}}}"#),
                format!(r#"{{"ref":{{"a":{{"b":{number}}}}}}}"#),
            ] {
                let extracted = extracted("completion/complete", &params);
                assert_eq!(extracted == refused, !is_finite, "{params}");
            }
        }
    }
}
