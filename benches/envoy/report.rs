//! The results as a table and as JSON.

use std::io::{IsTerminal, stdout};

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Map, Value, json};

use crate::args::Options;
use crate::client::Message;
use crate::message::Shape;
use crate::policy;
use crate::rounds::{self, Round, Variant};
use crate::stats::{Spread, spread, standard_error};

/// One body, and the turns of all variants in each round.
pub(crate) struct Case {
    pub(crate) size: usize,
    pub(crate) shape: Shape,
    pub(crate) requests: usize,
    pub(crate) rounds: Vec<Vec<Round>>,
}

impl Case {
    /// A case without any measurement.
    pub(crate) fn new(options: &Options, (size, shape, _): &(usize, Shape, Message)) -> Self {
        Self {
            size: *size,
            shape: *shape,
            requests: options
                .requests
                .unwrap_or_else(|| policy::requests_for(*size)),
            rounds: Vec::new(),
        }
    }

    fn values(&self, variant: Variant, value: impl Fn(&Round) -> f64) -> Vec<f64> {
        rounds::values(&self.rounds, variant, value)
    }

    /// The CPU time minus that of the plain variant in the same round. So slow changes of the
    /// machine's speed have no effect.
    fn added(&self, variant: Variant) -> Vec<f64> {
        let plain = self.values(Variant::Plain, |turn| turn.cpu_us);
        let with = self.values(variant, |turn| turn.cpu_us);
        with.iter()
            .zip(&plain)
            .map(|(with, plain)| with - plain)
            .collect()
    }

    /// The added CPU time of `variant`, divided by that of Envoy's own filter that does the same;
    /// `None` for a variant that is not our filter.
    fn ratio(&self, variant: Variant) -> Option<Ratio> {
        let (ours, native) = (self.added(variant), self.added(variant.native()?));
        let pairs = ours.iter().zip(&native);
        // There is no ratio if the cost of Envoy's filter is smaller than the noise.
        let rounds: Vec<f64> = pairs
            .filter(|(_, native)| **native > 0.0)
            .map(|(ours, native)| ours / native)
            .collect();
        Some(Ratio {
            value: spread(&ours)?.lower_quartile / spread(&native)?.lower_quartile,
            standard_error: standard_error(&rounds),
            rounds,
        })
    }
}

struct Ratio {
    /// The ratio of the lower quartiles.
    value: f64,
    /// The standard error of the ratios of the rounds.
    standard_error: Option<f64>,
    rounds: Vec<f64>,
}

pub(crate) fn empty_table() -> Table {
    let mut table = Table::new();
    // In a file, the table is in Markdown, with the width that it needs.
    table.load_style(if stdout().is_terminal() {
        presets::UTF8_FULL_CONDENSED
    } else {
        presets::ASCII_MARKDOWN
    });
    table
}

pub(crate) fn table(cases: &[Case]) -> Table {
    let mut table = empty_table();
    let header = [
        "body",
        "shape",
        "variant",
        "CPU µs",
        "added µs",
        "ours/native",
        "p50 µs",
        "p99 µs",
    ];
    table.set_header(header);
    for case in cases {
        for variant in Variant::ALL {
            let Some(cpu) = spread(&case.values(variant, |turn| turn.cpu_us)) else {
                continue;
            };
            let added = match variant {
                Variant::Plain => String::new(),
                _ => lower_quartile(spread(&case.added(variant))),
            };
            let ratio = case.ratio(variant).as_ref().map(shown).unwrap_or_default();
            table.add_row([
                bytes(case.size),
                case.shape.name().to_owned(),
                variant.name().to_owned(),
                lower_quartile(Some(cpu)),
                added,
                ratio,
                median(spread(&case.values(variant, |turn| turn.p50_us as f64))),
                median(spread(&case.values(variant, |turn| turn.p99_us as f64))),
            ]);
        }
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        if index == 0 || index > 2 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// All measurements of this case, round by round, and a summary.
pub(crate) fn json(case: &Case) -> Value {
    let mut variants = Map::new();
    for variant in Variant::ALL {
        let cpu = case.values(variant, |turn| turn.cpu_us);
        if cpu.is_empty() {
            continue;
        }
        let p50 = case.values(variant, |turn| turn.p50_us as f64);
        let p99 = case.values(variant, |turn| turn.p99_us as f64);
        let mut result = json!({
            "cpu_us": numbers(&cpu),
            "p50_us": numbers(&p50),
            "p99_us": numbers(&p99),
        });
        if variant != Variant::Plain {
            result["added_cpu_us"] = numbers(&case.added(variant));
        }
        variants.insert(variant.name().to_owned(), result);
    }
    let mut ratios = Map::new();
    for variant in Variant::ALL {
        if let Some(ratio) = case.ratio(variant) {
            let summary = json!({
                "of_lower_quartiles": ratio.value,
                "standard_error": ratio.standard_error,
                "rounds": ratio.rounds,
            });
            ratios.insert(variant.name().to_owned(), summary);
        }
    }
    json!({
        "body_bytes": case.size,
        "shape": case.shape.name(),
        "requests_per_round": case.requests,
        "variants": variants,
        "added_cpu_over_native": ratios,
    })
}

pub(crate) fn numbers(rounds: &[f64]) -> Value {
    json!({ "spread": spread(rounds), "rounds": rounds })
}

/// A size with its unit, if it is a round number.
pub(crate) fn bytes(size: usize) -> String {
    const KIB: usize = 1024;
    const MIB: usize = KIB * KIB;
    if size >= MIB && size.is_multiple_of(MIB) {
        format!("{} MiB", size / MIB)
    } else if size >= KIB && size.is_multiple_of(KIB) {
        format!("{} KiB", size / KIB)
    } else {
        format!("{size} B")
    }
}

pub(crate) fn median(spread: Option<Spread>) -> String {
    number(spread.map(|spread| spread.median))
}

pub(crate) fn lower_quartile(spread: Option<Spread>) -> String {
    number(spread.map(|spread| spread.lower_quartile))
}

fn number(value: Option<f64>) -> String {
    match value {
        Some(value) if value.abs() < 100.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.0}"),
        None => "–".to_owned(),
    }
}

fn shown(ratio: &Ratio) -> String {
    match ratio.standard_error {
        Some(error) => format!("{:.2} ± {error:.2}", ratio.value),
        None => format!("{:.2}", ratio.value),
    }
}
