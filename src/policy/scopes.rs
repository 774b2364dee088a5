//! The scopes of an access token.

/// The scopes in `text`, which are separated by spaces (RFC 6749 section 3.3).
pub fn split(text: &str) -> Vec<String> {
    let scopes = text.split(' ').filter(|scope| !scope.is_empty());
    scopes.map(str::to_owned).collect()
}
