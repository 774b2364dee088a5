//! Splits a text into words: prose, and names in camelCase, snake_case and similar forms.

/// The longest word, in bytes. Longer words are cut.
const LONGEST: usize = 32;

/// The words that a search compares: by the first byte, and the last five bits of the second byte.
/// A search skips most words, so it is fast.
pub(super) struct WordFilter([u32; 256]);

impl WordFilter {
    /// No words, until they are added.
    pub(super) const NONE: Self = Self([0; 256]);
    /// All words.
    pub(super) const ALL: Self = Self([u32::MAX; 256]);

    /// Adds the words that start with the first two bytes of `word`.
    pub(super) fn add(&mut self, word: &[u8]) {
        if let Some(bits) = self
            .0
            .get_mut(usize::from(word.first().copied().unwrap_or(0)))
        {
            *bits |= word.get(1).map_or(u32::MAX, |second| bit(*second));
        }
    }

    fn has(&self, first: u8, second: u8) -> bool {
        let bits = self.0.get(usize::from(first.to_ascii_lowercase()));
        bits.is_some_and(|bits| bits & bit(second) != 0)
    }
}

/// A capital letter and its small letter have the same last five bits.
fn bit(byte: u8) -> u32 {
    1_u32.wrapping_shl(u32::from(byte & 31))
}

/// Calls `each` with the words of `text` that `filter` contains, in lower case, each at most 32
/// bytes long. Gives the number of all words. A word ends where a capital letter follows a small
/// one or a digit (`listIssues`), and before the last of several capital letters (`HTTPServer`).
/// Digits belong to the word before them (`k8s`, `oauth2`). In scripts without spaces each
/// character is a word.
pub(super) fn each_word(text: &str, filter: &WordFilter, each: &mut dyn FnMut(&[u8])) -> u16 {
    let mut words = 0_u16;
    if text.is_ascii() {
        each_ascii_word(text.as_bytes(), &mut |word| {
            words = words.saturating_add(1);
            let mut bytes = word.iter().copied();
            let (first, second) = (bytes.next().unwrap_or(0), bytes.next());
            if filter.has(first, second.unwrap_or(first)) || second.is_none() {
                let mut buffer = [0; LONGEST];
                let mut length = 0_usize;
                for (place, byte) in buffer.iter_mut().zip(word) {
                    *place = byte.to_ascii_lowercase();
                    length = length.saturating_add(1);
                }
                each(buffer.get(..length).unwrap_or_default());
            }
        });
    } else {
        each_word_of_any_script(text, &mut |word| {
            words = words.saturating_add(1);
            each(word);
        });
    }
    words
}

/// Splits an ASCII text into words. The words keep their capital letters.
#[inline]
fn each_ascii_word(bytes: &[u8], each: &mut impl FnMut(&[u8])) {
    let mut rest = bytes;
    while let Some(start) = rest.iter().position(u8::is_ascii_alphanumeric) {
        rest = rest.get(start..).unwrap_or_default();
        let (mut end, mut after_capital) = (0_usize, true);
        for (at, byte) in rest.iter().enumerate() {
            if !byte.is_ascii_alphanumeric() {
                break;
            }
            let is_capital = byte.is_ascii_uppercase();
            if is_capital && at > 0 {
                let next = rest.get(at.saturating_add(1));
                if !after_capital || next.is_some_and(u8::is_ascii_lowercase) {
                    break;
                }
            }
            after_capital = is_capital;
            end = at.saturating_add(1);
        }
        let (word, after) = rest.split_at_checked(end).unwrap_or_default();
        each(word);
        rest = after;
    }
}

fn each_word_of_any_script(text: &str, each: &mut dyn FnMut(&[u8])) {
    let mut word = Word::default();
    let bytes = text.as_bytes();
    let mut at = 0_usize;
    while let Some(byte) = bytes.get(at).copied() {
        at = at.saturating_add(1);
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => word.push(byte, true),
            b'A'..=b'Z' => {
                let next_is_small = bytes.get(at).is_some_and(u8::is_ascii_lowercase);
                if word.after_small || (next_is_small && word.ends_with_capital) {
                    word.end(each);
                }
                word.push(byte.to_ascii_lowercase(), false);
                word.ends_with_capital = true;
            }
            0..=0x7f => word.end(each),
            _ => {
                // This is the first byte of a character with several bytes.
                let start = at.saturating_sub(1);
                let rest = text.get(start..).unwrap_or_default();
                let Some(character) = rest.chars().next() else {
                    continue;
                };
                at = start.saturating_add(character.len_utf8());
                word.push_other(character, each);
            }
        }
    }
    word.end(each);
}

/// The word that is being read.
#[derive(Default)]
struct Word {
    bytes: [u8; LONGEST],
    length: usize,
    after_small: bool,
    ends_with_capital: bool,
}

impl Word {
    fn push(&mut self, byte: u8, is_small: bool) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length = self.length.saturating_add(1);
        }
        self.after_small = is_small;
        self.ends_with_capital = false;
    }

    /// Adds a character outside ASCII.
    fn push_other(&mut self, character: char, each: &mut dyn FnMut(&[u8])) {
        let is_ideograph = matches!(character,
            '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}');
        let is_mark = matches!(character,
            '\u{80}'..='\u{bf}' | '×' | '÷' | '\u{2000}'..='\u{2bff}' | '\u{3000}'..='\u{303f}'
            | '\u{fe00}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff0f}');
        if is_ideograph || is_mark {
            self.end(each);
        }
        if is_mark {
            return;
        }
        let mut buffer = [0; 4];
        for byte in small(character).encode_utf8(&mut buffer).bytes() {
            self.push(byte, false);
        }
        if is_ideograph {
            self.end(each);
        }
    }

    fn end(&mut self, each: &mut dyn FnMut(&[u8])) {
        if let Some(word) = self.bytes.get(..self.length)
            && !word.is_empty()
        {
            each(word);
        }
        self.length = 0;
        self.after_small = false;
        self.ends_with_capital = false;
    }
}

/// The small letter of a capital letter of Western European languages, Greek and Cyrillic. The
/// tables for all other scripts would be larger than the code of the search.
fn small(character: char) -> char {
    let distance = match character {
        'À'..='Þ' | 'Α'..='Ω' | 'А'..='Я' => 32,
        'Ѐ'..='Џ' => 80,
        _ => 0,
    };
    char::from_u32(u32::from(character).saturating_add(distance)).unwrap_or(character)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn names_and_prose_are_cut_into_words() {
        for (text, expected) in [
            ("", ""),
            (" -_ ", ""),
            ("listIssues", "list issues"),
            ("github__create_pull-request", "github create pull request"),
            (
                "HTTPServer getURL XMLHttpRequest",
                "http server get url xml http request",
            ),
            (
                "k8s oauth2 S3 v2beta p95Latency",
                "k8s oauth2 s3 v2beta p95 latency",
            ),
            ("Don't, e.g. (this)!", "don t e g this"),
            ("Prüfung Ärger ÉCOLE Ωμ ЁЛКА", "prüfung ärger école ωμ ёлка"),
            ("获取天气 API", "获 取 天 气 api"),
            ("a—b “c”", "a b c"),
        ] {
            let mut words = Vec::new();
            let mut add = |word: &[u8]| words.push(String::from_utf8(word.to_vec()).unwrap());
            let count = each_word(text, &WordFilter::ALL, &mut add);
            assert_eq!(words.join(" "), expected, "{text}");
            assert_eq!(usize::from(count), words.len());
            // Both functions must find the same words.
            words.clear();
            each_word_of_any_script(text, &mut |word| {
                words.push(String::from_utf8(word.to_vec()).unwrap());
            });
            assert_eq!(words.join(" "), expected, "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn long_words_are_cut() {
        let mut lengths = Vec::new();
        each_word(&"x".repeat(1000), &WordFilter::ALL, &mut |word| {
            lengths.push(word.len())
        });
        each_word(&"ä".repeat(1000), &WordFilter::ALL, &mut |word| {
            lengths.push(word.len())
        });
        assert_eq!(lengths, [LONGEST; 2]);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_filter_passes_words_over_by_their_first_two_letters() {
        let mut filter = WordFilter::NONE;
        filter.add(b"list");
        let mut words = Vec::new();
        let count = each_word("Lists a LIne of lost items", &filter, &mut |word| {
            words.push(String::from_utf8(word.to_vec()).unwrap());
        });
        assert_eq!((count, words.join(" ").as_str()), (7, "lists a l"));
    }
}
