//! Reads the Markdown of the pages.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::harness::setup::repository;

/// The pages that are not in the book.
const OTHERS: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
];
/// The pages outside the book whose blocks are checked.
const WITH_BLOCKS: &[&str] = &["README.md", "CONTRIBUTING.md", "SECURITY.md"];

pub(crate) struct Page {
    /// The path from the root of the repository, such as `docs/start/laptop.md`.
    pub(crate) path: String,
    /// Headings and blocks of code, in the order of the page.
    pub(crate) items: Vec<Item>,
    /// The names of the page's parts in links, without `#`.
    pub(crate) anchors: Vec<String>,
    /// The links and images: the line, and the target.
    pub(crate) links: Vec<(usize, String)>,
}

pub(crate) enum Item {
    Heading(HeadingLevel),
    Block(Block),
}

/// A fenced block of code.
pub(crate) struct Block {
    /// The page and the line, for error messages.
    pub(crate) place: String,
    /// The text after the opening fence, such as `sh`.
    pub(crate) info: String,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.items.iter().filter_map(|item| match item {
            Item::Block(block) => Some(block),
            Item::Heading(_) => None,
        })
    }

    fn read(path: String) -> Self {
        let text = fs::read_to_string(repository().join(&path))
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut page = Self {
            path,
            items: Vec::new(),
            anchors: Vec::new(),
            links: Vec::new(),
        };
        let mut headings = HashMap::new();
        let mut collected = String::new();
        let line = |offset: usize| text[..offset].matches('\n').count() + 1;
        for (event, range) in Parser::new_ext(&text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { level, .. }) => {
                    collected.clear();
                    page.items.push(Item::Heading(level));
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    collected.clear();
                    let info = match kind {
                        CodeBlockKind::Fenced(info) => info.to_string(),
                        CodeBlockKind::Indented => "(indented)".to_owned(),
                    };
                    page.items.push(Item::Block(Block {
                        place: format!("{}:{}", page.path, line(range.start)),
                        info,
                        text: String::new(),
                    }));
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push((line(range.start), dest_url.to_string()));
                }
                Event::Text(text) | Event::Code(text) => collected.push_str(&text),
                Event::End(TagEnd::Heading(_)) => {
                    page.anchors.push(anchor(&collected, &mut headings));
                }
                Event::End(TagEnd::CodeBlock) => {
                    if let Some(Item::Block(block)) = page.items.last_mut() {
                        block.text.clone_from(&collected);
                    }
                }
                _ => {}
            }
        }
        page
    }
}

/// The anchor that both GitHub and mdBook give a heading with this text.
fn anchor(text: &str, seen: &mut HashMap<String, usize>) -> String {
    let kept = text
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    let name: String = kept
        .map(|c| if c == ' ' { '-' } else { c })
        .flat_map(char::to_lowercase)
        .collect();
    let before = seen.entry(name.clone()).or_default();
    *before += 1;
    match *before {
        1 => name,
        more => format!("{name}-{}", more - 1),
    }
}

/// All pages: those of the book, and the others.
pub(crate) fn pages() -> Vec<Page> {
    let others = OTHERS.iter().map(|&path| path.to_owned());
    others.chain(book()).map(Page::read).collect()
}

/// The pages whose blocks are checked.
pub(crate) fn pages_with_blocks() -> Vec<Page> {
    let others = WITH_BLOCKS.iter().map(|&path| path.to_owned());
    others.chain(book()).map(Page::read).collect()
}

/// The paths of all pages in `docs/`, sorted.
pub(crate) fn book() -> Vec<String> {
    let root = repository();
    let inside = |path: PathBuf| {
        let path = path.strip_prefix(root).expect("a path in the repository");
        path.to_str().expect("UTF-8").to_owned()
    };
    let mut found: Vec<String> = files(&root.join("docs"), "md")
        .into_iter()
        .map(inside)
        .collect();
    found.sort();
    assert!(found.len() > 20, "{} pages", found.len());
    found
}

/// Every file with this extension in `folder` and below it.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|has| has == extension) {
            found.push(path);
        }
    }
    found
}

#[test]
fn an_anchor_is_what_github_makes_of_a_heading() {
    let mut seen = HashMap::new();
    for (heading, expected) in [
        ("Envoy Gateway", "envoy-gateway"),
        ("`run FILE`: in Envoy", "run-file-in-envoy"),
        ("What's new?", "whats-new"),
        ("Envoy Gateway", "envoy-gateway-1"),
    ] {
        assert_eq!(anchor(heading, &mut seen), expected);
    }
}
