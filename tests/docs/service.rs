//! A command of a `sh stays` block. It runs in the background, as in a second terminal.

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

/// How long a command may take to start. It may have to build something first.
const UP_WITHIN: Duration = Duration::from_secs(600);
const ENDED_WITHIN: Duration = Duration::from_secs(120);

/// A running command. Dropping it sends Ctrl-C.
pub(crate) struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts the command of `block`, and waits until it has printed all lines of
    /// `promised`.
    pub(crate) fn start(block: &Block, promised: &Block) -> Self {
        let name = block.place.replace(['/', ':'], "-");
        let log = setup::files().join(format!("{name}.log"));
        let out = File::create(&log).expect("a log");
        let child = bash(&block.text)
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("the same log"))
            .stderr(out)
            // As in a terminal, Ctrl-C must reach all processes of the command. So they get
            // a process group of their own.
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
        let send = |signal: &str| Command::new("kill").args([signal, "--", &group]).output();
        let _ = send("-INT");
        let deadline = Instant::now() + ENDED_WITHIN;
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if Instant::now() > deadline {
                let _ = send("-KILL");
                let _ = self.child.wait();
                assert!(
                    thread::panicking(),
                    "the command does not end after Ctrl-C: {:?}",
                    self.log
                );
            }
            thread::sleep(POLL_EVERY);
        }
        // What the command has started in the background may still be about to end. The next page
        // needs its ports.
        let _ = send("-KILL");
    }
}
