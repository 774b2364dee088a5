//! Entries in a file of JSON, which may have comments.

use jsonc_parser::cst::{CstInputValue, CstObject, CstObjectProp, CstRootNode};
use jsonc_parser::{ParseOptions, parse_to_serde_value};
use serde_json::Value;

use super::entry::{EntryValue, Members};

/// JSON as editors read it: with comments and trailing commas, but no other extensions.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
};

/// The entry `name` of the object `list` in the file.
///
/// # Errors
/// The text is not JSON, or `list` is not an object.
pub(super) fn find(text: &str, list: &str, name: &str) -> Result<Option<Value>, String> {
    let root = parse(text)?;
    let Some(object) = root_object(&root)? else {
        return Ok(None);
    };
    let Some(entries) = object_in(&object, list)? else {
        return Ok(None);
    };
    let Some(entry) = member(&entries, name)?.and_then(|entry| entry.value()) else {
        return Ok(None);
    };
    let value = parse_to_serde_value(&entry.to_string(), &OPTIONS);
    value.map(Some).map_err(|error| error.to_string())
}

/// The text with the entry `name` in the object `list`.
///
/// # Errors
/// Those of `find`.
pub(super) fn put(text: &str, list: &str, name: &str, members: &Members) -> Result<String, String> {
    let root = parse(text)?;
    let object = match root_object(&root)? {
        Some(object) => object,
        None => root.object_value_or_set(),
    };
    let entries = match object_in(&object, list)? {
        Some(entries) => entries,
        None => object.object_value_or_set(list),
    };
    let entry = CstInputValue::Object(
        members
            .iter()
            .map(|(name, value)| ((*name).to_owned(), input(value)))
            .collect(),
    );
    match member(&entries, name)? {
        Some(member) => member.set_value(entry),
        None => {
            entries.append(name, entry);
        }
    }
    Ok(root.to_string())
}

fn input(value: &EntryValue) -> CstInputValue {
    match value {
        EntryValue::Text(text) => text.as_str().into(),
        EntryValue::List(items) => items.clone().into(),
    }
}

fn parse(text: &str) -> Result<CstRootNode, String> {
    CstRootNode::parse(text, &OPTIONS).map_err(|error| format!("not JSON: {error}"))
}

/// The root object of the file; `None` for an empty file.
fn root_object(root: &CstRootNode) -> Result<Option<CstObject>, String> {
    match root.value() {
        None => Ok(None),
        Some(value) => match value.as_object() {
            Some(object) => Ok(Some(object)),
            None => Err("the file must hold a JSON object".to_owned()),
        },
    }
}

/// The object in the member `name`, where it is there.
fn object_in(object: &CstObject, name: &str) -> Result<Option<CstObject>, String> {
    let Some(member) = member(object, name)? else {
        return Ok(None);
    };
    match member.object_value() {
        Some(object) => Ok(Some(object)),
        None => Err(format!("{name}: must be an object")),
    }
}

/// The member `name`. It must not be there twice: readers of JSON differ in which of two they use.
fn member(object: &CstObject, name: &str) -> Result<Option<CstObjectProp>, String> {
    let members = object.properties().into_iter();
    let mut named = members.filter(|member| {
        let own = member.name().and_then(|own| own.decoded_value().ok());
        own.is_some_and(|own| own == name)
    });
    match (named.next(), named.next()) {
        (_, Some(_)) => Err(format!("{name}: is in the file twice; remove one of them")),
        (member, None) => Ok(member),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Members {
        let text = |text: &str| EntryValue::Text(text.to_owned());
        vec![("type", text("http")), ("url", text("http://g/mcp"))]
    }

    #[test]
    fn an_entry_is_added_and_the_rest_stays_as_it_is() {
        for (before, after) in [
            (
                "",
                "{\n  \"servers\": {\n    \"gw\": {\n      \"type\": \"http\",\n      \"url\": \"http://g/mcp\"\n    }\n  }\n}\n",
            ),
            (
                "{ // mine\n\t\"z\": [1,2],\n\t\"servers\": {\n\t\t/* old */ \"b\": {\"url\":\"http://b\"},\n\t},\n\t\"a\":0\n}",
                "{ // mine\n\t\"z\": [1,2],\n\t\"servers\": {\n\t\t/* old */ \"b\": {\"url\":\"http://b\"},\n\t\t\"gw\": {\n\t\t\t\"type\": \"http\",\n\t\t\t\"url\": \"http://g/mcp\",\n\t\t},\n\t},\n\t\"a\":0\n}",
            ),
            (
                "{\r\n    \"servers\": {}\r\n}\r\n",
                "{\r\n    \"servers\": {\r\n        \"gw\": {\r\n            \"type\": \"http\",\r\n            \"url\": \"http://g/mcp\"\r\n        }\r\n    }\r\n}\r\n",
            ),
            (
                "{\n  \"servers\": {\n    \"gw\": { \"command\": \"old\" }, // why\n    \"b\": {}\n  }\n}\n",
                "{\n  \"servers\": {\n    \"gw\": {\n      \"type\": \"http\",\n      \"url\": \"http://g/mcp\"\n    }, // why\n    \"b\": {}\n  }\n}\n",
            ),
        ] {
            assert_eq!(put(before, "servers", "gw", &members()).unwrap(), after);
            let found = find(after, "servers", "gw").unwrap().unwrap();
            assert_eq!(
                found,
                serde_json::json!({"type":"http","url":"http://g/mcp"})
            );
        }
    }

    #[test]
    fn a_file_that_is_broken_or_means_something_else_is_refused() {
        for (text, reason) in [
            ("{\"servers\": {", "not JSON: "),
            ("{\"servers\": {}} {}", "not JSON: "),
            ("{\"a\": 1 \"servers\": {}}", "not JSON: "),
            ("{servers: {}}", "not JSON: "),
            ("{\"a\": 0x1}", "not JSON: "),
            ("[]", "the file must hold a JSON object"),
            ("{\"servers\": []}", "servers: must be an object"),
            ("{\"servers\": null}", "servers: must be an object"),
            (
                "{\"servers\": {}, \"servers\": {}}",
                "servers: is in the file twice",
            ),
            (
                "{\"servers\": {\"gw\": {}, \"g\\u0077\": {}}}",
                "gw: is in the file twice",
            ),
        ] {
            for error in [
                find(text, "servers", "gw").unwrap_err(),
                put(text, "servers", "gw", &members()).unwrap_err(),
            ] {
                assert!(error.starts_with(reason), "{text}: {error}");
            }
        }
    }
}
