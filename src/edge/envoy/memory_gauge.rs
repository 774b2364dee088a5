//! The gauge of the memory that is held in this VM.

use super::metric;
use crate::config::Config;
use crate::memory;
use crate::metrics::{Metric, MetricKind};

/// The gauge, by the host's number of it. It shows what all workers hold together.
pub(super) struct MemoryGauge(u32);

impl MemoryGauge {
    /// The gauge of `config`. `metrics` are the host's numbers of its metrics.
    pub(super) fn new(config: &Config, metrics: &[(MetricKind, u32)]) -> Self {
        let Metric(at) = config.metrics.held_bytes;
        Self(metrics.get(at).map_or(0, |(_, number)| *number))
    }

    /// Updates the gauge, unless it shows about the right value already.
    pub(super) fn update(&self) {
        self.change(false);
    }

    /// Shows exactly what is held now.
    pub(super) fn update_exactly(&self) {
        self.change(true);
    }

    fn change(&self, exactly: bool) {
        if let Some(by) = memory::change(exactly) {
            // A request goes on even if the gauge does not.
            let _ = metric::adjust(self.0, by);
        }
    }
}

/// The values that hold memory are dropped before the gauge, so the gauge has no rest of them.
impl Drop for MemoryGauge {
    fn drop(&mut self) {
        self.update_exactly();
    }
}
