//! The session of a legacy client with a stdio server. It has its own process, since a process has
//! one client (MCP 2025-11-25, "Lifecycle").

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::Mutex as AsyncMutex;
use tokio::time::timeout;

use super::lock;
use super::message::WireMessage;
use super::pending_requests::PendingRequests;
use super::process::ServerProcess;
use super::server::{BridgedServer, INITIALIZE_TIME_LIMIT, ServerEra, ask};

/// A session. If its process ends, the next process gets the same `initialize`.
pub(super) struct BridgeSession {
    pub(super) id: String,
    pub(super) pending: Arc<PendingRequests>,
    /// The client's `initialize` message.
    initialize: WireMessage,
    is_initialized: AtomicBool,
    process: AsyncMutex<Option<Arc<ServerProcess>>>,
    is_running: AtomicBool,
    last_used: Mutex<Instant>,
}

impl BridgeSession {
    /// A session that `initialize` begins, and its process.
    ///
    /// # Errors
    /// The process cannot be started. The text says why.
    pub(super) async fn begin(
        id: String,
        initialize: WireMessage,
        server: &BridgedServer,
        era: ServerEra,
    ) -> Result<(Arc<Self>, Arc<ServerProcess>), String> {
        let process = server.fresh_process(era).await?;
        let session = Self {
            id,
            pending: Arc::clone(&process.pending),
            initialize,
            is_initialized: AtomicBool::new(false),
            process: AsyncMutex::new(Some(Arc::clone(&process))),
            is_running: AtomicBool::new(true),
            last_used: Mutex::new(Instant::now()),
        };
        Ok((Arc::new(session), process))
    }

    /// The process of the session. If it has ended, another one replaces it, and gets the same
    /// first messages.
    ///
    /// # Errors
    /// It cannot be started. The text says why.
    pub(super) async fn process(
        self: &Arc<Self>,
        server: &Arc<BridgedServer>,
    ) -> Result<Arc<ServerProcess>, String> {
        *lock(&self.last_used) = Instant::now();
        let (session, server) = (Arc::clone(self), Arc::clone(server));
        // The task continues if the client does not wait for it.
        let task = tokio::spawn(async move { session.living_process(&server).await });
        task.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    async fn living_process(&self, server: &BridgedServer) -> Result<Arc<ServerProcess>, String> {
        let mut current = self.process.lock().await;
        if let Some(process) = current.as_ref() {
            if process.is_alive() {
                return Ok(Arc::clone(process));
            }
            server.end_failed(process).await;
            *current = None;
        }
        self.is_running.store(false, Ordering::Relaxed);
        let process = server.session_process(&self.pending).await?;
        let begun = ask(&process, Some(self.initialize.clone()));
        match timeout(INITIALIZE_TIME_LIMIT, begun).await {
            Ok(Ok(_)) => {}
            Ok(Err(reason)) => {
                // The next process starts only after this one has ended, since they share the
                // pending requests.
                server.end_failed(&process).await;
                return Err(reason);
            }
            Err(_) => {
                process.end().await;
                return Err("does not answer initialize".to_owned());
            }
        }
        if self.is_initialized.load(Ordering::Relaxed)
            && let Some(initialized) =
                WireMessage::parse(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
        {
            process.send(&initialized).await?;
        }
        self.is_running.store(true, Ordering::Relaxed);
        *current = Some(Arc::clone(&process));
        Ok(process)
    }

    /// Remembers that the client has sent `notifications/initialized`.
    pub(super) fn set_initialized(&self) {
        self.is_initialized.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Relaxed)
    }

    pub(super) fn last_used(&self) -> Instant {
        *lock(&self.last_used)
    }

    /// Ends the process. The session can be used again.
    pub(super) async fn end_process(&self) {
        // As above: the next process starts only after this one has ended.
        let mut current = self.process.lock().await;
        self.is_running.store(false, Ordering::Relaxed);
        if let Some(process) = current.take() {
            process.end().await;
        }
    }
}
