//! The servers that failed a moment ago (`failedServerTtl`). The gateway leaves them out of merged
//! lists and of new sessions at once, and asks them again with requests of its own.

use std::time::Duration;

use crate::gateway::upstream::call::UpstreamRequest;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::worker::Scope;
use crate::gateway::worker::remembered::Remembered;
use crate::memory::OVERHEAD;

/// The most failures that a worker remembers. There is one for each server, and one for each value
/// of the client's headers that a server gets. Clients choose their headers freely, so they can
/// fill the table. Then the oldest failure is forgotten.
const MOST_FAILED: usize = 1024;

/// The key of a failure: the server's name, and the digest of the client's headers that the server
/// got. If a client's headers cause a failure, only clients with the same headers are affected.
pub type FailedKey = (String, Option<Scope>);

/// The failures that a worker remembers.
pub struct FailedServers {
    failed: Remembered<FailedKey, FailedServer>,
}

impl Default for FailedServers {
    fn default() -> Self {
        Self {
            failed: Remembered::new(MOST_FAILED, None),
        }
    }
}

struct FailedServer {
    failure: Failure,
    /// The request that failed.
    request: UpstreamRequest,
    /// When the server failed last.
    since: Duration,
    /// The gateway does not ask the server again before this time, since it asked a moment ago.
    asked_until: Duration,
}

/// When the gateway asks a failed server again.
#[derive(Clone, Copy)]
pub struct RetryTimes {
    /// How long after its failure.
    pub ttl: Duration,
    /// How long the server may take to answer.
    pub timeout: Duration,
}

impl FailedServers {
    /// Remembers that a server failed this `request` at `now`. A failure that Envoy reports at once
    /// is not remembered, since lists do not wait for it. Envoy may get the cluster or its hosts a
    /// moment later: it updates clusters, hosts and filters independently.
    pub fn fail(
        &mut self,
        key: FailedKey,
        failure: Failure,
        request: UpstreamRequest,
        now: Duration,
    ) {
        match failure {
            // The server that failed before is gone.
            Failure::NoCluster => {
                self.failed.remove(&key);
                return;
            }
            // This does not show whether a server that failed before works now: if it hangs, the
            // circuit breaker may be open.
            Failure::NotSent => return,
            _ => {}
        }
        let known = self.failed.get(&key);
        let failed = FailedServer {
            failure,
            request,
            since: now,
            asked_until: known.map_or(now, |known| known.asked_until),
        };
        let (name, _) = &key;
        let bytes = name.len().saturating_add(OVERHEAD);
        self.failed.insert(key, failed, bytes);
    }

    /// The server answered, with a result or an error, so its failure is forgotten. Gives `true` if
    /// there was one.
    pub fn answered(&mut self, key: &FailedKey) -> bool {
        self.failed.remove(key).is_some()
    }

    /// Whether the gateway leaves no server out.
    pub fn is_empty(&self) -> bool {
        self.failed.is_empty()
    }

    /// How the server failed, if the gateway leaves it out.
    pub fn failure(&self, key: &FailedKey) -> Option<&Failure> {
        Some(&self.failed.get(key)?.failure)
    }

    /// The request that shows whether a server answers again. `None` where it is too early at
    /// `now`, or where the gateway has asked already and the server may still answer.
    pub fn ask_again(
        &mut self,
        key: &FailedKey,
        now: Duration,
        times: RetryTimes,
    ) -> Option<UpstreamRequest> {
        let RetryTimes { ttl, timeout } = times;
        let failed = self.failed.get_mut(key)?;
        // A failure in the future counts as old: the clock was set back.
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

    const TIMES: RetryTimes = RetryTimes {
        ttl: Duration::from_secs(5),
        timeout: Duration::from_secs(1),
    };

    fn key(scope: Option<Scope>) -> FailedKey {
        ("a".to_owned(), scope)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_server_is_asked_again_once_when_its_time_is_over() {
        let mut failed = FailedServers::default();
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
                failed.ask_again(&key(None), at(now), TIMES),
                expected,
                "{now}"
            );
        }
        failed.fail(key(None), Failure::Reset, request.clone(), at(16_500));
        assert_eq!(failed.ask_again(&key(None), at(17_000), TIMES), None);
        assert_eq!(
            failed.ask_again(&key(None), at(21_500), TIMES),
            Some(request)
        );
        failed.answered(&key(None));
        assert_eq!(failed.failure(&key(None)), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn many_failures_in_sessions_cause_one_request() {
        let mut failed = FailedServers::default();
        let request = UpstreamRequest::Initialize;
        let at_once = RetryTimes {
            ttl: Duration::ZERO,
            ..TIMES
        };
        let asked = [10_000, 10_001, 10_999, 11_000].map(|now| {
            failed.fail(key(None), Failure::TimedOut, request.clone(), at(now));
            failed.ask_again(&key(None), at(now), at_once).is_some()
        });
        assert_eq!(asked, [true, false, false, true]);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_clock_set_back_does_not_leave_a_server_out_for_long() {
        let mut failed = FailedServers::default();
        let request = UpstreamRequest::Discover;
        failed.fail(key(None), Failure::TimedOut, request.clone(), at(1_000_000));
        let again = failed.ask_again(&key(None), at(10), TIMES);
        assert_eq!(again, Some(request));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_envoy_reports_at_once_is_not_remembered() {
        for (failure, replaces) in [(Failure::NoCluster, true), (Failure::NotSent, false)] {
            let mut failed = FailedServers::default();
            let request = UpstreamRequest::Discover;
            failed.fail(key(None), failure.clone(), request.clone(), at(1));
            assert_eq!(failed.failure(&key(None)), None, "{failure}");
            failed.fail(key(None), Failure::TimedOut, request.clone(), at(2));
            failed.fail(key(None), failure.clone(), request, at(3));
            let left = (!replaces).then_some(&Failure::TimedOut);
            assert_eq!(failed.failure(&key(None)), left, "{failure}");
        }
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
