//! `when`: an expression in CEL, looked through for what it must not name.
//!
//! It says who calls, not what: one value holds for a call and for every entry
//! of a list. What it names of the message would be missing, or another
//! request's, when it is evaluated. Envoy's engine compiles it later.

use super::ConfigError;
use crate::policy::export::HEADERS;

/// That `text`, which stands at `path`, is there, and about the caller.
pub(super) fn check(path: &str, text: &str) -> Result<(), ConfigError> {
    if text.trim().is_empty() {
        return Err(ConfigError::new(path, "must not be empty: leave it out"));
    }
    let tokens = tokens(text);
    let mut before: &[Token<'_>] = &[];
    let mut rest = tokens.as_slice();
    while let Some((token, after)) = rest.split_first() {
        if let Some(named) = named(before, *token, after) {
            return Err(ConfigError::new(path, named.reason()));
        }
        before = tokens
            .get(..tokens.len().saturating_sub(after.len()))
            .unwrap_or_default();
        rest = after;
    }
    Ok(())
}

/// What an expression names and must not.
enum Named<'t> {
    /// This, which is about the message.
    Message(&'t str),
    /// Filter state, under a key that does not stand there as it is.
    Computed(&'t str),
}

impl Named<'_> {
    fn reason(&self) -> String {
        match self {
            Self::Message(name) => format!(
                "{name:?} is about the message, and when is about the caller: methods, tools, prompts and resources say which messages"
            ),
            Self::Computed(name) => format!(
                "the key of {name} must be a plain string, as in {name}['key']: what it names must be seen"
            ),
        }
    }
}

/// What `token` names between those `before` and `after` it.
fn named<'t>(before: &[Token<'t>], token: Token<'t>, after: &[Token<'t>]) -> Option<Named<'t>> {
    match token {
        Token::Name(name @ ("filter_state" | "upstream_filter_state")) => match after {
            [
                Token::Sign('['),
                Token::Text {
                    text,
                    is_plain: true,
                },
                Token::Sign(']'),
                ..,
            ] => text.starts_with("wasm.mcp").then_some(Named::Message(text)),
            _ => Some(Named::Computed(name)),
        },
        // Envoy finds the filter state wasm.mcp under this name, too.
        Token::Name("mcp") => (!is_member(before)).then_some(Named::Message("mcp")),
        Token::Name(text) | Token::Text { text, .. } if is_message(text) => {
            Some(Named::Message(text))
        }
        _ => None,
    }
}

/// Where messages are shown: the namespace of `header_to_metadata` and of the
/// native filter, and headers.
fn is_message(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text == "mcp_proxy"
        || HEADERS.contains(&&*text)
        || matches!(&*text, "mcp-method" | "mcp-name")
        || text.starts_with("mcp-param-")
}

/// Whether a name after these is that of a member.
fn is_member(before: &[Token<'_>]) -> bool {
    match before {
        [.., Token::Name("in"), Token::Sign('.')] => false,
        [.., Token::Name(_) | Token::Text { .. }, Token::Sign('.')] => true,
        [.., Token::Sign(')' | ']' | '}'), Token::Sign('.')] => true,
        _ => false,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    /// An identifier, or a keyword.
    Name(&'t str),
    /// A string, or bytes, between the quotes.
    Text {
        text: &'t str,
        /// It is what it says: no escapes, no prefix.
        is_plain: bool,
    },
    /// Any other character; numbers are several.
    Sign(char),
}

/// What the lexer of CEL makes of `text`, without blanks and comments.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (token, after) = if let Some((token, after)) = string(rest) {
            (Some(token), after)
        } else if rest.starts_with("//") {
            (None, rest.split_once('\n').map_or("", |(_, after)| after))
        } else if is_letter(first) {
            let after = rest.trim_start_matches(is_letter);
            (rest.strip_suffix(after).map(Token::Name), after)
        } else {
            let after = rest.strip_prefix(first).unwrap_or_default();
            (
                (!first.is_whitespace()).then_some(Token::Sign(first)),
                after,
            )
        };
        tokens.extend(token);
        rest = after;
    }
    tokens
}

/// The string, or quoted name, that `text` starts with, and what follows it.
fn string(text: &str) -> Option<(Token<'_>, &str)> {
    let quoted = text.trim_start_matches(['r', 'R', 'b', 'B']);
    let prefix = text.strip_suffix(quoted).filter(|it| it.len() <= 2)?;
    let quotes = ["\"\"\"", "'''", "\"", "'", "`"];
    let quote = quotes.into_iter().find(|it| quoted.starts_with(it))?;
    let inside = quoted.strip_prefix(quote)?;
    let is_raw = prefix.contains(['r', 'R']);
    let (mut is_escaped, mut has_escapes) = (false, false);
    let end = inside.char_indices().find_map(|(at, character)| {
        if std::mem::take(&mut is_escaped) {
            return None;
        }
        is_escaped = character == '\\' && !is_raw;
        has_escapes |= is_escaped;
        inside.get(at..)?.starts_with(quote).then_some(at)
    });
    let (text, after) = inside.split_at_checked(end.unwrap_or(inside.len()))?;
    let token = match quote {
        "`" => Token::Name(text),
        _ => Token::Text {
            text,
            is_plain: prefix.is_empty() && !has_escapes,
        },
    };
    Some((token, after.strip_prefix(quote).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn who_calls_may_be_said_in_any_way() {
        for text in [
            "true",
            "metadata.filter_metadata['jwt']['groups'].exists(g, g == 'admin')",
            "'x' in request.headers && request.headers['x-mcp-tenant'] == 'a'",
            "filter_state['my.key'].startsWith(\"wasm.mcp\")",
            "filter_state [ \"\"\"my.key\"\"\" ] == b'x'",
            "connection.mtls && source.address.matches(r'^10\\.')",
            "request.headers['mcp-protocol-version'] == '2026-07-28'",
            "metadata.filter_metadata.jwt.mcp == 'mcp'",
            "metadata.filter_metadata['jwt'].mcp == \"filter_state\"",
            "request.path == '/mcp' // not filter_state['wasm.mcp']",
            "'it\\'s filter_state' != 'x'",
            "mcpx || x_mcp",
        ] {
            assert_eq!(check("when", text), Ok(()), "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_names_the_message_is_refused() {
        for (text, named) in [
            ("filter_state['wasm.mcp'] != ''", "\"wasm.mcp\" is about"),
            (
                "filter_state[\"wasm.mcp.tool\"] == 'x'",
                "\"wasm.mcp.tool\" is about",
            ),
            (
                "x && upstream_filter_state['wasm.mcp.name'] == ''",
                "\"wasm.mcp.name\" is about",
            ),
            (
                ".filter_state['''wasm.mcp.name'''] == ''",
                "\"wasm.mcp.name\" is about",
            ),
            ("mcp.contains('tools/call')", "\"mcp\" is about"),
            ("x in .mcp", "\"mcp\" is about"),
            ("`mcp` == ''", "\"mcp\" is about"),
            (
                "metadata.filter_metadata['mcp_proxy']['method'] == ''",
                "\"mcp_proxy\" is about",
            ),
            (
                "metadata.filter_metadata.mcp_proxy.method == ''",
                "\"mcp_proxy\" is about",
            ),
            (
                "request.headers['x-mcp-method'] == ''",
                "\"x-mcp-method\" is about",
            ),
            (
                "!('X-MCP-ToolName' in request.headers)",
                "\"X-MCP-ToolName\" is about",
            ),
            (
                "request.headers['mcp-name'] == 'x'",
                "\"mcp-name\" is about",
            ),
            (
                "request.headers['Mcp-Param-city'] == 'x'",
                "\"Mcp-Param-city\" is about",
            ),
        ] {
            let error = check("rules[0].when", text).expect_err(text).to_string();
            assert!(error.starts_with("rules[0].when: "), "{error}");
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_key_that_is_computed_is_refused() {
        for text in [
            "filter_state['wasm.' + 'mcp'] == ''",
            "filter_state['wasm\\x2emcp'] == ''",
            "filter_state[r'wasm.mcp'] == ''",
            "filter_state[request.headers['x']] == ''",
            "'wasm.mcp' in filter_state",
            "filter_state.wasm == ''",
            "filter_state.exists(k, k.startsWith('w'))",
            "['a'].exists(k, filter_state[k] == '')",
            "filter_state",
            "filter_state/* no comment */['x']",
        ] {
            let error = check("when", text).expect_err(text).to_string();
            assert!(error.contains("must be a plain string"), "{text}: {error}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn strings_end_where_they_do_in_cel() {
        for (text, plain) in [
            ("'a'", "a"),
            ("\"a'b\"", "a'b"),
            ("'''a'b\n'''", "a'b\n"),
            ("\"\"", ""),
            ("''''''", ""),
            ("'open", "open"),
        ] {
            let is_plain = true;
            assert_eq!(
                tokens(text),
                [Token::Text {
                    text: plain,
                    is_plain
                }],
                "{text}"
            );
        }
        for text in ["r'a\\'", "b'a'", "Rb'''a'''", "'a\\'b'", "\"\\\\\""] {
            assert!(
                matches!(
                    tokens(text).as_slice(),
                    [Token::Text {
                        is_plain: false,
                        ..
                    }]
                ),
                "{text}"
            );
        }
        assert_eq!(
            tokens("br r'x'"),
            [
                Token::Name("br"),
                Token::Text {
                    text: "x",
                    is_plain: false
                }
            ]
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_empty_expression_is_refused() {
        for text in ["", " \n"] {
            assert!(check("when", text).is_err());
        }
    }
}
