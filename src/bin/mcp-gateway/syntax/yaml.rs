//! Writes values as YAML text.
//!
//! Envoy and Kubernetes read YAML 1.1. The serializer quotes texts that YAML 1.1 would read as
//! another type, such as `y` or `1_000`.

use serde::Serialize;
use serde_saphyr::{FlowSeq, ser_error::Error, ser_options};

/// `value` in block style, one member or item on each line.
///
/// # Errors
/// `value` cannot be serialized.
pub(crate) fn block(value: &impl Serialize) -> Result<String, Error> {
    // A text with several lines stays a text with several lines, and a single line is never broken.
    let options = ser_options! { folded_wrap_chars: usize::MAX };
    serde_saphyr::to_string_with_options(value, options)
}

/// `value` on one line, for a place in another YAML text, including a flow style list or mapping.
///
/// # Errors
/// `value` cannot be serialized.
pub(crate) fn flow(value: &impl Serialize) -> Result<String, Error> {
    // The value is serialized in a flow style list, since a comma or a bracket needs quotes there.
    let list = serde_saphyr::to_string(&FlowSeq([value]))?;
    let list = list.trim_end();
    let value = list.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    Ok(value.unwrap_or(list).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::tree;

    const TEXTS: &[&str] = &[
        r#"{"z": {"b": [1, 2.5, true, null, "x"], "c": {}, "d": []}, "e": [[1, [2]], {"f": {"g": "h"}}]}"#,
        r#"{"on": "off", "y": "1", "n": "1.5", "~": "~", "x y": "a: b # c", "": ""}"#,
        r#"{"text": "one\n two\n", "tail": "a\n\n", "control": "a\u0001b\n", "quotes": "\"'\\", "t": "a\tb"}"#,
        r#"{"url": "https://mcp.example.com:8443/mcp", "odd": "http:", "star": "*", "at": "@type", "dash": "-"}"#,
        r#"{"brackets": "a]}, {b: [c", "comma": "a,b", "colon": "::1", "spaces": " a "}"#,
        "[]",
        r#"[{"a": 1, "b": [{"c": 2}]}, []]"#,
    ];

    fn read(text: &str) -> serde_json::Value {
        let documents = tree::documents(text);
        documents.unwrap_or_else(|error| panic!("{error:?}: {text}"))[0].value()
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let long = format!("\"{}\"", "word ".repeat(50));
        for text in TEXTS.iter().copied().chain([&*long]) {
            let node = &tree::documents(text).unwrap()[0];
            let block = block(node).unwrap();
            assert_eq!(read(&block), node.value(), "{block}");
            let flow = flow(node).unwrap();
            assert_eq!(flow.lines().count(), 1, "{flow}");
            assert_eq!(
                read(&format!("{{a: {flow}, b: 1}}"))["a"],
                node.value(),
                "{flow}"
            );
            assert_eq!(
                read(&format!("a: {flow}\nb: 1\n"))["a"],
                node.value(),
                "{flow}"
            );
        }
    }

    #[test]
    fn plain_text_has_no_quotes_and_other_text_has() {
        for (text, written) in [
            ("weather", "weather"),
            ("/mcp", "/mcp"),
            ("http://127.0.0.1:9001/mcp", "http://127.0.0.1:9001/mcp"),
            // YAML 1.1 has more words for booleans, and more forms of numbers.
            ("y", "\"y\""),
            ("off", "\"off\""),
            ("1_000", "\"1_000\""),
            ("0o17", "\"0o17\""),
            ("12:30:45", "\"12:30:45\""),
            ("2026-07-28", "\"2026-07-28\""),
            ("null", "\"null\""),
            ("", "\"\""),
            ("::1", "\"::1\""),
        ] {
            assert_eq!(flow(&text).unwrap(), written);
            assert_eq!(block(&text).unwrap(), format!("{written}\n"));
        }
    }

    #[test]
    fn members_keep_their_order_and_lists_are_not_indented() {
        let text = "servers:\n- name: b\n  tools:\n    include:\n    - x\n  a: 1\ncors: {}\n";
        assert_eq!(block(&tree::documents(text).unwrap()[0]).unwrap(), text);
    }
}
