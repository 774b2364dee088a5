//! Servers that use MCP over stdin and stdout. `run` starts them as its children, and Envoy reaches
//! them over HTTP on loopback.
//!
//! Each legacy session has its own process, with the capabilities of its client. All modern clients
//! share one process.

mod http;
mod message;
mod pending_requests;
mod process;
mod restarts;
mod server;
mod session;

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use self::http::BridgedServers;
use self::server::BridgedServer;
use super::log::RunLog;
use super::stop::StopSignal;
use super::watchdog::Watchdog;
use crate::config_file::stdio_server::StdioServer;

/// How long all processes may take to end.
const END_TIME_LIMIT: Duration = Duration::from_secs(7);

/// The running stdio servers. Dropping them ends their processes.
pub(super) struct StdioServers {
    runtime: Option<Runtime>,
    servers: BridgedServers,
    address: SocketAddr,
    secret: String,
    log: RunLog,
    watchdog: Watchdog,
}

impl StdioServers {
    /// Listens on a free port of loopback.
    ///
    /// # Errors
    /// There is no free port, or no thread can be started.
    pub(super) fn start(log: RunLog, watchdog: Watchdog) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let servers = BridgedServers::default();
        let secret = token()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let router = http::router(secret.clone(), Arc::clone(&servers));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self {
            runtime: Some(runtime),
            servers,
            address,
            secret,
            log,
            watchdog,
        })
    }

    /// The URL at which Envoy reaches the server `name`.
    pub(super) fn url(&self, name: &str) -> String {
        // The secret is in the query, since logs contain paths but no queries.
        format!("http://{}/{name}?{}", self.address, self.secret)
    }

    /// Whether the server `name` is a program that this starts.
    pub(super) fn has(&self, name: &str) -> bool {
        let servers = self.servers.read().unwrap_or_else(PoisonError::into_inner);
        servers.contains_key(name)
    }

    /// Ends all servers but these, when no client waits for their answers any more.
    pub(super) fn retain(&self, wanted: &[StdioServer]) {
        let Some(runtime) = &self.runtime else { return };
        let mut servers = self.servers.write().unwrap_or_else(PoisonError::into_inner);
        servers.retain(|name, server| {
            let stays = wanted.iter().any(|spec| spec.name == *name);
            if !stays {
                let server = Arc::clone(server);
                runtime.spawn(async move { server.drain().await });
            }
            stays
        });
    }

    /// Starts these servers. Servers that run already with the same settings continue.
    pub(super) fn add(&self, wanted: &[StdioServer]) {
        let Some(runtime) = &self.runtime else { return };
        let mut servers = self.servers.write().unwrap_or_else(PoisonError::into_inner);
        for spec in wanted {
            let server = match servers.get(&spec.name) {
                Some(server) if server.is_unchanged(spec) => continue,
                Some(server) => {
                    let (server, spec) = (Arc::clone(server), spec.clone());
                    runtime.spawn(async move { server.change(spec).await });
                    continue;
                }
                None => BridgedServer::new(spec.clone(), self.log.clone(), self.watchdog.clone()),
            };
            servers.insert(spec.name.clone(), Arc::clone(&server));
            runtime.spawn(async move { server.era().await });
        }
    }

    /// The servers that have neither started nor failed yet.
    pub(super) fn starting(&self) -> Vec<String> {
        let servers = self.servers.read().unwrap_or_else(PoisonError::into_inner);
        let starting = servers.iter().filter(|(_, server)| !server.has_started());
        let mut names: Vec<String> = starting.map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    /// Waits until all servers have started or failed, for at most `limit`, or until
    /// `stop` is set.
    pub(super) fn wait_until_started(&self, limit: Duration, stop: &StopSignal) {
        let deadline = Instant::now() + limit;
        while !self.starting().is_empty() && Instant::now() < deadline && !stop.is_set() {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for StdioServers {
    fn drop(&mut self) {
        let servers = self.servers.write().unwrap_or_else(PoisonError::into_inner);
        let servers: Vec<_> = servers.values().cloned().collect();
        if let Some(runtime) = self.runtime.take() {
            let _ = runtime.block_on(async {
                let mut ends = tokio::task::JoinSet::new();
                for server in servers {
                    ends.spawn(async move { server.end_processes().await });
                }
                tokio::time::timeout(END_TIME_LIMIT, ends.join_all()).await
            });
            runtime.shutdown_background();
        }
    }
}

/// The value in `mutex`. A panic of another user does not damage the value, so it is no reason to
/// stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 128 random bits as text.
///
/// # Errors
/// The system has none.
fn token() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}
