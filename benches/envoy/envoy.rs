//! Envoy as a child process on free loopback ports.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use hyper::body::Bytes;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::client::Client;
use crate::{Error, Result};

/// Long enough for compiling a Wasm filter on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
const POLL_EVERY: Duration = Duration::from_millis(20);
const LOG_LINES_SHOWN: usize = 20;
const LOG_LINE_SHOWN: usize = 500;

/// The gauge of the memory that the filter holds, in bytes.
pub(crate) const HELD_BYTES: &str = "wasmcustom.mcp.memory.held_bytes";

/// A running Envoy; dropping it kills the process.
pub(crate) struct Envoy {
    name: String,
    child: Child,
    files: TempDir,
    pid: u32,
    listener: SocketAddr,
    started_in: Duration,
}

impl Envoy {
    /// Starts Envoy with one worker and this bootstrap, and waits until it accepts requests.
    pub(crate) async fn start(binary: &Path, name: &str, bootstrap: &Value) -> Result<Self> {
        Self::with_workers(1, binary, name, bootstrap).await
    }

    /// The same with this many workers.
    pub(crate) async fn with_workers(
        workers: usize,
        binary: &Path,
        name: &str,
        bootstrap: &Value,
    ) -> Result<Self> {
        let files = tempfile::Builder::new()
            .prefix("mcp-gateway-bench-")
            .tempdir()?;
        // Envoy reads files with this extension as JSON. The file is one line, since Envoy quotes a
        // refused file as a whole, after the reason.
        let config = files.path().join("envoy.json");
        fs::write(&config, serde_json::to_vec(bootstrap)?)?;
        let log = File::create(files.path().join("log"))?;
        let start = Instant::now();
        let child = Command::new(binary)
            .arg("-c")
            .arg(&config)
            .arg("--admin-address-path")
            .arg(files.path().join("admin"))
            .args(["--concurrency", &workers.to_string()])
            .args(["-l", "warn", "--disable-hot-restart"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| cannot_run(binary, &error))?;
        let pid = child.id().ok_or("Envoy ended as it started")?;
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut envoy = Self {
            name: name.to_owned(),
            child,
            files,
            pid,
            listener: unknown,
            started_in: Duration::ZERO,
        };
        envoy.listener = match timeout(READY_WITHIN, envoy.ready()).await {
            Ok(listener) => listener?,
            Err(_) => {
                let waited = READY_WITHIN.as_secs();
                return Err(envoy.failure(&format!("was not ready within {waited} s")));
            }
        };
        envoy.started_in = start.elapsed();
        Ok(envoy)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The time from the start until Envoy was ready.
    pub(crate) fn started_in(&self) -> Duration {
        self.started_in
    }

    /// The address of the only listener.
    pub(crate) fn listener(&self) -> SocketAddr {
        self.listener
    }

    /// Everything that Envoy has logged so far.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.files.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// What the admin interface answers to a GET of `path`.
    pub(crate) async fn admin(&self, path: &str) -> Result<Bytes> {
        let answer = async { self.connect_admin().await?.get(path).await };
        match answer.await {
            Ok((StatusCode::OK, body)) => Ok(body),
            Ok((status, _)) => Err(self.failure(&format!("answered {status} to {path}"))),
            Err(error) => Err(self.failure(&format!("did not answer to {path} ({error})"))),
        }
    }

    /// The value of the counter or gauge `name`; `None` if Envoy has none of this name.
    pub(crate) async fn stat(&self, name: &str) -> Result<Option<u64>> {
        let stats = self.admin("/stats").await?;
        let stats = String::from_utf8_lossy(&stats);
        let of_name = |line: &str| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok();
        Ok(stats.lines().find_map(of_name))
    }

    /// The error, and the last lines of Envoy's log.
    pub(crate) fn failure(&self, what: &str) -> Error {
        let lines: Vec<String> = self
            .log()
            .lines()
            .map(|line| line.chars().take(LOG_LINE_SHOWN).collect())
            .collect();
        let shown = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n  ");
        let log = if shown.is_empty() { "(empty)" } else { &shown };
        format!("Envoy ({}) {what}; its log:\n  {log}", self.name).into()
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    async fn ready(&mut self) -> Result<SocketAddr> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(self.failure(&format!("ended before it was ready ({status})")));
            }
            // An error here means that Envoy is not ready yet.
            if let Ok(Some(listener)) = self.ask().await {
                return Ok(listener);
            }
            sleep(POLL_EVERY).await;
        }
    }

    async fn connect_admin(&self) -> Result<Client> {
        let address = fs::read_to_string(self.files.path().join("admin"))?;
        Client::connect(address.trim().parse()?).await
    }

    /// The listener's address once Envoy is live, from the admin interface.
    async fn ask(&self) -> Result<Option<SocketAddr>> {
        let mut admin = self.connect_admin().await?;
        if admin.get("/ready").await?.0 != StatusCode::OK {
            return Ok(None);
        }
        let (_, body) = admin.get("/listeners?format=json").await?;
        let listeners: Value = serde_json::from_slice(&body)?;
        let at = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
        // Port 0 is the one in the bootstrap. Envoy shows it until it has chosen a port.
        Ok(match (at["address"].as_str(), at["port_value"].as_u64()) {
            (Some(host), Some(port)) if port != 0 => Some(format!("{host}:{port}").parse()?),
            _ => None,
        })
    }
}

/// The version that `envoy --version` prints.
pub(crate) async fn version(binary: &Path) -> Result<String> {
    let output = Command::new(binary)
        .arg("--version")
        .output()
        .await
        .map_err(|error| cannot_run(binary, &error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    // "…/envoy  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL"
    let version = text.split("version: ").nth(1).map(str::trim);
    let version = version.filter(|version| !version.is_empty());
    Ok(version
        .ok_or_else(|| format!("{} is not Envoy: {text:?}", binary.display()))?
        .to_owned())
}

fn cannot_run(binary: &Path, error: &std::io::Error) -> Error {
    let binary = binary.display();
    format!(
        "cannot run Envoy at {binary} ({error}); run ./scripts/bench, or set ENVOY to the binary"
    )
    .into()
}
