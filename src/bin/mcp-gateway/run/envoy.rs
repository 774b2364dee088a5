//! Envoy as a child process.

use std::io;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hyper::Request;
use serde_json::Value;

use super::http;
use super::log::RunLog;
use super::stop::StopSignal;
use super::watchdog::{Watchdog, WatchedGroup};
use super::work_dir::WorkDir;

/// How long Envoy may take to start. It compiles the filter, perhaps on a busy machine.
const START_TIME_LIMIT: Duration = Duration::from_secs(60);
/// How long Envoy may take to end by itself.
const END_TIME_LIMIT: Duration = Duration::from_secs(5);
/// How long the admin interface may take for one answer.
const ADMIN_TIME_LIMIT: Duration = Duration::from_secs(5);

/// A running Envoy. Dropping it ends the process.
pub(super) struct Envoy {
    child: Child,
    work_dir: WorkDir,
    log: RunLog,
    group: WatchedGroup,
}

/// The detail of the filter's messages in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogDetail {
    Warnings,
    /// The filter also logs each request.
    FilterDebug,
}

/// The result of waiting for Envoy.
pub(super) enum Startup {
    /// Envoy accepts requests at this address.
    Ready(SocketAddr),
    /// The user stopped the program first.
    Stopped,
}

impl Envoy {
    /// Starts `program` with the files in `work_dir`. Envoy ends when this program ends.
    ///
    /// # Errors
    /// The process cannot be started.
    pub(super) fn start(
        program: &Path,
        work_dir: &WorkDir,
        log: &RunLog,
        detail: LogDetail,
        watchdog: &Watchdog,
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        if detail == LogDetail::FilterDebug {
            command.args(["--component-log-level", "wasm:debug"]);
        }
        let child = command
            .args(["-c", &work_dir.bootstrap()])
            // With hot restart, a second Envoy on this machine could replace this one.
            .arg("--disable-hot-restart")
            .args(["-l", "warn"])
            .args(["--file-flush-interval-msec", "200"])
            .stdin(Stdio::null())
            .stdout(log.file()?)
            .stderr(log.file()?)
            // Only this program gets the Ctrl-C of a terminal, and then ends Envoy.
            .process_group(0)
            .spawn()?;
        let group = watchdog.watch(child.id());
        Ok(Self {
            child,
            work_dir: work_dir.clone(),
            log: log.clone(),
            group,
        })
    }

    /// Waits until Envoy accepts requests, or until `stop` is set.
    ///
    /// # Errors
    /// Envoy ended, or did not start in time. The text has the end of its log.
    pub(super) fn wait_until_ready(&mut self, stop: &StopSignal) -> Result<Startup, String> {
        let deadline = Instant::now() + START_TIME_LIMIT;
        while !stop.is_set() {
            if let Some(address) = self.address() {
                return Ok(Startup::Ready(address));
            }
            self.check()?;
            if Instant::now() > deadline {
                let seconds = START_TIME_LIMIT.as_secs();
                let log = self.end_of_log();
                return Err(format!(
                    "Envoy was not ready within {seconds} s. The end of its log:\n{log}"
                ));
            }
            thread::sleep(Duration::from_millis(25));
        }
        Ok(Startup::Stopped)
    }

    /// Checks that Envoy runs.
    ///
    /// # Errors
    /// Envoy ended. The text has the end of its log.
    pub(super) fn check(&mut self) -> Result<(), String> {
        match self.exit_status() {
            None => Ok(()),
            Some(status) => Err(format!(
                "Envoy ended ({status}). {}",
                match self.end_of_log() {
                    log if log.trim().is_empty() => {
                        "Its log is empty: set --envoy or $ENVOY to the path of Envoy".to_owned()
                    }
                    log => format!("The end of its log:\n{log}"),
                }
            )),
        }
    }

    fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The address of the endpoint's listener; `None` until Envoy accepts requests there.
    fn address(&self) -> Option<SocketAddr> {
        self.admin("/ready")?;
        let listeners: Value = serde_json::from_str(&self.admin("/listeners?format=json")?).ok()?;
        let mut statuses = listeners.get("listener_statuses")?.as_array()?.iter();
        let endpoint = statuses.find(|it| it.get("name").is_some_and(|name| name == "mcp"))?;
        let address = endpoint.pointer("/local_address/socket_address")?;
        // For port 0, the system chooses a port. Until then, Envoy reports 0.
        let port = address
            .get("port_value")?
            .as_u64()
            .filter(|port| *port != 0)?;
        let ip = address.get("address")?.as_str()?.parse().ok()?;
        Some(SocketAddr::new(ip, u16::try_from(port).ok()?))
    }

    /// The answer of the admin interface; `None` if its status is not 200.
    fn admin(&self, path: &str) -> Option<String> {
        let request = Request::get(path)
            .header("host", "localhost")
            .body(String::new())
            .ok()?;
        let socket = self.work_dir.admin_socket();
        let response = http::send(socket.as_ref(), request, ADMIN_TIME_LIMIT).ok()?;
        (response.status == 200).then_some(response.body)
    }

    /// The value of a counter or a gauge; 0 if Envoy has no such statistic yet.
    pub(super) fn stat(&self, name: &str) -> u64 {
        let stats = self
            .admin(&format!("/stats?filter=^{name}$"))
            .unwrap_or_default();
        let value = stats
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or_default()
    }

    /// The last lines of the log.
    pub(super) fn end_of_log(&self) -> String {
        self.log.end()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let id = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let deadline = Instant::now() + END_TIME_LIMIT;
        while self.exit_status().is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.group.has_ended();
    }
}
