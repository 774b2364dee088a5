//! The user's wish to stop the program.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a program that Ctrl-C has ended, as shells have it.
const INTERRUPTED: i32 = 130;

/// Whether the user has stopped the program. As long as nobody asks for it, as while a
/// question to the user or a download waits, and the second time, the program ends at
/// once: the watchdog ends and removes what it leaves.
#[derive(Debug, Default)]
pub(super) struct StopSignal {
    is_set: AtomicBool,
    is_asked_for: AtomicBool,
}

impl StopSignal {
    /// One that Ctrl-C and the other signals set, which then call `and`.
    ///
    /// # Errors
    /// The signals cannot be waited for.
    pub(super) fn on_signals(and: impl Fn() + Send + 'static) -> Result<Arc<Self>, String> {
        let stop = Arc::new(Self::default());
        let signal = Arc::clone(&stop);
        ctrlc::set_handler(move || {
            let was_set = signal.is_set.swap(true, Ordering::Relaxed);
            if was_set || !signal.is_asked_for.load(Ordering::Relaxed) {
                process::exit(INTERRUPTED);
            }
            and();
        })
        .map_err(|error| format!("cannot wait for signals: {error}"))?;
        Ok(stop)
    }

    pub(super) fn is_set(&self) -> bool {
        self.is_asked_for.store(true, Ordering::Relaxed);
        self.is_set.load(Ordering::Relaxed)
    }
}
