//! The program under test.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::process::{Output, POLL_EVERY, run};
use crate::harness::setup;

pub(crate) const ENDED_WITHIN: Duration = Duration::from_secs(180);

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-gateway");

pub(crate) fn program() -> Command {
    in_repository(Command::new(PROGRAM))
}

fn in_repository(mut program: Command) -> Command {
    program
        .current_dir(setup::repository())
        // The program registers running gateways in this folder. With a folder of its own,
        // the test does not find gateways that somebody else runs on this machine.
        .env("XDG_RUNTIME_DIR", setup::files());
    program
}

/// Runs the program with `arguments`, and returns its output.
pub(crate) fn says(arguments: &[&str]) -> Output {
    run(program().args(arguments), ENDED_WITHIN)
}

/// A new directory for one test.
pub(crate) fn folder() -> PathBuf {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let folder = setup::files().join(format!("cli-{number:02}"));
    fs::create_dir(&folder).expect("a folder");
    folder
}

/// Saves `text` as some editors do: writes another file, and then moves it to `file`.
pub(crate) fn save(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).expect("a file");
    fs::rename(new, file).expect("a file that is moved");
}

/// Saves `text` as other editors do: writes into the file itself. It writes in two steps,
/// so that the program may see half of the text.
pub(crate) fn overwrite(file: &Path, text: &str) {
    let mut open = File::create(file).expect("a file");
    let (one, two) = text.as_bytes().split_at(text.len() / 2);
    open.write_all(one).expect("half a file");
    thread::sleep(Duration::from_millis(5));
    open.write_all(two).expect("the other half");
}

/// The program, for which SIGHUP is not ignored, although the tests may run under `nohup`.
fn with_hangup() -> Command {
    if cfg!(not(target_os = "linux")) {
        return program();
    }
    let mut env = in_repository(Command::new("env"));
    env.args(["--default-signal=HUP", PROGRAM]);
    env
}

/// A running `mcp-gateway run`. Dropping it ends the program.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Running {
    pub(crate) fn start(file: &Path) -> Self {
        Self::with(file, &[], &[])
    }

    /// Starts `run` with these environment variables.
    pub(crate) fn with_variables(file: &Path, variables: &[(&str, &str)]) -> Self {
        Self::with(file, &[], variables)
    }

    /// Starts `run` as `nohup` does.
    pub(crate) fn without_hangup(file: &Path) -> Self {
        let mut shell = in_repository(Command::new("sh"));
        shell.args(["-c", "trap '' HUP; exec \"$@\"", "sh", PROGRAM]);
        Self::of(shell, file, &[], &[])
    }

    /// Starts `run` with these options and environment variables.
    pub(crate) fn with(file: &Path, options: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::of(with_hangup(), file, options, variables)
    }

    fn of(mut program: Command, file: &Path, options: &[&str], variables: &[(&str, &str)]) -> Self {
        let log = file.with_extension("log");
        let out = File::create(&log).expect("a log");
        let mut child = program
            .arg("run")
            .args(if options.contains(&"--port") {
                &[][..]
            } else {
                &["--port", "0"]
            })
            .args(options)
            .arg(file)
            .env("ENVOY", setup::envoy())
            .env("MCP_GATEWAY_WASM", setup::filter())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a log"))
            .stderr(out)
            .spawn()
            .expect("the program");
        let deadline = Instant::now() + ENDED_WITHIN;
        let address = loop {
            let said = fs::read_to_string(&log).expect("its log");
            let served = said.split_once("is served at http://");
            if let Some((address, _)) = served.and_then(|(_, rest)| rest.split_once("/mcp\n")) {
                break address.parse().expect("an address");
            }
            let ended = child.try_wait().expect("a child");
            assert!(ended.is_none() && Instant::now() < deadline, "{said}");
            thread::sleep(POLL_EVERY);
        };
        Self {
            child,
            log,
            address,
        }
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).expect("its log")
    }

    /// Waits until the output contains `text` this many times.
    pub(crate) fn says(&self, text: &str, times: usize) {
        let deadline = Instant::now() + ENDED_WITHIN;
        while self.said().matches(text).count() < times {
            assert!(Instant::now() < deadline, "no {text:?} in\n{}", self.said());
            thread::sleep(POLL_EVERY);
        }
    }

    /// Ends the program as Ctrl-C does. Returns whether it succeeded.
    pub(crate) fn end(mut self) -> bool {
        self.signal("INT");
        self.child.wait().expect("a child").success()
    }

    /// Sends a signal to the program only, and not to the processes that it has started.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let _ = Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.signal("TERM");
            let _ = self.child.wait();
        }
        if thread::panicking() {
            eprintln!("{}", self.said());
        }
    }
}
