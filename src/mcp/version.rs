//! Protocol versions: dates, in two eras. Legacy versions have sessions, modern ones
//! have none.

use std::borrow::Cow;

use super::json;

/// The newest modern version that the gateway supports.
pub const NEWEST_MODERN: &str = "2026-07-28";

/// The modern versions that the gateway supports, the newest first.
pub const MODERN: &[&str] = &[NEWEST_MODERN];

/// The newest legacy version that the gateway supports.
pub const NEWEST_LEGACY: &str = "2025-11-25";

/// The legacy versions that the gateway supports, the newest first.
pub const LEGACY: &[&str] = &[NEWEST_LEGACY, "2025-06-18", "2025-03-26", "2024-11-05"];

/// The code of each legacy version in a sealed session. The version of a code never changes, since
/// clients keep sealed sessions while a gateway is updated. A new version gets a new code, and the
/// code of a removed version is not used again.
pub const LEGACY_CODES: &[(u8, &str)] = &[
    (0, "2025-11-25"),
    (1, "2025-06-18"),
    (2, "2025-03-26"),
    (3, "2024-11-05"),
];

/// The legacy version with the name `text`; `None` where the gateway does not support it.
pub fn legacy(text: &str) -> Option<&'static str> {
    LEGACY.iter().find(|version| **version == text).copied()
}

/// The version to use with a peer: `preferred` if both sides support it, or else the newest that
/// both support. `spoken` are the versions of this side, the newest first; `supported` are those of
/// the peer, in any order. `None` where they have none in common.
pub fn negotiate(
    spoken: &[&'static str],
    supported: &[impl AsRef<str>],
    preferred: Option<&str>,
) -> Option<&'static str> {
    let common = common(spoken, supported);
    let is_preferred = |version: &&&str| Some(**version) == preferred;
    let found = common.iter().find(is_preferred).or_else(|| common.first());
    found.copied()
}

/// The versions of `spoken` that `supported` has, too, in the order of `spoken`.
pub fn common(spoken: &[&'static str], supported: &[impl AsRef<str>]) -> Vec<&'static str> {
    let is_common = |version: &&str| supported.iter().any(|known| known.as_ref() == *version);
    spoken.iter().copied().filter(is_common).collect()
}

/// The versions in a JSON array of strings; none where `text` is not an array.
pub fn list(text: &str) -> Vec<Cow<'_, str>> {
    let mut versions = Vec::new();
    match json::elements(text, |version| versions.extend(json::string(version))) {
        Ok(()) => versions,
        Err(_) => Vec::new(),
    }
}

/// Whether `version` belongs to the modern era: no sessions, and `_meta` in every request. All
/// dates from the first modern version on are modern, so the gateway treats a client with a future
/// version as a modern client.
#[inline(never)]
pub fn is_modern(version: &str) -> bool {
    is_date(version) && version >= "2026-07-28"
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn eras_are_told_by_date() {
        for modern in ["2026-07-28", "2026-12-01", "2031-01-01"] {
            assert!(is_modern(modern), "{modern}");
        }
        for legacy in [
            "2025-11-25",
            "2025-03-26",
            "2024-11-05",
            "",
            "draft",
            "2026-07-28x",
            "2026/07/28",
        ] {
            assert!(!is_modern(legacy), "{legacy}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_newest_versions_come_first() {
        for versions in [MODERN, LEGACY] {
            assert!(versions.is_sorted_by(|newer, older| newer > older));
        }
        assert!(MODERN.iter().all(|version| is_modern(version)));
        assert!(MODERN.starts_with(&[NEWEST_MODERN]) && LEGACY.starts_with(&[NEWEST_LEGACY]));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn legacy_versions_are_known_by_name() {
        for version in LEGACY {
            assert_eq!(legacy(version), Some(*version));
            assert!(!is_modern(version), "{version}");
        }
        for other in ["2026-07-28", "2025-11-26", "2025-11-25 ", "", "1.0"] {
            assert_eq!(legacy(other), None, "{other}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_preferred_version_is_used_or_else_the_newest_in_common() {
        let spoken = &["2027-06-01", "2027-01-01", "2026-07-28"];
        for (supported, preferred, expected) in [
            (&["2026-07-28", "2027-01-01"][..], None, Some("2027-01-01")),
            (
                &["2026-07-28", "2027-01-01"],
                Some("2026-07-28"),
                Some("2026-07-28"),
            ),
            (&["2026-07-28"], Some("2027-01-01"), Some("2026-07-28")),
            (
                &["2028-01-01", "2027-06-01"],
                Some("2028-01-01"),
                Some("2027-06-01"),
            ),
            (&["2028-01-01"], Some("2028-01-01"), None),
            (&[], None, None),
        ] {
            let version = negotiate(spoken, supported, preferred);
            assert_eq!(version, expected, "{supported:?} {preferred:?}");
        }
    }
}
