//! The calls that are under way, of all streams of one worker. Streams that would
//! ask a server the same, with nothing of their clients in it, share one call.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use crate::config::ServerId;
use crate::gateway::upstream::call::{Call, CallContent, CallId, UpstreamRequest};
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::upstream::page_key::PageKey;
use crate::mcp::list::ListKind;

/// Names a stream of this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId(pub u32);

/// Names a call of this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DispatchId(pub u64);

/// What came of a call, for one stream that waited for it.
#[derive(Debug)]
pub struct Delivery {
    /// Which stream.
    pub to: StreamId,
    /// Its call.
    pub call: CallId,
    /// What came of it.
    pub answer: CallResult,
}

/// The calls under way.
#[derive(Debug, Default)]
pub struct Calls {
    last: u64,
    jobs: HashMap<DispatchId, Job>,
    shared: HashMap<PageKey, DispatchId>,
    /// The lists whose last answer was for one caller only.
    private_lists: HashSet<(ServerId, ListKind)>,
}

#[derive(Debug)]
struct Job {
    call: Rc<Call>,
    since: Duration,
    /// Who waits for the answer, the one that asked first in front.
    waiting: Vec<(StreamId, CallId)>,
}

impl Calls {
    /// Takes a call of `stream` at the time `now`. Gives it back to be sent, unless
    /// the stream waits for an equal call that is under way.
    pub fn ask(
        &mut self,
        stream: StreamId,
        call: Call,
        now: Duration,
    ) -> Option<(DispatchId, Rc<Call>)> {
        let waiter = call.id.map(|id| (stream, id));
        let joins = call.share.filter(|share| share.joins);
        let key = joins.map(|share| share.key);
        if let Some(key) = key
            && let Some(job) = self.shared.get(&key).and_then(|id| self.jobs.get_mut(id))
        {
            job.waiting.extend(waiter);
            return None;
        }
        let (id, call) = self.start(call, now, waiter);
        if let Some(key) = key {
            self.shared.insert(key, id);
        }
        Some((id, call))
    }

    /// Takes a call at the time `now` whose answer nobody waits for.
    pub fn send(&mut self, call: Call, now: Duration) -> (DispatchId, Rc<Call>) {
        self.start(call, now, None)
    }

    fn start(
        &mut self,
        call: Call,
        since: Duration,
        waiter: Option<(StreamId, CallId)>,
    ) -> (DispatchId, Rc<Call>) {
        self.last = self.last.wrapping_add(1);
        let id = DispatchId(self.last);
        let call = Rc::new(call);
        let job = Job {
            call: Rc::clone(&call),
            since,
            waiting: waiter.into_iter().collect(),
        };
        self.jobs.insert(id, job);
        (id, call)
    }

    /// How many are under way whose answer nobody waits for.
    pub fn unawaited(&self) -> usize {
        let jobs = self.jobs.values();
        jobs.filter(|job| job.waiting.is_empty()).count()
    }

    /// The call with this id, and when it was made, while it is under way.
    pub fn call(&self, id: DispatchId) -> Option<(Rc<Call>, Duration)> {
        let job = self.jobs.get(&id)?;
        Some((Rc::clone(&job.call), job.since))
    }

    /// Ends the call with this id: what each stream that waits is told. An answer
    /// for one caller only goes to the stream that asked first; the others have to
    /// ask again, each for itself.
    pub fn done(&mut self, id: DispatchId, answer: &CallResult) -> Vec<Delivery> {
        let Some(job) = self.jobs.remove(&id) else {
            return Vec::new();
        };
        self.remember_privacy(&job.call, answer);
        if let Some(share) = job.call.share.filter(|share| share.joins) {
            self.shared.remove(&share.key);
        }
        let private = answer.is_private();
        let deliver = |(at, (to, call)): (usize, (StreamId, CallId))| Delivery {
            to,
            call,
            answer: if private && at > 0 {
                CallResult::NotShared
            } else {
                answer.clone()
            },
        };
        job.waiting.into_iter().enumerate().map(deliver).collect()
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

    /// Whether it is worth waiting for the answer that another stream gets to this
    /// list: not where the last answer was for one caller only.
    pub fn is_shareable(&self, server: ServerId, kind: ListKind) -> bool {
        !self.private_lists.contains(&(server, kind))
    }

    /// The stream is over: it does not wait for its calls any more.
    pub fn stop_waiting(&mut self, stream: StreamId) {
        for job in self.jobs.values_mut() {
            job.waiting.retain(|(waiter, _)| *waiter != stream);
        }
    }
}
