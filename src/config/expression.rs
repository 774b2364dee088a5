//! `when`: an expression in CEL. The check here searches for names that an expression must not
//! have; Envoy's engine compiles it later.
//!
//! An expression is about the caller, not about the message: its value must be the same for a call
//! and for all entries of a list. When Envoy evaluates it, data of the message would be missing, or
//! would be that of another request.

use super::ConfigError;
use crate::mcp::param_header;
use crate::policy::export::HEADERS;

/// Checks the expression `text` of the field at `path`.
///
/// # Errors
/// The expression is empty, or it names data of the message.
pub(super) fn check(path: &str, text: &str) -> Result<(), ConfigError> {
    if text.trim().is_empty() {
        return Err(ConfigError::new(path, "must not be empty: remove it"));
    }
    let tokens = tokens(text);
    let mut before: &[Token<'_>] = &[];
    let mut rest = tokens.as_slice();
    while let Some((token, after)) = rest.split_first() {
        if let Some(forbidden) = forbidden(before, *token, after) {
            return Err(ConfigError::new(path, forbidden.reason()));
        }
        before = tokens
            .get(..tokens.len().saturating_sub(after.len()))
            .unwrap_or_default();
        rest = after;
    }
    Ok(())
}

/// A name that an expression must not have.
enum Forbidden<'t> {
    /// The name of data of the message.
    Message(&'t str),
    /// Filter state under a key that the expression computes.
    Computed(&'t str),
}

impl Forbidden<'_> {
    fn reason(&self) -> String {
        match self {
            Self::Message(name) => format!(
                "{name:?} is about the message, but the field when is about the caller: use methods, tools, prompts and resources for the message"
            ),
            Self::Computed(name) => format!(
                "the key of {name} must be a plain string, as in {name}['key'], so that the filter can check it"
            ),
        }
    }
}

/// The forbidden name that `token` is, given the tokens `before` and `after` it; `None` where it is
/// allowed.
fn forbidden<'t>(
    before: &[Token<'t>],
    token: Token<'t>,
    after: &[Token<'t>],
) -> Option<Forbidden<'t>> {
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
            ] => text
                .starts_with("wasm.mcp")
                .then_some(Forbidden::Message(text)),
            _ => Some(Forbidden::Computed(name)),
        },
        // Envoy finds the filter state `wasm.mcp` also under this name.
        Token::Name("mcp") => (!is_member(before)).then_some(Forbidden::Message("mcp")),
        Token::Name(text) | Token::Text { text, .. } if is_message(text) => {
            Some(Forbidden::Message(text))
        }
        _ => None,
    }
}

/// Whether `text` names a place in which later filters see the message: the metadata namespace of
/// `header_to_metadata` or of Envoy's own MCP filter, or a header.
fn is_message(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text == "mcp_proxy"
        || HEADERS.contains(&&*text)
        || matches!(&*text, "mcp-method" | "mcp-name")
        || text.starts_with(param_header::PREFIX)
}

/// Whether a name after the tokens `before` is the name of a member.
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
    /// The text between the quotes of a string or of bytes.
    Text {
        text: &'t str,
        /// The text has no escapes and no prefix.
        is_plain: bool,
    },
    /// Any other character. A number is several such tokens.
    Sign(char),
}

/// The tokens of `text`, as the lexer of CEL finds them. White space and comments are left out.
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

/// The string or quoted name at the start of `text`, and the rest.
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
