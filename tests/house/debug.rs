//! No `Debug` output shows a header, a body, a key or a session.

use crate::source::{before_tests, root, sources};
use crate::type_names::declared_type;

/// The types of the library outside `src/config` whose `Debug` output may show their texts. These
/// texts come from the configuration, or are hashes.
const SHOWN_TEXTS: &[&str] = &[
    "Chosen",
    "Cors",
    "Decision",
    "Expression",
    "Glob",
    "LoggedCollisions",
    "MethodRule",
    "Metrics",
    "Origin",
    "Paths",
    "PinVerdicts",
    "PageKey",
    "ProtectedResource",
    "RequiredScopes",
    "ResourceIdentifier",
    "Rules",
    "ScopesSource",
    "ServerMark",
];

/// The words in the names and types of fields in which the program keeps values of the user: values
/// of a file, variables of servers, keys, messages.
const USER_VALUES: &[&str] = &[
    "Node",
    "RawObject",
    "Value",
    "WireMessage",
    "answers",
    "body",
    "env",
    "password",
    "secret",
    "session",
    "token",
    "value",
];

#[test]
fn no_debug_output_shows_a_header_a_body_a_key_or_a_session() {
    let mut shown = Vec::new();
    for (path, text) in sources("src") {
        let file = path.strip_prefix(root()).expect("a path below the root");
        // The configuration keeps secrets in `Secret` and `SessionKey`, which hide them. The objects
        // of the controller have no secrets, and `kube` needs their `Debug`.
        let is_exempt = file.starts_with("src/config")
            || file.starts_with("src/bin/mcp-gateway/controller/kinds");
        if is_exempt || path.ends_with("tests.rs") {
            continue;
        }
        let is_program = file.starts_with("src/bin");
        for (name, fields) in types_with_debug(before_tests(&text)) {
            let is_shown = match is_program {
                true => words(&fields).any(|word| USER_VALUES.contains(&word)),
                false => holds_text(&fields) && !SHOWN_TEXTS.contains(&name),
            };
            if is_shown {
                shown.push(format!("{}: {name}", file.display()));
            }
        }
    }
    shown.sort_unstable();
    assert_eq!(
        shown, [""; 0],
        "derive Debug for tests only: cfg_attr(test, derive(Debug))"
    );
}

/// The words of `code`: its identifiers and keywords.
fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Whether `fields`, the fields of a type, have texts or bytes. Constant texts do not count.
fn holds_text(fields: &str) -> bool {
    let fields = fields.replace("&'static str", "");
    let is_text = |word| ["String", "str", "u8"].contains(&word);
    // A number is no text: `u8` counts in a list of bytes only.
    let bytes = ["u8]", "u8;", "<u8>"];
    words(&fields).any(|word| is_text(word) && word != "u8")
        || bytes.iter().any(|part| fields.contains(part))
}

/// The types in `code` that derive `Debug` outside tests, each with the text of its declaration,
/// which has the fields.
fn types_with_debug(code: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    for derive in code.split("#[derive(").skip(1) {
        let Some((traits, rest)) = derive.split_once(")]") else {
            continue;
        };
        if !words(traits).any(|word| word == "Debug") {
            continue;
        }
        let declaration = rest.lines().position(|line| declared_type(line).is_some());
        let declaration = declaration.expect("a type after #[derive]");
        let mut lines = rest.lines().skip(declaration);
        let first = lines.next().unwrap_or_default();
        let mut fields = vec![first];
        if !first.ends_with(';') && !first.ends_with('}') {
            let is_end = |line: &&str| ["}", ");"].contains(line);
            fields.extend(lines.take_while(|line| !is_end(line)));
        }
        let is_field = |line: &str| !line.starts_with("//") && !line.starts_with("#[");
        fields.retain(|line| is_field(line.trim_start()));
        found.push((declared_type(first).expect("a type"), fields.join("\n")));
    }
    found
}

#[test]
fn texts_are_found_in_types_with_debug() {
    for (code, expected) in [
        ("#[derive(Debug)]\nstruct A(String);\n", true),
        (
            "#[derive(\n    Clone,\n    Debug,\n)]\nenum A {\n    B(u8),\n    C { d: Vec<u8> },\n}\n",
            true,
        ),
        (
            "#[derive(Debug)]\n#[x]\npub(super) struct A<'a>(\n    &'a str,\n);\n",
            true,
        ),
        (
            "#[derive(Debug)]\nstruct A {\n    /// A String.\n    b: &'static str,\n}\nfn c() -> String {}\n",
            false,
        ),
    ] {
        let types = types_with_debug(code);
        assert_eq!(types.len(), 1, "{code}");
        assert_eq!(types[0].0, "A");
        assert_eq!(holds_text(&types[0].1), expected, "{code}");
    }
    for code in [
        "#[derive(Clone)]\nstruct A(String);\n",
        "#[cfg_attr(test, derive(Debug))]\nstruct A(String);\n",
    ] {
        assert_eq!(types_with_debug(code), []);
    }
}
