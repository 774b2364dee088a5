//! `names`: which names of tools clients and models accept, and what happens to other names.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::ConfigError;
use super::fields::{Fields, FromValue, OptionalFields, one_of};
use crate::seal;

/// The rule that the names of tools must fit, as clients see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameRule {
    /// The most characters of a name.
    max_length: usize,
    /// The allowed characters of a name.
    charset: Vec<RangeInclusive<char>>,
    /// Whether the gateway shortens names that do not fit. Otherwise it logs them.
    pub shortens: bool,
}

/// The smallest allowed `maxLength`: 7 characters of a name, and the mark.
const SHORTEST: usize = 16;
/// The length of the mark: `_` and the first digits of the digest.
const MARK: usize = 9;

impl NameRule {
    /// Whether `name` fits.
    pub fn fits(&self, name: &str) -> bool {
        name.chars().count() <= self.max_length && name.chars().all(|c| self.has(c))
    }

    /// The shortened name for the tool with the full name `name`; `None` where the full name fits,
    /// or where names are not shortened. All gateways compute the same name.
    pub fn shortened(&self, name: &str) -> Option<String> {
        if !self.shortens || self.fits(name) {
            return None;
        }
        let digest = seal::sha256(name.as_bytes());
        let mut short: String = self.kept(name).take(self.base_length()).collect();
        short.push('_');
        for byte in digest.iter().take(4) {
            for digit in [byte >> 4, byte & 15] {
                short.extend(char::from_digit(digit.into(), 16));
            }
        }
        Some(short)
    }

    /// Whether `name` has the form of a shortened name.
    pub fn may_be_short(&self, name: &str) -> bool {
        self.shortens && self.fits(name) && base(name).is_some()
    }

    /// Whether `name` can be the shortened form of a name that starts with `prefix`.
    pub fn may_have_prefix(&self, name: &str, prefix: &str) -> bool {
        let prefix: String = self.kept(prefix).take(self.base_length()).collect();
        base(name).is_some_and(|base| base.starts_with(&prefix))
    }

    fn has(&self, character: char) -> bool {
        self.charset.iter().any(|range| range.contains(&character))
    }

    /// The characters of `name` that are allowed.
    fn kept(&self, name: &str) -> impl Iterator<Item = char> {
        name.chars().filter(|c| self.has(*c))
    }

    fn base_length(&self) -> usize {
        self.max_length.saturating_sub(MARK)
    }
}

/// The part of a shortened `name` before the mark.
fn base(name: &str) -> Option<&str> {
    let (base, mark) = name.split_at_checked(name.len().checked_sub(MARK)?)?;
    let digits = mark.strip_prefix('_')?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    digits.bytes().all(is_digit).then_some(base)
}

/// Which names of tools fit clients and models, by the names that clients see (with
/// prefix), and what happens to others.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields, default)
)]
pub(super) struct NamesSpec {
    /// The largest number of characters of a name.
    #[cfg_attr(feature = "schema", schemars(range(min = 16, max = 4_294_967_295u64)))]
    max_length: usize,
    /// The characters of a name, as a class of a regular expression: characters and
    /// ranges between `[` and `]`. It must have `_`, the digits and `a` to `f`. Put `-`
    /// first or last, and `\` before a character that has a special meaning.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^\[[^^].*\]$")))]
    charset: String,
    /// What happens to names that do not fit.
    action: UnfitNameAction,
}

impl Default for NamesSpec {
    fn default() -> Self {
        Self {
            max_length: 64,
            charset: "[A-Za-z0-9_-]".to_owned(),
            action: UnfitNameAction::Warn,
        }
    }
}

/// What happens to names that do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema, serde::Serialize),
    schemars(inline),
    serde(rename_all = "SCREAMING_SNAKE_CASE")
)]
enum UnfitNameAction {
    /// They are counted in `mcp.names.unfit`, and each is logged once.
    Warn,
    /// Clients see a shorter name: characters outside `charset` are left out, the rest is
    /// cut, and `_` and the first eight hexadecimal digits of the SHA-256 of the whole
    /// name follow. It is the same after a restart and at every replica. Calls by the
    /// whole name still work.
    Shorten,
}

impl FromValue for UnfitNameAction {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        one_of(
            path,
            value,
            &[("WARN", Self::Warn), ("SHORTEN", Self::Shorten)],
        )
    }
}

impl OptionalFields for NamesSpec {
    fn read(&mut self, fields: &mut Fields<'_>) {
        fields.set("maxLength", &mut self.max_length);
        fields.set("charset", &mut self.charset);
        fields.set("action", &mut self.action);
    }
}

impl NamesSpec {
    /// Checks and compiles the rule.
    ///
    /// # Errors
    /// With this length or these characters, names cannot be shortened.
    pub(super) fn check(&self) -> Result<NameRule, ConfigError> {
        if self.max_length < SHORTEST {
            let reason = format!("must be {SHORTEST} or more");
            return Err(ConfigError::new("names.maxLength", reason));
        }
        let wrong = |reason| {
            let reason = format!("{:?} {reason}", self.charset);
            ConfigError::new("names.charset", reason)
        };
        let charset = class(&self.charset).ok_or_else(|| {
            wrong("must be characters and ranges between \"[\" and \"]\", such as [A-Za-z0-9_-]")
        })?;
        let rule = NameRule {
            max_length: self.max_length,
            charset,
            shortens: self.action == UnfitNameAction::Shorten,
        };
        if !"_0123456789abcdef".chars().all(|c| rule.has(c)) {
            return Err(wrong(
                "must have \"_\", 0 to 9 and a to f, because the end of a shortened name consists of these",
            ));
        }
        Ok(rule)
    }
}

/// The ranges of the character class `text`; `None` where it is not one.
fn class(text: &str) -> Option<Vec<RangeInclusive<char>>> {
    let mut characters = text.strip_prefix('[')?.strip_suffix(']')?.chars();
    // Each character, and whether it may have a special meaning.
    let mut read = Vec::new();
    while let Some(character) = characters.next() {
        read.push(match character {
            '\\' => (
                characters.next().filter(|c| c.is_ascii_punctuation())?,
                false,
            ),
            '[' | ']' => return None,
            other => (other, true),
        });
    }
    if read.first() == Some(&('^', true)) {
        return None;
    }
    let mut ranges = Vec::new();
    let mut rest = read.as_slice();
    while let [(first, may_be_sign), after @ ..] = rest {
        rest = match after {
            [('-', true), (last, last_may_be_sign), after @ ..] => {
                if first > last
                    || (*first == '-' && *may_be_sign)
                    || (*last == '-' && *last_may_be_sign)
                {
                    return None;
                }
                ranges.push(*first..=*last);
                after
            }
            after => {
                let is_sign = *first == '-' && *may_be_sign;
                if is_sign && !ranges.is_empty() && !after.is_empty() {
                    return None;
                }
                ranges.push(*first..=*first);
                after
            }
        };
    }
    (!ranges.is_empty()).then_some(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn rule(text: &str) -> Result<NameRule, ConfigError> {
        let value = serde_json::from_str(text).unwrap();
        NamesSpec::from_value("names", value)?.check()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn names_that_do_not_fit_get_the_same_short_name_everywhere() {
        let rule = rule(r#"{"action":"SHORTEN"}"#).unwrap();
        let long = "a".repeat(65);
        for (name, short) in [
            ("weather__get-it_2", None),
            (&"a".repeat(64), None),
            // `sha256sum` gives these digits.
            (long.as_str(), Some(format!("{}_635361c4", "a".repeat(55)))),
            ("a.b", Some("ab_2e7336dc".to_owned())),
            ("ä", Some("_33e6d73f".to_owned())),
            ("", None),
        ] {
            assert_eq!(rule.shortened(name), short, "{name}");
            let short = short.unwrap_or_default();
            assert!(short.is_empty() || rule.fits(&short) && rule.may_be_short(&short));
        }
        for name in [
            "x",
            "x_0123456",
            "x_0123456A",
            "x_0123456g",
            "x-01234567",
            "ä_01234567",
        ] {
            assert!(!rule.may_be_short(name), "{name}");
        }
        for (name, prefix, fits) in [
            ("a_b_01234567", "a_", true),
            ("a_b_01234567", "", true),
            ("ab_01234567", "a.b", true),
            ("ab_01234567", "a.bc", false),
            (
                &format!("{}_01234567", "x".repeat(55)),
                &"x".repeat(60),
                true,
            ),
            ("x_01234567", &"x".repeat(60), false),
        ] {
            assert_eq!(rule.may_have_prefix(name, prefix), fits, "{name} {prefix}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn names_are_not_shortened_where_they_are_logged_only() {
        let rule = rule("{}").unwrap();
        assert!(!rule.fits(&"a".repeat(65)) && !rule.fits("a.b") && rule.fits("a-b"));
        assert_eq!(rule.shortened("a.b"), None);
        assert!(!rule.may_be_short("ab_01234567"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_class_has_characters_and_ranges() {
        for (text, has, lacks) in [
            ("[a-f0-9_]", "af09_", "g-^"),
            ("[-a-f0-9_]", "af09_-", "g"),
            ("[a-f0-9_-]", "af09_-", "g"),
            (r"[a-f0-9_\]\\.^]", r"af09_]\.^", "[-"),
            (r"[a-f0-9_\--/]", "_-./", ","),
            ("[a-zä-ü0-9_]", "zäöü", "ÿ"),
        ] {
            let text = format!(r#"{{"charset":{}}}"#, serde_json::to_string(text).unwrap());
            let rule = rule(&text).expect(&text);
            assert!(has.chars().all(|c| rule.has(c)), "{text}");
            assert!(!lacks.chars().any(|c| rule.has(c)), "{text}");
        }
        for text in [
            "",
            "[]",
            "a-f0-9_",
            "[^a]",
            "[z-a]",
            "[a-f0-9_",
            "[a-f[0-9_]",
            "[a-f-z0-9_]",
            r"[a-f0-9_\]",
            r"[\w]",
            "[a-f-]x",
            "[a--f]",
            "[0-9a-f]",
            "[_a-f]",
            "[_0-9]",
        ] {
            let text = format!(r#"{{"charset":{}}}"#, serde_json::to_string(text).unwrap());
            let error = rule(&text).expect_err(&text).to_string();
            assert!(error.starts_with("names.charset: "), "{error}");
        }
    }
}
