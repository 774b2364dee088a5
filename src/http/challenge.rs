//! `WWW-Authenticate`: adds what is missing in the challenges of other filters and
//! servers (RFC 9110 section 11.6.1, RFC 6750 section 3).

/// One challenge of a field: its scheme, and the texts of its parameters.
struct Challenge<'a> {
    scheme: &'a str,
    params: Vec<&'a str>,
}

impl Challenge<'_> {
    fn is_bearer(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("bearer")
    }

    /// The text of the value of a parameter, with its quotes.
    fn get(&self, name: &str) -> Option<&str> {
        let params = self.params.iter().filter_map(|param| param.split_once('='));
        let mut found = params.filter(|(have, _)| have.trim_end().eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    }

    fn says(&self, name: &str, expected: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.trim_matches('"') == expected)
    }
}

const INSUFFICIENT_SCOPE: &str = "insufficient_scope";

/// The value of one `WWW-Authenticate` field with the challenges of `fields`, whose
/// Bearer challenge also has `params`: names and values, which need no escapes in
/// quotes. A parameter that the Bearer challenge has already is kept. That challenge
/// comes first, since many clients read only the first. A field that cannot be read
/// is left out, since no challenge could follow it.
pub fn completed<'a>(
    fields: &mut dyn Iterator<Item = &'a [u8]>,
    params: &[(&str, &str)],
) -> String {
    let fields = fields.filter_map(|field| challenges(std::str::from_utf8(field).ok()?));
    let mut challenges: Vec<Challenge<'a>> = fields.flatten().collect();
    let bearer = challenges
        .iter()
        .position(Challenge::is_bearer)
        .map(|at| challenges.remove(at))
        .unwrap_or(Challenge {
            scheme: "Bearer",
            params: Vec::new(),
        });
    let missing: Vec<String> = params
        .iter()
        .filter(|(name, _)| bearer.get(name).is_none())
        .map(|(name, value)| format!("{name}=\"{value}\""))
        .collect();
    let all: Vec<&str> = bearer
        .params
        .iter()
        .copied()
        .chain(missing.iter().map(String::as_str))
        .collect();
    let mut line = format!("{} {}", bearer.scheme, all.join(", "));
    for other in &challenges {
        line.push_str(", ");
        line.push_str(other.scheme);
        if !other.params.is_empty() {
            line.push(' ');
            line.push_str(&other.params.join(", "));
        }
    }
    line
}

/// The challenge to a client whose access token lacks one of `scopes`, which are all
/// that the request needs (RFC 6750 section 3.1). Each is a scope token of RFC 6749
/// section 3.3.
pub fn insufficient_scope(scopes: &[String]) -> String {
    let params = [
        ("error", INSUFFICIENT_SCOPE),
        (
            "error_description",
            "The access token lacks a scope that this request needs",
        ),
        ("scope", &scopes.join(" ")),
    ];
    completed(&mut std::iter::empty(), &params)
}

/// Whether one of these `fields` says that the access token lacks a scope.
pub fn is_insufficient_scope<'a>(fields: impl Iterator<Item = &'a [u8]>) -> bool {
    let fields = fields.filter_map(|field| challenges(std::str::from_utf8(field).ok()?));
    let mut bearers = fields.flatten().filter(Challenge::is_bearer);
    bearers.any(|bearer| bearer.says("error", INSUFFICIENT_SCOPE))
}

/// The challenges of one field; `None` if it is not a list of challenges.
fn challenges(field: &str) -> Option<Vec<Challenge<'_>>> {
    let mut challenges: Vec<Challenge<'_>> = Vec::new();
    for item in items(field)? {
        let name_ends = item.find([' ', '\t', '=', '"', ',']).unwrap_or(item.len());
        let (name, rest) = item.split_at_checked(name_ends)?;
        let rest = rest.trim_start();
        if rest.starts_with('=') {
            // A parameter, or a token68 in its place, which may end with `=`: not a
            // scheme.
            challenges.last_mut()?.params.push(item);
        } else if name.is_empty() {
            return None;
        } else {
            challenges.push(Challenge {
                scheme: name,
                params: Some(rest)
                    .filter(|rest| !rest.is_empty())
                    .into_iter()
                    .collect(),
            });
        }
    }
    Some(challenges)
}

/// The elements of a list (RFC 9110 section 5.6.1), which may have quoted strings;
/// `None` if a quoted string does not end.
fn items(field: &str) -> Option<Vec<&str>> {
    let mut items = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in field.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                items.push(field.get(start..at)?.trim());
                start = at.checked_add(1)?;
            }
            _ => {}
        }
    }
    items.push(field.get(start..)?.trim());
    items.retain(|item| !item.is_empty());
    (!quoted).then_some(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn complete(fields: &[&str]) -> String {
        let mut fields = fields.iter().map(|field| field.as_bytes());
        completed(&mut fields, &[("error", "invalid_token"), ("scope", "a b")])
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_missing_is_added_and_what_is_there_stays() {
        for (fields, expected) in [
            (&[][..], r#"Bearer error="invalid_token", scope="a b""#),
            (&["Bearer"], r#"Bearer error="invalid_token", scope="a b""#),
            (
                &[r#"Bearer realm="http://h/mcp", error="expired""#],
                r#"Bearer realm="http://h/mcp", error="expired", scope="a b""#,
            ),
            (
                &[r#"bearer Error = x,, SCOPE=y ,"#],
                "bearer Error = x, SCOPE=y",
            ),
            (
                &[r#"Bearer realm="a, error=\"b\\", scope="c""#],
                r#"Bearer realm="a, error=\"b\\", scope="c", error="invalid_token""#,
            ),
        ] {
            assert_eq!(complete(fields), expected, "{fields:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn other_challenges_follow_in_the_same_line() {
        let ours = r#"Bearer error="invalid_token", scope="a b""#;
        for (fields, others) in [
            (&[r#"Basic realm="x""#][..], r#", Basic realm="x""#),
            (&["Negotiate"], ", Negotiate"),
            (&["Negotiate YWI9PQ=="], ", Negotiate YWI9PQ=="),
            (
                &[
                    r#"DPoP algs="ES256", Basic realm="x", charset="UTF-8""#,
                    "Digest a=b",
                ],
                r#", DPoP algs="ES256", Basic realm="x", charset="UTF-8", Digest a=b"#,
            ),
        ] {
            assert_eq!(complete(fields), format!("{ours}{others}"), "{fields:?}");
        }
        assert_eq!(
            complete(&[r#"Basic realm="x""#, r#"Bearer error="e""#]),
            r#"Bearer error="e", scope="a b", Basic realm="x""#
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_missing_scope_is_told_by_the_error_of_a_bearer_challenge() {
        let own = insufficient_scope(&["a".to_owned()]);
        for (fields, expected) in [
            (&[own.as_str()][..], true),
            (
                &["Basic", r#"bearer realm="x", Error = insufficient_scope"#],
                true,
            ),
            (&[], false),
            (&["Bearer"], false),
            (
                &[r#"Bearer error="invalid_token", scope="insufficient_scope""#],
                false,
            ),
            (&[r#"Bearer error_description="insufficient_scope""#], false),
            (&[r#"DPoP error="insufficient_scope""#], false),
            (&[r#"Bearer error="insufficient_scope"#], false),
        ] {
            let lines = fields.iter().map(|field| field.as_bytes());
            assert_eq!(is_insufficient_scope(lines), expected, "{fields:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_cannot_be_read_is_left_out() {
        for field in [
            r#"Bearer realm="x"#,
            r#"realm="x""#,
            r#"Basic realm="\"#,
            r#""x""#,
            "=",
            "\u{e4}=,",
        ] {
            assert_eq!(
                complete(&[field]),
                r#"Bearer error="invalid_token", scope="a b""#,
                "{field}"
            );
        }
        let mut not_text = [&b"Bearer realm=\"\xff\""[..]].into_iter();
        assert_eq!(completed(&mut not_text, &[("a", "b")]), r#"Bearer a="b""#);
    }
}
