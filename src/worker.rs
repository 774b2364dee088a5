//! What the streams of one Envoy worker share: clock, request ids, and which
//! servers are failing. Nothing here outlives the worker's VM.

use std::collections::HashSet;
use std::time::Duration;

/// The state of one worker.
#[derive(Debug)]
pub struct Worker {
    clock: fn() -> Duration,
    random: u64,
    requests: u64,
    failing: HashSet<String>,
}

impl Worker {
    /// A worker with this `clock`, which may jump; `random` makes its ids its own.
    pub fn new(clock: fn() -> Duration, random: u64) -> Self {
        Self {
            clock,
            random,
            requests: 0,
            failing: HashSet::new(),
        }
    }

    /// Time since some fixed point.
    pub fn now(&self) -> Duration {
        (self.clock)()
    }

    /// A JSON-RPC id for a request of the gateway's: `gw-<random>-<n>`.
    pub fn next_id(&mut self) -> String {
        self.requests = self.requests.wrapping_add(1);
        format!("gw-{:016x}-{}", self.random, self.requests)
    }

    /// Notes whether `server` is failing; `true` when that is news.
    pub fn note(&mut self, server: &str, failing: bool) -> bool {
        if failing {
            !self.failing.contains(server) && self.failing.insert(server.to_owned())
        } else {
            self.failing.remove(server)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn ids_are_the_workers_own_and_never_the_same() {
        let mut worker = Worker::new(|| Duration::ZERO, 0xab);
        assert_eq!(worker.next_id(), "gw-00000000000000ab-1");
        assert_eq!(worker.next_id(), "gw-00000000000000ab-2");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn only_a_change_of_a_server_is_news() {
        let mut worker = Worker::new(|| Duration::ZERO, 0);
        assert!(!worker.note("a", false));
        assert!(worker.note("a", true));
        assert!(!worker.note("a", true));
        assert!(worker.note("a", false));
        assert!(!worker.note("a", false));
    }
}
