//! Whether Envoy shows the filter the bodies of requests whose headers wait
//! (`allow_on_headers_stop_iteration`). What one plugin has seen counts for all plugins
//! of its VM, also for a newer configuration. A VM has one thread.

use std::cell::Cell;

thread_local! {
    static SEEN: Cell<BodyHold> = const { Cell::new(BodyHold::Unknown) };
}

/// What is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::stream) enum BodyHold {
    /// No such body has arrived.
    Unknown,
    /// No such body has arrived, and the log has a line about it.
    Reported,
    /// One has arrived.
    Works,
}

impl BodyHold {
    /// What is known now.
    pub(in crate::stream) fn now() -> Self {
        SEEN.get()
    }

    /// This is known from now on.
    pub(in crate::stream) fn remember(self) {
        SEEN.set(self);
    }
}
