//! Absolute URLs (RFC 3986), and the parts of a request target (RFC 9112
//! section 3.2).

/// An absolute URL with a host, `scheme://authority/path?query#fragment`
/// (RFC 3986 section 3). It has no user information: RFC 9110 section 4.2.4
/// asks recipients to treat such a URL as an error. The parts are those of the
/// text; nothing is normalized.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Url<'a> {
    scheme: &'a str,
    authority: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> Url<'a> {
    /// Takes `text` apart. `None` if it is not such a URL.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (rest, fragment) = split(rest, '#');
        let (rest, query) = split(rest, '?');
        let path_starts = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(path_starts)?;
        let is_url = is_scheme(scheme)
            && is_authority(authority)
            && [
                path,
                query.unwrap_or_default(),
                fragment.unwrap_or_default(),
            ]
            .iter()
            .all(|part| part.bytes().all(is_path_or_query));
        is_url.then_some(Self {
            scheme,
            authority,
            path,
            query,
            fragment,
        })
    }

    /// Takes `text` apart if its scheme is `http` or `https`, in lower case.
    pub fn parse_http(text: &'a str) -> Option<Self> {
        Self::parse(text).filter(|url| matches!(url.scheme, "http" | "https"))
    }

    /// The scheme, as `https`.
    pub fn scheme(&self) -> &'a str {
        self.scheme
    }

    /// The host with the port, if there is one, as `example.com:8443`.
    pub fn authority(&self) -> &'a str {
        self.authority
    }

    /// The host without the port, as `example.com` or `[::1]`.
    pub fn host(&self) -> &'a str {
        split_port(self.authority).0
    }

    /// The port, if the authority has a `:` before it; it may be empty.
    pub fn port(&self) -> Option<&'a str> {
        split_port(self.authority).1
    }

    /// The path; empty, or with a `/` at its start.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// The query without the `?`.
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// The fragment without the `#`.
    pub fn fragment(&self) -> Option<&'a str> {
        self.fragment
    }
}

/// `text`, which may be a URL or not, for a message: `***` is in the place of user information and of
/// a query, which may be a password or a token.
pub fn without_secrets(text: &str) -> String {
    let scheme = text.split_once("://").filter(|(it, _)| is_scheme(it));
    let (scheme, mark, rest) = match scheme {
        Some((scheme, rest)) => (scheme, "://", rest),
        None => ("", "", text),
    };
    let (user, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => ("***@", rest),
        None => ("", rest),
    };
    let (rest, query) = split(rest, '?');
    let query = query.map_or("", |_| "?***");
    [scheme, mark, user, rest, query].concat()
}

/// `text` up to the first `mark`, and what follows it.
fn split(text: &str, mark: char) -> (&str, Option<&str>) {
    match text.split_once(mark) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Whether `text` is a host with or without a port, and without user
/// information (RFC 3986 section 3.2). A comma is refused although a host may
/// have one: a list of several hosts looks like that.
pub fn is_authority(text: &str) -> bool {
    let (host, port) = split_port(text);
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        // An IPv6 address.
        Some(address) => address.is_some_and(|address| {
            address.contains(':')
                && address
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte))
        }),
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(&byte))
        }
    };
    is_host && port.is_none_or(is_port)
}

/// The host, and the port if there is one. Colons inside brackets belong to the
/// host.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// Whether `text` is a path with or without a query: it starts with one `/`.
/// With two it would start with an authority (RFC 3986 section 4.2).
pub fn is_path_and_query(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//") && text.bytes().all(is_path_or_query)
}

/// Whether `byte` may stand in a path (RFC 3986 section 3.3) or in a query or
/// fragment (sections 3.4 and 3.5), which may hold a `?` too.
fn is_path_or_query(byte: u8) -> bool {
    is_path_byte(byte) || byte == b'?'
}

fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:@".contains(&byte)
}

/// The path of the request target `target`, without query and fragment. Bytes,
/// since clients send any.
pub fn path_of(target: &[u8]) -> &[u8] {
    let ends = |byte: &u8| matches!(byte, b'?' | b'#');
    target.split(ends).next().unwrap_or_default()
}

/// `path` as it stands in a URL: bytes that may not stand there are
/// percent-encoded (RFC 3986 section 2.1).
pub fn encode_path(path: &[u8]) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path {
        if is_path_byte(*byte) {
            encoded.push(char::from(*byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    type UrlParts<'a> = (&'a str, &'a str, &'a str, Option<&'a str>, Option<&'a str>);

    #[wasm_bindgen_test(unsupported = test)]
    fn a_message_shows_no_secret_of_a_url() {
        for (text, expected) in [
            ("ftp://h/mcp", "ftp://h/mcp"),
            ("http://user:p4ss@h/mcp", "http://***@h/mcp"),
            ("http://p4ss@h:1", "http://***@h:1"),
            ("http://user:p4/s?s#@h/mcp", "http://***@h/mcp"),
            ("user:p4ss@h/mcp", "***@h/mcp"),
            ("user:p4://ss@h/mcp", "***@h/mcp"),
            ("http://h/a b?key=p4ss", "http://h/a b?***"),
            ("http://user:p4ss@h?key=p4ss", "http://***@h?***"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(text), expected, "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_url_is_taken_apart() {
        let https = |authority, path, query, fragment| ("https", authority, path, query, fragment);
        for (text, expected) in [
            ("https://h", https("h", "", None, None)),
            ("https://h:8443/", https("h:8443", "/", None, None)),
            ("https://h/a/b?c=/d?e#f?g", {
                https("h", "/a/b", Some("c=/d?e"), Some("f?g"))
            }),
            ("https://h?a://b", https("h", "", Some("a://b"), None)),
            ("https://h#", https("h", "", None, Some(""))),
            ("https://h?", https("h", "", Some(""), None)),
            ("https://h/a@b", https("h", "/a@b", None, None)),
            ("https://[::1]/x", https("[::1]", "/x", None, None)),
            ("https://[::1]:80", https("[::1]:80", "", None, None)),
            ("https://*.h:", https("*.h:", "", None, None)),
            ("https://a_b%41", https("a_b%41", "", None, None)),
            ("a+b-c.1://h", ("a+b-c.1", "h", "", None, None)),
        ] {
            let url = Url::parse(text).expect(text);
            let parts: UrlParts<'_> = (
                url.scheme(),
                url.authority(),
                url.path(),
                url.query(),
                url.fragment(),
            );
            assert_eq!(parts, expected, "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_no_absolute_url_with_a_host_is_refused() {
        for text in [
            "",
            "h",
            "/a",
            "//h/a",
            "https:/h",
            "https:h",
            "://h",
            "1a://h",
            "a b://h",
            "https://",
            "https:///a",
            "https://?a",
            "https://#a",
            "https://:80",
            "https://u@h",
            "https://u:p@h",
            "https://h:port",
            "https://h:-1",
            "https://h:+1",
            "https://h:123456",
            "https://h:1:2",
            "https://::1",
            "https://[::1",
            "https://[h]",
            "https://[]",
            "https://[::1]x",
            "https://a,b",
            "https://h\\x",
            "https://h/\\x",
            "https://h/\"",
            "https://h/ ",
            "https://h/\n",
            "https://h/é",
            "https://é",
            "https://h/#a#b",
            " https://h",
        ] {
            assert_eq!(Url::parse(text), None, "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_http_url_has_one_of_two_schemes() {
        for (text, is_http) in [
            ("http://h", true),
            ("https://h", true),
            ("HTTPS://h", false),
            ("httpx://h", false),
            ("ws://h", false),
        ] {
            assert_eq!(Url::parse_http(text).is_some(), is_http, "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_port_follows_the_last_colon_outside_brackets() {
        for (text, host, port) in [
            ("http://h", "h", None),
            ("http://h:80/", "h", Some("80")),
            ("http://h:", "h", Some("")),
            ("http://[::1]", "[::1]", None),
            ("http://[::1]:443", "[::1]", Some("443")),
        ] {
            let url = Url::parse(text).expect(text);
            assert_eq!((url.host(), url.port()), (host, port), "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_path_starts_with_one_slash() {
        for (text, is_path) in [
            ("/", true),
            ("/a//b?c=d?e", true),
            ("", false),
            ("a", false),
            ("//h", false),
            ("/a#b", false),
            ("/a b", false),
            ("/\\h", false),
        ] {
            assert_eq!(is_path_and_query(text), is_path, "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_path_of_a_target_ends_before_query_and_fragment() {
        for (target, path) in [
            ("/a?b#c", "/a"),
            ("/a#b?c", "/a"),
            ("/a/", "/a/"),
            ("?", ""),
            ("", ""),
        ] {
            assert_eq!(path_of(target.as_bytes()), path.as_bytes(), "{target}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_no_url_may_hold_is_encoded() {
        assert_eq!(encode_path(b"/a-%20(b)?\"\xe4 "), "/a-%20(b)%3F%22%E4%20");
    }
}
