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

/// `text` as one word for a shell, in which `${NAME}` and `${NAME:-default}` are variables.
pub(crate) fn with_variables(text: &str) -> String {
    if !text.contains("${") {
        return word(text);
    }
    let mut quoted = String::from("\"");
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let is_variable = c == '$' && rest.peek() == Some(&'{');
        if "\"\\`$".contains(c) && !is_variable {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
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

    #[test]
    fn a_shell_replaces_the_variables_and_nothing_else() {
        for (text, expected) in [
            ("a b", "a b"),
            ("it's $HOME", "it's $HOME"),
            ("--key=${KEY}", "--key=a b\"c"),
            ("$HOME `id` \"x\" \\ ${KEY}", "$HOME `id` \"x\" \\ a b\"c"),
            ("${NONE:-it's \"d\"}", "it's \"d\""),
        ] {
            let command = format!("printf %s {}", with_variables(text));
            let output = std::process::Command::new("sh")
                .args(["-c", &command])
                .env("KEY", "a b\"c")
                .env_remove("NONE")
                .output()
                .unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert_eq!(said, expected, "{command}");
        }
    }
}
