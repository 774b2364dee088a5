//! URIs of resources. If a URI is accepted as normal, a parser of the URL standard (url) and one of
//! RFC 3986 (iri-string) must leave it unchanged. So two different accepted texts never name the
//! same resource.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mcp_gateway::mcp::resource_uri::{check_normal, check_normal_template};

#[derive(Arbitrary, Debug)]
struct Uri<'a>(Vec<Part<'a>>);

/// Parts of URIs, since random bytes are seldom a URI.
#[derive(Arbitrary, Debug)]
enum Part<'a> {
    Scheme(u8),
    Authority(u8),
    Segment(u8),
    Delimiter(u8),
    Encoded(u8),
    Text(&'a str),
}

const SCHEMES: &[&str] = &[
    "file:", "FILE:", "http:", "https:", "ws:", "wss:", "ftp:", "memo:", "urn:", "s+file:",
    "a+http:",
];
const AUTHORITIES: &[&str] = &[
    "//",
    "//localhost",
    "//LOCALHOST",
    "//example.com",
    "//127.1",
    "//0x7f.1",
    "//[::1]",
    "//[0::1]",
    "//a@b",
    "//a:80",
    "//a:080",
    "//a:443",
    "//xn--a",
    "//a.",
    "//%41",
];
const SEGMENTS: &[&str] = &[
    "/", "/.", "/..", "/%2e", "/%2E%2E", "/%2F", "/%5C", "/C|", "/C:", "/a", "/etc", "//", "\\",
    " ", "\t",
];
const DELIMITERS: &[&str] = &[
    "?", "#", ":", "@", "'", "|", "^", "{", "}", "%", ";", "*", "~",
];

fn one_of<'a>(choices: &[&'a str], at: u8) -> &'a str {
    choices[usize::from(at) % choices.len()]
}

impl Uri<'_> {
    fn text(&self) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Scheme(at) => text.push_str(one_of(SCHEMES, *at)),
                Part::Authority(at) => text.push_str(one_of(AUTHORITIES, *at)),
                Part::Segment(at) => text.push_str(one_of(SEGMENTS, *at)),
                Part::Delimiter(at) => text.push_str(one_of(DELIMITERS, *at)),
                Part::Encoded(byte) => text.push_str(&format!("%{byte:02X}")),
                Part::Text(part) => text.push_str(part),
            }
        }
        text
    }
}

fn scheme(uri: &str) -> &str {
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.rsplit('+').next().unwrap_or_default()
}

fuzz_target!(|uri: Uri<'_>| {
    let uri = uri.text();
    let taken = check_normal(&uri);
    if !uri.contains('{') {
        assert_eq!(check_normal_template(&uri), taken, "{uri}");
    }
    if taken.is_err() {
        return;
    }
    assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri:?}");
    if let Ok(url) = url::Url::parse(&uri) {
        assert_eq!(url.as_str(), uri);
    }
    if let Ok(parsed) = iri_string::types::UriStr::new(&uri) {
        let normalized = parsed.normalize().to_string();
        let is_special = ["file", "http", "https", "ws", "wss", "ftp"].contains(&scheme(&uri));
        // The host of other schemes counts exactly as it is written.
        let is_same = normalized == uri || !is_special && normalized.eq_ignore_ascii_case(&uri);
        assert!(is_same, "{uri}: {normalized}");
    }
    // The value that a client gives a variable makes no difference.
    let template = format!("{uri}{{x}}");
    if let Ok(()) = check_normal_template(&template) {
        assert_eq!(check_normal(&format!("{uri}x")), Ok(()), "{template}");
    }
});
