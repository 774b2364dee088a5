//! Runs the commands of each page in the order of the page.

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

/// A bash that runs `script` in the root of the repository, with `mcp-gateway` in the PATH
/// and with the variables that the pages name.
pub(crate) fn bash(script: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_mcp-gateway"));
    let mut path = program.parent().expect("a folder").as_os_str().to_owned();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let mut bash = Command::new("bash");
    bash.args(["-ec", script])
        .current_dir(repository())
        .env("PATH", path)
        // The program registers running gateways in this folder. With a folder of their
        // own, the commands do not find gateways that somebody else runs on this machine.
        .env("XDG_RUNTIME_DIR", setup::files())
        // For a reader, the first `run` downloads Envoy. The tests use the Envoy that they
        // already have.
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

/// The state after the commands of a page so far.
#[derive(Default)]
struct Terminal {
    /// Commands that are still running, each with the level of the heading above it.
    services: Vec<(HeadingLevel, Service)>,
    files: Vec<PathBuf>,
}

impl Terminal {
    /// Runs all commands of the page. Returns how many they are.
    fn run(mut self, page: &Page) -> usize {
        let mut level = HeadingLevel::H1;
        let mut run = 0;
        for (at, item) in page.items.iter().enumerate() {
            let block = match item {
                Item::Heading(new) => {
                    level = *new;
                    // The section of these commands has ended. The newest command ends
                    // first, since it may need the earlier ones.
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
                    assert!(
                        !self.services.is_empty(),
                        "{}: no server runs for this client",
                        block.place
                    );
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
        assert!(
            ours || !path.exists(),
            "{}: {name} exists already",
            block.place
        );
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

/// Runs the program of `block`. It must succeed, and print all lines of `promised`.
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
