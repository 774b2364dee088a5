//! What sessions and kept lists add to the memory of one worker.

use std::path::Path;

use comfy_table::Table;
use serde_json::{Value, json};

use super::state::State;
use super::{megabytes, workers};
use crate::Result;
use crate::client::Client;
use crate::envoy::Envoy;
use crate::gateway::{Era, Stand};
use crate::mcp::requests;
use crate::report::empty_table;

const SESSIONS: usize = 5000;
/// Before the first look, so that later requests find all code loaded and all buffers grown.
const WARM_UP: usize = 1000;
const LISTS: usize = 20;
const SERVERS_PER_LIST: usize = 5;
/// Each list is asked for this many times.
const TIMES: usize = 20;

/// The memory of one worker without the things and with them.
pub(super) struct Added {
    what: String,
    /// How many things of this kind there are.
    things: usize,
    /// The row of the table is about this many things.
    per: usize,
    without: State,
    with: State,
}

/// Sessions of legacy clients that are opened and left.
pub(super) async fn sessions(binary: &Path, wasm: &Path) -> Result<Vec<Added>> {
    let mut all = Vec::new();
    for (servers, era) in [("modern", Era::Modern), ("legacy", Era::Legacy)] {
        let stand = Stand::sessions(SERVERS_PER_LIST, era).await?;
        let bootstrap = stand.bootstrap(wasm, true)?;
        let envoy = Envoy::start(binary, "sessions", &bootstrap).await?;
        let mut client = Client::connect(envoy.listener()).await?;
        for _ in 0..WARM_UP {
            open(&envoy, &mut client).await?;
        }
        let without = State::of(&envoy).await?;
        for _ in 0..SESSIONS {
            open(&envoy, &mut client).await?;
        }
        let with = State::of(&envoy).await?;
        envoy.stop().await?;
        all.push(Added {
            what: format!("1,000 sessions with {SERVERS_PER_LIST} {servers} servers"),
            things: SESSIONS,
            per: 1000,
            without,
            with,
        });
    }
    Ok(all)
}

async fn open(envoy: &Envoy, client: &mut Client) -> Result<()> {
    let begun = requests::begin(client).await;
    begun.map_err(|error| envoy.failure(&error.to_string()))?;
    Ok(())
}

/// Lists that the gateway keeps, compared with an Envoy that answers the same requests and keeps
/// none. Each list is that of an endpoint with servers of its own.
pub(super) async fn lists(binary: &Path, wasm: &Path) -> Result<Vec<Added>> {
    let mut all = Vec::new();
    for case in ["cached-5", "cached-long"] {
        let stand = Stand::kept_lists(case, LISTS).await?;
        let (without, _) = asked(&stand, binary, &stand.bootstrap(wasm, false)?).await?;
        let (with, bytes) = asked(&stand, binary, &stand.bootstrap(wasm, true)?).await?;
        let kilobytes = bytes / 1000;
        all.push(Added {
            what: format!("kept list of {kilobytes} KB, {SERVERS_PER_LIST} servers"),
            things: LISTS,
            per: 1,
            without,
            with,
        });
    }
    Ok(all)
}

/// The state after the requests, and the bytes of an answer.
async fn asked(stand: &Stand, binary: &Path, bootstrap: &Value) -> Result<(State, usize)> {
    let envoy = Envoy::start(binary, "lists", bootstrap).await?;
    let mut client = Client::connect(envoy.listener()).await?;
    let mut bytes = 0;
    for _ in 0..TIMES {
        for message in stand.messages()? {
            let (_, body) = client.post(message).await?;
            let checked = stand.check(&body);
            checked.map_err(|error| envoy.failure(&error.to_string()))?;
            bytes = body.len();
        }
    }
    let state = State::of(&envoy).await?;
    envoy.stop().await?;
    Ok((state, bytes))
}

impl Added {
    /// The difference of a value, for as many things as the row is about.
    fn each(&self, value: impl Fn(&State) -> u64) -> f64 {
        let more = value(&self.with) as f64 - value(&self.without) as f64;
        more * self.per as f64 / self.things as f64
    }
}

pub(super) fn table(all: &[Added]) -> Table {
    let mut table = empty_table();
    // The memory of the whole process differs by more than that from run to run. The JSON has it.
    table.set_header(["what is added", "held KB", "linear memory KB"]);
    for added in all {
        let kilobytes = [
            added.each(|state| state.held.unwrap_or_default()),
            added.each(|state| state.memory.all_linear()),
        ]
        .map(|bytes| megabytes(bytes * 1e3));
        table.add_row([added.what.clone()].into_iter().chain(kilobytes));
    }
    workers::align(&mut table);
    table
}

pub(super) fn json(added: &Added) -> Value {
    json!({
        "what": added.what,
        "things": added.things,
        "without": added.without.json(),
        "with": added.with.json(),
    })
}
