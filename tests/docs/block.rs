//! The kinds of blocks of code, and how each is checked. There are no others: a
//! block that nothing checks fails the test.
//!
//! | after the fence | what the test does |
//! |---|---|
//! | `sh` | runs it with bash in the repository: its exit status is 0 |
//! | `sh stays` | starts it, waits for the output below it, and sends Ctrl-C at the end of its section |
//! | `text` | stands right below a command: each of its lines is in the output |
//! | `console` | a command for a cluster, a registry or an editor, which the tests do not have: bash parses it, the program is a known one, the files that it names are there |
//! | `python`, `js` | runs with the MCP SDK of that language while a command above it stays up |
//! | `json` | the filter takes it as its configuration, without a warning |
//! | `json client`, `toml client` | a client's file: what `mcp-gateway client` prints for one |
//! | `json message` | one JSON-RPC message, as the filter reads it |
//! | `yaml` | stands, line by line, in a configuration that real Envoy runs in a test |
//! | `yaml servers` | `mcp-gateway check` takes it |
//!
//! `file=NAME` behind these words saves the block as NAME, in the root of the
//! repository, for the commands of the same page.

use crate::page::{Block, Item, pages_with_blocks};

/// How a block is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Command,
    Service,
    Output,
    Console,
    Python,
    JavaScript,
    Configuration,
    Client,
    Excerpt,
    Servers,
}

impl Kind {
    /// Whether output may stand below it.
    fn prints(self) -> bool {
        matches!(
            self,
            Self::Command | Self::Service | Self::Python | Self::JavaScript
        )
    }
}

impl Block {
    pub(crate) fn kind(&self) -> Kind {
        match self.info.split(" file=").next().unwrap_or_default() {
            "sh" => Kind::Command,
            "sh stays" => Kind::Service,
            "text" => Kind::Output,
            "console" => Kind::Console,
            "python" => Kind::Python,
            "js" => Kind::JavaScript,
            "json" => Kind::Configuration,
            "json client" | "toml client" => Kind::Client,
            "yaml" => Kind::Excerpt,
            "yaml servers" => Kind::Servers,
            other => panic!("{}: nothing checks a block of {other:?}", self.place),
        }
    }

    /// What the block is saved as.
    pub(crate) fn file(&self) -> Option<&str> {
        let (_, name) = self.info.split_once(" file=")?;
        Some(name)
    }
}

#[test]
fn every_block_is_of_a_kind_that_is_checked() {
    let mut seen = 0;
    for page in pages_with_blocks() {
        let mut above = None;
        for item in &page.items {
            let Item::Block(block) = item else {
                above = None;
                continue;
            };
            let kind = block.kind();
            seen += 1;
            assert!(!block.text.trim().is_empty(), "{}: empty", block.place);
            if kind == Kind::Output {
                let printed = above.is_some_and(Kind::prints);
                assert!(printed, "{}: no command stands above it", block.place);
            } else {
                let waits = above == Some(Kind::Service);
                assert!(!waits, "{}: nothing says what comes up", block.place);
            }
            above = Some(kind);
        }
        assert_ne!(above, Some(Kind::Service), "{}: its end", page.path);
    }
    assert!(seen > 60, "{seen} blocks");
}
