//! One stdio server: its processes and its sessions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mcp_gateway::mcp::version;
use serde_json::json;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{sleep, timeout};

use super::exchange::{Clients, Exchange};
use super::lock;
use super::message::WireMessage;
use super::process::ServerProcess;
use super::restarts::Restarts;
use super::session::BridgeSession;
use crate::config_file::stdio_server::StdioServer;
use crate::run::log::RunLog;
use crate::run::watchdog::Watchdog;

/// How long a process may take to say which version of MCP it speaks. It reads no message
/// before it has started, and programs such as npx may have to be downloaded first. A
/// server that has said nothing by then is taken for one of the older versions, some of
/// which answer nothing before `initialize`.
const DISCOVER_TIME_LIMIT: Duration = Duration::from_secs(20);
/// How long a process may take to answer `initialize`.
pub(super) const INITIALIZE_TIME_LIMIT: Duration = Duration::from_secs(60);
/// How many processes of one server may run.
const MAX_PROCESSES: usize = 16;
/// How many sessions of one server are kept. Those without a process cost little.
const MAX_SESSIONS: usize = 1024;

/// How long the answers that are under way may take, when a server goes.
const DRAIN_TIME_LIMIT: Duration = Duration::from_secs(60);

/// The versions of MCP that a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerEra {
    /// 2026-07-28 and later: one process answers all clients.
    Modern,
    /// Up to 2025-11-25: each session has a process of its own.
    Legacy(FirstMessage),
}

impl ServerEra {
    /// Whether a process can be asked to discover, to hear that it has started, and can
    /// begin a legacy session afterwards. With a modern server the first message decides
    /// of which era the whole connection is.
    fn answers_discover_with_an_error(self) -> bool {
        self == Self::Legacy(FirstMessage::Any)
    }
}

/// What a legacy server takes as the first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstMessage {
    /// It answers another message than `initialize` with an error.
    Any,
    /// It ends at another message.
    Initialize,
}

/// A server and all that runs of it.
#[derive(Debug)]
pub(super) struct BridgedServer {
    log: RunLog,
    watchdog: Watchdog,
    spec: Mutex<StdioServer>,
    era: AsyncMutex<Option<ServerEra>>,
    /// The process for modern requests.
    shared: AsyncMutex<Option<Arc<ServerProcess>>>,
    /// A process that no client has spoken to.
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

    /// Whether it is known that the server works, or why not.
    pub(super) fn has_started(&self) -> bool {
        self.has_started.load(Ordering::Relaxed)
    }

    /// The versions of MCP that the server speaks. The first time this starts a process.
    ///
    /// # Errors
    /// It cannot be started, or ended. The text says why.
    pub(super) async fn era(self: &Arc<Self>) -> Result<ServerEra, String> {
        let server = Arc::clone(self);
        // A client that does not wait so long stops nothing.
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

    /// Asks a process whether it speaks the modern versions.
    async fn discover(&self) -> Result<ServerEra, String> {
        let process = self.start_process(Arc::new(Exchange::new(Clients::Many)))?;
        let answer = timeout(DISCOVER_TIME_LIMIT, ask(&process, discover_request())).await;
        match answer {
            Ok(Ok(answer)) if answer.is_result() => {
                *self.shared.lock().await = Some(process);
                Ok(ServerEra::Modern)
            }
            Ok(Err(_)) => {
                // Some servers end at a first message that is not `initialize`.
                self.has_ended(&process);
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
        let process = self.start_process(Arc::new(Exchange::default()))?;
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
                self.has_ended(&process);
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
            self.has_ended(&ended);
        }
        if let Some(process) = shared.as_ref() {
            return Ok(Arc::clone(process));
        }
        let process = self.start_process(Arc::new(Exchange::new(Clients::Many)))?;
        *shared = Some(Arc::clone(&process));
        Ok(process)
    }

    /// A process for the session that has `exchange`.
    ///
    /// # Errors
    /// It cannot be started. The text says why.
    pub(super) async fn session_process(
        &self,
        exchange: &Arc<Exchange>,
    ) -> Result<Arc<ServerProcess>, String> {
        self.make_room().await;
        self.start_process(Arc::clone(exchange))
    }

    /// A process that no client has spoken to, and that has started, with an exchange of
    /// its own. Another one starts meanwhile, so that the next client does not have to wait
    /// for it. A client that does not wait so long leaves the process to the next one.
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
            self.has_ended(&process);
            return Err(process.why_ended());
        }
        *standby = self.start_standby(era).ok();
        process.exchange.set_clients(Clients::One);
        Ok(process)
    }

    /// Starts a process for the next session. It says something when it has started, if
    /// the server answers other messages than `initialize`.
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

    /// Notes that `process` has ended. One that ended at once delays the next.
    pub(super) fn has_ended(&self, process: &ServerProcess) {
        lock(&self.restarts).has_ended(process);
    }

    fn start_process(&self, exchange: Arc<Exchange>) -> Result<Arc<ServerProcess>, String> {
        let mut restarts = lock(&self.restarts);
        if let Some(reason) = restarts.delay() {
            return Err(reason.to_owned());
        }
        let spec = lock(&self.spec).clone();
        let process = ServerProcess::start(&spec, exchange, &self.log, &self.watchdog);
        if let Err(reason) = &process {
            restarts.has_failed(reason);
            self.log.line(&spec.name, &format!("({reason})"));
        }
        process
    }

    /// Ends the process of the session that was not used for the longest time, where there
    /// are many. The session goes on: its next request starts another process.
    async fn make_room(&self) {
        let mut running: Vec<Arc<BridgeSession>> = lock(&self.sessions)
            .values()
            .filter(|session| session.is_running())
            .cloned()
            .collect();
        if running.len() < MAX_PROCESSES {
            return;
        }
        running.retain(|session| session.exchange.is_idle());
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

    /// Runs `spec` from now on. The sessions go on.
    pub(super) async fn change(&self, spec: StdioServer) {
        *lock(&self.spec) = spec;
        *lock(&self.restarts) = Restarts::default();
        *self.era.lock().await = None;
        self.drain().await;
    }

    pub(super) fn is_unchanged(&self, spec: &StdioServer) -> bool {
        *lock(&self.spec) == *spec
    }

    /// Ends all processes, as soon as nobody waits for an answer.
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
            .is_some_and(|process| !process.exchange.is_idle())
            || lock(&self.sessions)
                .values()
                .any(|session| !session.exchange.is_idle())
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
    let (_, mut messages) = process.exchange.register(&mut request).ok_or("is busy")?;
    process.send(&request).await?;
    while let Some(message) = messages.recv().await {
        if message.is_response() {
            return Ok(message);
        }
    }
    Err(process.why_ended())
}
