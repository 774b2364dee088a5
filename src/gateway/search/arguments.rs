//! The arguments of `search_tools` and `call_tool`.

use std::borrow::Cow;

use crate::config::MOST_FOUND;
use crate::gateway::search::{each_member, reserved};
use crate::mcp::json::edit::{self, Edit};
use crate::mcp::json::{self, Shape};
use crate::mcp::list::ListKind;
use crate::mcp::lookalike::is_lookalike;
use crate::mcp::{Invalid, Message};
use crate::policy::Refusal;

const NO_OBJECT: Refusal = Refusal::Argument("params.arguments must be an object");
const NO_INNER_OBJECT: Refusal = Refusal::Argument("params.arguments.arguments must be an object");
const NO_LIMIT: Refusal =
    Refusal::Argument("params.arguments.limit must be a whole number from 1 to 50");

/// The arguments of `search_tools`.
#[derive(PartialEq, Eq)]
pub struct SearchArguments<'a> {
    /// The words to search for.
    pub query: Cow<'a, str>,
    /// The most tools to return, from 1 to [`MOST_FOUND`], if the client sets a limit.
    pub limit: Option<usize>,
}

impl<'a> SearchArguments<'a> {
    /// The arguments of `message`, which calls `search_tools`.
    ///
    /// # Errors
    /// There is no text to search for, the limit is not a whole number from 1 on, or two readers
    /// could read the arguments differently.
    pub fn of(message: &Message<'a>) -> Result<Self, Refusal> {
        let [query, limit] = members(message, ["query", "limit"])?;
        let query = query.and_then(json::string);
        Ok(Self {
            query: query.ok_or(Refusal::NameMissing("arguments.query"))?,
            limit: limit.map(read_limit).transpose()?,
        })
    }
}

/// Reads `limit`, a JSON text. A limit above [`MOST_FOUND`] becomes [`MOST_FOUND`]. JSON has many
/// ways to write a number, such as `8`, `8.0` and `0.8e1`.
fn read_limit(limit: &str) -> Result<usize, Refusal> {
    let is_number = limit.starts_with(|first: char| first.is_ascii_digit());
    let number = limit.parse::<f64>().ok().filter(|_| is_number);
    let number =
        number.filter(|number| *number >= 1.0 && (number.fract() == 0.0 || number.is_infinite()));
    let number = number.ok_or(NO_LIMIT)?;
    // This table converts the number: a float has no conversion to an integer without a cast, and
    // there are few limits.
    let limits = (1..=MOST_FOUND).zip((1..=u8::MAX).map(f64::from));
    let found = limits
        .filter(|(_, limit)| *limit <= number)
        .map(|(at, _)| at);
    found.last().ok_or(NO_LIMIT)
}

/// The message that `message`, a call of `call_tool`, stands for: a call of the inner tool, as a
/// JSON text. The rest of the message stays byte for byte.
///
/// # Errors
/// The message names no tool, or names `search_tools` or `call_tool`. Or its arguments are not an
/// object, or two readers could read it differently.
pub fn inner_call(message: &Message<'_>) -> Result<String, Refusal> {
    let [inner, arguments] = members(message, ["name", "arguments"])?;
    let inner = inner.and_then(|text| Some((text, json::string(text)?)));
    let (inner, name) = inner.ok_or(Refusal::NameMissing("arguments.name"))?;
    if reserved(&name).is_some() {
        return Err(Refusal::UnknownName(ListKind::Tools, name.into_owned()));
    }
    let arguments = arguments.unwrap_or("{}");
    if !arguments.starts_with('{') {
        return Err(NO_INNER_OBJECT);
    }
    let outer = |name| message.params().and_then(|params| params.get(name));
    let edits = [("name", inner), ("arguments", arguments)]
        .into_iter()
        .map(|(name, new)| Edit::replace(message.text, outer(name)?, new));
    let edits: Option<Vec<Edit>> = edits.collect();
    let rewritten = edit::apply(message.text, edits.ok_or(Refusal::Internal)?);
    String::from_utf8(rewritten).map_err(|_| Refusal::Internal)
}

/// These members of `params.arguments`, as JSON texts.
fn members<'a>(message: &Message<'a>, known: [&str; 2]) -> Result<[Option<&'a str>; 2], Refusal> {
    let differs = |place| Err(Refusal::Body(Invalid::DuplicateKey(place)));
    let mut found = [None; 2];
    let Some(params) = message.params() else {
        return Ok(found);
    };
    if params.has_lookalike("arguments") {
        return differs("params");
    }
    let Some(arguments) = params.get("arguments") else {
        return Ok(found);
    };
    let mut has_lookalike = false;
    let shape = each_member(arguments, &mut |name, value| {
        has_lookalike |= is_lookalike(name, &known);
        for (known, found) in known.iter().zip(&mut found) {
            if *known == name {
                *found = Some(value);
            }
        }
    });
    match shape {
        Ok(Shape::Object { unique: true }) if !has_lookalike => Ok(found),
        Ok(Shape::Object { .. }) => differs("params.arguments"),
        _ => Err(NO_OBJECT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn call(params: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1.50,"method":"tools/call","params":{params}}}"#)
    }

    fn search(arguments: &str) -> Result<(String, Option<usize>), Refusal> {
        let text = call(&format!(r#"{{"name":"search_tools"{arguments}}}"#));
        let message = Message::read(&text).unwrap();
        let arguments = SearchArguments::of(&message)?;
        Ok((arguments.query.into_owned(), arguments.limit))
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_limit_may_be_written_in_any_way() {
        for (limit, expected) in [
            ("1", 1),
            ("8", 8),
            ("8.0", 8),
            ("8e0", 8),
            ("0.8e1", 8),
            ("80.0E-1", 8),
            ("50", 50),
            ("51", 50),
            ("1e3", 50),
            ("1e999", 50),
        ] {
            let found = search(&format!(r#","arguments":{{"query":"x","limit":{limit}}}"#));
            assert_eq!(found, Ok(("x".to_owned(), Some(expected))), "{limit}");
        }
        for limit in [
            "0", "-1", "0.5", "1.5", "-8", "\"8\"", "null", "[8]", "true", "{}", "1e-1",
        ] {
            let found = search(&format!(r#","arguments":{{"query":"x","limit":{limit}}}"#));
            assert_eq!(found, Err(NO_LIMIT), "{limit}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_search_needs_a_text_that_may_be_empty() {
        let no_query = Err(Refusal::NameMissing("arguments.query"));
        let differs = |place| Err(Refusal::Body(Invalid::DuplicateKey(place)));
        for (arguments, expected) in [
            (
                r#","arguments":{"query":"","x":1}"#,
                Ok((String::new(), None)),
            ),
            (
                r#","arguments":{"qu\u0065ry":"\u00e4"}"#,
                Ok(("ä".to_owned(), None)),
            ),
            ("", no_query.clone()),
            (r#","arguments":{}"#, no_query.clone()),
            (r#","arguments":{"query":1}"#, no_query.clone()),
            (r#","arguments":{"query":"\ud800"}"#, no_query),
            (r#","arguments":[]"#, Err(NO_OBJECT)),
            (r#","arguments":null"#, Err(NO_OBJECT)),
            (r#","arguments":"{}""#, Err(NO_OBJECT)),
            (
                r#","arguments":{"query":"a","query":"b"}"#,
                differs("params.arguments"),
            ),
            (
                r#","arguments":{"query":"a","Query":"b"}"#,
                differs("params.arguments"),
            ),
            (
                r#","arguments":{"query":"a","x":1,"x":2}"#,
                differs("params.arguments"),
            ),
            (
                r#","arguments":{"query":"a"},"Arguments":{}"#,
                differs("params"),
            ),
        ] {
            assert_eq!(search(arguments), expected, "{arguments}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_call_becomes_one_of_the_inner_tool_and_the_rest_stays_as_it_is() {
        for (params, expected) in [
            (
                r#"{"name":"call_tool","arguments":{"name":"a__x"}}"#,
                r#"{"name":"a__x","arguments":{}}"#,
            ),
            (
                r#"{ "_meta":{"progressToken":1.0}, "arguments" : {"arguments" : { "n":1.10,"n":2 },"name":"\u0061"} , "n\u0061me":"call\u005ftool" ,"task":{"ttl":1}}"#,
                r#"{ "_meta":{"progressToken":1.0}, "arguments" : { "n":1.10,"n":2 } , "n\u0061me":"\u0061" ,"task":{"ttl":1}}"#,
            ),
        ] {
            let text = call(params);
            let rewritten = inner_call(&Message::read(&text).unwrap());
            assert_eq!(rewritten, Ok(call(expected)), "{params}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_call_of_nothing_of_itself_or_with_other_arguments_is_refused() {
        let no_name = Refusal::NameMissing("arguments.name");
        let differs = |place| Refusal::Body(Invalid::DuplicateKey(place));
        let unknown = |name: &str| Refusal::UnknownName(ListKind::Tools, name.to_owned());
        for (arguments, expected) in [
            ("", no_name.clone()),
            (r#","arguments":{}"#, no_name.clone()),
            (r#","arguments":{"name":null}"#, no_name.clone()),
            (r#","arguments":{"name":"\ud800"}"#, no_name),
            (r#","arguments":[]"#, NO_OBJECT),
            (
                r#","arguments":{"name":"x","arguments":null}"#,
                NO_INNER_OBJECT,
            ),
            (
                r#","arguments":{"name":"x","arguments":[]}"#,
                NO_INNER_OBJECT,
            ),
            (
                r#","arguments":{"name":"x","arguments":"{}"}"#,
                NO_INNER_OBJECT,
            ),
            (r#","arguments":{"name":"call_tool"}"#, unknown("call_tool")),
            (
                r#","arguments":{"name":"search\u005ftools"}"#,
                unknown("search_tools"),
            ),
            (
                r#","arguments":{"name":"x","name":"y"}"#,
                differs("params.arguments"),
            ),
            (
                r#","arguments":{"name":"x","n\u0061me":"y"}"#,
                differs("params.arguments"),
            ),
            (
                r#","arguments":{"name":"x","Name":"y"}"#,
                differs("params.arguments"),
            ),
            (
                r#","arguments":{"name":"x","ARGUMENTS":{}}"#,
                differs("params.arguments"),
            ),
            (
                r#","arguments":{"name":"x"},"argument\u017f":{}"#,
                differs("params"),
            ),
        ] {
            let text = call(&format!(r#"{{"name":"call_tool"{arguments}}}"#));
            let refused = inner_call(&Message::read(&text).unwrap());
            assert_eq!(refused, Err(expected), "{arguments}");
        }
    }
}
