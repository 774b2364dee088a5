//! What Envoy holds when it has nothing to do.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::traffic::Traffic;
use crate::Result;
use crate::envoy::{Envoy, HELD_BYTES};
use crate::mappings::Mappings;

const ACTIVE: &str = "http.bench.downstream_rq_active";
const VMS: &str = "wasm.envoy.wasm.runtime.v8.active";

const POLL_EVERY: Duration = Duration::from_millis(50);
/// Longer than the gateway waits for any server.
const IDLE_WITHIN: Duration = Duration::from_secs(30);
/// After the last request, calls to the faulty server are still under way.
const SETTLE: Duration = Duration::from_millis(500);

/// The state of Envoy between two laps. Sizes are in bytes.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) requests: usize,
    pub(super) honest: usize,
    pub(super) lost: usize,
    pub(super) memory: Mappings,
    pub(super) held: u64,
    pub(super) vms: u64,
}

impl Sample {
    /// Waits until Envoy has no requests, and looks at its memory then.
    pub(super) async fn take(envoy: &Envoy, traffic: &Traffic) -> Result<Self> {
        wait_for(envoy, ACTIVE, 0, IDLE_WITHIN).await?;
        sleep(SETTLE).await;
        Ok(Self {
            requests: traffic.sent(),
            honest: traffic.honest(),
            lost: traffic.all_lost(),
            memory: Mappings::of(envoy.pid())?,
            held: read(envoy, HELD_BYTES).await?,
            vms: read(envoy, VMS).await?,
        })
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "requests": self.requests,
            "honest_requests": self.honest,
            "honest_requests_lost": self.lost,
            "memory_bytes": self.memory.all,
            "linear_memory_bytes": self.memory.linear,
            "compiled_code_bytes": self.memory.compiled,
            "held_bytes": self.held,
            "vms": self.vms,
        })
    }
}

/// Waits until the counter or gauge has this value.
pub(super) async fn wait_for(
    envoy: &Envoy,
    name: &str,
    value: u64,
    within: Duration,
) -> Result<()> {
    let start = Instant::now();
    loop {
        let now = read(envoy, name).await?;
        if now == value {
            return Ok(());
        }
        if start.elapsed() > within {
            let waited = within.as_secs();
            let what = format!("has {name} at {now} instead of {value} after {waited} s");
            return Err(envoy.failure(&what));
        }
        sleep(POLL_EVERY).await;
    }
}

async fn read(envoy: &Envoy, name: &str) -> Result<u64> {
    let value = envoy.stat(name).await?;
    value.ok_or_else(|| envoy.failure(&format!("has no {name}")))
}
