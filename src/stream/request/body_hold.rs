//! Whether Envoy gives the filter the bodies of requests whose headers wait
//! (`allow_on_headers_stop_iteration`). All plugins of a VM share this knowledge, and a newer
//! configuration keeps it. A VM has one thread.

use std::cell::Cell;

thread_local! {
    static SEEN: Cell<BodyHold> = const { Cell::new(BodyHold::Unknown) };
}

/// What the VM knows about this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::stream) enum BodyHold {
    /// No such body has arrived.
    Unknown,
    /// No such body has arrived, and the filter has logged an error about it.
    Reported,
    /// Such a body has arrived.
    Works,
}

impl BodyHold {
    /// The current knowledge.
    pub(in crate::stream) fn now() -> Self {
        SEEN.get()
    }

    /// Stores the knowledge.
    pub(in crate::stream) fn remember(self) {
        SEEN.set(self);
    }
}
