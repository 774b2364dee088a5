//! The limit for the size of the filter, which every worker of every Envoy loads.

use crate::host::filter_path;

#[test]
fn the_filter_is_under_its_limit() {
    let size = std::fs::metadata(filter_path()).expect("the filter").len();
    assert!(size < 1_130_000, "{size} bytes");
}
