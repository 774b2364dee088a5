//! The commands of products that connect them to the gateway.

use reqwest::Url;

use super::entry::EntryName;

/// Adds the entry for the user, in all projects.
pub(super) fn claude_code(name: &EntryName, url: &Url) -> String {
    let url = shell_word(url.as_str());
    format!("claude mcp add --transport http --scope user {name} {url}")
}

/// Starts the Inspector with the endpoint.
pub(super) fn inspector(url: &Url) -> String {
    let url = shell_word(url.as_str());
    format!("npx @modelcontextprotocol/inspector --transport http --server-url {url}")
}

/// `text` as one word of a shell.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:/@%+=,".contains(c);
    if text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_in_a_shell() {
        for (text, word) in [
            ("http://127.0.0.1:10000/mcp", "http://127.0.0.1:10000/mcp"),
            ("http://[::1]/", "'http://[::1]/'"),
            ("http://h/?a=1&b=$x", "'http://h/?a=1&b=$x'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(shell_word(text), word);
        }
    }
}
