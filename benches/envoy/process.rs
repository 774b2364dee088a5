//! The time that Envoy needs before its first request, and the memory that it keeps.

use std::fs;
use std::time::Duration;

use comfy_table::{CellAlignment, Table};
use serde_json::{Value, json};

use crate::Result;
use crate::report::{empty_table, median};
use crate::rounds::{Target, Variant};
use crate::stats::spread;

/// One process, after its load.
pub(crate) struct Process {
    variant: Variant,
    started_in: Duration,
    /// In bytes.
    memory: u64,
}

impl Process {
    pub(crate) fn of(target: &Target) -> Result<Self> {
        Ok(Self {
            variant: target.variant(),
            started_in: target.envoy().started_in(),
            memory: memory(target.envoy().pid())?,
        })
    }

    fn start_ms(&self) -> f64 {
        self.started_in.as_secs_f64() * 1e3
    }

    fn megabytes(&self) -> f64 {
        self.memory as f64 / 1e6
    }
}

/// The memory of a process that is in RAM, in bytes.
pub(crate) fn memory(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kilobytes.ok_or("no VmRSS in /proc/PID/status")? * 1024)
}

pub(crate) fn table(processes: &[Process]) -> Table {
    let mut table = empty_table();
    table.set_header(["variant", "start ms", "memory MB"]);
    for variant in Variant::ALL {
        let of_variant = || processes.iter().filter(move |it| it.variant == variant);
        let start: Vec<f64> = of_variant().map(Process::start_ms).collect();
        let memory: Vec<f64> = of_variant().map(Process::megabytes).collect();
        if !start.is_empty() {
            let row = [median(spread(&start)), median(spread(&memory))];
            table.add_row([variant.name().to_owned()].into_iter().chain(row));
        }
    }
    for index in [1, 2] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

pub(crate) fn json(process: &Process) -> Value {
    json!({
        "variant": process.variant.name(),
        "start_ms": process.start_ms(),
        "memory_bytes": process.memory,
    })
}
