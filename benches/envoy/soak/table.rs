//! The samples as a table and as JSON.

use comfy_table::{CellAlignment, Table};
use serde_json::{Value, json};

use super::samples::Sample;
use super::verdict::{HELD_TOLERANCE, MEMORY_TOLERANCE, Verdict};
use crate::report::empty_table;

/// The table has one row for this many laps.
const LAPS_PER_ROW: usize = 4;

pub(super) fn table(samples: &[Sample]) -> Table {
    let mut table = empty_table();
    table.set_header([
        "requests",
        "memory MB",
        "of it linear MB",
        "VMs",
        "held KiB",
        "honest",
        "lost",
    ]);
    for sample in samples.iter().step_by(LAPS_PER_ROW) {
        table.add_row([
            sample.requests.to_string(),
            megabytes(sample.memory.all),
            megabytes(sample.memory.all_linear()),
            sample.vms.to_string(),
            (sample.held / 1024).to_string(),
            sample.honest.to_string(),
            sample.lost.to_string(),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

pub(super) fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

pub(super) fn json(samples: &[Sample], verdict: &Verdict) -> Value {
    json!({
        "samples": samples.iter().map(Sample::json).collect::<Vec<_>>(),
        "memory_growth_bytes": verdict.memory_growth,
        "memory_growth_tolerance_bytes": MEMORY_TOLERANCE,
        "held_growth_bytes": verdict.held_growth,
        "held_growth_tolerance_bytes": HELD_TOLERANCE,
        "faults": verdict.faults,
    })
}
