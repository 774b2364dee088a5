//! Each page of the documentation has text and does not name the machine that wrote it. README is
//! short.

use std::fs;
use std::path::PathBuf;

use crate::source::{files, root};

/// The paths of all pages: those at the root of the project, and those of the book.
fn pages() -> Vec<PathBuf> {
    let at_the_root = [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "LICENSE",
    ];
    let mut pages: Vec<PathBuf> = at_the_root.iter().map(|page| root().join(page)).collect();
    pages.extend(files("docs", "md"));
    pages
}

#[test]
fn every_page_is_there_and_names_no_machine() {
    let home = std::env::var("HOME").unwrap_or_default();
    let pages = pages();
    assert!(pages.len() > 20, "{} pages", pages.len());
    for page in pages {
        let text =
            fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        assert!(!text.trim().is_empty(), "{} is empty", page.display());
        for path in [env!("CARGO_MANIFEST_DIR"), &home] {
            assert!(
                path.len() < 2 || !text.contains(path),
                "{} names {path}",
                page.display()
            );
        }
    }
}

#[test]
fn readme_is_a_first_page_and_no_reference() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let lines = readme.lines().count();
    assert!(lines < 150, "{lines} lines: what is more belongs in docs/");
}
