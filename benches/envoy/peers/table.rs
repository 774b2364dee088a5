//! The results as tables and as JSON.

use std::time::Duration;

use comfy_table::{CellAlignment, Table};
use serde_json::{Value, json};

use super::era_name;
use super::variants::Variant;
use crate::gateway::cases::{Ask, Era};
use crate::report::{empty_table, lower_quartile, median, numbers};
use crate::rounds::Total;
use crate::stats::{spread, standard_error};

/// The figures of one gateway and one era, round by round.
pub(super) struct Measured {
    pub(super) variant: Variant,
    era: Era,
    version: String,
    list: Figures,
    call: Figures,
    start_ms: Vec<f64>,
    megabytes: Vec<f64>,
}

#[derive(Default)]
struct Figures {
    cpu_us: Vec<f64>,
    p50_us: Vec<f64>,
}

impl Measured {
    pub(super) fn new(variant: Variant, era: Era, version: String) -> Self {
        Self {
            variant,
            era,
            version,
            list: Figures::default(),
            call: Figures::default(),
            start_ms: Vec::new(),
            megabytes: Vec::new(),
        }
    }

    /// Adds a round.
    pub(super) fn add(&mut self, ask: Ask, (cpu, latencies): &Total) {
        let figures = match ask {
            Ask::List => &mut self.list,
            Ask::Call => &mut self.call,
        };
        let requests = latencies.len() as f64;
        figures.cpu_us.push(cpu.as_secs_f64() * 1e6 / requests);
        figures.p50_us.push(latencies.value_at_quantile(0.5) as f64);
    }

    pub(super) fn add_process(&mut self, started_in: Duration, memory: u64) {
        self.start_ms.push(started_in.as_secs_f64() * 1e3);
        self.megabytes.push(memory as f64 / 1e6);
    }

    pub(super) fn is_measured(&self) -> bool {
        !self.start_ms.is_empty()
    }
}

pub(super) fn table(all: &[Measured]) -> Table {
    let mut table = empty_table();
    table.set_header([
        "era",
        "gateway",
        "version",
        "list µs",
        "list p50 µs",
        "call µs",
        "call p50 µs",
        "start ms",
        "memory MB",
    ]);
    for measured in all {
        table.add_row([
            era_name(measured.era).to_owned(),
            measured.variant.name(),
            measured.version.clone(),
            lower_quartile(spread(&measured.list.cpu_us)),
            median(spread(&measured.list.p50_us)),
            lower_quartile(spread(&measured.call.cpu_us)),
            median(spread(&measured.call.p50_us)),
            median(spread(&measured.start_ms)),
            median(spread(&measured.megabytes)),
        ]);
    }
    numbers_to_the_right(&mut table, 3..9);
    table
}

/// What each part of the rendered configuration costs: the difference to the one without it in the
/// same round, so that slow changes of the machine's speed have no effect.
pub(super) fn parts(all: &[Measured]) -> Table {
    let mut table = empty_table();
    table.set_header(["era", "part", "of a kept list, µs", "of a call, µs"]);
    for without in all {
        let Variant::Rendered {
            without: Some(part),
            ..
        } = without.variant
        else {
            continue;
        };
        let whole = all
            .iter()
            .find(|measured| measured.variant == Variant::RENDERED && measured.era == without.era);
        let Some(whole) = whole else { continue };
        table.add_row([
            era_name(without.era).to_owned(),
            part.name().to_owned(),
            difference(&whole.list, &without.list),
            difference(&whole.call, &without.call),
        ]);
    }
    numbers_to_the_right(&mut table, 2..4);
    table
}

/// The median of the differences, with the standard error of their mean.
fn difference(whole: &Figures, without: &Figures) -> String {
    let pairs = whole.cpu_us.iter().zip(&without.cpu_us);
    let differences: Vec<f64> = pairs.map(|(whole, without)| whole - without).collect();
    let median = median(spread(&differences));
    match standard_error(&differences) {
        Some(error) => format!("{median} ± {error:.1}"),
        None => median,
    }
}

fn numbers_to_the_right(table: &mut Table, columns: std::ops::Range<usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

pub(super) fn json(measured: &Measured) -> Value {
    let figures = |figures: &Figures| json!({ "cpu_us": numbers(&figures.cpu_us), "p50_us": numbers(&figures.p50_us) });
    json!({
        "gateway": measured.variant.name(),
        "version": measured.version,
        "era": era_name(measured.era),
        "list": figures(&measured.list),
        "call": figures(&measured.call),
        "start_ms": numbers(&measured.start_ms),
        "megabytes": numbers(&measured.megabytes),
    })
}
