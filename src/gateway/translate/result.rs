//! Translates a server's result for a client of the other era. If a member is there twice, both are
//! changed: clients differ in which one they read.

use crate::gateway::translate::server_message::{MessageKind, ServerMessage};
use crate::mcp::json::edit::{self, Edit};
use crate::mcp::{self, json};

const RESULT_TYPE: &str = "resultType";
const COMPLETE: &str = "complete";
const TTL_MS: &str = "ttlMs";
const CACHE_SCOPE: &str = "cacheScope";

/// The members of a modern result that a legacy server does not write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ModernFields<'a> {
    /// Whether the result must have `ttlMs` and `cacheScope`, as the results of `resources/read`
    /// and `skills/get` must. They say that clients must not cache the result.
    pub needs_cache_hints: bool,
    /// The JSON text of `serverInfo`.
    pub server_info: &'a str,
}

/// Why a result has no equivalent in the other era.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UntranslatableResult {
    /// It is not an object, or has a member too often.
    NotAnObject,
    /// Its `resultType` is not `complete`: it is not the final result.
    Incomplete,
}

/// The edits that change the result of a legacy server into one for a modern client, with these
/// `fields`. There are none where `message` has no result.
///
/// # Errors
/// [`UntranslatableResult::NotAnObject`].
pub fn to_modern(
    message: &ServerMessage<'_>,
    fields: ModernFields<'_>,
) -> Result<Vec<Edit>, UntranslatableResult> {
    let mut edits = Vec::new();
    let info = [(mcp::SERVER_INFO_KEY, fields.server_info)];
    let info_only = edit::object(&info);
    for result in results(message) {
        let mut members = vec![(RESULT_TYPE, r#""complete""#)];
        if fields.needs_cache_hints {
            members.extend([(TTL_MS, "0"), (CACHE_SCOPE, r#""private""#)]);
        }
        let metas = json::values(result, "_meta");
        if metas.len() > edit::MOST_REPLACED {
            return Err(UntranslatableResult::NotAnObject);
        }
        let is_object = |meta: &&str| meta.starts_with('{');
        if metas.iter().all(is_object) && !metas.is_empty() {
            for meta in metas {
                if json::values(meta, mcp::SERVER_INFO_KEY).is_empty() {
                    edits.extend(edit::set(message.text, meta, &info).unwrap_or_default());
                }
            }
        } else {
            members.push(("_meta", &info_only));
        }
        let set = edit::set(message.text, result, &members);
        edits.extend(set.ok_or(UntranslatableResult::NotAnObject)?);
    }
    Ok(edits)
}

/// The edits that change the result of a modern server into one for a legacy client. There are none
/// where `message` has no result.
///
/// # Errors
/// [`UntranslatableResult`].
pub fn to_legacy(message: &ServerMessage<'_>) -> Result<Vec<Edit>, UntranslatableResult> {
    let mut edits = Vec::new();
    for result in results(message) {
        let types = json::values(result, RESULT_TYPE);
        if types
            .iter()
            .any(|it| json::string(it).as_deref() != Some(COMPLETE))
        {
            return Err(UntranslatableResult::Incomplete);
        }
        let removed = edit::remove(message.text, result, |name| {
            matches!(name, RESULT_TYPE | TTL_MS | CACHE_SCOPE)
        });
        edits.extend(removed.ok_or(UntranslatableResult::NotAnObject)?);
    }
    Ok(edits)
}

fn results<'r, 'a>(message: &'r ServerMessage<'a>) -> &'r [&'a str] {
    match message.kind {
        MessageKind::Response => &message.contents,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UriPrefix;
    use crate::gateway::translate::resource_uris::ResultShape;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn edited(
        text: &str,
        edits: impl FnOnce(&ServerMessage<'_>) -> Result<Vec<Edit>, UntranslatableResult>,
    ) -> Result<String, UntranslatableResult> {
        let read = ServerMessage::read(text, ResultShape::Resource, &UriPrefix::of("w")).unwrap();
        let edits = edits(&read)?;
        let edited = read.edited(edits).unwrap_or_else(|| text.into());
        Ok(String::from_utf8(edited).unwrap())
    }

    fn response(result: &str) -> String {
        format!(r#" {{"jsonrpc" : "2.0","id":1,"r\u0065sult": {result} }}"#)
    }

    const INFO: &str = r#"{"name":"g"}"#;

    fn modern(text: &str, hints: bool) -> Result<String, UntranslatableResult> {
        let fields = ModernFields {
            needs_cache_hints: hints,
            server_info: INFO,
        };
        edited(text, |read| to_modern(read, fields))
    }

    /// Each of them would become longer.
    #[wasm_bindgen_test(unsupported = test)]
    fn a_member_may_not_be_there_very_often() {
        for member in [
            r#""_meta":{}"#,
            r#""_meta":0"#,
            r#""resultType":0"#,
            r#""resultType":"complete""#,
        ] {
            for (count, is_fine) in [(16, true), (17, false), (1000, false)] {
                let members = vec![member; count].join(",");
                let text = response(&format!("{{{members}}}"));
                assert_eq!(modern(&text, false).is_ok(), is_fine, "{count} {member}");
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_modern_client_gets_what_every_modern_result_says() {
        const META: &str = r#""io.modelcontextprotocol/serverInfo":{"name":"g"}"#;
        // `@` stands for the members that every result gets, `#` for the gateway's `serverInfo`.
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
        // A `resultType` and cache hints that the result already has are replaced. Members with the
        // same name elsewhere stay.
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
                UntranslatableResult::Incomplete,
            ),
            (r#"{"resultType":"task"}"#, UntranslatableResult::Incomplete),
            (
                r#"{"resultType":"Complete"}"#,
                UntranslatableResult::Incomplete,
            ),
            (r#"{"resultType":null}"#, UntranslatableResult::Incomplete),
            (
                r#"{"resultType":"complete","resultType":"task"}"#,
                UntranslatableResult::Incomplete,
            ),
            (
                r#"{"a":1,"r\u0065sultType":"input_required"}"#,
                UntranslatableResult::Incomplete,
            ),
            ("null", UntranslatableResult::NotAnObject),
            ("[]", UntranslatableResult::NotAnObject),
        ] {
            let text = response(result);
            assert_eq!(edited(&text, to_legacy), Err(why), "{result}");
            let expected = matches!(why, UntranslatableResult::NotAnObject).then_some(why);
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
