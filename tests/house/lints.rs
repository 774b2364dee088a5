//! The lints that keep panics out of the filter are on, and no code in `src` switches a lint of
//! clippy off.

use std::fs;

use crate::source::{root, sources};

#[test]
fn the_lints_that_keep_panics_out_are_on() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    for lint in [
        "unwrap_used",
        "expect_used",
        "panic",
        "unreachable",
        "indexing_slicing",
        "string_slice",
        "arithmetic_side_effects",
        "as_conversions",
    ] {
        assert!(lib.contains(&format!("clippy::{lint},")), "{lint}");
    }
}

#[test]
fn no_code_switches_a_lint_of_clippy_off() {
    for (path, text) in sources("src") {
        // An attribute may have several lines.
        let text: String = text.split_whitespace().collect();
        for attribute in ["[allow(", "[expect(", ",allow(", ",expect("] {
            for (_, rest) in text
                .match_indices(attribute)
                .map(|(at, _)| text.split_at(at))
            {
                let lints = rest.split(']').next().unwrap_or_default();
                assert!(!lints.contains("clippy::"), "{}: {lints}", path.display());
            }
        }
    }
}
