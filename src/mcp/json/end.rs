//! Finds the end of a JSON object or array that arrives in parts.

/// Searches for the bracket that closes the first object or array of a text. It counts brackets
/// outside of strings and checks nothing else, since the reader of the JSON checks the rest.
#[derive(Debug, Default)]
pub struct EndFinder {
    /// The number of open brackets.
    depth: usize,
    in_string: bool,
    /// The last byte was a backslash in a string.
    is_escaped: bool,
    has_ended: bool,
}

impl EndFinder {
    /// Takes the next part of the text. Gives `true` if the object or array has ended.
    pub fn push(&mut self, part: &[u8]) -> bool {
        for byte in part {
            if self.has_ended {
                break;
            }
            self.take(*byte);
        }
        self.has_ended
    }

    fn take(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => {
                self.has_ended = self.depth == 1;
                self.depth = self.depth.saturating_sub(1);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    /// The number of bytes of `text` after which the finder finds the end, if it gets one byte at a
    /// time.
    fn end(text: &str) -> Option<usize> {
        let mut finder = EndFinder::default();
        let mut bytes = text.as_bytes().chunks(1).zip(1..);
        bytes.find_map(|(byte, at)| finder.push(byte).then_some(at))
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_end_is_the_bracket_that_closes_the_first_one() {
        for (text, expected) in [
            ("{}", Some(2)),
            (" [] ", Some(3)),
            (r#"{"a":[{}],"b":"}"}{"#, Some(18)),
            (r#"["\"]","\\"]x"#, Some(12)),
            (r#"{"a":"#, None),
            (r#"{"a":"}"#, None),
            ("}{}", Some(3)),
            ("17", None),
            ("\"{}\"", None),
            ("", None),
        ] {
            assert_eq!(end(text), expected, "{text}");
            let whole = EndFinder::default().push(text.as_bytes());
            assert_eq!(whole, expected.is_some(), "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_has_ended_stays_so() {
        let mut finder = EndFinder::default();
        assert!(finder.push(b"{}"));
        assert!(finder.push(b""));
        assert!(finder.push(b"{"));
    }
}
