//! The requests whose headers wait for the first byte of their body. A slow client may never send
//! it, and an Envoy that does not hold requests never delivers it. So a timer checks these
//! requests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use super::http_stream::HttpStream;
use crate::stream::BODY_TIMEOUT;

/// How many requests are refused in one tick, so that no tick takes long.
const MOST_PER_TICK: usize = 1000;

/// The requests that wait, by their context ids.
#[derive(Default)]
pub(super) struct BodyWaits(RefCell<HashMap<u32, BodyWait>>);

struct BodyWait {
    /// The first tick after the request came; `None` before that. To read the time is a host call,
    /// which would slow down each request, so only ticks read it.
    since: Option<Duration>,
    stream: Rc<RefCell<HttpStream>>,
}

impl BodyWaits {
    /// The request `id` waits from now on.
    pub(super) fn add(&self, id: u32, stream: &Rc<RefCell<HttpStream>>) {
        let wait = BodyWait {
            since: None,
            stream: Rc::clone(stream),
        };
        self.0.borrow_mut().insert(id, wait);
    }

    /// The request `id` waits no longer.
    pub(super) fn remove(&self, id: u32) {
        self.0.borrow_mut().remove(&id);
    }

    /// At a tick: takes the requests that have waited for [`BODY_TIMEOUT`], at most
    /// [`MOST_PER_TICK`] of them.
    pub(super) fn take_due(&self, now: Duration) -> Vec<(u32, Rc<RefCell<HttpStream>>)> {
        let mut waits = self.0.borrow_mut();
        let mut due = Vec::new();
        for (id, wait) in waits.iter_mut() {
            let since = *wait.since.get_or_insert(now);
            if due.len() < MOST_PER_TICK && now.saturating_sub(since) >= BODY_TIMEOUT {
                due.push((*id, Rc::clone(&wait.stream)));
            }
        }
        for (id, _) in &due {
            waits.remove(id);
        }
        due
    }

    /// Whether no request waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }
}
