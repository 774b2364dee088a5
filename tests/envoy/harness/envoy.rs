//! Envoy as a process. It chooses its own ports.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::bootstrap::Bootstrap;
use super::process::{POLL_EVERY, Process};
use super::setup;

/// Long enough for Envoy to compile the filter on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(180);
/// How long a test waits for a line in a log. Envoy flushes its access log every 10 ms here.
const LOGGED_WITHIN: Duration = Duration::from_secs(60);

/// How long Envoy waits for a connection to a server. On a busy machine, a worker may notice only
/// after more than a second that it has one.
const TIMEOUT: &str = "connect_timeout: 30s";
const SHIPPED_TIMEOUT: &str = "connect_timeout: 5s";

/// A running Envoy. Dropping it ends the process, and fails the test if Envoy's log has a failure
/// or if Envoy has ended by itself.
pub(crate) struct Envoy {
    process: Process,
    files: PathBuf,
    /// The address of the listener.
    pub(crate) address: SocketAddr,
    failures_expected: bool,
}

impl Envoy {
    /// Starts an Envoy with two workers. Its files are in `target/tmp/envoy`, in a directory named
    /// by the id of the test's process, and there in one named by a number and `name`.
    pub(crate) fn start(name: &str, bootstrap: &Bootstrap) -> Self {
        Self::with_workers(2, name, bootstrap)
    }

    pub(crate) fn with_workers(workers: usize, name: &str, bootstrap: &Bootstrap) -> Self {
        let (mut process, files) = launch(workers, name, bootstrap);
        let deadline = Instant::now() + READY_WITHIN;
        let address = loop {
            if let Some(address) = ready(&files) {
                break address;
            }
            if let Some(status) = process.ended() {
                panic!("Envoy ended ({status}):\n{}", read(&files.join("log")));
            }
            if Instant::now() > deadline {
                panic!("Envoy is not ready:\n{}", read(&files.join("log")));
            }
            thread::sleep(POLL_EVERY);
        };
        Self {
            process,
            files,
            address,
            failures_expected: false,
        }
    }

    /// The value of a counter, which must exist already.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        let admin = read(&self.files.join("admin"));
        let admin = admin.trim().parse().expect("the address of the admin");
        let (_, stats) = ask(admin, "/stats").expect("an answer of the admin");
        let value = stats
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("no counter {name}"))
    }

    /// The filter's own metrics, in the format of Prometheus.
    pub(crate) fn metrics(&self) -> String {
        let admin = read(&self.files.join("admin"));
        let admin = admin.trim().parse().expect("the address of the admin");
        let (_, metrics) =
            ask(admin, "/stats/prometheus?filter=wasmcustom").expect("an answer of the admin");
        metrics
    }

    /// The URL of the endpoint.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Waits until this counter or gauge, which must exist already, has a value for which `is_it` is
    /// true. Returns the value.
    pub(crate) async fn stat_until(&self, name: &str, is_it: impl Fn(u64) -> bool) -> u64 {
        let deadline = Instant::now() + LOGGED_WITHIN;
        loop {
            let value = self.stat(name);
            if is_it(value) {
                return value;
            }
            assert!(Instant::now() < deadline, "{name} is {value}");
            tokio::time::sleep(POLL_EVERY).await;
        }
    }

    /// Everything that Envoy has logged so far.
    pub(crate) fn log(&self) -> Vec<String> {
        let log = read(&self.files.join("log"));
        log.lines().map(str::to_owned).collect()
    }

    /// Everything that Envoy has written to the access log so far.
    pub(crate) fn access(&self) -> String {
        read(&self.files.join("access"))
    }

    /// How many bytes of memory Envoy uses, with its VMs. `None` if the operating system does not
    /// tell.
    pub(crate) fn resident(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        kilobytes.checked_mul(1024)
    }

    /// Waits for the one line of the log that contains `text`.
    pub(crate) fn logged(&self, text: &str) -> String {
        one_line(&self.files.join("log"), text)
    }

    /// Waits for the one line of the access log that contains `text`.
    pub(crate) fn access_logged(&self, text: &str) -> String {
        one_line(&self.files.join("access"), text)
    }

    /// Waits for the one line of the access log, a JSON object, that has these members.
    pub(crate) fn access_with(&self, members: &Value) -> Value {
        let members = members.as_object().expect("an object");
        let parsed = |line: &str| serde_json::from_str::<Value>(line).ok();
        let is_it = |line: &str| {
            parsed(line).is_some_and(|line| members.iter().all(|(key, value)| line[key] == *value))
        };
        let text = format!("{members:?}");
        let line = one_line_where(&self.files.join("access"), &text, is_it);
        parsed(&line).expect("JSON")
    }

    /// The lines of the log that are failures. No test may cause one without expecting it.
    pub(crate) fn failures(&self) -> Vec<String> {
        let mut log = self.log();
        log.retain(|line| is_failure(line));
        log
    }

    /// From now on, failures in the log do not fail the test.
    pub(crate) fn failures_are_expected(&mut self) {
        self.failures_expected = true;
    }

    /// Fails the test if the log has a failure that the test does not expect.
    pub(crate) fn check(&self) {
        if self.failures_expected {
            return;
        }
        let failures = self.failures();
        assert!(
            failures.is_empty(),
            "Envoy's log ({}) tells of failures:\n{}",
            self.files.display(),
            failures.join("\n")
        );
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("Envoy's files are in {}", self.files.display());
            return;
        }
        if let Some(status) = self.process.ended() {
            panic!("Envoy has ended ({status}):\n{}", self.log().join("\n"));
        }
        self.check();
    }
}

/// Starts an Envoy that must refuse its configuration. Returns its log.
pub(crate) fn refused(name: &str, bootstrap: &Bootstrap) -> Vec<String> {
    let (mut process, files) = launch(2, name, bootstrap);
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        if let Some(status) = process.ended() {
            assert!(!status.success(), "Envoy ended without an error");
            let log = read(&files.join("log"));
            return log.lines().map(str::to_owned).collect();
        }
        assert!(ready(&files).is_none(), "Envoy accepts the configuration");
        assert!(Instant::now() < deadline, "Envoy does not end");
        thread::sleep(POLL_EVERY);
    }
}

/// A panic is logged as `critical`. A VM that failed, a host call that Envoy refused and a
/// configuration that was refused are logged as `error`.
pub(crate) fn is_failure(line: &str) -> bool {
    let level = line.split("][").nth(2);
    matches!(level, Some("error" | "critical")) || line.contains("panicked at")
}

fn launch(workers: usize, name: &str, bootstrap: &Bootstrap) -> (Process, PathBuf) {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    let files = setup::files().join(format!("{number:02}-{name}"));
    fs::create_dir(&files).expect("a directory for the files of an Envoy");
    let config = files.join("envoy.yaml");
    let text = bootstrap.text().replace(SHIPPED_TIMEOUT, TIMEOUT);
    fs::write(&config, text).expect("Envoy's configuration");
    let path = |name: &str| files.join(name).to_str().expect("UTF-8").to_owned();
    let args = [
        ["-c", &path("envoy.yaml")],
        ["--admin-address-path", &path("admin")],
        ["--concurrency", &workers.to_string()],
        ["-l", "warn"],
        ["--component-log-level", "wasm:info"],
        ["--file-flush-interval-msec", "10"],
    ];
    let mut args: Vec<&str> = args.iter().flatten().copied().collect();
    // Several Envoys run on this machine, and none may take over from another.
    args.push("--disable-hot-restart");
    let file = |name| File::create(files.join(name)).expect("a file for Envoy's output");
    let process = Process::start(
        setup::envoy(),
        &args,
        file("access").into(),
        file("log").into(),
    );
    (process, files)
}

/// The listener's address, or `None` while Envoy is not ready.
fn ready(files: &Path) -> Option<SocketAddr> {
    let admin = fs::read_to_string(files.join("admin")).ok()?;
    let admin = admin.trim().parse().ok()?;
    let (head, _) = ask(admin, "/ready")?;
    if !head.starts_with("HTTP/1.1 200") {
        return None;
    }
    let (_, body) = ask(admin, "/listeners?format=json")?;
    let listeners: Value = serde_json::from_str(&body).ok()?;
    let address = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
    // The port is 0, as configured, until Envoy has chosen one.
    let port = address["port_value"].as_u64().filter(|port| *port != 0)?;
    format!("{}:{port}", address["address"].as_str()?)
        .parse()
        .ok()
}

/// Sends a request to the admin interface. Returns `None` if this fails, since Envoy may still be
/// starting.
fn ask(admin: SocketAddr, path: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(admin).ok()?;
    stream.set_read_timeout(Some(LOGGED_WITHIN)).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    // The body is chunked. These answers are short, so the first chunk has the whole text.
    let body = match body.split_once("\r\n") {
        Some((_, rest)) => rest.rsplit_once("\r\n0\r\n").map_or(rest, |(text, _)| text),
        None => body,
    };
    Some((head.to_owned(), body.to_owned()))
}

/// Waits for the one line of `file` that contains `text`.
fn one_line(file: &Path, text: &str) -> String {
    one_line_where(file, text, |line| line.contains(text))
}

/// Waits for the one line of `file` for which `is_it` is true. `text` describes it in errors.
fn one_line_where(file: &Path, text: &str, is_it: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + LOGGED_WITHIN;
    loop {
        let log = read(file);
        // A line without its end is still being written.
        let complete = log.rsplit_once('\n').map_or("", |(lines, _)| lines);
        let mut lines = complete.lines().filter(|line| is_it(line));
        if let Some(line) = lines.next() {
            assert_eq!(lines.next(), None, "a second line with {text:?}");
            return line.to_owned();
        }
        assert!(
            Instant::now() < deadline,
            "no line with {text:?} in {}:\n{log}",
            file.display()
        );
        thread::sleep(POLL_EVERY);
    }
}

fn read(file: &Path) -> String {
    let bytes = fs::read(file).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
