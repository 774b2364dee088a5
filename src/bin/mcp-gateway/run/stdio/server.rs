//! One stdio server: its processes and its sessions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mcp_gateway::mcp::version;
use serde_json::json;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{sleep, timeout};

use super::lock;
use super::message::WireMessage;
use super::pending_requests::{Clients, PendingRequests};
use super::process::ServerProcess;
use super::restarts::Restarts;
use super::session::BridgeSession;
use crate::config_file::stdio_server::StdioServer;
use crate::run::log::RunLog;
use crate::run::watchdog::Watchdog;

/// How long a process may take to answer `server/discover`. It reads no message before it has
/// started, and programs such as npx may download it first. A server that has not answered by then
/// counts as a legacy one: some legacy servers answer nothing before `initialize`.
const DISCOVER_TIME_LIMIT: Duration = Duration::from_secs(20);
/// How long a process may take to answer `initialize`.
pub(super) const INITIALIZE_TIME_LIMIT: Duration = Duration::from_secs(60);
/// The most processes of one server.
const MAX_PROCESSES: usize = 16;
/// The most sessions of one server. Sessions without a process need few resources.
const MAX_SESSIONS: usize = 1024;

/// How long answers that are under way may take when a server is removed.
const DRAIN_TIME_LIMIT: Duration = Duration::from_secs(60);

/// The versions of MCP that a server supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerEra {
    /// 2026-07-28 and later: one process answers all clients.
    Modern,
    /// Up to 2025-11-25: each session has a process of its own.
    Legacy(FirstMessage),
}

impl ServerEra {
    /// Whether a process may get `server/discover`, whose answer shows that it has started, and can
    /// still begin a legacy session afterwards. With a modern server, the first message decides the
    /// era of the whole connection.
    fn answers_discover_with_an_error(self) -> bool {
        self == Self::Legacy(FirstMessage::Any)
    }
}

/// The first message that a legacy server accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstMessage {
    /// It answers a message before `initialize` with an error.
    Any,
    /// It ends if the first message is another one.
    Initialize,
}

/// A server with its processes and sessions.
pub(super) struct BridgedServer {
    log: RunLog,
    watchdog: Watchdog,
    spec: Mutex<StdioServer>,
    era: AsyncMutex<Option<ServerEra>>,
    /// The process for modern requests.
    shared: AsyncMutex<Option<Arc<ServerProcess>>>,
    /// A process that no client has used yet.
    standby: AsyncMutex<Option<Arc<ServerProcess>>>,
    sessions: Mutex<HashMap<String, Arc<BridgeSession>>>,
    restarts: Mutex<Restarts>,
    has_started: AtomicBool,
}

impl BridgedServer {
    pub(super) fn new(spec: StdioServer, log: RunLog, watchdog: Watchdog) -> Arc<Self> {
        Arc::new(Self {
            log,
            watchdog,
            spec: Mutex::new(spec),
            era: AsyncMutex::new(None),
            shared: AsyncMutex::new(None),
            standby: AsyncMutex::new(None),
            sessions: Mutex::new(HashMap::new()),
            restarts: Mutex::new(Restarts::default()),
            has_started: AtomicBool::new(false),
        })
    }

    /// Whether the server is known to work or to fail.
    pub(super) fn has_started(&self) -> bool {
        self.has_started.load(Ordering::Relaxed)
    }

    /// The versions of MCP that the server supports. The first call starts a process.
    ///
    /// # Errors
    /// The process cannot be started, or ended. The text says why.
    pub(super) async fn era(self: &Arc<Self>) -> Result<ServerEra, String> {
        let server = Arc::clone(self);
        // The task continues if the client does not wait for it.
        let task = tokio::spawn(async move {
            let mut era = server.era.lock().await;
            if let Some(known) = *era {
                return Ok(known);
            }
            let found = server.discover().await;
            server.has_started.store(true, Ordering::Relaxed);
            if let Ok(found) = found {
                *era = Some(found);
            }
            found
        });
        task.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Asks a process whether it supports the modern versions.
    async fn discover(&self) -> Result<ServerEra, String> {
        let process = self.start_process(Arc::new(PendingRequests::new(Clients::Many)))?;
        let answer = timeout(DISCOVER_TIME_LIMIT, ask(&process, discover_request())).await;
        match answer {
            Ok(Ok(answer)) if answer.is_result() => {
                *self.shared.lock().await = Some(process);
                Ok(ServerEra::Modern)
            }
            Ok(Err(_)) => {
                // Some servers end if the first message is not `initialize`.
                self.end_failed(&process).await;
                self.check_legacy().await
            }
            _ => {
                *self.standby.lock().await = Some(process);
                Ok(ServerEra::Legacy(FirstMessage::Any))
            }
        }
    }

    /// Begins a session as a legacy client does, and ends it.
    async fn check_legacy(&self) -> Result<ServerEra, String> {
        lock(&self.restarts).forgive();
        let process = self.start_process(Arc::new(PendingRequests::default()))?;
        let params = json!({
            "protocolVersion": version::NEWEST_LEGACY,
            "capabilities": {},
            "clientInfo": {"name": "mcp-gateway", "version": env!("CARGO_PKG_VERSION")},
        });
        let answer = ask(&process, request("initialize", &params));
        let answer = timeout(INITIALIZE_TIME_LIMIT, answer).await;
        let result = match answer {
            Ok(Ok(_)) => Ok(ServerEra::Legacy(FirstMessage::Initialize)),
            Ok(Err(reason)) => {
                self.end_failed(&process).await;
                Err(reason)
            }
            Err(_) => Err("does not answer initialize".to_owned()),
        };
        tokio::spawn(async move { process.end().await });
        result
    }

    /// The process for modern requests.
    ///
    /// # Errors
    /// It cannot be started. The text says why.
    pub(super) async fn shared_process(&self) -> Result<Arc<ServerProcess>, String> {
        let mut shared = self.shared.lock().await;
        if let Some(ended) = shared.take_if(|process| !process.is_alive()) {
            self.end_failed(&ended).await;
        }
        if let Some(process) = shared.as_ref() {
            return Ok(Arc::clone(process));
        }
        let process = self.start_process(Arc::new(PendingRequests::new(Clients::Many)))?;
        *shared = Some(Arc::clone(&process));
        Ok(process)
    }

    /// A process for the session with these `pending` requests.
    ///
    /// # Errors
    /// It cannot be started. The text says why.
    pub(super) async fn session_process(
        &self,
        pending: &Arc<PendingRequests>,
    ) -> Result<Arc<ServerProcess>, String> {
        self.make_room().await;
        self.start_process(Arc::clone(pending))
    }

    /// A process that no client has used yet and that has started, with pending requests of its
    /// own. Another one starts at the same time, so that the next client need not wait for it. If
    /// the client does not wait, the next client gets the process.
    ///
    /// # Errors
    /// It cannot be started, or ended. The text says why.
    pub(super) async fn fresh_process(&self, era: ServerEra) -> Result<Arc<ServerProcess>, String> {
        let mut standby = self.standby.lock().await;
        let process = match standby.take().filter(|process| process.is_alive()) {
            Some(process) => process,
            None => {
                self.make_room().await;
                self.start_standby(era)?
            }
        };
        *standby = Some(Arc::clone(&process));
        if era.answers_discover_with_an_error() && !process.has_spoken(DISCOVER_TIME_LIMIT).await {
            *standby = None;
            self.end_failed(&process).await;
            return Err(process.why_ended().await);
        }
        *standby = self.start_standby(era).ok();
        process.pending.set_clients(Clients::One);
        Ok(process)
    }

    /// Starts a process for the next session. If the server answers messages before `initialize`,
    /// the process gets one, and its answer shows that it has started.
    fn start_standby(&self, era: ServerEra) -> Result<Arc<ServerProcess>, String> {
        let process = self.start_process(Arc::default())?;
        if era.answers_discover_with_an_error() {
            let process = Arc::clone(&process);
            tokio::spawn(async move {
                let _ = timeout(DISCOVER_TIME_LIMIT, ask(&process, discover_request())).await;
            });
        }
        Ok(process)
    }

    /// Remembers when and why `process` has ended, and ends it first if it is not known to have
    /// ended. If it ended at once, the next one starts later.
    pub(super) async fn end_failed(&self, process: &ServerProcess) {
        process.end().await;
        lock(&self.restarts).has_ended(process);
    }

    fn start_process(&self, pending: Arc<PendingRequests>) -> Result<Arc<ServerProcess>, String> {
        let mut restarts = lock(&self.restarts);
        if let Some(reason) = restarts.delay() {
            return Err(reason.to_owned());
        }
        let spec = lock(&self.spec).clone();
        let process = ServerProcess::start(&spec, pending, &self.log, &self.watchdog);
        if let Err(reason) = &process {
            restarts.has_failed(reason);
            self.log.line(&spec.name, &format!("({reason})"));
        }
        process
    }

    /// If there are too many processes, ends the process of the session that was unused for the
    /// longest time. The session continues: its next request starts another process.
    async fn make_room(&self) {
        let mut running: Vec<Arc<BridgeSession>> = lock(&self.sessions)
            .values()
            .filter(|session| session.is_running())
            .cloned()
            .collect();
        if running.len() < MAX_PROCESSES {
            return;
        }
        running.retain(|session| session.pending.is_idle());
        if let Some(oldest) = running.iter().min_by_key(|session| session.last_used()) {
            oldest.end_process().await;
        }
    }

    pub(super) fn session(&self, id: &str) -> Option<Arc<BridgeSession>> {
        lock(&self.sessions).get(id).cloned()
    }

    pub(super) fn insert(&self, session: Arc<BridgeSession>) {
        let mut sessions = lock(&self.sessions);
        if sessions.len() >= MAX_SESSIONS
            && let Some(oldest) = sessions.values().min_by_key(|session| session.last_used())
        {
            let oldest = Arc::clone(oldest);
            sessions.remove(&oldest.id);
            tokio::spawn(async move { oldest.end_process().await });
        }
        sessions.insert(session.id.clone(), session);
    }

    /// Ends a session. Returns whether there was one.
    pub(super) fn remove(&self, id: &str) -> bool {
        let session = lock(&self.sessions).remove(id);
        let is_there = session.is_some();
        if let Some(session) = session {
            tokio::spawn(async move { session.end_process().await });
        }
        is_there
    }

    /// From now on, starts processes as `spec` says. The sessions continue.
    pub(super) async fn change(&self, spec: StdioServer) {
        *lock(&self.spec) = spec;
        *lock(&self.restarts) = Restarts::default();
        *self.era.lock().await = None;
        self.drain().await;
    }

    pub(super) fn is_unchanged(&self, spec: &StdioServer) -> bool {
        *lock(&self.spec) == *spec
    }

    /// Ends all processes, when no client waits for an answer any more.
    pub(super) async fn drain(&self) {
        let deadline = Instant::now() + DRAIN_TIME_LIMIT;
        while self.is_busy().await && Instant::now() < deadline {
            sleep(Duration::from_millis(50)).await;
        }
        self.end_processes().await;
    }

    async fn is_busy(&self) -> bool {
        let shared = self.shared.lock().await;
        shared
            .as_ref()
            .is_some_and(|process| !process.pending.is_idle())
            || lock(&self.sessions)
                .values()
                .any(|session| !session.pending.is_idle())
    }

    /// Ends all processes.
    pub(super) async fn end_processes(&self) {
        let sessions: Vec<_> = lock(&self.sessions).values().cloned().collect();
        let standby = self.standby.lock().await.take();
        let others = self.shared.lock().await.take().into_iter().chain(standby);
        let mut ends = tokio::task::JoinSet::new();
        for session in sessions {
            ends.spawn(async move { session.end_process().await });
        }
        for process in others {
            ends.spawn(async move { process.end().await });
        }
        ends.join_all().await;
    }
}

fn discover_request() -> Option<WireMessage> {
    let params = json!({"_meta": {
        "io.modelcontextprotocol/protocolVersion": version::NEWEST_MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    }});
    request("server/discover", &params)
}

fn request(method: &str, params: &serde_json::Value) -> Option<WireMessage> {
    let text = json!({"jsonrpc": "2.0", "id": 0, "method": method, "params": params});
    WireMessage::parse(&text.to_string())
}

/// Sends a request of the program's own, and waits for the response.
///
/// # Errors
/// The process ended first. The text says why.
pub(super) async fn ask(
    process: &ServerProcess,
    request: Option<WireMessage>,
) -> Result<WireMessage, String> {
    let mut request = request.ok_or("a bug: no request")?;
    let (_, mut messages) = process.pending.register(&mut request).ok_or("is busy")?;
    process.send(&request).await?;
    while let Some(item) = messages.recv().await {
        let message = item?;
        if message.is_response() {
            return Ok(message);
        }
    }
    Err("does not answer".to_owned())
}
