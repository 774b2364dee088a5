//! The lints that keep panics out of the filter are on, and no code in `src` switches a lint of
//! clippy off.

use std::fs;

use crate::source::{lines_with, root};

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
    let allowed = lines_with("src", &["allow(clippy::", "expect(clippy::"]);
    assert_eq!(allowed, [""; 0], "a lint is switched off");
}
