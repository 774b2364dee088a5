//! No type has more than 30 methods, or methods in more than 3 files.

use std::collections::BTreeMap;

use crate::functions::functions;
use crate::source::{before_tests, first_word, sources};

/// The types with more than 30 methods, or with methods in more than 3 files. The first number
/// counts the methods, the second the files. No number may grow. Do not add a type.
const LARGE: &[(&str, usize, usize)] = &[("Branch", 47, 5), ("Translation", 33, 3)];

#[test]
fn no_type_has_more_than_30_methods_or_methods_in_more_than_3_files() {
    let mut types: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (path, text) in sources("src") {
        if path.ends_with("tests.rs") {
            continue;
        }
        let mut in_file: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, methods) in methods(before_tests(&text)) {
            *in_file.entry(name).or_default() += methods;
        }
        for (name, methods) in in_file {
            let (all, files) = types.entry(name.to_owned()).or_default();
            *all += methods;
            *files += 1;
        }
    }
    let large = types
        .iter()
        .filter(|(_, (methods, files))| *methods > 30 || *files > 3)
        .map(|(name, (methods, files))| (&**name, *methods, *files));
    assert_eq!(large.collect::<Vec<_>>(), LARGE);
}

/// The type of each `impl` block in `code`, and how many methods the block has. The implementation
/// of a trait does not count. rustfmt must have formatted `code`.
fn methods(code: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = line.strip_prefix("impl").and_then(implemented_type) else {
            continue;
        };
        let block = lines[start..].iter().take_while(|line| **line != "}");
        let block: Vec<&str> = block.copied().collect();
        let header = block.iter().position(|line| line.ends_with('{'));
        let (header, body) = block.split_at(header.map_or(block.len(), |at| at + 1));
        if !header.iter().any(|line| line.contains(" for ")) {
            found.push((name, functions(&body.join("\n")).len()));
        }
    }
    found
}

/// The name of the type in `code`, which is the text after `impl`. The function skips the
/// parameters of `impl`.
fn implemented_type(code: &str) -> Option<&str> {
    let mut depth = 0_usize;
    let after = code.char_indices().find(|(_, sign)| {
        match sign {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    let rest = code[after?.0..].trim_start_matches('>');
    rest.strip_prefix(' ').map(first_word)
}

#[test]
fn methods_are_counted_for_their_type() {
    let code = "impl A {\n    fn b() {\n    }\n    pub fn c() {\n    }\n}\n\nimpl<'a, T: X<Y>> B<'a, T>\nwhere\n    T: X,\n{\n    fn d() {\n    }\n}\n\nimpl X for C {\n    fn e() {\n    }\n}\n";
    assert_eq!(methods(code), [("A", 2), ("B", 1)]);
}
