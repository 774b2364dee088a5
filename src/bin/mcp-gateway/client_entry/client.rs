//! The MCP clients that the program knows.

use clap::ValueEnum;

use super::form::{self, FileForm};

/// A client that the program can connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientProduct {
    /// Claude Code, in the terminal
    #[value(alias = "claude")]
    ClaudeCode,
    /// The app Claude Desktop
    ClaudeDesktop,
    /// Cursor
    Cursor,
    /// Visual Studio Code with GitHub Copilot
    #[value(name = "vscode", aliases = ["vs-code", "code", "copilot"])]
    VsCode,
    /// Windsurf
    Windsurf,
    /// Codex: the command line, the app and the extension
    #[value(alias = "codex-cli")]
    Codex,
    /// Gemini CLI
    #[value(alias = "gemini-cli")]
    Gemini,
    /// MCP Inspector, to try servers out
    #[value(alias = "mcp-inspector")]
    Inspector,
}

impl ClientProduct {
    /// The name of the product.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::ClaudeDesktop => "Claude Desktop",
            Self::Cursor => "Cursor",
            Self::VsCode => "VS Code",
            Self::Windsurf => "Windsurf",
            Self::Codex => "Codex",
            Self::Gemini => "Gemini CLI",
            Self::Inspector => "MCP Inspector",
        }
    }

    /// The name of the client on the command line.
    pub(super) fn id(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The form of its configuration file; `None` for a client that gets servers only by a command.
    pub(super) fn form(self) -> Option<&'static FileForm> {
        match self {
            Self::ClaudeCode => Some(&form::CLAUDE_CODE),
            Self::ClaudeDesktop => Some(&form::CLAUDE_DESKTOP),
            Self::Cursor => Some(&form::CURSOR),
            Self::VsCode => Some(&form::VS_CODE),
            Self::Windsurf => Some(&form::WINDSURF),
            Self::Codex => Some(&form::CODEX),
            Self::Gemini => Some(&form::GEMINI),
            Self::Inspector => None,
        }
    }
}
