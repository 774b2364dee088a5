//! The texts of a tool's definition that a search reads.

use crate::mcp::json::{self, Error, Reader};

/// The place of a text in the definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextPlace {
    Name,
    Title,
    Description,
    /// The name of a parameter.
    Parameter,
    /// The description of a parameter.
    ParameterDescription,
}

/// Calls `visit` with each text of `definition`, the JSON text of a tool, in one pass.
pub(super) fn each_text(definition: &str, visit: &mut dyn FnMut(TextPlace, &str)) {
    let mut reader = Reader::new(definition);
    // A value that is not an object has no texts. If the definition is faulty, the rest of it is
    // not read.
    let _ = each_member(&mut reader, &mut |reader, name| match name {
        "name" => text(reader, TextPlace::Name, visit),
        "title" => text(reader, TextPlace::Title, visit),
        "description" => text(reader, TextPlace::Description, visit),
        "inputSchema" => each_member(reader, &mut |reader, name| match name {
            "properties" => each_member(reader, &mut |reader, name| {
                visit(TextPlace::Parameter, name);
                each_member(reader, &mut |reader, name| match name {
                    "description" => text(reader, TextPlace::ParameterDescription, visit),
                    _ => reader.skip().map(drop),
                })
            }),
            _ => reader.skip().map(drop),
        }),
        _ => reader.skip().map(drop),
    });
}

/// Reads one member of an object, after its name was read.
type ReadMember<'f, 'a> = dyn FnMut(&mut Reader<'a>, &str) -> Result<(), Error> + 'f;

/// Reads the object that starts here. Skips a value that is not an object.
fn each_member<'a>(reader: &mut Reader<'a>, read: &mut ReadMember<'_, 'a>) -> Result<(), Error> {
    if reader.peek() == Some(b'{') {
        reader.object(|reader, name| read(reader, &name)).map(drop)
    } else {
        reader.skip().map(drop)
    }
}

/// Reads a value, and calls `visit` if it is a string.
fn text(
    reader: &mut Reader<'_>,
    place: TextPlace,
    visit: &mut dyn FnMut(TextPlace, &str),
) -> Result<(), Error> {
    let value = reader.skip()?;
    let inner = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    match inner {
        // Most texts have no escapes.
        Some(text) if !text.as_bytes().contains(&b'\\') => visit(place, text),
        Some(_) => {
            if let Some(text) = json::string(value) {
                visit(place, &text);
            }
        }
        None => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_texts_of_a_definition_are_found_in_their_places() {
        let mut found = Vec::new();
        let definition = r#"{"name":"n","title":"T","icons":[{"description":"x"}],"description":"d\u00e4","inputSchema":{"description":"x","properties":{"p":{"description":"q","items":{"description":"x"}},"r":true}},"annotations":{"title":"x"}}"#;
        each_text(definition, &mut |place, text| {
            found.push((place, text.to_owned()))
        });
        let expected = [
            (TextPlace::Name, "n"),
            (TextPlace::Title, "T"),
            (TextPlace::Description, "dä"),
            (TextPlace::Parameter, "p"),
            (TextPlace::ParameterDescription, "q"),
            (TextPlace::Parameter, "r"),
        ];
        assert_eq!(
            found,
            expected.map(|(place, text)| (place, text.to_owned()))
        );
        for nothing in ["", "[]", "{", r#"{"name":1,"inputSchema":[]}"#] {
            each_text(nothing, &mut |_, text| panic!("{text}"));
        }
    }
}
