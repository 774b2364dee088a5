//! Uses one core for Envoy's worker, and another for the client and the upstream.
//!
//! Without this, the scheduler sometimes gives them the same core, which changes Envoy's CPU time
//! for a request by a third.

use std::sync::OnceLock;

use crate::Result;

#[derive(Clone, Copy)]
pub(crate) struct Cores {
    client: usize,
    envoy: usize,
}

impl Cores {
    /// `None` if there is only one core, or no way to choose one.
    ///
    /// The answer is always that of the first call: after a benchmark, this thread may use one core
    /// only.
    pub(crate) fn choose() -> Result<Option<Self>> {
        static CHOSEN: OnceLock<Option<Cores>> = OnceLock::new();
        if let Some(chosen) = CHOSEN.get() {
            return Ok(*chosen);
        }
        let allowed = system::allowed()?;
        let chosen = match (allowed.first(), allowed.last()) {
            (Some(&client), Some(&envoy)) if client != envoy => Some(Self { client, envoy }),
            _ => None,
        };
        Ok(*CHOSEN.get_or_init(|| chosen))
    }

    /// After this call, this thread starts processes on Envoy's core: a process and all its threads
    /// inherit the core of the thread that starts it.
    pub(crate) fn start_envoys(self) -> Result<()> {
        system::stay_on(self.envoy)
    }

    pub(crate) fn run_client(self) -> Result<()> {
        system::stay_on(self.client)
    }
}

#[cfg(target_os = "linux")]
mod system {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    use crate::Result;

    pub(super) fn allowed() -> Result<Vec<usize>> {
        let allowed = sched_getaffinity(None)?;
        Ok((0..CpuSet::MAX_CPU)
            .filter(|&core| allowed.is_set(core))
            .collect())
    }

    pub(super) fn stay_on(core: usize) -> Result<()> {
        let mut cores = CpuSet::new();
        cores.set(core);
        Ok(sched_setaffinity(None, &cores)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use crate::Result;

    pub(super) fn allowed() -> Result<Vec<usize>> {
        Ok(Vec::new())
    }

    pub(super) fn stay_on(_: usize) -> Result<()> {
        Ok(())
    }
}
