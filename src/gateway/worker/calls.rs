//! The calls that are under way, for all streams of one worker. If several streams would send a
//! server the same request, with no data of their clients in it, they share one call.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use crate::config::ServerId;
use crate::gateway::upstream::call::{Call, CallContent, CallId, UpstreamRequest};
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::page_key::PageKey;
use crate::mcp::list::ListKind;
use crate::memory::HeldBytes;

/// The id of a stream in this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId(pub u32);

/// The id of a call in this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DispatchId(pub u64);

/// The answer to a call, for one of the streams that waited for it.
pub struct Delivery {
    /// The stream.
    pub to: StreamId,
    /// Its call.
    pub call: CallId,
    /// The answer.
    pub answer: CallResult,
}

/// The calls under way.
#[derive(Default)]
pub struct Calls {
    last: u64,
    jobs: HashMap<DispatchId, Job>,
    shared: HashMap<PageKey, DispatchId>,
    /// The calls that each stream waits for.
    awaited: HashMap<StreamId, Vec<DispatchId>>,
    /// The lists whose last answer was for one caller only.
    private_lists: HashSet<(ServerId, ListKind)>,
}

struct Job {
    call: Rc<Call>,
    since: Duration,
    /// The streams that wait for the answer. The stream that asked first is the first one.
    waiting: Vec<Waiter>,
    /// The memory that the call takes up.
    _memory: HeldBytes,
}

/// A stream that waits for the answer to a call.
#[derive(Clone, Copy)]
struct Waiter {
    stream: StreamId,
    call: CallId,
    /// When the time of this stream is over.
    deadline: Duration,
}

impl Job {
    /// When the time of the call is over.
    fn deadline(&self) -> Duration {
        self.since.saturating_add(self.call.timeout)
    }

    /// Whether the time of the call is over at `now`. Envoy measures the time with another clock,
    /// so a small difference does not count.
    fn is_over(&self, now: Duration) -> bool {
        now.saturating_add(slack(&self.call)) >= self.deadline()
    }
}

/// The difference between the gateway's clock and Envoy's that does not count.
fn slack(call: &Call) -> Duration {
    call.timeout.checked_div(20).unwrap_or_default()
}

impl Calls {
    /// Takes a call of `stream` at the time `now`. Gives it back if the caller has to send it. If
    /// an equal call is under way, the stream waits for that call, unless it could take longer than
    /// the stream's own time.
    pub fn ask(
        &mut self,
        stream: StreamId,
        call: Call,
        now: Duration,
    ) -> Option<(DispatchId, Rc<Call>)> {
        let deadline = now.saturating_add(call.timeout);
        let waiter = call.id.map(|call| Waiter {
            stream,
            call,
            deadline,
        });
        let joins = call.share.filter(|share| share.joins);
        let key = joins.map(|share| share.key);
        if let Some(key) = key
            && let Some(id) = self.shared.get(&key).copied()
            && let Some(job) = self.jobs.get_mut(&id)
            && job.deadline() <= deadline
        {
            job.waiting.extend(waiter);
            self.awaited.entry(stream).or_default().push(id);
            return None;
        }
        let (id, call) = self.start(Rc::new(call), now, waiter);
        self.awaited.entry(stream).or_default().push(id);
        if let Some(key) = key {
            self.shared.entry(key).or_insert(id);
        }
        Some((id, call))
    }

    /// Takes a call at the time `now`. No stream waits for its answer.
    pub fn send(&mut self, call: Rc<Call>, now: Duration) -> (DispatchId, Rc<Call>) {
        self.start(call, now, None)
    }

    fn start(
        &mut self,
        call: Rc<Call>,
        since: Duration,
        waiter: Option<Waiter>,
    ) -> (DispatchId, Rc<Call>) {
        self.last = self.last.wrapping_add(1);
        let id = DispatchId(self.last);
        let job = Job {
            _memory: HeldBytes::new(call.size()),
            call: Rc::clone(&call),
            since,
            waiting: waiter.into_iter().collect(),
        };
        self.jobs.insert(id, job);
        (id, call)
    }

    /// The call with this id, and when it was made; `None` where it is not under way any more.
    pub fn call(&self, id: DispatchId) -> Option<(Rc<Call>, Duration)> {
        let job = self.jobs.get(&id)?;
        Some((Rc::clone(&job.call), job.since))
    }

    /// Ends the call with this id at `now`. Gives the answer for each stream that waits. An answer
    /// for one caller only goes to the stream that asked first, and each other stream has to ask
    /// again for itself. If the call timed out, the streams that have time left ask again, too.
    pub fn done(&mut self, id: DispatchId, answer: &CallResult, now: Duration) -> Vec<Delivery> {
        let Some(job) = self.jobs.remove(&id) else {
            return Vec::new();
        };
        self.remember_privacy(&job.call, answer);
        if let Some(share) = job.call.share.filter(|share| share.joins) {
            // The key may belong to another call by now, which streams join.
            if self.shared.get(&share.key) == Some(&id) {
                self.shared.remove(&share.key);
            }
        }
        for waiter in &job.waiting {
            self.stop_awaiting(waiter.stream, id);
        }
        let private = answer.is_private();
        let is_timeout =
            matches!(answer, CallResult::Failed(Failure::TimedOut)) && job.is_over(now);
        let ends = now.saturating_add(slack(&job.call));
        let deliver = |(at, waiter): (usize, &Waiter)| Delivery {
            to: waiter.stream,
            call: waiter.call,
            answer: if private && at > 0 {
                CallResult::NotShared
            } else if is_timeout && waiter.deadline > ends {
                CallResult::AskAgain
            } else {
                answer.clone()
            },
        };
        job.waiting.iter().enumerate().map(deliver).collect()
    }

    fn remember_privacy(&mut self, call: &Call, answer: &CallResult) {
        if let (CallResult::Page { page, .. }, CallContent::Mcp(UpstreamRequest::List(kind, _))) =
            (answer, &call.content)
        {
            let list = (call.server, *kind);
            if page.cache_hints.public {
                self.private_lists.remove(&list);
            } else {
                self.private_lists.insert(list);
            }
        }
    }

    /// Whether a stream should wait for the answer to another stream's call for this list. It
    /// should not if the last answer was for one caller only.
    pub fn is_shareable(&self, server: ServerId, kind: ListKind) -> bool {
        !self.private_lists.contains(&(server, kind))
    }

    /// The stream is over, so it does not wait for its calls any more.
    pub fn stop_waiting(&mut self, stream: StreamId) {
        for id in self.awaited.remove(&stream).unwrap_or_default() {
            if let Some(job) = self.jobs.get_mut(&id) {
                job.waiting.retain(|waiter| waiter.stream != stream);
            }
        }
    }

    fn stop_awaiting(&mut self, stream: StreamId, id: DispatchId) {
        if let Some(awaited) = self.awaited.get_mut(&stream) {
            awaited.retain(|other| *other != id);
            if awaited.is_empty() {
                self.awaited.remove(&stream);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Gateway};
    use crate::gateway::upstream::call::{CallResponse, Share};
    use crate::gateway::upstream::call_writer::CallSpec;
    use crate::gateway::upstream::client_context::ClientContext;
    use crate::gateway::upstream::protocol::UpstreamProtocol;
    use crate::mcp::era::Era;
    use crate::mcp::version;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn gateway() -> Gateway {
        let config = Config::parse(br#"{"servers":[{"name":"a"}]}"#).unwrap();
        config.gateway.unwrap()
    }

    /// A list request that other streams may join, with this many milliseconds left.
    fn call(gateway: &Gateway, left: u64) -> Call {
        let client = ClientContext {
            era: Era::Modern,
            version: "2026-07-28".into(),
            capabilities: "{}".into(),
            info: None,
            headers: Default::default(),
        };
        let spec = CallSpec {
            id: CallId(0),
            rpc_id: "gw-1".into(),
            content: &CallContent::Mcp(UpstreamRequest::List(ListKind::Tools, None)),
            share: Some(Share {
                key: PageKey([1; 32], None),
                ttl: None,
                joins: true,
            }),
            timeout: at(left),
        };
        let protocol = UpstreamProtocol::Modern(version::NEWEST_MODERN);
        client.call(gateway, &gateway.servers[0], &protocol, spec)
    }

    fn shown(deliveries: &[Delivery]) -> Vec<(u32, String)> {
        let shown = deliveries.iter().map(|delivery| {
            let answer = match &delivery.answer {
                CallResult::Failed(failure) => failure.to_string(),
                answer => format!("{answer:?}"),
            };
            (delivery.to.0, answer)
        });
        shown.collect()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_time_of_the_caller_that_asked_first_is_not_that_of_the_others() {
        let gateway = gateway();
        let mut calls = Calls::default();
        let (job, leader) = calls
            .ask(StreamId(1), call(&gateway, 200), at(4800))
            .unwrap();
        assert_eq!(leader.timeout, at(200));
        assert!(
            calls
                .ask(StreamId(2), call(&gateway, 5000), at(4900))
                .is_none()
        );
        assert!(
            calls
                .ask(StreamId(3), call(&gateway, 5000), at(4950))
                .is_none()
        );
        let timed_out = CallResult::Failed(Failure::TimedOut);
        let told = calls.done(job, &timed_out, at(5000));
        let late = Failure::TimedOut.to_string();
        let again = "AskAgain".to_owned();
        let expected = [(1, late.clone()), (2, again.clone()), (3, again)];
        assert_eq!(shown(&told), expected);
        // The second stream makes a call, and the third stream waits for it.
        let (job, second) = calls
            .ask(StreamId(2), call(&gateway, 4900), at(5000))
            .unwrap();
        assert_eq!(second.timeout, at(4900));
        assert!(
            calls
                .ask(StreamId(3), call(&gateway, 4950), at(5000))
                .is_none()
        );
        let told = calls.done(job, &timed_out, at(9900));
        assert_eq!(
            shown(&told),
            [(2, late.clone()), (3, late)],
            "their time is up"
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn nobody_waits_for_a_call_that_takes_longer_than_its_own_time() {
        let gateway = gateway();
        let mut calls = Calls::default();
        let (long, _) = calls
            .ask(StreamId(1), call(&gateway, 5000), at(1000))
            .unwrap();
        let (short, _) = calls
            .ask(StreamId(2), call(&gateway, 100), at(1000))
            .unwrap();
        let timed_out = CallResult::Failed(Failure::TimedOut);
        assert_eq!(calls.done(short, &timed_out, at(1100)).len(), 1);
        assert!(
            calls
                .ask(StreamId(3), call(&gateway, 5000), at(1100))
                .is_none()
        );
        assert_eq!(calls.done(long, &CallResult::Done, at(1200)).len(), 2);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_server_that_says_504_at_once_is_not_asked_by_each_in_turn() {
        let gateway = gateway();
        let mut calls = Calls::default();
        let (job, leader) = calls.ask(StreamId(1), call(&gateway, 5000), at(0)).unwrap();
        assert!(
            calls
                .ask(StreamId(2), call(&gateway, 5000), at(900))
                .is_none()
        );
        let response = CallResponse::Http {
            status: 504,
            content_type: None,
            session: None,
            body: Vec::new(),
        };
        let (answer, _) = leader.answer(&response, &gateway, version::MODERN);
        let told = calls.done(job, &answer, at(1000));
        let late = Failure::TimedOut.to_string();
        assert_eq!(shown(&told), [(1, late.clone()), (2, late)]);
    }
}
