//! The calls of one worker's streams that are under way. Several streams that
//! would ask the same of a server, with nothing of their clients in it, share
//! one call.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use crate::gateway::upstream::call::{Call, CallId};
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::upstream::page_key::PageKey;

/// Names a stream of this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId(pub u32);

/// Names a call of this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DispatchId(pub u64);

/// What a stream is told of its call.
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
}

#[derive(Debug)]
struct Job {
    call: Rc<Call>,
    since: Duration,
    waiting: Vec<(StreamId, CallId)>,
}

impl Calls {
    /// Takes a call of `stream` at the time `now`; gives it back to be sent,
    /// unless it waits for one that is under way.
    pub fn ask(
        &mut self,
        stream: StreamId,
        call: Call,
        now: Duration,
    ) -> Option<(DispatchId, Rc<Call>)> {
        let waiter = (stream, call.id);
        let joins = call.share.filter(|share| share.joins);
        let key = joins.map(|share| share.key);
        if let Some(key) = key
            && let Some(job) = self.shared.get(&key).and_then(|id| self.jobs.get_mut(id))
        {
            job.waiting.push(waiter);
            return None;
        }
        let call = Rc::new(call);
        let id = self.begun(&call, now, vec![waiter]);
        if let Some(key) = key {
            self.shared.insert(key, id);
        }
        Some((id, call))
    }

    /// Takes a call at the time `now` whose answer nobody waits for.
    pub fn send(&mut self, call: Call, now: Duration) -> (DispatchId, Rc<Call>) {
        let call = Rc::new(call);
        let waiting = Vec::new();
        (self.begun(&call, now, waiting), call)
    }

    fn begun(
        &mut self,
        call: &Rc<Call>,
        since: Duration,
        waiting: Vec<(StreamId, CallId)>,
    ) -> DispatchId {
        self.last = self.last.wrapping_add(1);
        let id = DispatchId(self.last);
        let call = Rc::clone(call);
        self.jobs.insert(
            id,
            Job {
                call,
                since,
                waiting,
            },
        );
        id
    }

    /// How many are under way that nobody waits for.
    pub fn unawaited(&self) -> usize {
        let jobs = self.jobs.values();
        jobs.filter(|job| job.waiting.is_empty()).count()
    }

    /// The call and since when it is under way, while it is.
    pub fn call(&self, id: DispatchId) -> Option<(Rc<Call>, Duration)> {
        let job = self.jobs.get(&id)?;
        Some((Rc::clone(&job.call), job.since))
    }

    /// The call is done with: who is told what. An answer that was meant for one
    /// caller goes to who asked first; the others have to ask for themselves.
    pub fn done(&mut self, id: DispatchId, answer: &CallResult) -> Vec<Delivery> {
        let Some(job) = self.jobs.remove(&id) else {
            return Vec::new();
        };
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

    /// The stream is gone: nobody waits for its calls any more.
    pub fn gone(&mut self, stream: StreamId) {
        for job in self.jobs.values_mut() {
            job.waiting.retain(|(waiter, _)| *waiter != stream);
        }
    }
}
