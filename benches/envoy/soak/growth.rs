//! Whether a value grows from lap to lap.
//!
//! A single value says little: an allocator keeps what it has got for a while, and what is held
//! depends on the last answers of servers. But something that is never freed also raises the lowest
//! values. So the second half of the laps is divided into parts, and a straight line is fitted to
//! the lowest value of each part. The first half is the warm-up.

const PARTS: usize = 5;

/// How much the line rises from the first part to the last. `None` with too few values.
pub(crate) fn growth(values: &[f64]) -> Option<f64> {
    let judged = &values[values.len() / 2..];
    let size = judged.len() / PARTS;
    if size == 0 {
        return None;
    }
    // The oldest values belong to no part if the number of values does not fit.
    let lowest: Vec<f64> = judged[judged.len() - size * PARTS..]
        .chunks(size)
        .map(|part| part.iter().copied().fold(f64::INFINITY, f64::min))
        .collect();
    Some(slope(&lowest) * (PARTS - 1) as f64)
}

/// The slope of the straight line with the least squares.
fn slope(values: &[f64]) -> f64 {
    let middle = (values.len() - 1) as f64 / 2.0;
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let (mut products, mut squares) = (0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let distance = at as f64 - middle;
        products += distance * (value - mean);
        squares += distance * distance;
    }
    products / squares
}
