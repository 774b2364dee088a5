use super::*;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test(unsupported = test)]
fn what_is_in_normal_form_is_taken() {
    for uri in [
        "file:///etc/passwd",
        "file:///",
        "file:///public/a%20b/",
        "file:///C:/x",
        "file:///a?b=../c#d/..",
        "https://example.com/",
        "https://example.com:8443/a;b=c/%C3%A4?x=1&y=%2F#z",
        "http://127.0.0.1/",
        "http://[::1]:8080/x",
        "weather+file:///today",
        "weather+https://example.com/a",
        "memo://insights",
        "memo://Insights/A",
        "demo://resource/static/document/1.md",
        "gitlab://projects/group%2Fproject",
        "urn:isbn:0451450523",
        "data:text/plain,hello",
        "mailto:a@example.com",
        "ui://clock/index.html",
        "postgres://host:5432/table/schema",
        "greeting",
        "...",
        "a+b:c",
        "s+notes/a+.b",
        "s+notes/a+..",
        "s+...",
        "x:",
        "",
    ] {
        assert_eq!(check_normal(uri), Ok(()), "{uri}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn no_other_spelling_is_taken() {
    use NotNormal::{Authority, Character, Encoding, Path, Scheme, Segment};
    for (uri, why) in [
        ("FILE:///etc/passwd", Scheme),
        ("weather+File:///etc/passwd", Scheme),
        ("Memo://x", Scheme),
        ("file:///./etc/passwd", Segment),
        ("file:///public/../etc/passwd", Segment),
        ("file:///public/%2e%2e/etc/passwd", Encoding),
        ("file:///public/%2E./etc/passwd", Encoding),
        ("file:///public/..", Segment),
        ("file:///public/..%2Fetc/passwd", Segment),
        ("file:///public/..%5Cetc/passwd", Segment),
        ("file:///etc%2Fpasswd", Segment),
        ("file:////etc/passwd", Segment),
        ("file:///etc//passwd", Segment),
        ("file:///C|/x", Segment),
        ("memo://a/../b", Segment),
        ("memo:a/./b", Segment),
        ("a/../b", Segment),
        ("..", Segment),
        ("s+./secret/x", Segment),
        ("s+../secret/x", Segment),
        ("s+..", Segment),
        ("s+.%2Fsecret/x", Segment),
        ("s+..%5Csecret", Segment),
        ("a+s+../x", Segment),
        ("file://localhost/etc/passwd", Authority),
        ("file://LOCALHOST/etc/passwd", Authority),
        ("file:/etc/passwd", Authority),
        ("file:etc/passwd", Authority),
        ("file://", Path),
        ("file:///etc/p%61sswd", Encoding),
        ("file:///a%2f", Encoding),
        ("file:///a%", Encoding),
        ("file:///a%2", Encoding),
        ("file:///a%zz", Encoding),
        ("memo:%41", Encoding),
        ("https://example.com/?%41", Encoding),
        (" file:///etc/passwd", Character),
        ("file:///etc/passwd ", Character),
        ("fi\tle:///etc/passwd", Character),
        ("file:///etc\\passwd", Character),
        ("file:\\\\\\etc\\passwd", Character),
        ("file:///etc/\u{e4}", Character),
        ("file:///\u{0}", Character),
        ("file:///a\"b", Character),
        ("file:///{a}", Character),
        ("https://example.com/?a'b", Character),
        ("https://Example.com/", Authority),
        ("https://ex%61mple.com/", Encoding),
        ("https://example.com:443/", Authority),
        ("https://example.com:/", Authority),
        ("https://example.com:080/", Authority),
        ("https://example.com:65536/", Authority),
        ("https://example.com./", Authority),
        ("https://user@example.com/", Authority),
        ("https://@example.com/", Authority),
        ("https:///", Authority),
        ("https:example.com/", Authority),
        ("https://example.com", Path),
        ("https://example.com?x", Authority),
        ("http://2130706433/", Authority),
        ("http://127.1/", Authority),
        ("http://0x7f.1/", Authority),
        ("http://127.0.0.01/", Authority),
        ("http://[0:0:0:0:0:0:0:1]/", Authority),
        ("http://[::A]/", Authority),
        ("memo://h:080/", Authority),
    ] {
        let found = check_normal(uri);
        assert!(found.is_err(), "{uri}");
        // For this URI the reason is that it has no path.
        if uri != "https://example.com?x" {
            assert_eq!(found, Err(why), "{uri}");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn each_reason_says_what_to_do() {
    for why in [
        NotNormal::Character,
        NotNormal::Scheme,
        NotNormal::Encoding,
        NotNormal::Segment,
        NotNormal::Authority,
        NotNormal::Path,
    ] {
        assert!(why.to_string().contains("must"), "{why:?}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_server_opens_a_file_without_query_and_fragment() {
    for (uri, opened) in [
        ("file:///app/.env?", "file:///app/.env"),
        ("file:///app/.env#a?b", "file:///app/.env"),
        ("s+file:///app/.env?a#b", "s+file:///app/.env"),
        ("file:///a", "file:///a"),
        ("file:///{path}{?q}", "file:///{path}{?q}"),
        ("https://h/a?b#c", "https://h/a?b#c"),
        ("memo:a?b", "memo:a?b"),
    ] {
        assert_eq!(opened_part(uri), opened, "{uri}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_pattern_for_another_spelling_is_told() {
    for (pattern, expected) in [
        ("*", Ok(())),
        ("*.env", Ok(())),
        ("file:///etc/*", Ok(())),
        ("s+file:///*/secret?", Ok(())),
        ("https://*/a#b", Ok(())),
        ("%4*", Ok(())),
        ("*:*", Ok(())),
        ("http://h/A:*", Ok(())),
        ("file:///etc/passwd", Ok(())),
        ("file:///{path}", Ok(())),
        ("file:///{path}*", Ok(())),
        ("FILE:///etc/*", Err(NotNormal::Scheme)),
        ("FILE:///etc/passwd", Err(NotNormal::Scheme)),
        ("file:///a/../*", Err(NotNormal::Segment)),
        ("file://localhost/etc/passwd", Err(NotNormal::Authority)),
        ("file:///a b*", Err(NotNormal::Character)),
        ("*\u{fc}", Err(NotNormal::Character)),
        ("file:///%2e*", Err(NotNormal::Encoding)),
        ("file:///%41*", Err(NotNormal::Encoding)),
    ] {
        assert_eq!(check_pattern(pattern), expected, "{pattern}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn templates_are_checked_around_their_variables() {
    for template in [
        "test://template/{id}/data",
        "repo://{owner}/{repo}/contents{/path*}",
        "file:///{a}/{b}",
        "https://{host}.example.com/{?q*}",
        "memo://plain",
    ] {
        assert_eq!(check_normal_template(template), Ok(()), "{template}");
    }
    for template in [
        "FILE:///{a}",
        "file:///{a}/../b",
        "file:///{a",
        "file:///%2e%2e/{a}",
        "file://localhost/{a}",
    ] {
        assert!(check_normal_template(template).is_err(), "{template}");
    }
}

/// A parser of the URL standard and one of RFC 3986 leave every accepted URI unchanged.
#[cfg(not(target_family = "wasm"))]
#[test]
fn other_parsers_agree_that_it_is_normal() {
    const PARTS: &[&str] = &[
        "file:",
        "FILE:",
        "http:",
        "https:",
        "ws:",
        "memo:",
        "urn:",
        "a+file:",
        "//",
        "///",
        "/",
        "/./",
        "/../",
        ".",
        "..",
        "%2e",
        "%2E",
        "%2F",
        "%2f",
        "%5C",
        "%41",
        "%C3%A4",
        "%",
        "%%",
        "\\",
        " ",
        "\t",
        "\u{e4}",
        "localhost",
        "LOCALHOST",
        "example.com",
        "Example.com",
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "[::1]",
        "[0::1]",
        "[::ffff:1.2.3.4]",
        "@",
        ":",
        ":80",
        ":080",
        ":443",
        ":8080",
        "?",
        "#",
        "a",
        "Z",
        "~",
        "|",
        "^",
        "{",
        "}",
        "'",
        "\"",
        "<",
        "`",
        "*",
        "C|",
        "C:",
        "xn--a",
        "etc",
        "passwd",
        "",
        ";",
        "=",
        "&",
        "[",
    ];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % u64::try_from(below).unwrap()).unwrap()
    };
    let (mut taken, mut compared) = (0, 0);
    for _ in 0..400_000 {
        let uri: String = (0..1 + next(9)).map(|_| PARTS[next(PARTS.len())]).collect();
        if check_normal(&uri).is_err() {
            continue;
        }
        taken += 1;
        if let Ok(url) = url::Url::parse(&uri) {
            compared += 1;
            assert_eq!(url.as_str(), uri);
        }
        if let Ok(parsed) = iri_string::types::UriStr::new(&uri) {
            // The host of other schemes counts exactly as it is written, see `check_other`.
            let normalized = parsed.normalize().to_string();
            let is_same = match SchemeKind::of(split_scheme(&uri).0) {
                SchemeKind::Other => normalized.eq_ignore_ascii_case(&uri),
                SchemeKind::File | SchemeKind::Network(_) => normalized == uri,
            };
            assert!(is_same, "{uri}: {normalized}");
        }
    }
    assert!(taken > 5_000 && compared > 2_000, "{taken} {compared}");
}
