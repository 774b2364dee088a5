//! What the benchmark `soak` counts as growth.

use crate::soak::growth::growth;

/// The values of forty laps.
fn laps(value: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..40).map(value).collect()
}

#[track_caller]
fn assert_growth(values: &[f64], expected: f64) {
    let found = growth(values).expect("enough values");
    assert!((found - expected).abs() < 1.0, "{found}, not {expected}");
}

#[test]
fn what_is_never_freed_is_growth() {
    // The second half has five parts of four laps. Their lowest values are those of the
    // laps 20, 24, 28, 32 and 36. So the growth is that of 16 laps.
    assert_growth(&laps(|lap| lap as f64 * 100.0), 1600.0);
    let with_peaks = laps(|lap| lap as f64 * 100.0 + if lap % 4 == 2 { 50_000.0 } else { 0.0 });
    assert_growth(&with_peaks, 1600.0);
}

#[test]
fn the_warm_up_and_peaks_are_no_growth() {
    assert_growth(&laps(|_| 7.0), 0.0);
    assert_growth(&laps(|lap| lap.min(19) as f64 * 1000.0), 0.0);
    assert_growth(&laps(|lap| if lap == 38 { 1e9 } else { 7.0 }), 0.0);
}

#[test]
fn too_few_laps_say_nothing() {
    assert_eq!(growth(&[]), None);
    assert_eq!(growth(&[1.0; 8]), None);
}
