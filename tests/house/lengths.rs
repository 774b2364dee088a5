//! No file is longer than 400 lines without its tests, and no function is longer than 100 lines.

use crate::functions::functions;
use crate::source::{before_tests, root, sources};

/// Functions that are too long and must be split.
const LONG: &[&str] = &[];

#[test]
fn files_hold_one_idea_each() {
    let long: Vec<_> = sources("src")
        .into_iter()
        .map(|(path, text)| (path, before_tests(&text).lines().count()))
        .filter(|(path, lines)| *lines > 400 && !path.ends_with("tests.rs"))
        .collect();
    assert_eq!(long, [], "over 400 lines without tests");
}

#[test]
fn no_function_is_longer_than_100_lines() {
    let mut long = Vec::new();
    for (path, text) in sources("src") {
        for (name, lines) in functions(before_tests(&text)) {
            if lines > 100 && !path.ends_with("tests.rs") {
                let file = path.strip_prefix(root()).expect("a path below the root");
                long.push(format!("{}: {name}", file.display()));
            }
        }
    }
    long.sort_unstable();
    assert_eq!(long, LONG);
}
