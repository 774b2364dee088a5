//! The results as a table and as JSON.

use comfy_table::{CellAlignment, Table};
use serde_json::{Map, Value, json};

use super::cases::{Case, Goal, Measure};
use crate::report::{empty_table, median, numbers};
use crate::rounds::{self, Round, Variant};
use crate::stats::spread;

/// A case, and the turns of all variants in each round.
pub(super) struct Measured<'a> {
    pub(super) case: &'a Case,
    /// The bytes of our filter's answer.
    pub(super) answer_bytes: usize,
    pub(super) requests: usize,
    pub(super) rounds: Vec<Vec<Round>>,
}

impl Measured<'_> {
    fn values(&self, variant: Variant, measure: Measure) -> Vec<f64> {
        rounds::values(&self.rounds, variant, |turn| match measure {
            Measure::Cpu => turn.cpu_us,
            Measure::P50 => turn.p50_us as f64,
        })
    }

    /// The CPU time divided by that of a plain route to one server in the same round.
    fn added(&self, variant: Variant) -> Vec<f64> {
        let with = self.values(variant, Measure::Cpu);
        let plain = self.values(Variant::Plain, Measure::Cpu);
        with.iter()
            .zip(&plain)
            .map(|(with, plain)| with - plain)
            .collect()
    }

    /// Our filter's value divided by that of the other variant in the same round. So slow changes
    /// of the machine's speed have no effect.
    fn ratios(&self, over: Variant, measure: Measure) -> Vec<f64> {
        let ours = self.values(Variant::Ours, measure);
        let other = self.values(over, measure);
        ours.iter()
            .zip(&other)
            .map(|(ours, other)| ours / other)
            .collect()
    }

    fn goal(&self, over: Variant, measure: Measure) -> Option<Goal> {
        let mut goals = self.case.goals.iter().copied();
        goals.find(|goal| goal.over == over && goal.measure == measure)
    }

    /// A text such as "0.31, goal 0.25: missed".
    fn ratio(&self, over: Variant, measure: Measure) -> String {
        let Some(ratio) = spread(&self.ratios(over, measure)) else {
            return "–".to_owned();
        };
        let shown = format!("{:.2}", ratio.median);
        match self.goal(over, measure) {
            Some(Goal { at_most, .. }) => {
                let verdict = if ratio.median <= at_most {
                    "met"
                } else {
                    "missed"
                };
                format!("{shown}, goal {at_most}: {verdict}")
            }
            None => shown,
        }
    }
}

pub(super) fn table(all: &[Measured<'_>]) -> Table {
    let mut table = empty_table();
    table.set_header([
        "case",
        "servers",
        "answer",
        "variant",
        "CPU µs",
        "CPU µs per server",
        "CPU µs over plain",
        "p50 µs",
        "p99 µs",
        "ours/this: CPU",
        "ours/this: p50",
    ]);
    for measured in all {
        for variant in Variant::THREE {
            let cpu = spread(&measured.values(variant, Measure::Cpu));
            let Some(cpu) = cpu else { continue };
            let p99 = rounds::values(&measured.rounds, variant, |turn| turn.p99_us as f64);
            let servers = measured.case.servers;
            let added = (variant != Variant::Plain).then(|| spread(&measured.added(variant)));
            let (per_server, ratios) = match variant {
                Variant::Plain => (String::new(), true),
                Variant::Native | Variant::NativeBoth => (each(cpu.median, servers), true),
                Variant::Ours | Variant::OursBoth => (each(cpu.median, servers), false),
            };
            let ratio = |measure| {
                let shown = ratios.then(|| measured.ratio(variant, measure));
                shown.unwrap_or_default()
            };
            table.add_row([
                measured.case.name.to_owned(),
                servers.to_string(),
                format!("{:.1} KB", measured.answer_bytes as f64 / 1000.0),
                variant.name().to_owned(),
                median(Some(cpu)),
                per_server,
                added.map(median).unwrap_or_default(),
                median(spread(&measured.values(variant, Measure::P50))),
                median(spread(&p99)),
                ratio(Measure::Cpu),
                ratio(Measure::P50),
            ]);
        }
    }
    for index in [1, 2, 4, 5, 6, 7, 8] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn each(total: f64, servers: usize) -> String {
    format!("{:.0}", total / servers as f64)
}

/// All measurements of this case, round by round, and a summary.
pub(super) fn json(measured: &Measured<'_>) -> Value {
    let mut variants = Map::new();
    for variant in Variant::THREE {
        let cpu = measured.values(variant, Measure::Cpu);
        if cpu.is_empty() {
            continue;
        }
        let p99 = rounds::values(&measured.rounds, variant, |turn| turn.p99_us as f64);
        let result = json!({
            "cpu_us": numbers(&cpu),
            "p50_us": numbers(&measured.values(variant, Measure::P50)),
            "p99_us": numbers(&p99),
        });
        variants.insert(variant.name().to_owned(), result);
    }
    let mut ratios = Map::new();
    for over in [Variant::Plain, Variant::Native] {
        for measure in [Measure::Cpu, Measure::P50] {
            let rounds = measured.ratios(over, measure);
            if rounds.is_empty() {
                continue;
            }
            let mut ratio = numbers(&rounds);
            if let Some(goal) = measured.goal(over, measure) {
                ratio["at_most"] = json!(goal.at_most);
            }
            let name = format!("ours_over_{}_{}", over.name(), measure.name());
            ratios.insert(name, ratio);
        }
    }
    let case = measured.case;
    json!({
        "case": case.name,
        "servers": case.servers,
        "tool_bytes": case.tool_bytes,
        "rules": case.rules,
        "answer_bytes": measured.answer_bytes,
        "slowest_server_ms": case.slowest.as_millis(),
        "requests_per_round": measured.requests,
        "variants": variants,
        "ratios": ratios,
    })
}
