//! No two types in `src` have the same name.

use std::collections::BTreeMap;

use crate::source::{first_word, sources};

#[test]
fn no_type_name_is_there_twice() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in sources("src") {
        for line in text.lines() {
            if let Some(name) = declared_type(line) {
                let places = places.entry(name.to_owned()).or_default();
                places.push(path.display().to_string());
            }
        }
    }
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "{places:#?}");
}

/// The name of the type that `line` declares. An associated type, which rustfmt indents, does not
/// count.
pub(crate) fn declared_type(line: &str) -> Option<&str> {
    let code = line.trim_start();
    let code = match code.strip_prefix("pub(") {
        Some(rest) => rest.split_once(") ")?.1,
        None => code.strip_prefix("pub ").unwrap_or(code),
    };
    let (keyword, rest) = code.split_once(' ')?;
    let is_type = match keyword {
        "struct" | "enum" | "trait" | "union" => true,
        "type" => line == code || line.starts_with("pub"),
        _ => false,
    };
    is_type.then(|| first_word(rest))
}

#[test]
fn types_are_found_with_any_visibility() {
    for (line, expected) in [
        ("struct A;", Some("A")),
        ("    pub(in crate::x) enum B<'a> {", Some("B")),
        ("pub trait C {", Some("C")),
        ("pub type D = u8;", Some("D")),
        ("    type E = u8;", None),
        ("/// struct F", None),
        ("pub fn g() {}", None),
    ] {
        assert_eq!(declared_type(line), expected, "{line}");
    }
}
