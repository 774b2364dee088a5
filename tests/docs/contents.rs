//! The book's table of contents, `docs/SUMMARY.md`.

use std::collections::BTreeSet;

use crate::page::{book, pages};

const SUMMARY: &str = "docs/SUMMARY.md";

#[test]
fn every_page_is_in_the_contents_once() {
    let pages = pages();
    let summary = pages.iter().find(|page| page.path == SUMMARY);
    let summary = summary.expect("docs/SUMMARY.md");
    let listed: Vec<String> = summary
        .links
        .iter()
        .map(|(_, link)| format!("docs/{link}"))
        .collect();
    let unique: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), unique.len(), "a page is listed twice");
    let written = book().into_iter().filter(|page| page != SUMMARY).collect();
    assert_eq!(unique, written);
}

#[test]
fn readme_leads_into_the_book() {
    let pages = pages();
    let readme = pages.iter().find(|page| page.path == "README.md");
    let links = &readme.expect("README.md").links;
    for part in [
        "start",
        "clients",
        "guides",
        "policies",
        "operate",
        "migrate",
        "reference",
        "about",
    ] {
        let inside = format!("docs/{part}/");
        let leads = links.iter().any(|(_, link)| link.starts_with(&inside));
        assert!(leads, "README has no link into {inside}");
    }
}
