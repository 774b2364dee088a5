//! The normal form of resource URIs (MCP, "Resources").
//!
//! Servers act on the resource that a URI names, but policies compare the text of the URI. If a
//! resource had two spellings, a client could evade a policy that knows only the other one. So the
//! filter accepts only one spelling of a URI: the one that both RFC 3986 section 6.2.2 and the URL
//! standard (WHATWG) leave unchanged.

mod authority;

use std::fmt;

/// Why a URI is not in normal form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotNormal {
    /// It has blanks, controls, a backslash, or a character that URLs encode.
    Character,
    /// Its scheme has upper-case letters.
    Scheme,
    /// A percent sign without two upper-case hexadecimal digits, or an encoded
    /// letter, digit, `-`, `.`, `_` or `~`.
    Encoding,
    /// A path segment is `.` or `..`; or is empty in a `file:` URI.
    Segment,
    /// Its host or port has another, shorter spelling; or it has a user name or password; or a
    /// `file:` URI has a host.
    Authority,
    /// It has no path where its scheme needs one.
    Path,
}

impl fmt::Display for NotNormal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Character => "must percent-encode all characters that a URI cannot have",
            Self::Scheme => "must have its scheme in lower case",
            Self::Encoding => {
                "must percent-encode with upper-case digits, and not letters, digits, '-', '.', '_', '~'"
            }
            Self::Segment => "must have no '.', '..' or, in file:, empty path segments",
            Self::Authority => "must have its host and port in normal form",
            Self::Path => "must have a path that starts with '/'",
        })
    }
}

/// How the URL standard treats URIs of a scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SchemeKind {
    /// `file`: local paths, without a host.
    File,
    /// A scheme with DNS hosts, and its default port.
    Network(u16),
    /// Any other.
    Other,
}

impl SchemeKind {
    /// The kind of a scheme. A gateway may have added a server's name and `+` before the scheme.
    fn of(scheme: &str) -> Self {
        let last = scheme.rsplit('+').next().unwrap_or_default();
        match last {
            "file" => Self::File,
            "ftp" => Self::Network(21),
            "http" | "ws" => Self::Network(80),
            "https" | "wss" => Self::Network(443),
            _ => Self::Other,
        }
    }
}

/// Checks that a URI template (RFC 6570) is in normal form, whatever values clients give its
/// variables.
///
/// # Errors
/// The first part that is not in normal form.
pub fn check_normal_template(template: &str) -> Result<(), NotNormal> {
    let mut literal = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        literal.push_str(before);
        // A variable can have any value; here it is one letter.
        literal.push('x');
        rest = after.split_once('}').ok_or(NotNormal::Character)?.1;
    }
    literal.push_str(rest);
    check_normal(&literal)
}

/// Checks that `uri` is in normal form. A text without a scheme is checked as a path.
///
/// # Errors
/// The first part that is not in normal form.
pub fn check_normal(uri: &str) -> Result<(), NotNormal> {
    let (scheme, rest) = split_scheme(uri);
    if scheme.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(NotNormal::Scheme);
    }
    let kind = SchemeKind::of(scheme);
    let (rest, fragment) = cut(rest, '#');
    let (rest, query) = cut(rest, '?');
    check_text(rest, is_path_byte)?;
    check_text(query, |byte| {
        is_query_byte(byte) && (byte != b'\'' || kind == SchemeKind::Other)
    })?;
    check_text(fragment, is_fragment_byte)?;
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) if !scheme.is_empty() => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
            (Some(authority), path)
        }
        _ => (None, rest),
    };
    match (kind, authority) {
        (SchemeKind::File, Some("")) | (SchemeKind::Other, None) => {}
        (SchemeKind::File, _) | (SchemeKind::Network(_), None) => {
            return Err(NotNormal::Authority);
        }
        (SchemeKind::Network(port), Some(authority)) => authority::check_network(authority, port)?,
        (SchemeKind::Other, Some(authority)) => authority::check_other(authority)?,
    }
    if kind != SchemeKind::Other && !path.starts_with('/') {
        return Err(NotNormal::Path);
    }
    let own = if scheme.is_empty() {
        without_prefix(path)
    } else {
        path
    };
    check_segments(own, kind)
}

/// The part of a URI that determines what a server opens. For a `file:` URI this is the URI without
/// its query and fragment, which servers ignore. Any other URI, and a template, is unchanged.
/// Patterns must be compared with both the URI and this part.
pub fn opened_part(uri: &str) -> &str {
    let (scheme, _) = split_scheme(uri);
    if SchemeKind::of(scheme) != SchemeKind::File || uri.contains('{') {
        return uri;
    }
    uri.split(['?', '#']).next().unwrap_or(uri)
}

/// Checks that some URI in normal form can match `pattern`, in which `*` stands for any text. A
/// pattern for another spelling protects nothing. The check covers only what does not depend on the
/// text in place of a `*`.
///
/// # Errors
/// Why no URI matches.
pub fn check_pattern(pattern: &str) -> Result<(), NotNormal> {
    let Some((start, _)) = pattern.split_once('*') else {
        return check_normal_template(pattern);
    };
    let (scheme, _) = split_scheme(start);
    if scheme.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(NotNormal::Scheme);
    }
    for part in pattern.split('*') {
        // The text in place of the next `*` may contain the rest of this encoded character.
        let cut_off = part.rsplit_once('%').filter(|(_, end)| end.len() < 2);
        let whole = cut_off.map_or(part, |(whole, _)| whole);
        check_text(whole, is_fragment_byte)?;
        if whole.contains("/./") || whole.contains("/../") {
            return Err(NotNormal::Segment);
        }
    }
    Ok(())
}

/// A path without the server's name and `+` that a gateway may have added before it: the server
/// acts on the rest. In a URI with a scheme, this addition is part of the scheme.
fn without_prefix(path: &str) -> &str {
    let ends = ["/", "%2F", "%5C"].into_iter();
    let end = ends.filter_map(|end| path.find(end)).min();
    let first = end.and_then(|end| path.get(..end)).unwrap_or(path);
    let plus = first.rfind('+').and_then(|plus| path.get(plus..));
    plus.and_then(|rest| rest.strip_prefix('+')).unwrap_or(path)
}

/// The scheme of a URI (RFC 3986 section 3.1) and what follows its colon; an
/// empty scheme where there is none.
fn split_scheme(uri: &str) -> (&str, &str) {
    let is_scheme = |text: &str| {
        let is_scheme_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.bytes().all(is_scheme_byte)
    };
    match uri.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (scheme, rest),
        _ => ("", uri),
    }
}

/// `text` before the first `delimiter`, and after it.
fn cut(text: &str, delimiter: char) -> (&str, &str) {
    text.split_once(delimiter).unwrap_or((text, ""))
}

/// Checks the characters of one component, and the characters that it percent-encodes.
fn check_text(text: &str, is_allowed: impl Fn(u8) -> bool) -> Result<(), NotNormal> {
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            let ([high, low], after) = rest.split_first_chunk().ok_or(NotNormal::Encoding)?;
            rest = after;
            let encoded = hex(*high).zip(hex(*low)).ok_or(NotNormal::Encoding)?;
            if is_unreserved(encoded.0.wrapping_mul(16) | encoded.1) {
                return Err(NotNormal::Encoding);
            }
        } else if !is_allowed(*byte) {
            return Err(NotNormal::Character);
        }
    }
    Ok(())
}

/// The value of an upper-case hexadecimal digit: that case is the normal one
/// (RFC 3986 section 6.2.2.1).
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => digit.checked_sub(b'0'),
        b'A'..=b'F' => digit.checked_sub(b'A')?.checked_add(10),
        _ => None,
    }
}

/// The unreserved characters of RFC 3986 section 2.3. To encode them changes nothing.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// The characters that the URL standard does not encode in a fragment.
fn is_fragment_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"<>\\`".contains(&byte)
}

/// The characters that the URL standard does not encode in a query.
fn is_query_byte(byte: u8) -> bool {
    is_fragment_byte(byte) && byte != b'#'
}

/// The characters that the URL standard does not encode in a path.
fn is_path_byte(byte: u8) -> bool {
    is_query_byte(byte) && !b"^{}".contains(&byte)
}

/// Checks that no segment of `path` is `.` or `..`. An encoded slash or backslash also ends a
/// segment, since some servers decode the path first.
fn check_segments(path: &str, kind: SchemeKind) -> Result<(), NotNormal> {
    let mut ends_with_encoded = false;
    for segment in path.split('/') {
        for part in segment.split("%2F").flat_map(|part| part.split("%5C")) {
            if matches!(part, "." | "..") {
                return Err(NotNormal::Segment);
            }
        }
        ends_with_encoded |= segment.contains("%2F") || segment.contains("%5C");
    }
    if kind != SchemeKind::File {
        return Ok(());
    }
    // A file system treats `//` as `/`, and the URL standard treats `C|` as `C:`.
    let has_drive_bar = |segment: &str| {
        let mut bytes = segment.bytes();
        bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic()) && bytes.next() == Some(b'|')
    };
    let is_drive = path.split('/').nth(1).is_some_and(has_drive_bar);
    if ends_with_encoded || path.contains("//") || is_drive {
        return Err(NotNormal::Segment);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
