//! The requests whose headers wait for the first byte of their body. A slow client
//! may never send it, and an Envoy that does not hold requests never delivers it; so
//! each of them is looked after by the timer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::http_stream::HttpStream;
use crate::stream::BODY_TIMEOUT;

/// How many requests are refused in one tick, so that no tick takes long.
const MOST_PER_TICK: usize = 1000;

/// The requests that wait, by their context ids. The host's ids grow, so the oldest
/// request comes first.
#[derive(Default)]
pub(super) struct BodyWaits(RefCell<BTreeMap<u32, BodyWait>>);

struct BodyWait {
    since: Duration,
    stream: Rc<RefCell<HttpStream>>,
}

impl BodyWaits {
    /// The request `id` waits from `now` on.
    pub(super) fn add(&self, id: u32, stream: &Rc<RefCell<HttpStream>>, now: Duration) {
        let wait = BodyWait {
            since: now,
            stream: Rc::clone(stream),
        };
        self.0.borrow_mut().insert(id, wait);
    }

    /// The request `id` waits no longer.
    pub(super) fn remove(&self, id: u32) {
        self.0.borrow_mut().remove(&id);
    }

    /// Takes the requests that have waited for [`BODY_TIMEOUT`], at most
    /// [`MOST_PER_TICK`] of them.
    pub(super) fn take_due(&self, now: Duration) -> Vec<(u32, Rc<RefCell<HttpStream>>)> {
        let mut waits = self.0.borrow_mut();
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
        self.0.borrow().is_empty()
    }
}
