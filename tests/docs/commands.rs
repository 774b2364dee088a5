//! The commands of each page, run in its order.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pulldown_cmark::HeadingLevel;

use crate::block::Kind;
use crate::data::VARIABLES;
use crate::harness::setup::{self, repository};
use crate::page::{Block, Item, Page, pages_with_blocks};
use crate::sdk;
use crate::service::Service;

/// `script` in bash, in the root of the repository, with `mcp-gateway` on the
/// PATH and the variables that the pages name.
pub(crate) fn bash(script: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_mcp-gateway"));
    let mut path = program.parent().expect("a folder").as_os_str().to_owned();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let mut bash = Command::new("bash");
    bash.args(["-ec", script])
        .current_dir(repository())
        .env("PATH", path)
        // Gateways that others run on this machine are none of theirs.
        .env("XDG_RUNTIME_DIR", setup::files())
        // A reader's first `run` downloads Envoy; the tests have it.
        .env("ENVOY", setup::envoy())
        .envs(VARIABLES.iter().copied());
    bash
}

#[test]
fn commands_print_what_the_pages_say() {
    let only = env::var("DOCS_PAGE").ok();
    let pages = pages_with_blocks();
    let mut run = 0;
    for page in &pages {
        if only.as_ref().is_none_or(|only| *only == page.path) {
            run += Terminal::default().run(page);
        }
    }
    assert!(only.is_some() || run > 20, "{run} commands");
}

/// What a reader of a page has on the screen.
#[derive(Default)]
struct Terminal {
    /// Commands that stay up, and the heading that they stand below.
    services: Vec<(HeadingLevel, Service)>,
    files: Vec<PathBuf>,
}

impl Terminal {
    /// Does all that the page says; how many commands it has.
    fn run(mut self, page: &Page) -> usize {
        let mut level = HeadingLevel::H1;
        let mut run = 0;
        for (at, item) in page.items.iter().enumerate() {
            let block = match item {
                Item::Heading(new) => {
                    level = *new;
                    // The newest first, as they may need the ones before.
                    while self.services.last().is_some_and(|(of, _)| *of >= level) {
                        self.services.pop();
                    }
                    continue;
                }
                Item::Block(block) => block,
            };
            let below = match page.items.get(at + 1) {
                Some(Item::Block(below)) if below.kind() == Kind::Output => Some(below),
                _ => None,
            };
            run += 1;
            match (block.kind(), below) {
                (Kind::Command, _) => prints(block, bash(&block.text), below),
                (Kind::Service, Some(below)) => {
                    self.services.push((level, Service::start(block, below)));
                }
                (kind @ (Kind::Python | Kind::JavaScript), _) => {
                    assert!(!self.services.is_empty(), "{}: to whom?", block.place);
                    prints(block, sdk::program(kind, &block.text), below);
                }
                _ => {
                    run -= 1;
                    self.save(block);
                }
            }
        }
        while self.services.pop().is_some() {}
        run
    }

    fn save(&mut self, block: &Block) {
        let Some(name) = block.file() else { return };
        let path = repository().join(name);
        let ours = self.files.contains(&path);
        assert!(ours || !path.exists(), "{}: {name} is there", block.place);
        fs::write(&path, &block.text).expect("a file");
        self.files.push(path);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
    }
}

/// Runs the program of `block`: it succeeds, and prints all lines of `promised`.
fn prints(block: &Block, mut program: Command, promised: Option<&Block>) {
    let output = program.output().expect("a program");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\r', "");
    let printed = text(&output.stdout) + &text(&output.stderr);
    let Block { place, text, .. } = block;
    assert!(output.status.success(), "{place}: {text}\n{printed}");
    for line in promised.iter().flat_map(|promised| promised.text.lines()) {
        assert!(
            printed.contains(line),
            "{place}: {text}\nprinted\n{printed}\nbut the page says\n{line}"
        );
    }
}
