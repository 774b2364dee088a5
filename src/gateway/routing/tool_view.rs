//! A tool that clients see differently than its server describes it (`tools.override`): the
//! definition that clients get, and the arguments and headers that the server gets.

use crate::config::{RemovedParameter, ToolView};
use crate::mcp::json::edit::{self, Edit};
use crate::mcp::json::object::push_object;
use crate::mcp::json::{self, Shape};
use crate::mcp::message::Params;
use crate::mcp::param_header;
use crate::memory::OVERHEAD;

/// The gateway keeps at most this many headers of removed parameters for each tool. Real tools have
/// fewer.
const MOST_HEADERS: usize = 64;
/// The gateway reads headers of parameters only down to this level.
const DEEPEST: usize = 16;
/// The longest name of such a header, in bytes: the prefix and 128 bytes. The gateway ignores a
/// longer one.
const LONGEST_HEADER: usize = 128 + param_header::PREFIX.len();

/// A header that repeats a removed parameter for a modern server (MCP 2026-07-28, "Custom Headers
/// from Tool Parameters").
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct ParamHeader {
    /// Its name, in lower case.
    pub name: String,
    /// Its value, where the configuration sets one for the parameter.
    pub value: Option<String>,
}

impl ParamHeader {
    /// About how many bytes of memory it takes up.
    pub fn size(&self) -> usize {
        let value = self.value.as_ref().map_or(0, String::len);
        let text = self.name.len().saturating_add(value);
        text.saturating_add(OVERHEAD)
    }
}

/// Why the arguments of a call cannot be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnusableArguments {
    /// They are not an object.
    NoObject,
    /// Two readers could read different members, for example because a member is there twice.
    Ambiguous,
}

/// The edits that change the definition `entry` into what clients see, except for the name. `None`
/// where `entry` is not an object.
pub fn definition_edits(view: &ToolView, entry: &str) -> Option<Vec<Edit>> {
    let members = view.members.iter();
    let members: Vec<_> = members.map(|(name, json)| (*name, json.as_str())).collect();
    let mut edits = edit::set(entry, entry, &members)?;
    if view.removed.is_empty() {
        return Some(edits);
    }
    for schema in json::values(entry, "inputSchema") {
        // Where the schema is not as the specification says, it stays unchanged.
        for properties in json::values(schema, "properties") {
            let removed = edit::remove(entry, properties, |name| view.removes(name));
            edits.extend(removed.unwrap_or_default());
        }
        for required in json::values(schema, "required") {
            let is_gone = |name: &str| json::string(name).is_some_and(|it| view.removes(&it));
            let removed = edit::remove_elements(entry, required, is_gone);
            edits.extend(removed.unwrap_or_default());
        }
    }
    Some(edits)
}

/// The edits of a call, whose whole text is `text`. After them the call has the values that the
/// configuration sets, and no other removed parameters.
///
/// # Errors
/// The gateway cannot change the arguments.
pub fn argument_edits(
    view: &ToolView,
    text: &str,
    params: &Params<'_>,
) -> Result<Vec<Edit>, UnusableArguments> {
    if view.removed.is_empty() {
        return Ok(Vec::new());
    }
    if params.has_lookalike("arguments") {
        return Err(UnusableArguments::Ambiguous);
    }
    let mut set = Vec::new();
    push_object(&mut set, |arguments| {
        for RemovedParameter { name, value } in &view.removed {
            if let Some(value) = value {
                arguments.json(name, value);
            }
        }
    });
    let members = set.strip_prefix(b"{").and_then(|it| it.strip_suffix(b"}"));
    let members = members.unwrap_or_default();
    let edits = match params.get("arguments") {
        None | Some("null") if members.is_empty() => Some(Vec::new()),
        None => {
            let set = String::from_utf8(set).unwrap_or_default();
            let object = params.text.ok_or(UnusableArguments::NoObject)?;
            edit::set(text, object, &[("arguments", &set)])
        }
        Some(null @ "null") => Edit::replace(text, null, set).map(|edit| vec![edit]),
        Some(object) => replaced(view, text, object, members.to_vec()),
    };
    edits.ok_or(UnusableArguments::NoObject)
}

/// The edits that remove the parameters from `object`, a part of `text`, and insert `members`,
/// which have no braces.
fn replaced(view: &ToolView, text: &str, object: &str, mut members: Vec<u8>) -> Option<Vec<Edit>> {
    let mut is_kept = false;
    let shape = json::members(object, |name, _| is_kept |= !view.removes(&name));
    if !matches!(shape, Ok(Shape::Object { .. })) {
        return None;
    }
    let mut edits = edit::remove(text, object, |name| view.removes(name))?;
    if !members.is_empty() {
        if is_kept {
            members.push(b',');
        }
        let start = json::span(text, object)?.start;
        edits.push(Edit::insert(start.checked_add(1)?, members));
    }
    Some(edits)
}

/// The headers that repeat removed parameters, according to the definition `entry`.
pub fn param_headers(view: &ToolView, entry: &str) -> Vec<ParamHeader> {
    let mut headers = Vec::new();
    let mut schemas: Vec<(&str, Option<&str>, usize)> = Vec::new();
    for schema in json::values(entry, "inputSchema") {
        for properties in json::values(schema, "properties") {
            let _ = json::members(properties, |name, schema| {
                if view.removes(&name) {
                    let mut set = view.removed.iter();
                    let set = set.find(|it| it.name == name);
                    let value = set.and_then(|it| it.value.as_deref());
                    schemas.push((schema, value, 0));
                }
            });
        }
    }
    while let Some((schema, value, depth)) = schemas.pop() {
        for annotation in json::values(schema, param_header::ANNOTATION) {
            let name = param_header::name(annotation).filter(|it| it.len() <= LONGEST_HEADER);
            if let Some(name) = name.filter(|_| headers.len() < MOST_HEADERS) {
                headers.push(ParamHeader {
                    name,
                    value: value.and_then(param_header::value),
                });
            }
        }
        for properties in json::values(schema, "properties") {
            let _ = json::members(properties, |name, schema| {
                if depth < DEEPEST && schemas.len() < MOST_HEADERS {
                    let value = value.and_then(|value| json::values(value, &name).pop());
                    schemas.push((schema, value, depth.saturating_add(1)));
                }
            });
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::mcp::Message;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn view(text: &str) -> ToolView {
        let config =
            format!(r#"{{"servers":[{{"name":"a","tools":{{"override":{{"t":{text}}}}}}}]}}"#);
        let gateway = Config::parse(config.as_bytes()).unwrap().gateway.unwrap();
        gateway.servers[0].tool_views[0].clone()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_definition_says_what_the_configuration_says_and_the_rest_stays() {
        for (config, entry, expected) in [
            (
                r#"{"title":"T","description":"\"d\"","annotations":{"a_x":null,"b":1}}"#,
                r#"{"name":"t", "description" : "old","outputSchema":{"description":"x"}}"#,
                r#"{"title":"T","annotations":{"a_x":null,"b":1},"name":"t", "description" : "\"d\"","outputSchema":{"description":"x"}}"#,
            ),
            (
                r#"{"annotations":{}}"#,
                r#"{"name":"t","annotations":{"readOnlyHint":true},"annot\u0061tions":1}"#,
                r#"{"name":"t","annotations":{},"annot\u0061tions":{}}"#,
            ),
            (
                r#"{"hide":["a"],"set":{"b_c":1}}"#,
                r#"{"name":"t","inputSchema":{"type":"object", "properties":{"x":{"a":1},"\u0061":{},"b_c":{} , "A":{}},"required":["b_c","x","a"],"allOf":[{"required":["a"]}]}}"#,
                r#"{"name":"t","inputSchema":{"type":"object", "properties":{"x":{"a":1}},"required":["x"],"allOf":[{"required":["a"]}]}}"#,
            ),
            (
                r#"{"hide":["a"]}"#,
                r#"{"name":"t","inputSchema":{"required":["a"],"properties":{"a":{}},"properties":{"a":{},"b":{}}}}"#,
                r#"{"name":"t","inputSchema":{"required":[],"properties":{},"properties":{"b":{}}}}"#,
            ),
            (
                r#"{"hide":["a"]}"#,
                r#"{"name":"t","inputSchema":{"required":"a","properties":["a"]},"outputSchema":{"properties":{"a":{}}}}"#,
                r#"{"name":"t","inputSchema":{"required":"a","properties":["a"]},"outputSchema":{"properties":{"a":{}}}}"#,
            ),
        ] {
            let edits = definition_edits(&view(config), entry).unwrap();
            let edited = String::from_utf8(edit::apply(entry, edits)).unwrap();
            assert_eq!(edited, expected);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_call_has_what_the_configuration_sets_and_nothing_that_it_removes() {
        let hide = r#"{"hide":["a","b_c"]}"#;
        let set = r#"{"hide":["h"],"set":{"a":{"x_y":[null]},"b":"\""}}"#;
        for (config, arguments, expected) in [
            (hide, r#","arguments":{}"#, Some(r#","arguments":{}"#)),
            (hide, "", Some("")),
            (hide, r#","arguments":null"#, Some(r#","arguments":null"#)),
            (
                hide,
                r#", "arguments" : {"a":1,"x" : {"a":1.0},"\u0061":2 , "b_c":[], "A":1,"b\u0000_c":2}"#,
                Some(r#", "arguments" : {"x" : {"a":1.0}}"#),
            ),
            (
                hide,
                r#","arguments":{"bC":1,"ab":2}"#,
                Some(r#","arguments":{"bC":1,"ab":2}"#),
            ),
            (
                set,
                r#","arguments":{ }"#,
                Some(r#","arguments":{"a":{"x_y":[null]},"b":"\"" }"#),
            ),
            (
                set,
                r#","arguments":{"a":1,"h":2,"a":3}"#,
                Some(r#","arguments":{"a":{"x_y":[null]},"b":"\""}"#),
            ),
            (
                set,
                r#","arguments":{"h":2,"x":3,"B":4}"#,
                Some(r#","arguments":{"a":{"x_y":[null]},"b":"\"","x":3}"#),
            ),
            (
                set,
                r#","arguments":null"#,
                Some(r#","arguments":{"a":{"x_y":[null]},"b":"\""}"#),
            ),
            (hide, r#","arguments":[]"#, None),
            (hide, r#","arguments":"{}""#, None),
            (set, r#","arguments":1"#, None),
            (set, r#","Arguments":{}"#, None),
            (hide, r#","arguments":{},"Arguments":{"a":1}"#, None),
        ] {
            let text = |arguments: &str| {
                format!(
                    r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t"{arguments}}}}}"#
                )
            };
            let sent = text(arguments);
            let message = Message::parse(sent.as_bytes()).unwrap();
            let edits = argument_edits(&view(config), message.text, message.params().unwrap());
            let edited = edits.map(|edits| String::from_utf8(edit::apply(&sent, edits)).unwrap());
            assert_eq!(edited.ok(), expected.map(text), "{arguments}");
        }
        let sent = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
        let message = Message::parse(sent.as_bytes()).unwrap();
        let edits = argument_edits(&view(set), sent, message.params().unwrap()).unwrap();
        assert_eq!(
            String::from_utf8(edit::apply(sent, edits)).unwrap(),
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"a":{"x_y":[null]},"b":"\""},"name":"t"}}"#
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_headers_of_removed_parameters_are_known_from_the_definition() {
        let view = view(
            r#"{"hide":["h"],"set":{"s":"Zürich","n":7,"o":{"in":true,"null":null},"plain":1}}"#,
        );
        let entry = r#"{"name":"t","inputSchema":{"properties":{
            "x":{"x-mcp-header":"X"},"h":{"x-mcp-header":"Hid"},"s":{"x-mcp-header":"S"},
            "n":{"x-mcp-header":"N"},"plain":{"type":"integer"},
            "o":{"properties":{"in":{"x-mcp-header":"In"},"null":{"x-mcp-header":"Null"},"bad":{"x-mcp-header":"a b"}}}}}}"#;
        let mut headers: Vec<_> = param_headers(&view, entry)
            .into_iter()
            .map(|it| (it.name, it.value))
            .collect();
        headers.sort();
        let header = |name: &str, value: Option<&str>| {
            (format!("mcp-param-{name}"), value.map(str::to_owned))
        };
        assert_eq!(
            headers,
            [
                header("hid", None),
                header("in", Some("true")),
                header("n", Some("7")),
                header("null", None),
                header("s", Some("=?base64?WsO8cmljaA==?=")),
            ]
        );
    }
}
