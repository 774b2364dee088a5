//! What must be so at the end of a soak.

use super::growth::growth;
use super::samples::Sample;
use crate::Result;

/// Envoy's memory may grow by this much in the second half. Without a leak it grows by less than
/// 1 MB there: the allocator and the linear memories still get somewhat larger whenever more happens
/// at a time than before. This tolerance finds a leak of 250 bytes for each request in a soak of
/// 20,000 requests, and of 5 bytes in one of a million.
pub(super) const MEMORY_TOLERANCE: f64 = 2e6;

/// What the workers hold may differ by this much between two idle moments. For each worker, the
/// gauge is exact to 64 KiB, and the worker keeps the faulty server's last description of itself,
/// which has up to 64 KiB.
pub(super) const HELD_TOLERANCE: f64 = 524_288.0;

/// What was found, for the table and the JSON.
pub(super) struct Verdict {
    pub(super) memory_growth: f64,
    pub(super) held_growth: f64,
    /// What is wrong, in sentences. Empty if all is well.
    pub(super) faults: Vec<String>,
}

/// Judges the samples of all laps, and Envoy's log.
pub(super) fn judge(samples: &[Sample], log: &str) -> Result<Verdict> {
    let values = |value: fn(&Sample) -> u64| {
        let values: Vec<f64> = samples.iter().map(|sample| value(sample) as f64).collect();
        growth(&values).ok_or("too few laps")
    };
    let memory_growth = values(|sample| sample.memory.all)?;
    let held_growth = values(|sample| sample.held)?;
    let warm = samples.get(samples.len() / 2).ok_or("too few laps")?;
    let last = samples.last().ok_or("too few laps")?;

    let mut faults = Vec::new();
    if memory_growth > MEMORY_TOLERANCE {
        faults.push(format!(
            "Envoy's memory grew by {:.1} MB in the second half",
            memory_growth / 1e6
        ));
    }
    if held_growth > HELD_TOLERANCE {
        faults.push(format!(
            "the held bytes grew by {held_growth:.0} in the second half"
        ));
    }
    if last.held as f64 > warm.held as f64 + HELD_TOLERANCE {
        faults.push(format!(
            "{} bytes are held at the end, and {} were held after the warm-up",
            last.held, warm.held
        ));
    }
    if last.vms != warm.vms {
        faults.push(format!(
            "there are {} VMs at the end, and there were {} after the warm-up",
            last.vms, warm.vms
        ));
    }
    if last.lost > 0 {
        faults.push(format!("{} honest requests were lost", last.lost));
    }
    let errors: Vec<&str> = log.lines().filter(|line| is_error(line)).collect();
    if let Some(first) = errors.first() {
        let count = errors.len();
        faults.push(format!("Envoy's log has {count} errors, first: {first}"));
    }
    Ok(Verdict {
        memory_growth,
        held_growth,
        faults,
    })
}

/// Envoy logs a panic as `critical`. It logs a VM that failed and a host call that it refused as
/// `error`.
fn is_error(line: &str) -> bool {
    let level = line.split("][").nth(2);
    matches!(level, Some("error" | "critical")) || line.contains("panicked at")
}
