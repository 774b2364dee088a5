//! Processes that end with the test, and commands whose end the test waits for.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub(crate) const POLL_EVERY: Duration = Duration::from_millis(10);

/// Replaces the shell with the program, which so gets the process id of the shell. A background
/// process kills this id as soon as the shell's stdin is closed: then the test's process, which
/// holds the other end, is gone.
const LEASHED: &str = r#"
exec 3<&0
{ cat <&3; kill -9 $$; } >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
"#;

/// A process that ends when this value is dropped. It also ends if the test's process ends and does
/// not drop the value (because it is in a `static`, or because of a signal).
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

    /// The stdout of the process, which must be a pipe.
    pub(crate) fn stdout(&mut self) -> impl Read + use<> {
        self.child.stdout.take().expect("a piped stdout, once")
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, if the process has ended.
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

/// The result of a process that has ended.
pub(crate) struct Output {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `command` to its end. Panics if this takes longer than `within`.
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

/// Reads `from` in its own thread. The test reads stdout and stderr at the same time, since a
/// process blocks when a pipe is full.
fn read(from: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            let _ = from.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
