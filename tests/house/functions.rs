//! Finds the functions in code.

use crate::source::first_word;

/// The names of the functions in `code`, and how many lines each has. rustfmt must have formatted
/// `code`: a function ends at the first closing brace with the indentation of its `fn`.
pub(crate) fn functions(code: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let declaration = line.trim_start();
        let before = declaration.split("fn ").next().unwrap_or_default();
        let is_function = before.split_whitespace().all(|word| {
            let is_visibility = word.starts_with("pub") || word.ends_with(')');
            is_visibility || ["async", "const", "extern", "\"C\"", "unsafe"].contains(&word)
        });
        let Some((_, rest)) = declaration.split_once("fn ").filter(|_| is_function) else {
            continue;
        };
        let indentation = line.len() - declaration.len();
        let end = format!("{}}}", " ".repeat(indentation));
        let is_end = |line: &&str| **line == end || line.ends_with(';') || line.ends_with("{}");
        // A declaration without a body ends in its own line or a line with `;`.
        let after = &lines[start..];
        let has_body = after
            .iter()
            .take_while(|line| !is_end(line))
            .any(|line| line.ends_with('{'));
        if has_body {
            let length = after.iter().position(|line| *line == end);
            let length = length.unwrap_or_else(|| panic!("{line}: no end"));
            found.push((first_word(rest), length + 1));
        }
    }
    found
}

#[test]
fn functions_are_counted_to_their_ends() {
    let code = "fn a() {\n    b();\n}\n\nimpl X {\n    pub(super) fn c(\n        d: u8,\n    ) -> u8 {\n        if d {\n        }\n    }\n    fn e() {}\n}\n";
    assert_eq!(functions(code), [("a", 3), ("c", 6)]);
}
