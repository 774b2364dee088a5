//! The user's signal to stop the program.

use std::fs;
use std::future::pending;
use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal as UnixSignal, SignalKind, signal};

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
        let failed = |error: io::Error| format!("cannot wait for signals: {error}");
        let runtime = Builder::new_current_thread().enable_io().build();
        let runtime = runtime.map_err(failed)?;
        let mut signals = runtime.block_on(async { Signals::new() }).map_err(failed)?;
        let stop = Arc::new(Self::default());
        let signal = Arc::clone(&stop);
        let wait = move || loop {
            runtime.block_on(signals.next());
            let was_set = signal.is_set.swap(true, Ordering::Relaxed);
            if was_set || !signal.is_asked_for.load(Ordering::Relaxed) {
                process::exit(INTERRUPTED);
            }
            and();
        };
        let thread = thread::Builder::new().name("signals".to_owned());
        thread.spawn(wait).map_err(failed)?;
        Ok(stop)
    }

    pub(super) fn is_set(&self) -> bool {
        self.is_asked_for.store(true, Ordering::Relaxed);
        self.is_set.load(Ordering::Relaxed)
    }
}

/// The signals that stop the program.
struct Signals {
    interrupt: UnixSignal,
    terminate: UnixSignal,
    /// `None` if it was ignored when the program started, as with `nohup`. Then it stays ignored.
    hangup: Option<UnixSignal>,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let is_ignored = is_hangup_ignored();
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: match is_ignored {
                true => None,
                false => Some(signal(SignalKind::hangup())?),
            },
        })
    }

    /// Waits for one of them.
    async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Whether the program that started this one ignores SIGHUP for it. Only Linux says it in a file.
fn is_hangup_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut masks = status.lines().filter_map(|it| it.strip_prefix("SigIgn:"));
    let mask = masks
        .next()
        .and_then(|it| u64::from_str_radix(it.trim(), 16).ok());
    // The bit of a signal is its number minus one, and the number of SIGHUP is 1.
    mask.is_some_and(|mask| mask & 1 == 1)
}
