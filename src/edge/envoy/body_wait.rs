//! The requests whose headers wait for the first byte of their body. A slow client may never send
//! it, and an Envoy that does not hold requests never delivers it. So a timer checks these
//! requests.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use super::http_stream::HttpStream;
use crate::stream::BODY_TIMEOUT;

/// How many requests are refused in one tick, so that no tick takes long.
const MOST_PER_TICK: usize = 1000;

/// The requests that wait, by their context ids.
#[derive(Default)]
pub(super) struct BodyWaits {
    /// The requests that have come since the last tick. To read the time is a host call, which
    /// would slow down each request, so only ticks read it.
    new: RefCell<HashMap<u32, Rc<RefCell<HttpStream>>>>,
    /// The others. The host's ids grow, so the oldest request comes first.
    timed: RefCell<BTreeMap<u32, BodyWait>>,
}

struct BodyWait {
    /// The first tick after the request came.
    since: Duration,
    stream: Rc<RefCell<HttpStream>>,
}

impl BodyWaits {
    /// The request `id` waits from now on.
    pub(super) fn add(&self, id: u32, stream: &Rc<RefCell<HttpStream>>) {
        self.new.borrow_mut().insert(id, Rc::clone(stream));
    }

    /// The request `id` waits no longer.
    pub(super) fn remove(&self, id: u32) {
        if self.new.borrow_mut().remove(&id).is_none() {
            self.timed.borrow_mut().remove(&id);
        }
    }

    /// At a tick: takes the requests that have waited for [`BODY_TIMEOUT`], at most
    /// [`MOST_PER_TICK`] of them.
    pub(super) fn take_due(&self, now: Duration) -> Vec<(u32, Rc<RefCell<HttpStream>>)> {
        let mut waits = self.timed.borrow_mut();
        let new = self.new.take().into_iter();
        waits.extend(new.map(|(id, stream)| (id, BodyWait { since: now, stream })));
        let mut due = Vec::new();
        while due.len() < MOST_PER_TICK
            && let Some(first) = waits.first_entry()
            && now.saturating_sub(first.get().since) >= BODY_TIMEOUT
        {
            let (id, wait) = first.remove_entry();
            due.push((id, wait.stream));
        }
        due
    }

    /// Whether no request waits.
    pub(super) fn is_empty(&self) -> bool {
        self.new.borrow().is_empty() && self.timed.borrow().is_empty()
    }
}
