//! The kinds of code blocks on the pages, and how the tests check each kind. A block of any
//! other kind fails the test.
//!
//! | after the fence | what the test does |
//! |---|---|
//! | `sh` | runs the block with bash in the repository: the exit status must be 0 |
//! | `sh stays` | starts the block, waits for the output in the block below, and sends Ctrl-C at the end of the section |
//! | `text` | the output of the command in the block above: the command must print each of these lines |
//! | `console` | a command that the tests cannot run, since it needs a cluster, a registry or an editor: bash must be able to parse it, the program must be in a list, and the manifests that it names must exist |
//! | `python`, `js` | runs the block with the MCP SDK of this language, while a command of a `sh stays` block runs |
//! | `json` | a configuration: the filter must accept it without a warning |
//! | `json client`, `toml client` | the file of an MCP client: `mcp-gateway client` must print the same text for one of the clients |
//! | `yaml` | an excerpt: its lines must be in a configuration that real Envoy runs in a test |
//! | `yaml servers` | a file of servers: `mcp-gateway check` must accept it |
//!
//! With `file=NAME` after these words, the test saves the block as NAME in the root of the
//! repository, for the commands of the same page.

use crate::page::{Block, Item, pages_with_blocks};

/// The kind of a block.
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
    /// Whether a block with output may follow this block.
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

    /// The name of the file in which the test saves the block.
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
                assert!(
                    printed,
                    "{}: there is no command above this output",
                    block.place
                );
            } else {
                let waits = above == Some(Kind::Service);
                assert!(
                    !waits,
                    "{}: there is no output below this command, so the test cannot wait for it",
                    block.place
                );
            }
            above = Some(kind);
        }
        assert_ne!(
            above,
            Some(Kind::Service),
            "{}: there is no output below the last command, so the test cannot wait for it",
            page.path
        );
    }
    assert!(seen > 60, "{seen} blocks");
}
