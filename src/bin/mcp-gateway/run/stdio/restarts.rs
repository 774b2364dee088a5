//! Decides when the next process of a server may start. If each process ends at once, the delay
//! grows.

use std::time::{Duration, Instant};

use super::process::ServerProcess;

/// The delay after a process that ended at once: the first one, and the longest one.
const BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// A process that has run this long has not ended at once.
const RUNS_WELL_AFTER: Duration = Duration::from_secs(10);

/// The ends of a server's processes so far.
#[derive(Default)]
pub(super) struct Restarts {
    /// How many processes in a row have ended at once.
    failures: u32,
    /// When and why the last one ended.
    last: Option<(Instant, String)>,
}

impl Restarts {
    /// The reason why the last process ended, if the next one must not start yet.
    pub(super) fn delay(&self) -> Option<&str> {
        self.delay_at(Instant::now())
    }

    fn delay_at(&self, now: Instant) -> Option<&str> {
        let (at, reason) = self.last.as_ref()?;
        let doubled = self.failures.checked_sub(1)?.min(10);
        let delay = BACKOFF * 2_u32.saturating_pow(doubled);
        (now.duration_since(*at) < delay.min(MAX_BACKOFF)).then_some(reason)
    }

    /// Remembers that `process` has ended.
    pub(super) fn has_ended(&mut self, process: &ServerProcess) {
        let Some((at, reason)) = process.ended() else {
            return;
        };
        if at.duration_since(process.started) < RUNS_WELL_AFTER {
            self.failures = self.failures.saturating_add(1);
        } else {
            self.failures = 0;
        }
        self.last = Some((at, reason));
    }

    /// Remembers that a process could not be started.
    pub(super) fn has_failed(&mut self, reason: &str) {
        self.failures = self.failures.saturating_add(1);
        self.last = Some((Instant::now(), reason.to_owned()));
    }

    /// Lets the next process start at once.
    pub(super) fn forgive(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_doubles_the_delay_up_to_its_end() {
        let mut restarts = Restarts::default();
        assert_eq!(restarts.delay(), None);
        let at = Instant::now();
        restarts.last = Some((at, "why".to_owned()));
        for (failures, ends) in [(1, 500), (2, 1000), (40, 30_000)] {
            restarts.failures = failures;
            for (later, is_delayed) in [(ends - 1, true), (ends, false)] {
                let delay = restarts.delay_at(at + Duration::from_millis(later));
                assert_eq!(delay, is_delayed.then_some("why"), "{failures} {later}");
            }
        }
        restarts.has_failed("again");
        assert_eq!(restarts.delay(), Some("again"));
        restarts.forgive();
        assert_eq!(restarts.delay(), None);
    }
}
