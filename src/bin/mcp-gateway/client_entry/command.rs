//! The commands of other products that connect them to the gateway.

use reqwest::Url;

use super::entry::EntryName;
use crate::shell;

/// Adds the entry for the user, in all projects.
pub(super) fn claude_code(name: &EntryName, url: &Url) -> String {
    let url = shell::word(url.as_str());
    format!("claude mcp add --transport http --scope user {name} {url}")
}

/// Starts the Inspector with the endpoint.
pub(super) fn inspector(url: &Url) -> String {
    let url = shell::word(url.as_str());
    format!("npx @modelcontextprotocol/inspector --transport http --server-url {url}")
}
