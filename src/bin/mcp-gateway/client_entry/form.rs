//! The form of each client's configuration file.

use reqwest::Url;

use super::command;
use super::entry::{EntryName, EntryValue, Members};
use super::place::UserFolder;
use super::syntax::Syntax;

/// The form of a client's configuration file.
#[derive(Debug)]
pub(super) struct FileForm {
    pub(super) syntax: Syntax,
    /// The member of the file that holds the servers by their names.
    pub(super) list: &'static str,
    /// The entry for an endpoint.
    pub(super) members: fn(&Url) -> Members,
    /// The user's file, which is valid for all projects.
    pub(super) user_file: (UserFolder, &'static str),
    /// The product's own command that adds an entry to the user's file. It is set if the product
    /// writes this file while it runs, so that other programs should not write it.
    pub(super) user_command: Option<fn(&EntryName, &Url) -> String>,
    /// The file of a project, below its folder.
    pub(super) project_file: Option<&'static str>,
    /// What the user has to do after the entry is in the file.
    pub(super) next_step: &'static str,
}

pub(super) const CLAUDE_CODE: FileForm = FileForm {
    syntax: Syntax::Json,
    list: "mcpServers",
    members: http_and_url,
    user_file: (UserFolder::Claude, ".claude.json"),
    user_command: Some(command::claude_code),
    project_file: Some(".mcp.json"),
    next_step: "Start claude in the project and approve the server. /mcp shows whether it is connected.",
};

pub(super) const CLAUDE_DESKTOP: FileForm = FileForm {
    syntax: Syntax::Json,
    list: "mcpServers",
    members: mcp_remote,
    user_file: (UserFolder::Apps, "Claude/claude_desktop_config.json"),
    user_command: None,
    project_file: None,
    next_step: "Quit Claude Desktop and start it again. It starts the entry with npx, which comes with Node.js.",
};

pub(super) const CURSOR: FileForm = FileForm {
    syntax: Syntax::Json,
    list: "mcpServers",
    members: |url| vec![text("url", url.as_str())],
    user_file: (UserFolder::Home, ".cursor/mcp.json"),
    user_command: None,
    project_file: Some(".cursor/mcp.json"),
    next_step: "Cursor's settings show the server under MCP; switch it on there if it is off.",
};

pub(super) const VS_CODE: FileForm = FileForm {
    syntax: Syntax::Json,
    list: "servers",
    members: http_and_url,
    user_file: (UserFolder::Apps, "Code/User/mcp.json"),
    user_command: None,
    project_file: Some(".vscode/mcp.json"),
    next_step: "Run \"MCP: List Servers\" from the Command Palette, choose the server and start it.",
};

pub(super) const WINDSURF: FileForm = FileForm {
    syntax: Syntax::Json,
    list: "mcpServers",
    members: |url| vec![text("serverUrl", url.as_str())],
    user_file: (UserFolder::Home, ".codeium/windsurf/mcp_config.json"),
    user_command: None,
    project_file: None,
    next_step: "Press the refresh button above the MCP servers of Cascade.",
};

pub(super) const CODEX: FileForm = FileForm {
    syntax: Syntax::Toml,
    list: "mcp_servers",
    members: |url| vec![text("url", url.as_str())],
    user_file: (UserFolder::Codex, "config.toml"),
    user_command: None,
    project_file: Some(".codex/config.toml"),
    next_step: "Start Codex again. /mcp lists its tools.",
};

pub(super) const GEMINI: FileForm = FileForm {
    syntax: Syntax::Json,
    list: "mcpServers",
    members: |url| vec![text("httpUrl", url.as_str())],
    user_file: (UserFolder::Gemini, ".gemini/settings.json"),
    user_command: None,
    project_file: Some(".gemini/settings.json"),
    next_step: "Start gemini again in a folder that it trusts. /mcp lists its tools.",
};

fn text(name: &'static str, value: &str) -> (&'static str, EntryValue) {
    (name, EntryValue::Text(value.to_owned()))
}

fn http_and_url(url: &Url) -> Members {
    vec![text("type", "http"), text("url", url.as_str())]
}

/// A server over stdin and stdout that forwards messages to the endpoint.
fn mcp_remote(url: &Url) -> Members {
    let mut arguments = vec!["-y", "mcp-remote", url.as_str()];
    let is_loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    // mcp-remote refuses http:// for other hosts.
    if url.scheme() == "http" && !is_loopback {
        arguments.push("--allow-http");
    }
    let arguments = arguments.into_iter().map(str::to_owned).collect();
    vec![
        text("command", "npx"),
        ("args", EntryValue::List(arguments)),
    ]
}
