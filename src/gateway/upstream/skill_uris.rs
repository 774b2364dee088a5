//! The URIs of resources in a server's description of a skill (SEP-2640, "Skill Entries"): the URI
//! of its `SKILL.md`, and the URIs of its files. Clients read the files by these URIs.

use crate::config::UriPrefix;
use crate::gateway::upstream::app_uris::{rename_edits, visit_object};
use crate::mcp::json::edit::Edit;
use crate::mcp::json::{Error, Reader};

/// The member of a skill with its files. It is a string where the server gives no list of files.
const FILES: &str = "resources";
const URI: &str = "uri";

/// The edits that replace the URIs of the files of `skill`, an entry of a list, with those that
/// clients know. The URI of the skill itself is not among them.
pub fn edits(skill: &str, prefix: &UriPrefix) -> Vec<Edit> {
    let mut starts = Vec::new();
    let mut reader = Reader::new(skill);
    let read = visit_object(&mut reader, &mut |reader, name| match name {
        FILES => find_in_files(reader, &mut starts),
        _ => skip(reader),
    });
    match read {
        Ok(()) => rename_edits(skill, starts, prefix),
        // The gateway has parsed the list before, so this does not happen.
        Err(_) => Vec::new(),
    }
}

/// Reads a skill, and adds to `starts` the bytes at which its URIs start.
pub fn find_in_skill(reader: &mut Reader<'_>, starts: &mut Vec<usize>) -> Result<(), Error> {
    visit_object(reader, &mut |reader, name| match name {
        URI => note_uri(reader, starts),
        FILES => find_in_files(reader, starts),
        _ => skip(reader),
    })
}

fn find_in_files(reader: &mut Reader<'_>, starts: &mut Vec<usize>) -> Result<(), Error> {
    visit_array(reader, |reader| {
        visit_object(reader, &mut |reader, name| match name {
            URI => note_uri(reader, starts),
            _ => skip(reader),
        })
    })
}

/// Reads a value. If it is a string, adds the byte at which it starts to `starts`.
pub fn note_uri(reader: &mut Reader<'_>, starts: &mut Vec<usize>) -> Result<(), Error> {
    let start = reader.mark();
    if reader.skip()?.starts_with('"') {
        starts.push(start);
    }
    Ok(())
}

fn skip(reader: &mut Reader<'_>) -> Result<(), Error> {
    reader.skip()?;
    Ok(())
}

/// Visits the elements of an array. Skips a value of another type.
pub fn visit_array<'a>(
    reader: &mut Reader<'a>,
    visit: impl FnMut(&mut Reader<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    if reader.peek() != Some(b'[') {
        return skip(reader);
    }
    reader.array(visit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::json::edit;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn renamed(skill: &str) -> String {
        let edits = edits(skill, &UriPrefix::of("w"));
        String::from_utf8(edit::apply(skill, edits)).unwrap()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_uris_of_files_are_renamed_and_nothing_else() {
        // In each text, `@` is where the prefix goes.
        for skill in [
            r#"{"uri":"skill://a/SKILL.md","frontmatter":{"name":"a","uri":"x","resources":[{"uri":"x"}]},"resources":[{ "uri" : "@skill://a/SKILL.md","digest":"sha256:0","size":1.0},{"size":2,"uri":"@skill:\/\/a\/b"}],"_meta":{"resources":[{"uri":"x"}]}}"#,
            r#"{"resources":[{"uri":"@a:b","uri":"@a:c"},{"uri":1},{},1,null,"a",["a"]],"r\u0065sources":[{"uri":"@a:d"}]}"#,
            r#"{"uri":"a:b","resources":"dynamic"}"#,
            r#"{"uri":"a:b","resources":{"uri":"a:c"}}"#,
            r#"{"uri":"a:b","resources":null}"#,
            "{}",
            "1",
        ] {
            let own = skill.replace('@', "");
            assert_eq!(renamed(&own), skill.replace('@', "w+"), "{skill}");
        }
    }
}
