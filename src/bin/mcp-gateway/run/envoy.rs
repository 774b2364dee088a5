//! Envoy as a child of this process.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hyper::Request;
use serde_json::Value;

use super::files::Folder;
use super::http;

/// The filter is compiled in this time, on a busy machine, too.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long the admin interface may take for one answer.
const ADMIN_TIME_LIMIT: Duration = Duration::from_secs(5);
/// What Envoy's log says, at most, when it could not start.
const LINES: usize = 12;

/// A running Envoy; dropping it ends it.
pub(crate) struct Envoy {
    child: Child,
    folder: Folder,
}

impl Envoy {
    /// Starts `program` with the files of `folder`.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(program: &Path, folder: &Folder) -> io::Result<Self> {
        let log = File::create(folder.log())?;
        let child = Command::new(program)
            .arg("-c")
            .arg(folder.file("envoy.json"))
            // Several of them on one machine, none of which takes over from another.
            .args([
                "--disable-hot-restart",
                "-l",
                "warn",
                "--file-flush-interval-msec",
                "200",
            ])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self {
            child,
            folder: folder.clone(),
        })
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until it accepts requests, and says where.
    ///
    /// # Errors
    /// It ended, or takes too long; with the end of its log.
    pub(crate) fn ready(&mut self, stop: &dyn Fn() -> bool) -> Result<SocketAddr, String> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Some(address) = self.address() {
                return Ok(address);
            }
            if let Some(status) = self.ended() {
                return Err(format!("Envoy ended ({status}):\n{}", self.end_of_log()));
            }
            if stop() {
                return Err("stopped".to_owned());
            }
            if Instant::now() > deadline {
                return Err(format!("Envoy does not get ready:\n{}", self.end_of_log()));
            }
            thread::sleep(Duration::from_millis(25));
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        self.admin("/ready")?;
        let listeners: Value = serde_json::from_str(&self.admin("/listeners?format=json")?).ok()?;
        let mut all = listeners.get("listener_statuses")?.as_array()?.iter();
        let ours = all.find(|it| it.get("name").is_some_and(|name| name == "mcp"))?;
        let address = ours.pointer("/local_address/socket_address")?;
        // Port 0 is what was asked for, before a port was chosen.
        let port = address
            .get("port_value")?
            .as_u64()
            .filter(|port| *port != 0)?;
        let ip = address.get("address")?.as_str()?.parse().ok()?;
        Some(SocketAddr::new(ip, u16::try_from(port).ok()?))
    }

    /// What the admin interface says, where it says that all is well.
    fn admin(&self, path: &str) -> Option<String> {
        let request = Request::get(path)
            .header("host", "localhost")
            .body(String::new())
            .ok()?;
        let response = http::send(&self.folder.admin(), request, ADMIN_TIME_LIMIT).ok()?;
        (response.status == 200).then_some(response.body)
    }

    /// The value of a counter or gauge; 0 where there is none yet.
    pub(crate) fn stat(&self, name: &str) -> u64 {
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

    /// The last lines of its log that are not about requests.
    pub(crate) fn end_of_log(&self) -> String {
        let log = fs::read_to_string(self.folder.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        let lines = lines
            .get(lines.len().saturating_sub(LINES)..)
            .unwrap_or_default();
        lines.join("\n")
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let id = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.ended().is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
