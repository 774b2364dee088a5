//! The time. To read it is a host call, so one callback reads it at most once, and only if it needs
//! the time. A callback takes far less than the times that the core measures.

use std::cell::Cell;
use std::time::{Duration, SystemTime};

thread_local! {
    static NOW: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// The host has begun a callback, so the time that was read before is not valid any more.
pub(super) fn begin_callback() {
    NOW.set(None);
}

/// The time since 1970 at which this callback first asked for it.
pub(super) fn now() -> Duration {
    NOW.get().unwrap_or_else(|| {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
        NOW.set(Some(now));
        now
    })
}
