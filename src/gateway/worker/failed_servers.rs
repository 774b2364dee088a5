//! The servers that failed a moment ago (`failedServerTtl`): merged lists and the
//! beginnings of sessions leave them out at once, and the gateway asks them again beside
//! the traffic.

use std::time::Duration;

use crate::gateway::upstream::call::UpstreamRequest;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::worker::Scope;
use crate::gateway::worker::remembered::Remembered;
use crate::memory::OVERHEAD;

/// So many failures are remembered: one for each server, and one for each value of the
/// client's headers that a server gets. Clients choose their headers freely, so anyone
/// can fill the table: then the oldest failure goes.
const MOST_FAILED: usize = 1024;

/// For whom a server fails: its name, and which of the client's headers it got. What a
/// client's headers cause is remembered for clients with the same headers only.
pub type FailedKey = (String, Option<Scope>);

/// What is remembered.
#[derive(Debug)]
pub struct FailedServers {
    failed: Remembered<FailedKey, FailedServer>,
}

impl Default for FailedServers {
    fn default() -> Self {
        Self {
            failed: Remembered::new(MOST_FAILED, usize::MAX),
        }
    }
}

#[derive(Debug)]
struct FailedServer {
    failure: Failure,
    /// What the server was asked when it failed.
    request: UpstreamRequest,
    /// When it failed last.
    since: Duration,
    /// Until when it is not asked again, since it was asked a moment ago.
    asked_until: Duration,
}

impl FailedServers {
    /// Remembers that a server failed this `request` at `now`.
    pub fn fail(
        &mut self,
        key: FailedKey,
        failure: Failure,
        request: UpstreamRequest,
        now: Duration,
    ) {
        let failed = FailedServer {
            failure,
            request,
            since: now,
            asked_until: now,
        };
        let (name, _) = &key;
        let bytes = name.len().saturating_add(OVERHEAD);
        self.failed.insert(key, failed, bytes);
    }

    /// The server answered, whatever it answered; `true` where it had failed.
    pub fn answered(&mut self, key: &FailedKey) -> bool {
        self.failed.remove(key).is_some()
    }

    /// How the server failed, if it is to be left out.
    pub fn failure(&self, key: &FailedKey) -> Option<&Failure> {
        Some(&self.failed.get(key)?.failure)
    }

    /// What to ask a server that failed `ttl` or longer before `now`, to learn whether
    /// it answers again; `None` where it is too early, or it was asked already and has
    /// `timeout` to answer.
    pub fn ask_again(
        &mut self,
        key: &FailedKey,
        now: Duration,
        (ttl, timeout): (Duration, Duration),
    ) -> Option<UpstreamRequest> {
        let failed = self.failed.get_mut(key)?;
        // A failure in the future is old, too: the clock was set back.
        let is_old = now.checked_sub(failed.since).is_none_or(|age| age >= ttl);
        let is_asked =
            now < failed.asked_until && failed.asked_until.saturating_sub(now) <= timeout;
        if !is_old || is_asked {
            return None;
        }
        failed.asked_until = now.saturating_add(timeout);
        Some(failed.request.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn key(scope: Option<Scope>) -> FailedKey {
        ("a".to_owned(), scope)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_server_is_asked_again_once_when_its_time_is_over() {
        let mut failed = FailedServers::default();
        let times = (at(5000), at(1000));
        let request = UpstreamRequest::Discover;
        failed.fail(key(None), Failure::TimedOut, request.clone(), at(10_000));
        assert_eq!(failed.failure(&key(None)), Some(&Failure::TimedOut));
        assert_eq!(
            failed.failure(&key(Some([1; 32]))),
            None,
            "for other headers"
        );
        for (now, expected) in [
            (10_000, None),
            (14_999, None),
            (15_000, Some(request.clone())),
            (15_001, None),
            (15_999, None),
            (16_000, Some(request.clone())),
        ] {
            assert_eq!(
                failed.ask_again(&key(None), at(now), times),
                expected,
                "{now}"
            );
        }
        failed.fail(key(None), Failure::Reset, request.clone(), at(16_500));
        assert_eq!(failed.ask_again(&key(None), at(17_000), times), None);
        assert_eq!(
            failed.ask_again(&key(None), at(21_500), times),
            Some(request)
        );
        failed.answered(&key(None));
        assert_eq!(failed.failure(&key(None)), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_clock_set_back_does_not_leave_a_server_out_for_long() {
        let mut failed = FailedServers::default();
        let request = UpstreamRequest::Discover;
        failed.fail(key(None), Failure::TimedOut, request.clone(), at(1_000_000));
        let again = failed.ask_again(&key(None), at(10), (at(5000), at(1000)));
        assert_eq!(again, Some(request));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn clients_cannot_fill_the_memory_nor_empty_it() {
        let mut failed = FailedServers::default();
        for number in 0..1023_u32 {
            let name = (number.to_string(), None);
            failed.fail(name, Failure::TimedOut, UpstreamRequest::Discover, at(1));
        }
        let last = ("1022".to_owned(), None);
        for number in 0..1000_u32 {
            let mut scope = [0; 32];
            scope[..4].copy_from_slice(&number.to_le_bytes());
            let request = UpstreamRequest::Discover;
            failed.fail(key(Some(scope)), Failure::TimedOut, request, at(1));
        }
        assert_eq!(failed.failed.count(), MOST_FAILED);
        assert_eq!(failed.failure(&last), Some(&Failure::TimedOut));
    }
}
