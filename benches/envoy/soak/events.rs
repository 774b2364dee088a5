//! What happened during the soak, from the filter's own metrics: a soak without faults, sessions or
//! kept lists would say little.

use serde_json::{Map, Value};

use crate::Result;
use crate::envoy::Envoy;

/// What must have happened, and the counter of it.
const EVENTS: [(&str, &str); 8] = [
    ("sessions opened", "mcp.sessions.created"),
    ("session ids refused", "mcp.sessions.rejected"),
    ("pages from the cache", "mcp.list.cache_hits"),
    ("pages asked for", "mcp.list.cache_misses"),
    (
        "failures of the faulty server",
        "mcp.server.faulty.failures",
    ),
    ("its time-outs", "mcp.server.faulty.timeouts"),
    ("bodies that are no JSON", "mcp.rejected.parse_error"),
    ("bodies that are too long", "mcp.rejected.body_too_large"),
];

pub(super) struct Events(Vec<u64>);

impl Events {
    pub(super) async fn of(envoy: &Envoy) -> Result<Self> {
        let mut counts = Vec::new();
        for (_, counter) in EVENTS {
            let counter = format!("wasmcustom.{counter}");
            let count = envoy.stat(&counter).await?;
            counts.push(count.ok_or_else(|| envoy.failure(&format!("has no {counter}")))?);
        }
        Ok(Self(counts))
    }

    pub(super) fn shown(&self) -> String {
        let all = EVENTS.iter().zip(&self.0);
        let all: Vec<String> = all
            .map(|((name, _), count)| format!("{count} {name}"))
            .collect();
        all.join(", ")
    }

    /// A sentence for each thing that did not happen.
    pub(super) fn missing(&self) -> Vec<String> {
        let all = EVENTS.iter().zip(&self.0);
        all.filter(|(_, count)| **count == 0)
            .map(|((name, _), _)| format!("there were no {name}: the soak says little"))
            .collect()
    }

    pub(super) fn json(&self) -> Value {
        let all = EVENTS.iter().zip(&self.0);
        let all: Map<String, Value> = all
            .map(|((_, counter), count)| ((*counter).to_owned(), (*count).into()))
            .collect();
        all.into()
    }
}
