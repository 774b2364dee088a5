//! The URIs of MCP Apps (SEP-1865) in the `_meta` of a server's tools and results. They name
//! resources, and a host shows the app in such a resource. Also makes the edits that replace a
//! server's URIs with those that clients know.

use crate::config::{APP, UriPrefix};
use crate::mcp::json::edit::Edit;
use crate::mcp::json::{self, Error, Reader};

/// The member of `_meta` about apps. The URI is in a member of it.
const UI: &str = "ui";
const RESOURCE_URI: &str = "resourceUri";
/// The member of `_meta` in which older servers write the URI.
const FLAT: &str = "ui/resourceUri";

/// Reads a `_meta`, and adds to `starts` the bytes at which the URIs of apps start. Ignores other
/// members, whatever they contain.
pub fn find_in_meta(reader: &mut Reader<'_>, starts: &mut Vec<usize>) -> Result<(), Error> {
    visit_object(reader, &mut |reader, name| match name {
        UI => visit_object(reader, &mut |reader, name| match name {
            RESOURCE_URI => note_app(reader, starts),
            _ => skip(reader),
        }),
        FLAT => note_app(reader, starts),
        _ => skip(reader),
    })
}

/// Reads a value, and adds the byte at which it starts to `starts` if it is the URI of an app.
/// Hosts do not accept other URIs.
fn note_app(reader: &mut Reader<'_>, starts: &mut Vec<usize>) -> Result<(), Error> {
    let start = reader.mark();
    if is_app(reader.skip()?) {
        starts.push(start);
    }
    Ok(())
}

/// The edits that replace the URIs of a server with those that clients know. The URIs are the JSON
/// strings that start at the bytes `starts` of `text`. The edit of an app's URI replaces the whole
/// URI. Any other edit only inserts the prefix or the server's name, and the rest of the URI stays
/// byte for byte.
pub fn rename_edits(text: &str, starts: Vec<usize>, prefix: &UriPrefix) -> Vec<Edit> {
    let edit = |start: usize| {
        let string = Reader::new(text.get(start..)?).skip().ok()?;
        if is_app(string) {
            let own = json::string(string)?;
            return Edit::replace(text, string, json::quoted(&prefix.to_client(&own)));
        }
        Some(Edit::insert(start.saturating_add(1), prefix.as_str()))
    };
    starts.into_iter().filter_map(edit).collect()
}

/// Whether a JSON text is the URI of an app.
fn is_app(text: &str) -> bool {
    json::string(text).is_some_and(|uri| uri.starts_with(APP))
}

fn skip(reader: &mut Reader<'_>) -> Result<(), Error> {
    reader.skip()?;
    Ok(())
}

/// Visits the members of an object. Skips a value of another type.
pub fn visit_object<'a>(
    reader: &mut Reader<'a>,
    visit: &mut dyn FnMut(&mut Reader<'a>, &str) -> Result<(), Error>,
) -> Result<(), Error> {
    if reader.peek() != Some(b'{') {
        return skip(reader);
    }
    reader.object(|reader, name| visit(reader, &name))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::json::edit;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn renamed(tool: &str, prefix: &UriPrefix) -> String {
        let mut starts = Vec::new();
        let read = visit_object(&mut Reader::new(tool), &mut |reader, name| match name {
            "_meta" => find_in_meta(reader, &mut starts),
            _ => skip(reader),
        });
        read.unwrap();
        let edits = rename_edits(tool, starts, prefix);
        String::from_utf8(edit::apply(tool, edits)).unwrap()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_uri_of_an_app_is_renamed_in_both_places_and_nothing_else() {
        let prefix = UriPrefix::of("w");
        let tool = |uri: &str| {
            format!(
                r#"{{"name":"ui://a","ui":{{"resourceUri":"ui://a"}},"_meta":{{"ui":{{ "resourceUri" : {uri},"visibility":["app"],"x":{{"resourceUri":"ui://a"}}}},"ui/resourceUri":{uri},"openai/outputTemplate":"ui://a","resourceUri":"ui://a","n":1.10}},"inputSchema":{{"_meta":{{"ui":{{"resourceUri":"ui://a"}}}}}}}}"#
            )
        };
        for (own, client) in [
            (r#""ui://a/b.html""#, r#""ui://w/a/b.html""#),
            (r#""ui:\/\/a\/b""#, r#""ui://w/a/b""#),
            (r#""\u0075i://a""#, r#""ui://w/a""#),
            (r#""ui://a b""#, r#""w+ui://a b""#),
        ] {
            assert_eq!(renamed(&tool(own), &prefix), tool(client));
        }
        for own in [
            r#""https://a/b""#,
            r#""a""#,
            "1",
            "null",
            r#"["ui://a"]"#,
            r#"{"uri":"ui://a"}"#,
        ] {
            assert_eq!(renamed(&tool(own), &prefix), tool(own));
        }
        let twice = r#"{"_meta":{"ui":{"resourceUri":"ui://a","resourceUri":"ui://b"}},"_meta":{"ui/resourceUri":"ui://c"}}"#;
        let expected = twice.replace("ui://", "ui://w/");
        assert_eq!(renamed(twice, &prefix), expected);
        for tool in [
            "1",
            "{}",
            r#"{"_meta":null}"#,
            r#"{"_meta":{"ui":"ui://a"}}"#,
        ] {
            assert_eq!(renamed(tool, &prefix), tool);
        }
    }
}
