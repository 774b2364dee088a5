//! A server's result made one of the other era. Of members that stand there
//! twice all are treated: clients differ in which they read.

use std::fmt;

use crate::gateway::translate::server_message::{MessageKind, ServerMessage};
use crate::mcp::json::edit::{self, Edit};
use crate::mcp::{self, json};

const RESULT_TYPE: &str = "resultType";
const COMPLETE: &str = "complete";
const TTL_MS: &str = "ttlMs";
const CACHE_SCOPE: &str = "cacheScope";

/// What a modern result says that a legacy server does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extra<'a> {
    /// How long it may be kept, and for whom: not at all. Required in the
    /// answer to `resources/read`.
    pub hints: bool,
    /// The JSON text of `serverInfo`.
    pub server_info: &'a str,
}

/// Why a result cannot be had in the other era.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unbridgeable {
    /// It is no object.
    NoObject,
    /// It is not the last word: its `resultType` is other than `complete`.
    Incomplete,
}

impl fmt::Display for Unbridgeable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoObject => "a result that is no object",
            Self::Incomplete => "not supported in this protocol version",
        })
    }
}

/// The edits that make the result of a legacy server's one for a modern client;
/// none where `read` is no response.
///
/// # Errors
/// [`Unbridgeable::NoObject`].
pub fn to_modern(read: &ServerMessage<'_>, extra: Extra<'_>) -> Result<Vec<Edit>, Unbridgeable> {
    let mut edits = Vec::new();
    let info = [(mcp::SERVER_INFO_KEY, extra.server_info)];
    let info_only = edit::object(&info);
    for result in results(read) {
        let mut members = vec![(RESULT_TYPE, r#""complete""#)];
        if extra.hints {
            members.extend([(TTL_MS, "0"), (CACHE_SCOPE, r#""private""#)]);
        }
        let metas = json::values(result, "_meta");
        let is_object = |meta: &&str| meta.starts_with('{');
        if metas.iter().all(is_object) && !metas.is_empty() {
            for meta in metas {
                if json::values(meta, mcp::SERVER_INFO_KEY).is_empty() {
                    edits.extend(edit::set(read.text, meta, &info).unwrap_or_default());
                }
            }
        } else {
            members.push(("_meta", &info_only));
        }
        let set = edit::set(read.text, result, &members);
        edits.extend(set.ok_or(Unbridgeable::NoObject)?);
    }
    Ok(edits)
}

/// The edits that make the result of a modern server's one for a legacy client;
/// none where `read` is no response.
///
/// # Errors
/// A result of another type, or none that any client understands.
pub fn to_legacy(read: &ServerMessage<'_>) -> Result<Vec<Edit>, Unbridgeable> {
    let mut edits = Vec::new();
    for result in results(read) {
        let types = json::values(result, RESULT_TYPE);
        if types
            .iter()
            .any(|it| json::string(it).as_deref() != Some(COMPLETE))
        {
            return Err(Unbridgeable::Incomplete);
        }
        let removed = edit::remove(read.text, result, |name| {
            matches!(name, RESULT_TYPE | TTL_MS | CACHE_SCOPE)
        });
        edits.extend(removed.ok_or(Unbridgeable::NoObject)?);
    }
    Ok(edits)
}

fn results<'r, 'a>(read: &'r ServerMessage<'a>) -> &'r [&'a str] {
    match read.kind {
        MessageKind::Response => &read.contents,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::translate::server_message::{self, ResultShape};
    use wasm_bindgen_test::wasm_bindgen_test;

    fn edited(
        text: &str,
        edits: impl FnOnce(&ServerMessage<'_>) -> Result<Vec<Edit>, Unbridgeable>,
    ) -> Result<String, Unbridgeable> {
        let read = server_message::message(text, ResultShape::Resource, "w+").unwrap();
        let edits = edits(&read)?;
        let edited = read.edited(edits).unwrap_or_else(|| text.into());
        Ok(String::from_utf8(edited).unwrap())
    }

    fn response(result: &str) -> String {
        format!(r#" {{"jsonrpc" : "2.0","id":1,"r\u0065sult": {result} }}"#)
    }

    const INFO: &str = r#"{"name":"g"}"#;

    fn modern(text: &str, hints: bool) -> Result<String, Unbridgeable> {
        let extra = Extra {
            hints,
            server_info: INFO,
        };
        edited(text, |read| to_modern(read, extra))
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_modern_client_gets_what_every_modern_result_says() {
        const META: &str = r#""io.modelcontextprotocol/serverInfo":{"name":"g"}"#;
        // `@` stands for what every result gets, `#` for the server's name.
        for (result, expected) in [
            ("{}", r#"{@,"_meta":{#}}"#),
            ("{ }", r#"{@,"_meta":{#} }"#),
            (r#"{ "content":[] }"#, r#"{@,"_meta":{#}, "content":[] }"#),
            (r#"{"_meta" : {} }"#, r#"{@,"_meta" : {#} }"#),
            (
                r#"{"x":1.10,"_met\u0061":{"a":1},"content":[{"_meta":{}}]}"#,
                r#"{@,"x":1.10,"_met\u0061":{#,"a":1},"content":[{"_meta":{}}]}"#,
            ),
            (
                r#"{"_meta":{"io.modelcontextprotocol\/serverInfo":{"name":"own"}}}"#,
                r#"{@,"_meta":{"io.modelcontextprotocol\/serverInfo":{"name":"own"}}}"#,
            ),
            (
                r#"{"_meta":{"a":1},"_meta":{}}"#,
                r#"{@,"_meta":{#,"a":1},"_meta":{#}}"#,
            ),
            (r#"{"_meta":null}"#, r#"{@,"_meta":{#}}"#),
            (
                r#"{"_meta":{"a":1},"_meta":[]}"#,
                r#"{@,"_meta":{#},"_meta":{#}}"#,
            ),
        ] {
            for (hints, every) in [
                (false, r#""resultType":"complete""#),
                (
                    true,
                    r#""resultType":"complete","ttlMs":0,"cacheScope":"private""#,
                ),
            ] {
                let expected = expected.replace('@', every).replace('#', META);
                assert_eq!(
                    modern(&response(result), hints),
                    Ok(response(&expected)),
                    "{result}"
                );
            }
        }
        // What is said already is replaced, and what others say of it stays.
        for (hints, result, expected) in [
            (
                true,
                r#"{"resultType":"input_required","ttlM\u0073" : 5,"cacheScope":"public","resultType":1,"_meta":{#},"x":{"ttlMs":1}}"#,
                r#"{"resultType":"complete","ttlM\u0073" : 0,"cacheScope":"private","resultType":"complete","_meta":{#},"x":{"ttlMs":1}}"#,
            ),
            (
                false,
                r#"{"ttlMs":5,"resultType":null,"_meta":{#}}"#,
                r#"{"ttlMs":5,"resultType":"complete","_meta":{#}}"#,
            ),
            (
                true,
                r#"{"contents":[{"uri":"a"}],"cacheScope":"public","_meta":{#}}"#,
                r#"{"resultType":"complete","ttlMs":0,"contents":[{"uri":"w+a"}],"cacheScope":"private","_meta":{#}}"#,
            ),
        ] {
            let (result, expected) = (result.replace('#', META), expected.replace('#', META));
            assert_eq!(
                modern(&response(&result), hints),
                Ok(response(&expected)),
                "{result}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_legacy_client_gets_nothing_that_only_modern_results_say() {
        for (result, expected) in [
            ("{}", "{}"),
            (r#"{"resultType":"complete"}"#, "{}"),
            (
                r#"{ "resultType" : "complete" , "ttlMs":0,"cacheScope":"private" }"#,
                "{ }",
            ),
            (
                r#"{"resultType":"c\u006fmplete","content":[{"ttlMs":1}],"_meta":{"a":1}}"#,
                r#"{"content":[{"ttlMs":1}],"_meta":{"a":1}}"#,
            ),
            (
                r#"{"contents":[{"uri":"a"}] ,"ttlMs":0, "x":1, "resultTyp\u0065":"complete"}"#,
                r#"{"contents":[{"uri":"w+a"}], "x":1}"#,
            ),
            (
                r#"{"resultType":"complete","a":1,"resultType":"complete","ttlMs":1,"ttlMs":2}"#,
                r#"{"a":1}"#,
            ),
        ] {
            let text = response(result);
            assert_eq!(edited(&text, to_legacy), Ok(response(expected)), "{result}");
        }
        let twice = r#"{"result":{"ttlMs":1},"result":{"a":1,"ttlMs":1}}"#;
        let expected = r#"{"result":{},"result":{"a":1}}"#;
        assert_eq!(edited(twice, to_legacy), Ok(expected.to_owned()));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_the_other_era_cannot_have_is_told() {
        for (result, why) in [
            (
                r#"{"resultType":"input_required"}"#,
                Unbridgeable::Incomplete,
            ),
            (r#"{"resultType":"task"}"#, Unbridgeable::Incomplete),
            (r#"{"resultType":"Complete"}"#, Unbridgeable::Incomplete),
            (r#"{"resultType":null}"#, Unbridgeable::Incomplete),
            (
                r#"{"resultType":"complete","resultType":"task"}"#,
                Unbridgeable::Incomplete,
            ),
            (
                r#"{"a":1,"r\u0065sultType":"input_required"}"#,
                Unbridgeable::Incomplete,
            ),
            ("null", Unbridgeable::NoObject),
            ("[]", Unbridgeable::NoObject),
        ] {
            let text = response(result);
            assert_eq!(edited(&text, to_legacy), Err(why), "{result}");
            let expected = matches!(why, Unbridgeable::NoObject).then_some(why);
            assert_eq!(modern(&text, true).err(), expected, "{result}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn only_results_are_of_an_era() {
        for text in [
            r#"{"id":1,"error":{"code":1,"message":"","resultType":"task"}}"#,
            r#"{"method":"notifications/message","params":{"resultType":"task"}}"#,
            r#"{"id":1,"method":"ping","params":{"ttlMs":1}}"#,
        ] {
            assert_eq!(modern(text, true).as_deref(), Ok(text));
            assert_eq!(edited(text, to_legacy).as_deref(), Ok(text));
        }
    }
}
