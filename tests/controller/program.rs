//! A controller under test.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;

use crate::cluster::{beside, until};

/// A running controller. Dropping it ends it with SIGTERM, as Kubernetes does.
pub(crate) struct Controller {
    child: Child,
    log: PathBuf,
    health: u16,
    metrics: u16,
    _reserved: [TcpSocket; 2],
}

impl Controller {
    pub(crate) fn start() -> Self {
        Self::with(&["--no-leader-election"], None)
    }

    /// Starts a controller with more options, and with another kubeconfig if one is named.
    pub(crate) fn with(options: &[&str], kubeconfig: Option<&str>) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let log = beside(&format!("controller-{number:02}.log"));
        let ([health, metrics], reserved) = reserved();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"));
        command
            .arg("controller")
            .arg(format!("--health-address=127.0.0.1:{health}"))
            .arg(format!("--metrics-address=127.0.0.1:{metrics}"))
            .arg("--envoy-gateway-namespace=proxies")
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap());
        if let Some(name) = kubeconfig {
            command.env("KUBECONFIG", beside(name));
        }
        let mut controller = Self {
            child: command.spawn().unwrap(),
            log,
            health,
            metrics,
            _reserved: reserved,
        };
        until("the controller is ready", || {
            let ended = controller.child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "the controller has ended: {}",
                controller.log()
            );
            controller.page(controller.health, "/readyz")
        });
        controller
    }

    fn page(&self, port: u16, path: &str) -> Option<String> {
        let url = format!("http://127.0.0.1:{port}{path}");
        let output = Command::new("curl")
            .args(["-sf", "--max-time", "5", &url])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        output.status.success().then_some(text)
    }

    /// The value of the first metric whose line starts with `name`.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.page(self.metrics, "/metrics").expect("metrics");
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
            .unwrap_or_default()
    }

    /// Waits until the controller has written nothing for some seconds.
    pub(crate) fn until_at_rest(&self) {
        let writes = || self.metric("mcp_gateway_controller_writes_total");
        let (mut last, mut since) = (writes(), Instant::now());
        until("the controller is at rest", || {
            let now = writes();
            if now != last {
                (last, since) = (now, Instant::now());
            }
            (since.elapsed() > Duration::from_secs(2)).then_some(())
        });
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The peak of the controller's memory, in MiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kibibytes / 1024
    }

    /// Kills the controller, as the failure of a node does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}

/// Two ports on which nobody listens. As long as the sockets exist, the system gives the ports to
/// nobody else, but a program can bind them, since both sides allow that (`SO_REUSEADDR`).
fn reserved() -> ([u16; 2], [TcpSocket; 2]) {
    let sockets = [0, 1].map(|_| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        socket
    });
    let ports = sockets.each_ref().map(|it| it.local_addr().unwrap().port());
    (ports, sockets)
}
