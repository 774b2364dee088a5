//! Protocol versions: dates, in two eras.

/// The modern versions spoken here, the preferred one first.
pub const MODERN: &[&str] = &["2026-07-28"];

/// The legacy versions spoken here, the preferred one first.
pub const LEGACY: &[&str] = &["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// The modern version that the gateway speaks where it has the choice.
pub const NEWEST_MODERN: &str = "2026-07-28";

/// The legacy version that the gateway speaks where it has the choice.
pub const NEWEST_LEGACY: &str = "2025-11-25";

/// The legacy version that `text` names, where it is spoken here.
pub fn legacy(text: &str) -> Option<&'static str> {
    LEGACY.iter().find(|version| **version == text).copied()
}

/// Whether `version` belongs to the modern era: stateless, `_meta` on every
/// request. A date after the last version with sessions; so a client of a
/// version to come gets the answer of the modern era, not of the legacy one.
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
    fn legacy_versions_are_known_by_name() {
        for version in LEGACY {
            assert_eq!(legacy(version), Some(*version));
            assert!(!is_modern(version), "{version}");
        }
        for other in ["2026-07-28", "2025-11-26", "2025-11-25 ", "", "1.0"] {
            assert_eq!(legacy(other), None, "{other}");
        }
    }
}
