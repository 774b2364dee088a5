//! Which texts the reader accepts and refuses, and that serde_json agrees.

use super::*;
use wasm_bindgen_test::wasm_bindgen_test;

fn read(text: &str) -> (Option<Shape>, Vec<(String, String)>) {
    let mut seen = Vec::new();
    let shape = members(text, |name, value| {
        seen.push((name.into_owned(), value.to_owned()));
    });
    (shape.ok(), seen)
}

#[wasm_bindgen_test(unsupported = test)]
fn members_are_shown_in_order_and_as_they_stand() {
    let (shape, seen) = read(r#" {"a" : 1.10, "b":{"x":[1, 2]} , "":null} "#);
    assert_eq!(shape, Some(Shape::Object { unique: true }));
    let expected = [("a", "1.10"), ("b", r#"{"x":[1, 2]}"#), ("", "null")];
    assert_eq!(seen, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
}

#[wasm_bindgen_test(unsupported = test)]
fn a_name_is_compared_after_unescaping() {
    for text in [
        r#"{"name":1,"name":2}"#,
        r#"{"name":1,"n\u0061me":2}"#,
        r#"{"":1,"":2}"#,
    ] {
        assert_eq!(
            read(text).0,
            Some(Shape::Object { unique: false }),
            "{text}"
        );
    }
    assert_eq!(
        read(r#"{"name":1,"Name":2}"#).0,
        Some(Shape::Object { unique: true })
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_duplicate_among_many_names_is_found() {
    let names: Vec<String> = (0..1000).map(|n| format!("\"k{n}\":0")).collect();
    let unique = format!("{{{}}}", names.join(","));
    assert_eq!(read(&unique).0, Some(Shape::Object { unique: true }));
    let twice = format!("{{{},\"k999\":0}}", names.join(","));
    assert_eq!(read(&twice).0, Some(Shape::Object { unique: false }));
    let early = format!("{{{},\"k0\":0}}", names.join(","));
    assert_eq!(read(&early).0, Some(Shape::Object { unique: false }));
}

#[wasm_bindgen_test(unsupported = test)]
fn what_is_no_single_json_value_is_an_error() {
    for text in [
        "",
        " ",
        "{",
        "{}{}",
        "{} x",
        "{\"a\":}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1,}",
        "\u{feff}{}",
        "{\"a\":01}",
        "{\"a\":.5}",
        "{\"a\":NaN}",
        "{\"a\":\"\u{1}\"}",
        "nul",
    ] {
        assert_eq!(read(text).0, None, "{text:?}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn an_error_says_where_the_fault_is_and_what_is_expected_there() {
    for (text, error) in [
        ("", "a value at byte 0"),
        (" x", "a value at byte 1"),
        ("nul", "a value at byte 0"),
        ("[1,tru]", "a value at byte 3"),
        ("[1, ]", "a value at byte 4"),
        ("[1 2]", r#""," or "]" at byte 3"#),
        ("[1}", r#""," or "]" at byte 2"#),
        ("[", "a value at byte 1"),
        (r#"{"a":1 "b":2}"#, r#""," or "}" at byte 7"#),
        (r#"{"a":[]]"#, r#""," or "}" at byte 7"#),
        (r#"{"a":1,}"#, "a string at byte 7"),
        ("{a:1}", "a string at byte 1"),
        (r#"{"a" 1}"#, r#"":" at byte 5"#),
        (r#"{"a"  "#, r#"":" at byte 6"#),
        (r#"{"a":"#, "a value at byte 5"),
        (r#"["a\x"]"#, "an escape at byte 3"),
        (r#"["a\u12g4"]"#, "an escape at byte 3"),
        (r#"["abcdefghijklmnopqrst\"#, "an escape at byte 22"),
        ("[\"a\u{1}\"]", "no control character in a string at byte 3"),
        (r#"["abcdefghij"#, "the end of a string at byte 12"),
        ("[-]", "a digit at byte 2"),
        ("[1.]", "a digit at byte 3"),
        ("[1e+]", "a digit at byte 4"),
        ("[01]", "no digit after 0 at byte 2"),
        ("[0.5.5]", r#""," or "]" at byte 4"#),
    ] {
        let found = Reader::new(text).skip().expect_err(text);
        assert_eq!(found.to_string(), format!("expected {error}"), "{text:?}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn other_shapes_are_told_apart() {
    assert_eq!(read("[{}]").0, Some(Shape::Array));
    for text in ["1", "-1", "1.5", "true", "null", "\"x\"", "\"\\n\""] {
        assert_eq!(read(text).0, Some(Shape::Scalar), "{text}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn deep_nesting_does_not_exhaust_the_stack() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(read(&deep).0, Some(Shape::Object { unique: true }));
}

#[wasm_bindgen_test(unsupported = test)]
fn strings_are_unescaped_and_other_values_are_none() {
    assert_eq!(string(r#""a""#).as_deref(), Some("a"));
    assert_eq!(
        string(r#""\u00e4\n\ud83d\ude00""#).as_deref(),
        Some("ä\n😀")
    );
    for text in ["1", "null", "{}", r#""\ud800""#, r#""a"#] {
        assert_eq!(string(text), None, "{text}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_plain_part_of_a_string_ends_at_its_first_special_byte() {
    // Words and blocks of bytes have other code than the bytes after them.
    for length in 0..200 {
        let mut text = vec![b'x'; length];
        assert_eq!(after_plain(&text), b"");
        text.fill(0xc3);
        assert_eq!(after_plain(&text), b"");
        for at in 0..length {
            for special in [b'"', b'\\', b'\0', b'\n', 0x1f] {
                text[at] = special;
                let rest = length - at;
                assert_eq!(
                    after_plain(&text).len(),
                    rest,
                    "{special} at {at} of {length}"
                );
            }
            text[at] = 0x7f;
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_span_is_where_a_member_stands() {
    let text = r#"{"a": "b"}"#;
    members(text, |_, value| assert_eq!(span(text, value), Some(6..9))).unwrap();
    assert_eq!(span(text, "elsewhere"), None);
}

#[wasm_bindgen_test(unsupported = test)]
fn duplicates_are_found_at_any_depth() {
    for text in [
        r#"{"a":[{"b":{"c":1,"d":2,"\u0063":3}}]}"#,
        r#"[[{"a":1,"a":1}]]"#,
        r#"{"a":{},"a":[]}"#,
        r#"{"a":{"b":1},"c":{"b":1,"b":1}}"#,
    ] {
        assert_eq!(unique(text), Ok(false), "{text}");
    }
    for text in [
        r#"{"a":[{"a":{"a":1}},{"a":2}],"b":"a"}"#,
        "[]",
        "{}",
        "1",
        "[[],[1,[2]],{}]",
        r#"{"a":{"b":1},"c":{"b":1}}"#,
    ] {
        assert_eq!(unique(text), Ok(true), "{text}");
    }
    for text in ["[", "{\"a\":1", "[1 2]", "{}{}", "", "{\"a\" 1}", "[}"] {
        assert!(unique(text).is_err(), "{text}");
    }
    assert!(unique(&"[".repeat(200_000)).is_err());
}

/// Every text that is one edit away from these texts, and some more.
fn edited() -> Vec<String> {
    const TEXTS: &[&str] = &[
        r#"{"a":1.5e-3,"b":[true,false,null,"x\n\u00e4\ud83d\ude00"],"c":{"d":{}},"e":[[]]}"#,
        r#" [ -0 , 10 , 0.1 , 1E+2 , "" , { } , [ ] ] "#,
        r#"{"0123456789abcdef":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789\"x"}"#,
        "{\r\n          \"a\":  [\n\t  1,\n                   2\n ],\n  \"b\" :\n {\n        }  \n}",
    ];
    const INSERTED: &[&str] = &[
        "", "{", "}", "[", "]", ",", ":", "\"", "\\", "0", "-", ".", "e", " ", "\n", "\u{0}",
        "\u{1f}", "t", "u", "ä", "\u{feff}", "\\ud800",
    ];
    let mut texts = Vec::new();
    for text in TEXTS {
        let ends: Vec<usize> = text
            .char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .collect();
        for pair in ends.windows(2) {
            for inserted in INSERTED {
                texts.push(format!(
                    "{}{inserted}{}",
                    &text[..pair[0]],
                    &text[pair[0]..]
                ));
                texts.push(format!(
                    "{}{inserted}{}",
                    &text[..pair[0]],
                    &text[pair[1]..]
                ));
            }
            texts.push(text[..pair[0]].to_owned());
        }
    }
    texts
}

/// Checks that the reader takes `text` if serde_json does, and refuses it otherwise.
fn assert_as_serde_json(text: &str) {
    let mut reader = Reader::new(text);
    let skipped = reader.skip().and_then(|value| reader.end().map(|()| value));
    let theirs = serde_json::from_str::<&serde_json::value::RawValue>(text);
    match (skipped, theirs) {
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs.get(), "{text:?}"),
        (Err(_), Err(_)) => {}
        (ours, theirs) => panic!("{text:?}: we say {ours:?}, serde_json says {theirs:?}"),
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_reader_takes_what_serde_json_takes_and_nothing_else() {
    let texts = edited();
    assert!(texts.len() > 5000);
    for text in texts {
        assert_as_serde_json(&text);
        if unique(&text) == Ok(true) {
            assert!(
                serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok(),
                "{text:?}"
            );
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn numbers_are_those_of_serde_json() {
    let mut texts = vec![String::new()];
    for _ in 0..6 {
        let longer =
            |text: &String| ["0", "9", "-", "+", ".", "E"].map(|part| format!("{text}{part}"));
        texts = texts.iter().flat_map(longer).collect();
        for text in &texts {
            assert_as_serde_json(text);
            assert_as_serde_json(&format!("[{text},{text}]"));
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn strings_of_all_lengths_are_those_of_serde_json() {
    for length in 0..100 {
        let plain = "x".repeat(length);
        assert_as_serde_json(&format!("[\"{plain}\",\"{plain}\"]"));
        assert_as_serde_json(&format!("[\"{plain}"));
        for at in 0..=length {
            let (before, after) = plain.split_at(at);
            for part in [
                "\"", "\\", "\\\"", "\\u00e4", "\\uxyzw", "ä", "\u{1f}", " ", "!", "\u{7f}",
            ] {
                assert_as_serde_json(&format!("{{\"{before}{part}{after}\":1}}"));
            }
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn members_and_elements_are_those_of_serde_json() {
    for text in edited() {
        let (shape, seen) = read(&text);
        let Ok(theirs) = serde_json::from_str::<serde_json::Value>(&text) else {
            continue;
        };
        match (shape, theirs) {
            (Some(Shape::Object { unique }), serde_json::Value::Object(theirs)) => {
                assert_eq!(unique, theirs.len() == seen.len(), "{text:?}");
                for (name, value) in seen {
                    let value: serde_json::Value = serde_json::from_str(&value).unwrap();
                    assert!(!unique || theirs.get(&name) == Some(&value), "{text:?}");
                }
            }
            (Some(Shape::Array), serde_json::Value::Array(theirs)) => {
                let mut ours: Vec<serde_json::Value> = Vec::new();
                elements(&text, |element| {
                    ours.push(serde_json::from_str(element).unwrap())
                })
                .unwrap();
                assert_eq!(ours, theirs);
            }
            (shape, theirs) => assert!(
                shape == Some(Shape::Scalar) && !theirs.is_object() && !theirs.is_array(),
                "{text:?}: {shape:?}"
            ),
        }
    }
}
