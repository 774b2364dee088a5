//! Each link on the pages leads to a file, or a part of a page, that exists.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use crate::harness::setup::repository;
use crate::page::pages;

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let anchors: HashMap<&str, &[String]> = pages
        .iter()
        .map(|page| (&*page.path, &*page.anchors))
        .collect();
    let mut broken = Vec::new();
    let mut seen = 0;
    for page in &pages {
        for (line, link) in &page.links {
            if link.starts_with("https://") || link.starts_with("http://") {
                continue;
            }
            seen += 1;
            let (file, part) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.path.clone(),
                file => resolved(&page.path, file),
            };
            let known = anchors.get(&*target);
            let is_there = repository().join(&target).exists()
                && (part.is_empty()
                    || known.is_some_and(|known| known.iter().any(|it| it == part)));
            if !is_there {
                broken.push(format!("{}:{line}: {link}", page.path));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "these links lead to nothing:\n{}",
        broken.join("\n")
    );
    assert!(seen > 100, "{seen} links");
}

/// The path to which `link` on the page `from` leads, relative to the repository.
fn resolved(from: &str, link: &str) -> String {
    let mut path = PathBuf::from(from);
    path.pop();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{from}: {link} leaves the repository"),
            part => path.push(part),
        }
    }
    path.to_str().expect("UTF-8").to_owned()
}
