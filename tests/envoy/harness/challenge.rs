//! `WWW-Authenticate` as a client reads it (RFC 9110 section 11.6.1).

/// The parameters, in order, of the Bearer challenge at the start of a field, and the rest of the
/// field, which has the other challenges.
pub(crate) fn bearer(field: &str) -> (Vec<(String, String)>, &str) {
    let mut rest = field.strip_prefix("Bearer ");
    let mut params = Vec::new();
    while let Some((param, more)) = rest.and_then(param) {
        params.push(param);
        match more.strip_prefix(", ") {
            Some(more) => rest = Some(more),
            None => {
                assert_eq!(more, "", "{field}");
                return (params, "");
            }
        }
    }
    (
        params,
        rest.unwrap_or_else(|| panic!("no Bearer challenge: {field}")),
    )
}

/// Reads `name="value"` or `name=value`. Returns it and the rest of the text, or `None` if another
/// challenge begins here.
fn param(text: &str) -> Option<((String, String), &str)> {
    let (name, rest) = text.split_once('=')?;
    if name.is_empty() || name.contains([' ', '"']) {
        return None;
    }
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => {
            let (value, rest) = quoted.split_once('"').expect("the end of a string");
            assert!(
                !value.contains('\\'),
                "an escape, which no test writes: {text}"
            );
            (value, rest)
        }
        None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
    };
    Some(((name.to_owned(), value.to_owned()), rest))
}
