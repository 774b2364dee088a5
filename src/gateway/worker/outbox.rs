//! Calls for whose answers no stream waits: notifications and responses for servers, and the ends
//! of sessions. Each server has its own limits: one server, or the clients that send messages to
//! it, must not use up what the other servers need.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use crate::config::ServerId;
use crate::gateway::upstream::call::{Call, CallContent, CallResponse};
use crate::gateway::worker::calls::{Calls, DispatchId};
use crate::memory::HeldBytes;

/// The most messages that are under way to one server.
const MOST_MESSAGES: usize = 256;
/// The most messages that wait for one server. Further messages are dropped.
const MOST_WAITING_MESSAGES: usize = 256;
/// The most ends of sessions that are under way to one server.
const MOST_ENDS: usize = 16;
/// The most ends of sessions that wait for one server. Further ones are dropped, and the server
/// itself has to end these sessions.
const MOST_WAITING_ENDS: usize = 2048;
/// The most bytes of messages, and of ends, that wait for one server or are under way to it.
/// Further calls are dropped, but a single call may be longer.
const MOST_BYTES: usize = 16_777_216;
/// How long the gateway tries to end a session. The call may have headers of a client, which the
/// gateway does not keep for long.
const TRIED_FOR: Duration = Duration::from_secs(60);

/// The calls to make.
#[derive(Default)]
pub struct Outbox {
    lanes: BTreeMap<ServerId, Lane>,
    under_way: HashMap<DispatchId, UnawaitedCall>,
    /// The servers for which the worker can make calls now.
    ready: Vec<ServerId>,
}

/// The calls for one server.
#[derive(Default)]
struct Lane {
    messages: LaneQueue,
    ends: LaneQueue,
    /// Ends that failed. They are tried again by [`Outbox::retry`].
    failed: Vec<UnawaitedCall>,
}

/// Calls of one kind for one server.
#[derive(Default)]
struct LaneQueue {
    under_way: usize,
    /// The bytes of all calls that wait or are under way.
    bytes: usize,
    waiting: VecDeque<UnawaitedCall>,
}

struct UnawaitedCall {
    call: Rc<Call>,
    /// When the call was first made; `None` before that.
    since: Option<Duration>,
    _memory: HeldBytes,
}

impl UnawaitedCall {
    fn new(call: Rc<Call>, since: Option<Duration>) -> Self {
        Self {
            _memory: HeldBytes::new(call.size()),
            call,
            since,
        }
    }

    fn is_end(&self) -> bool {
        self.call.content == CallContent::Delete
    }
}

impl Lane {
    /// The queue for ends or for messages, and its limits: the most calls under way, and the most
    /// that wait.
    fn queue(&mut self, is_end: bool) -> (&mut LaneQueue, usize, usize) {
        if is_end {
            (&mut self.ends, MOST_ENDS, MOST_WAITING_ENDS)
        } else {
            (&mut self.messages, MOST_MESSAGES, MOST_WAITING_MESSAGES)
        }
    }

    fn push(&mut self, call: UnawaitedCall) {
        let (queue, _, most_waiting) = self.queue(call.is_end());
        let bytes = queue.bytes.saturating_add(call.call.size());
        if queue.waiting.len() < most_waiting && (queue.bytes == 0 || bytes <= MOST_BYTES) {
            queue.bytes = bytes;
            queue.waiting.push_back(call);
        }
    }

    /// The next call that the worker can make now. It counts as under way.
    fn next(&mut self) -> Option<UnawaitedCall> {
        [false, true].into_iter().find_map(|is_end| {
            let (queue, most, _) = self.queue(is_end);
            if queue.under_way >= most {
                return None;
            }
            let call = queue.waiting.pop_front()?;
            queue.under_way = queue.under_way.saturating_add(1);
            Some(call)
        })
    }
}

impl Outbox {
    /// Adds a call. It is dropped if too many wait for its server.
    pub fn push(&mut self, call: impl Into<Rc<Call>>) {
        let call = call.into();
        let server = call.server;
        let lane = self.lanes.entry(server).or_default();
        lane.push(UnawaitedCall::new(call, None));
        self.ready.push(server);
    }

    /// Takes out all ends of sessions that no server has answered, also those that are under way,
    /// since these calls are cancelled.
    pub fn take_ends(&mut self) -> Vec<Rc<Call>> {
        let under_way = self.under_way.drain().map(|(_, call)| call);
        let lanes = std::mem::take(&mut self.lanes).into_values();
        let waiting = lanes.flat_map(|lane| lane.failed.into_iter().chain(lane.ends.waiting));
        let ends = under_way.chain(waiting).filter(UnawaitedCall::is_end);
        ends.map(|end| end.call).collect()
    }

    /// Whether there is no call to make now.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Takes out all calls that the worker can make at `now`, and registers them with `under_way`.
    pub fn dispatch(
        &mut self,
        under_way: &mut Calls,
        now: Duration,
    ) -> Vec<(DispatchId, Rc<Call>)> {
        let mut made = Vec::new();
        for server in std::mem::take(&mut self.ready) {
            let Some(lane) = self.lanes.get_mut(&server) else {
                continue;
            };
            while let Some(call) = lane.next() {
                let (id, sent) = under_way.send(Rc::clone(&call.call), now);
                let counted = UnawaitedCall {
                    since: call.since.or(Some(now)),
                    // `under_way` counts the memory of the call now.
                    _memory: HeldBytes::default(),
                    ..call
                };
                self.under_way.insert(id, counted);
                made.push((id, sent));
            }
        }
        made
    }

    /// Takes the response to a call at `now`. If the end of a session failed, it is kept for
    /// another try, even if a stream waited for it.
    pub fn done(
        &mut self,
        id: DispatchId,
        call: &Rc<Call>,
        response: &CallResponse,
        now: Duration,
    ) {
        let own = self.under_way.remove(&id);
        let lane = self.lanes.entry(call.server).or_default();
        let is_end = call.content == CallContent::Delete;
        if own.is_some() {
            let (queue, ..) = lane.queue(is_end);
            queue.under_way = queue.under_way.saturating_sub(1);
            queue.bytes = queue.bytes.saturating_sub(call.size());
            if !queue.waiting.is_empty() {
                self.ready.push(call.server);
            }
        }
        let since = own.and_then(|own| own.since).unwrap_or(now);
        let is_old = now.saturating_sub(since) >= TRIED_FOR;
        if is_end && !is_old && may_be_open(response) && lane.failed.len() < MOST_WAITING_ENDS {
            let again = UnawaitedCall::new(Rc::clone(call), Some(since));
            lane.failed.push(again);
        }
    }

    /// Tries again at `now` to end the sessions whose servers failed. Drops the ends that were
    /// tried for long enough.
    pub fn retry(&mut self, now: Duration) {
        for (server, lane) in &mut self.lanes {
            for call in std::mem::take(&mut lane.failed) {
                let since = call.since.unwrap_or(now);
                if now.saturating_sub(since) < TRIED_FOR {
                    lane.push(call);
                    self.ready.push(*server);
                }
            }
        }
    }
}

/// Whether the server may still have the session after this response, so that the gateway should
/// try again to end it.
fn may_be_open(response: &CallResponse) -> bool {
    match response {
        CallResponse::Http { status, .. } => matches!(status, 408 | 429 | 500 | 502..=599),
        CallResponse::Reset | CallResponse::NotSent | CallResponse::NoCluster => true,
        CallResponse::Encoded => false,
    }
}

impl Extend<Call> for Outbox {
    fn extend<T: IntoIterator<Item = Call>>(&mut self, calls: T) {
        for call in calls {
            self.push(call);
        }
    }
}

#[cfg(test)]
mod tests;
