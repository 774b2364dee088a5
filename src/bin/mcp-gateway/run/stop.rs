//! The user's signal to stop the program.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a program that Ctrl-C has ended, as in shells.
const INTERRUPTED: i32 = 130;

/// Whether the user has stopped the program. The program ends at once if no code checks this
/// signal, for example during a question to the user or a download, and at the second signal. Then
/// the watchdog ends its processes and removes its files.
#[derive(Debug, Default)]
pub(super) struct StopSignal {
    is_set: AtomicBool,
    is_asked_for: AtomicBool,
}

impl StopSignal {
    /// A stop signal that Ctrl-C and the other signals set. They call `and` afterwards.
    ///
    /// # Errors
    /// The program cannot wait for signals.
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
