//! The texts of a tool's definition that a search reads.

use super::each_member;
use crate::mcp::json;

/// Where a text stands in the definition.
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

/// Calls `visit` with each text of `definition`, the JSON text of a tool.
pub(super) fn each_text(definition: &str, visit: &mut dyn FnMut(TextPlace, &str)) {
    let text = |value: &str, place: TextPlace, visit: &mut dyn FnMut(TextPlace, &str)| {
        if let Some(text) = json::string(value) {
            visit(place, &text);
        }
    };
    // What is no object has no texts.
    let _ = each_member(definition, &mut |name, value| match name {
        "name" => text(value, TextPlace::Name, visit),
        "title" => text(value, TextPlace::Title, visit),
        "description" => text(value, TextPlace::Description, visit),
        "inputSchema" => {
            for properties in json::values(value, "properties") {
                let _ = each_member(properties, &mut |name, property| {
                    visit(TextPlace::Parameter, name);
                    for description in json::values(property, "description") {
                        text(description, TextPlace::ParameterDescription, visit);
                    }
                });
            }
        }
        _ => {}
    });
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
