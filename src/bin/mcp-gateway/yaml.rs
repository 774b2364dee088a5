//! Trees as YAML text, in blocks.

use std::fmt::Write as _;

use serde_json::Value;

use crate::tree::{Kind, Node};

/// `node` as lines of YAML, each behind `indent` spaces.
pub(crate) fn block(node: &Node, indent: usize) -> String {
    let mut out = String::new();
    write(&mut out, &node.kind, indent);
    out
}

fn write(out: &mut String, kind: &Kind, indent: usize) {
    let space = " ".repeat(indent);
    match kind {
        Kind::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                let _ = write!(out, "{space}{}:", scalar(name));
                below(out, &member.kind, indent);
            }
        }
        Kind::List(items) if !items.is_empty() => {
            for item in items {
                match &item.kind {
                    Kind::Object(members) if !members.is_empty() => {
                        let block = block(item, indent + 2);
                        let _ = write!(out, "{space}- {}", block.trim_start());
                    }
                    kind => {
                        let _ = write!(out, "{space}-");
                        below(out, kind, indent);
                    }
                }
            }
        }
        flat => {
            let _ = writeln!(out, "{space}{}", inline(flat));
        }
    }
}

/// A member's or an item's value, behind its name or dash.
fn below(out: &mut String, kind: &Kind, indent: usize) {
    match kind {
        Kind::Object(members) if !members.is_empty() => {
            out.push('\n');
            write(out, kind, indent + 2);
        }
        // A list in a list has to be further in; one below a name need not.
        Kind::List(items) if !items.is_empty() => {
            let is_item = out.ends_with('-');
            out.push('\n');
            write(out, kind, indent + if is_item { 2 } else { 0 });
        }
        flat => {
            let _ = writeln!(out, " {}", inline(flat));
        }
    }
}

fn inline(kind: &Kind) -> String {
    match kind {
        Kind::Object(_) => "{}".to_owned(),
        Kind::List(_) => "[]".to_owned(),
        Kind::Scalar(Value::String(text)) => scalar(text),
        Kind::Scalar(other) => other.to_string(),
    }
}

/// As it is where no reader could take it for something else, or in quotes.
pub(crate) fn scalar(text: &str) -> String {
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_./-".contains(&b));
    let means_else = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        .contains(&text.to_ascii_lowercase().as_str());
    let url = text.strip_prefix("http").is_some_and(|rest| {
        rest.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_./-:".contains(&b))
            && !rest.ends_with(':')
    });
    if (word || url) && !means_else {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for text in [
            r#"{"z": {"b": [1, 2.5, true, null, "x"], "c": {}, "d": []}, "e": [[1, [2]], {"f": {"g": "h"}}]}"#,
            r#"{"on": "off", "y": "1", "n": "1.5", "~": "~", "x y": "a: b # c", "": ""}"#,
            r#"{"text": "one\n two\n", "tail": "a\n\n", "control": "a\u0001b\n", "quotes": "\"'\\", "t": "a\tb"}"#,
            r#"{"url": "https://mcp.example.com:8443/mcp", "odd": "http:", "star": "*", "at": "@type", "dash": "-"}"#,
            "[]",
            r#"[{"a": 1, "b": [{"c": 2}]}, []]"#,
        ] {
            let node = &tree::documents(text).expect(text)[0];
            let yaml = block(node, 0);
            let read =
                tree::documents(&yaml).unwrap_or_else(|error| panic!("{}: {yaml}", error.reason));
            assert_eq!(read[0].value(), node.value(), "{yaml}");
        }
    }
}
