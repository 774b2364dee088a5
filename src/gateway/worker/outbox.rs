//! Calls to make whose answer nobody waits for: notifications and responses for
//! servers, and the ends of sessions.

use std::rc::Rc;
use std::time::Duration;

use crate::gateway::upstream::call::Call;
use crate::gateway::worker::calls::{Calls, DispatchId};

/// So many calls without a waiting stream are under way at most. More are dropped:
/// a flood of notifications must not use up memory and connections.
const MOST_UNAWAITED: usize = 256;

/// The calls to make.
#[derive(Debug, Default)]
pub struct Outbox {
    calls: Vec<Call>,
}

impl Outbox {
    /// Adds a call.
    pub fn push(&mut self, call: Call) {
        self.calls.push(call);
    }

    /// Whether there is no call to make.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Takes all calls out, to be sent at `now`. `under_way` keeps account of them.
    pub fn dispatch(
        &mut self,
        under_way: &mut Calls,
        now: Duration,
    ) -> Vec<(DispatchId, Rc<Call>)> {
        let mut sent = Vec::new();
        for call in std::mem::take(&mut self.calls) {
            if under_way.unawaited() < MOST_UNAWAITED {
                sent.push(under_way.send(call, now));
            }
        }
        sent
    }
}

impl Extend<Call> for Outbox {
    fn extend<T: IntoIterator<Item = Call>>(&mut self, calls: T) {
        self.calls.extend(calls);
    }
}
