//! Words of shell commands that the user sees.

/// `text`, quoted as one word for a shell.
pub(crate) fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
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
        for (text, expected) in [
            ("http://127.0.0.1:10000/mcp", "http://127.0.0.1:10000/mcp"),
            ("http://[::1]/", "'http://[::1]/'"),
            ("http://h/?a=1&b=$x", "'http://h/?a=1&b=$x'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(word(text), expected);
        }
    }
}
