//! The table for people, and the same for programs.

use std::io::{IsTerminal, stdout};

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Map, Value, json};

use crate::message::Shape;
use crate::rounds::{self, Round, Variant};
use crate::stats::{Spread, spread};

/// One body: for each round the turns of all variants.
pub(crate) struct Case {
    pub(crate) size: usize,
    pub(crate) shape: Shape,
    pub(crate) requests: usize,
    pub(crate) rounds: Vec<Vec<Round>>,
}

impl Case {
    fn values(&self, variant: Variant, value: impl Fn(&Round) -> f64) -> Vec<f64> {
        rounds::values(&self.rounds, variant, value)
    }

    /// CPU time over plain of the same round, which cancels what changes
    /// slowly on the machine.
    fn added(&self, variant: Variant) -> Vec<f64> {
        let plain = self.values(Variant::Plain, |turn| turn.cpu_us);
        let with = self.values(variant, |turn| turn.cpu_us);
        with.iter()
            .zip(&plain)
            .map(|(with, plain)| with - plain)
            .collect()
    }

    /// Our added CPU time over Envoy's filter's, per round. No ratio where
    /// that filter's disappears in the noise.
    fn ratios(&self) -> Vec<Option<f64>> {
        let native = self.added(Variant::Native);
        let ours = self.added(Variant::Ours);
        let pairs = ours.iter().zip(&native);
        pairs
            .map(|(ours, native)| (*native > 0.0).then(|| ours / native))
            .collect()
    }
}

pub(crate) fn empty_table() -> Table {
    let mut table = Table::new();
    // A file gets Markdown, at whatever width it needs.
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
                Variant::Native | Variant::Ours => median(spread(&case.added(variant))),
            };
            let ratio = if variant == Variant::Ours {
                ratio(&case.ratios())
            } else {
                String::new()
            };
            table.add_row([
                bytes(case.size),
                case.shape.name().to_owned(),
                variant.name().to_owned(),
                median(Some(cpu)),
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

/// Everything measured in this case, round by round, and its summary.
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
    let ratios = case.ratios();
    let known: Vec<f64> = ratios.iter().copied().flatten().collect();
    json!({
        "body_bytes": case.size,
        "shape": case.shape.name(),
        "requests_per_round": case.requests,
        "variants": variants,
        "ours_over_native_added_cpu": { "spread": spread(&known), "rounds": ratios },
    })
}

pub(crate) fn numbers(rounds: &[f64]) -> Value {
    json!({ "spread": spread(rounds), "rounds": rounds })
}

/// A size as people write it, for the sizes that are round.
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
    match spread {
        Some(spread) if spread.median.abs() < 100.0 => format!("{:.1}", spread.median),
        Some(spread) => format!("{:.0}", spread.median),
        None => "–".to_owned(),
    }
}

fn ratio(rounds: &[Option<f64>]) -> String {
    let known: Vec<f64> = rounds.iter().copied().flatten().collect();
    let Some(Spread { median, min, max }) = spread(&known) else {
        return "–".to_owned();
    };
    let ratio = format!("{median:.2} ({min:.2}–{max:.2})");
    if known.len() < rounds.len() {
        // The other rounds saw native cost less than plain: noise.
        return format!("{ratio}, {} of {} rounds", known.len(), rounds.len());
    }
    ratio
}
