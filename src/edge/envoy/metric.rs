//! Envoy's metrics.

use super::host::{HostCallError, ok};
use crate::metrics::MetricKind;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, metric: *mut u32) -> u32;
    fn proxy_increment_metric(metric: u32, offset: i64) -> u32;
    fn proxy_record_metric(metric: u32, value: u64) -> u32;
}

/// Defines a metric; returns its number.
pub(super) fn define(kind: MetricKind, name: &str) -> Result<u32, HostCallError> {
    let kind = match kind {
        MetricKind::Counter => 0,
        MetricKind::Gauge => 1,
        MetricKind::Histogram => 2,
    };
    let mut metric = 0;
    // SAFETY: the pointer is valid for its size, the result for writes.
    ok(unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut metric) })?;
    Ok(metric)
}

/// Adds `by` to a counter. Does nothing for 0, which the host does not take.
pub(super) fn increment(metric: u32, by: u64) -> Result<(), HostCallError> {
    match i64::try_from(by) {
        Ok(by) if by > 0 => {
            // SAFETY: no pointers.
            ok(unsafe { proxy_increment_metric(metric, by) })
        }
        _ => Ok(()),
    }
}

/// Adds `by`, which may be negative, to a gauge. All workers add to the same one.
pub(super) fn adjust(metric: u32, by: i64) -> Result<(), HostCallError> {
    // SAFETY: no pointers.
    ok(unsafe { proxy_increment_metric(metric, by) })
}

/// Records a value in a histogram.
pub(super) fn record(metric: u32, value: u64) -> Result<(), HostCallError> {
    // SAFETY: no pointers.
    ok(unsafe { proxy_record_metric(metric, value) })
}
