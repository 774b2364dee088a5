//! Ends the processes that `run` has started, even if `run` is killed.
//!
//! The watchdog is this program in a separate process. `run` writes the ids of the process groups
//! to its stdin. When that pipe ends, `run` has ended.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{self, BufRead as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// The name of the watchdog command.
pub(crate) const COMMAND: &str = "watchdog";
/// How long processes may take to end by themselves.
const END_TIME_LIMIT: Duration = Duration::from_secs(3);

/// A running watchdog. All clones are the same watchdog.
#[derive(Debug, Clone)]
pub(super) struct Watchdog(Arc<Pipe>);

#[derive(Debug)]
struct Pipe {
    child: Mutex<Child>,
    stdin: Mutex<Option<ChildStdin>>,
}

/// A process group that ends with `run`. Dropping it ends the rest of the group.
#[derive(Debug)]
pub(super) struct WatchedGroup {
    group: u32,
    /// Whether the group has ended. Then its id may belong to another group.
    has_ended: AtomicBool,
    watchdog: Watchdog,
}

impl Watchdog {
    /// Starts a watchdog that removes `directory` at the end.
    ///
    /// # Errors
    /// The process cannot be started.
    pub(super) fn start(directory: &Path) -> io::Result<Self> {
        Self::spawn(
            Command::new(env::current_exe()?)
                .arg(COMMAND)
                .arg(directory),
        )
    }

    /// A watchdog that only reads what a real one gets.
    #[cfg(test)]
    pub(super) fn idle() -> io::Result<Self> {
        Self::spawn(&mut Command::new("cat"))
    }

    fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A signal to the process group of `run` must not end the watchdog.
            .process_group(0)
            .spawn()?;
        let stdin = Mutex::new(child.stdin.take());
        Ok(Self(Arc::new(Pipe {
            child: Mutex::new(child),
            stdin,
        })))
    }

    /// Watches the process group `group`, which has the id of its first process.
    pub(super) fn watch(&self, group: u32) -> WatchedGroup {
        self.write('+', group);
        WatchedGroup {
            group,
            has_ended: AtomicBool::new(false),
            watchdog: self.clone(),
        }
    }

    fn write(&self, sign: char, group: u32) {
        let mut stdin = self.0.stdin.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stdin) = stdin.as_mut() {
            let _ = stdin.write_all(format!("{sign}{group}\n").as_bytes());
        }
    }
}

impl WatchedGroup {
    /// Sends `signal` to all processes of the group.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(group) = pid(self.group)
            && !self.has_ended.load(Ordering::Relaxed)
        {
            let _ = kill_process_group(group, signal);
        }
    }

    /// Remembers that all processes of the group have ended.
    pub(super) fn has_ended(&self) {
        if !self.has_ended.swap(true, Ordering::Relaxed) {
            self.watchdog.write('-', self.group);
        }
    }
}

impl Drop for WatchedGroup {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        self.has_ended();
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let stdin = self.stdin.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(stdin.take());
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = child.wait();
    }
}

/// The watchdog: waits for the end of stdin, ends the remaining process groups, and removes
/// `directory`.
pub(crate) fn run(directory: &Path) {
    let mut groups = BTreeSet::new();
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        match line.split_at_checked(1) {
            Some(("+", group)) => groups.extend(group.parse::<u32>()),
            Some(("-", group)) => {
                groups.retain(|known| known.to_string() != group);
            }
            _ => {}
        }
    }
    let groups: Vec<Pid> = groups.into_iter().filter_map(pid).collect();
    for group in &groups {
        let _ = kill_process_group(*group, Signal::TERM);
    }
    let deadline = Instant::now() + END_TIME_LIMIT;
    let is_there = |group: &Pid| test_kill_process_group(*group).is_ok();
    while groups.iter().any(is_there) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    for group in &groups {
        let _ = kill_process_group(*group, Signal::KILL);
    }
    let _ = fs::remove_dir_all(directory);
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}
