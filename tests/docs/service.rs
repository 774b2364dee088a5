//! A command that stays up, as in a terminal of its own.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::commands::bash;
use crate::harness::process::POLL_EVERY;
use crate::harness::setup;
use crate::page::Block;

/// It may build something first.
const UP_WITHIN: Duration = Duration::from_secs(180);
const ENDED_WITHIN: Duration = Duration::from_secs(30);

/// Ended by Ctrl-C when dropped.
pub(crate) struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts the command of `block`, and waits until it has printed all lines
    /// of `promised`.
    pub(crate) fn start(block: &Block, promised: &Block) -> Self {
        let name = block.place.replace(['/', ':'], "-");
        let log = setup::files().join(format!("{name}.log"));
        let out = File::create(&log).expect("a log");
        let child = bash(&block.text)
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("the same log"))
            .stderr(out)
            // Ctrl-C is for all of the terminal's processes.
            .process_group(0)
            .spawn()
            .expect("bash");
        let mut service = Self { child, log };
        let deadline = Instant::now() + UP_WITHIN;
        loop {
            let printed = service.printed();
            let Some(missing) = promised.text.lines().find(|line| !printed.contains(*line)) else {
                return service;
            };
            let ended = service.child.try_wait().expect("a child");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{}: {}\nprinted\n{printed}\nbut the page says\n{missing}",
                block.place,
                block.text
            );
            thread::sleep(POLL_EVERY);
        }
    }

    fn printed(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let send = |signal: &str| Command::new("kill").args([signal, "--", &group]).status();
        let _ = send("-INT");
        let deadline = Instant::now() + ENDED_WITHIN;
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if Instant::now() > deadline {
                let _ = send("-KILL");
                let _ = self.child.wait();
                assert!(
                    thread::panicking(),
                    "Ctrl-C does not end it: {:?}",
                    self.log
                );
            }
            thread::sleep(POLL_EVERY);
        }
    }
}
