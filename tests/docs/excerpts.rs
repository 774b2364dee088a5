//! The `yaml` blocks of the pages are excerpts of files that other tests run in real Envoy.

use std::fs;

use crate::block::Kind;
use crate::harness::setup::repository;
use crate::page::{files, pages_with_blocks};

/// The folders with these files.
const SHIPPED: &[&str] = &["envoy", "deploy"];

#[test]
fn yaml_blocks_stand_in_the_shipped_configurations() {
    let shipped: Vec<Vec<String>> = SHIPPED
        .iter()
        .flat_map(|folder| files(&repository().join(folder), "yaml"))
        .map(|path| lines(&fs::read_to_string(path).expect("text")))
        .collect();
    let mut seen = 0;
    for page in pages_with_blocks() {
        for block in page.blocks().filter(|block| block.kind() == Kind::Excerpt) {
            let wanted = lines(&block.text);
            let found = shipped.iter().any(|file| stands_in(file, &wanted));
            assert!(
                found,
                "{}: no shipped configuration has these lines in this order and with this \
                 indentation:\n{}",
                block.place, block.text
            );
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} excerpts");
}

/// The lines of `text` that are neither empty nor a comment.
fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && !line.trim_start().starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// Whether `file` has all `wanted` lines in this order. All of them may be indented
/// further, by the same number of spaces.
fn stands_in(file: &[String], wanted: &[String]) -> bool {
    (0..60).step_by(2).any(|columns| {
        let indent = " ".repeat(columns);
        let mut rest = file.iter();
        wanted
            .iter()
            .all(|line| rest.any(|have| have.strip_prefix(&indent) == Some(line)))
    })
}

#[test]
fn an_excerpt_may_leave_lines_out_but_moves_none() {
    let file = lines("a:\n  b: 1\n  # why\n  c:\n    d: 2\n");
    for (excerpt, stands) in [
        ("b: 1\nc:\n  d: 2\n", true),
        ("a:\n  c:\n", true),
        ("c:\nb: 1\n", false),
        ("b: 1\nd: 2\n", false),
        ("b: 2\n", false),
    ] {
        assert_eq!(stands_in(&file, &lines(excerpt)), stands, "{excerpt}");
    }
}
