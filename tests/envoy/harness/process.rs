//! Processes that end with the test, and processes that end by themselves.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub(crate) const POLL_EVERY: Duration = Duration::from_millis(10);

/// Kills the program, which takes the shell's place and so its id, when the
/// other end of the shell's stdin is closed: whoever holds it is gone then.
const LEASHED: &str = r#"
exec 3<&0
{ cat <&3; kill -9 $$; } >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
"#;

/// A process that ends when this is dropped, or when the test's process ends
/// without dropping it (a `static`, a signal).
pub(crate) struct Process {
    child: Child,
    leash: Option<ChildStdin>,
}

impl Process {
    pub(crate) fn start<A: AsRef<OsStr>>(
        program: &Path,
        args: &[A],
        stdout: Stdio,
        stderr: Stdio,
    ) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", LEASHED, "sh"])
            .arg(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let leash = child.stdin.take();
        Self { child, leash }
    }

    /// What the process writes to a piped stdout.
    pub(crate) fn stdout(&mut self) -> impl Read + use<> {
        self.child.stdout.take().expect("a piped stdout, once")
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How the process ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of this process")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        drop(self.leash.take());
        let _ = self.child.wait();
    }
}

/// What a process left behind.
pub(crate) struct Output {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `command` to its end, which must come in time.
pub(crate) fn run(command: &mut Command, within: Duration) -> Output {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let stdout = read(child.stdout.take());
    let stderr = read(child.stderr.take());
    let deadline = Instant::now() + within;
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child of this process") {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{command:?} did not end within {} s", within.as_secs());
        }
        thread::sleep(POLL_EVERY);
    };
    let text = |reader: JoinHandle<String>| reader.join().expect("output that is read");
    Output {
        success: status.success(),
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

/// Both ends are read at once: a full pipe would hold the process.
fn read(from: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            let _ = from.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
