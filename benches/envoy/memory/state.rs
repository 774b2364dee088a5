//! The memory of an idle Envoy.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::Result;
use crate::envoy::{Envoy, HELD_BYTES};
use crate::mappings::Mappings;

/// After a start or a load, Envoy still frees memory.
const SETTLE: Duration = Duration::from_secs(1);

/// In bytes.
#[derive(Clone)]
pub(super) struct State {
    pub(super) memory: Mappings,
    /// What Envoy and V8 have got from the allocator and not given back.
    pub(super) allocated: u64,
    /// What the filter says that it holds; `None` without the filter.
    pub(super) held: Option<u64>,
}

/// The answer of `/memory`, in which numbers are strings.
#[derive(Deserialize)]
struct Allocator {
    allocated: String,
}

impl State {
    pub(super) async fn of(envoy: &Envoy) -> Result<Self> {
        sleep(SETTLE).await;
        let allocator: Allocator = serde_json::from_slice(&envoy.admin("/memory").await?)?;
        Ok(Self {
            memory: Mappings::of(envoy.pid())?,
            allocated: allocator.allocated.parse()?,
            held: envoy.stat(HELD_BYTES).await?,
        })
    }

    /// What is none of the other parts: what the allocator keeps for later, and stacks.
    pub(super) fn rest(&self) -> u64 {
        let memory = &self.memory;
        let parts = [
            memory.all_linear(),
            memory.compiled,
            memory.files,
            self.allocated,
        ];
        memory.all.saturating_sub(parts.iter().sum())
    }

    /// What is neither a file nor kept for later.
    pub(super) fn in_use(&self) -> u64 {
        self.memory.all_linear() + self.memory.compiled + self.allocated
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "memory_bytes": self.memory.all,
            "linear_memory_bytes": self.memory.linear,
            "compiled_code_bytes": self.memory.compiled,
            "file_bytes": self.memory.files,
            "allocated_bytes": self.allocated,
            "rest_bytes": self.rest(),
            "held_bytes": self.held,
        })
    }
}
