//! The memory of an Envoy that has had no request yet: with each filter, by the number of workers.

use std::fs;
use std::path::Path;

use comfy_table::{CellAlignment, Table};
use serde_json::{Value, json};

use super::state::State;
use super::{empty, megabytes};
use crate::envoy::Envoy;
use crate::report::empty_table;
use crate::upstream::{self, Upstream};
use crate::{Result, config};

const WORKERS: [usize; 3] = [1, 2, 4];

/// The filter of an Envoy.
#[derive(Clone, Copy)]
enum Filter {
    Plain,
    Native,
    /// WebAssembly without any code.
    Empty,
    Ours,
}

impl Filter {
    const ALL: [Self; 4] = [Self::Plain, Self::Native, Self::Empty, Self::Ours];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Native => "native",
            Self::Empty => "empty",
            Self::Ours => "ours",
        }
    }
}

/// An Envoy with this filter, by the number of workers.
pub(super) struct Measured {
    filter: Filter,
    states: Vec<State>,
}

pub(super) async fn measure(binary: &Path, wasm: &Path) -> Result<Vec<Measured>> {
    let files = tempfile::tempdir()?;
    let empty = files.path().join("empty.wasm");
    fs::write(&empty, empty::module())?;
    let server = Upstream::start(upstream::fixed("{}"), Default::default()).await?;
    let mut all = Vec::new();
    for filter in Filter::ALL {
        let settings = json!({ "requestStorageMode": config::METADATA });
        let filters = match filter {
            Filter::Plain => Vec::new(),
            Filter::Native => config::native_filters(config::METADATA),
            Filter::Empty => config::our_filters(&empty, settings)?,
            Filter::Ours => config::our_filters(wasm, settings)?,
        };
        let bootstrap = config::bootstrap(server.address(), filters);
        let mut states = Vec::new();
        for workers in WORKERS {
            let name = filter.name();
            let envoy = Envoy::with_workers(workers, binary, name, &bootstrap).await?;
            states.push(State::of(&envoy).await?);
            envoy.stop().await?;
        }
        all.push(Measured { filter, states });
    }
    Ok(all)
}

impl Measured {
    /// What each worker after the first one adds to the memory in use. What the allocator keeps
    /// for later differs from run to run.
    fn per_worker(&self) -> Option<f64> {
        let (first, last) = (self.states.first()?, self.states.last()?);
        let more = (WORKERS.last()? - WORKERS.first()?) as f64;
        Some((last.in_use() as f64 - first.in_use() as f64) / more)
    }
}

/// The memory by the number of workers.
pub(super) fn table(all: &[Measured]) -> Table {
    let mut table = empty_table();
    let workers = WORKERS.map(|workers| format!("MB, --concurrency {workers}"));
    let header = ["variant".to_owned()].into_iter().chain(workers);
    table.set_header(header.chain(["in use for each worker MB".to_owned()]));
    for measured in all {
        let mut row = vec![measured.filter.name().to_owned()];
        let states = measured.states.iter();
        row.extend(states.map(|state| megabytes(state.memory.all as f64)));
        row.push(measured.per_worker().map(megabytes).unwrap_or_default());
        table.add_row(row);
    }
    align(&mut table);
    table
}

/// What the memory of an Envoy with one worker is for.
pub(super) fn parts(all: &[Measured]) -> Table {
    let mut table = empty_table();
    table.set_header([
        "variant, 1 worker",
        "all MB",
        "linear memory MB",
        "compiled code MB",
        "files MB",
        "allocated MB",
        "rest MB",
    ]);
    for measured in all {
        let Some(state) = measured.states.first() else {
            continue;
        };
        let memory = &state.memory;
        let parts = [
            memory.all,
            memory.all_linear(),
            memory.compiled,
            memory.files,
            state.allocated,
            state.rest(),
        ];
        let parts = parts.map(|bytes| megabytes(bytes as f64));
        table.add_row([measured.filter.name().to_owned()].into_iter().chain(parts));
    }
    align(&mut table);
    table
}

pub(super) fn align(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

pub(super) fn json(measured: &Measured) -> Value {
    let states = WORKERS.iter().zip(&measured.states);
    json!({
        "variant": measured.filter.name(),
        "bytes_per_worker": measured.per_worker(),
        "states": states
            .map(|(workers, state)| json!({ "workers": workers, "state": state.json() }))
            .collect::<Vec<_>>(),
    })
}
