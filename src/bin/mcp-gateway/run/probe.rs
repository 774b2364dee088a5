//! Asks servers directly, not through the filter, whether they are up and which tools
//! they have, again and again.

use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mcp_gateway::config::Server;
use mcp_gateway::mcp::list::ListKind;
use reqwest::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::reason;
use crate::mcp_client::{ClientError, McpClient, McpEndpoint};

/// How long a server may take for one answer.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// How often the servers are asked whether they are there.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How often a server is asked for its tools, while it is there.
const LIST_EVERY: Duration = Duration::from_secs(30);
/// How long the ends of all sessions may take.
const END_TIME_LIMIT: Duration = Duration::from_secs(1);

/// How a server answered when it was asked last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerStatus {
    Up {
        /// `modern`, or `legacy` and the version that the server chose.
        era: String,
        /// The tools that the gateway offers, by the server's own names.
        tools: Vec<String>,
        /// How many others `include` and `exclude` hide.
        hidden: usize,
    },
    /// The reason why it cannot be used.
    Down(String),
}

/// A thread that asks servers for their status. It ends when this is dropped.
pub(super) struct Prober {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Prober {
    /// Asks all `servers` at the same time, and gives the statuses to `report`, in the
    /// order of the servers, after each round. `socket` is where Envoy forwards to all
    /// servers.
    pub(super) fn start(
        socket: PathBuf,
        servers: Vec<Server>,
        report: impl Fn(Vec<ServerStatus>) + Send + 'static,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => runtime.block_on(probe_all(&socket, servers, stopped, report)),
                Err(error) => {
                    let reason = format!("cannot be asked: {error}");
                    let down = servers.iter().map(|_| ServerStatus::Down(reason.clone()));
                    report(down.collect());
                }
            }
        });
        Self { stop, thread }
    }

    /// Ends, after the sessions with the servers.
    pub(super) fn end(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}

async fn probe_all(
    socket: &Path,
    servers: Vec<Server>,
    mut stopped: oneshot::Receiver<()>,
    report: impl Fn(Vec<ServerStatus>),
) {
    let mut probes: Vec<Probe<'_>> = servers
        .into_iter()
        .map(|server| Probe::new(socket, server))
        .collect();
    loop {
        tokio::select! {
            statuses = join_all(probes.iter_mut().map(Probe::status)) => report(statuses),
            _ = &mut stopped => break,
        }
        tokio::select! {
            () = sleep(ASK_EVERY) => {}
            _ = &mut stopped => break,
        }
    }
    let clients = probes.into_iter().filter_map(|probe| probe.client);
    let ends = join_all(clients.map(McpClient::close));
    let _ = timeout(END_TIME_LIMIT, ends).await;
}

/// What is known of one server.
struct Probe<'a> {
    socket: &'a Path,
    server: Server,
    /// While it is up. A legacy server keeps its session.
    client: Option<McpClient>,
    /// Its tools, by its own names, and when it listed them.
    tools: Vec<String>,
    listed: Instant,
}

impl<'a> Probe<'a> {
    fn new(socket: &'a Path, server: Server) -> Self {
        Self {
            socket,
            server,
            client: None,
            tools: Vec::new(),
            listed: Instant::now(),
        }
    }

    async fn status(&mut self) -> ServerStatus {
        match self.era().await {
            Ok(era) => {
                let names = self.tools.iter();
                let tools = names.filter(|name| self.server.allows(ListKind::Tools, name));
                let tools: Vec<String> = tools.cloned().collect();
                ServerStatus::Up {
                    era,
                    hidden: self.tools.len().saturating_sub(tools.len()),
                    tools,
                }
            }
            Err(reason) => ServerStatus::Down(reason),
        }
    }

    /// Asks the server which era it is of, and, if it is time, for its tools.
    ///
    /// # Errors
    /// Why it cannot be used.
    async fn era(&mut self) -> Result<String, String> {
        if let Some(client) = &self.client
            && client.ping().await.is_err()
        {
            self.client = None;
        }
        let explained = |error: ClientError| reason::of(&error, &self.server);
        let (client, is_new) = match &self.client {
            Some(client) => (client, false),
            None => {
                let endpoint = endpoint(self.socket, &self.server)?;
                let connected = McpClient::connect(endpoint, self.server.protocol).await;
                (&*self.client.insert(connected.map_err(explained)?), true)
            }
        };
        if is_new || self.listed.elapsed() >= LIST_EVERY {
            let tools = client.list(ListKind::Tools).await;
            let tools = tools.map_err(|error| format!("tools/list: {}", explained(error)))?;
            let name = |tool: Value| Some(tool.get("name")?.as_str()?.to_owned());
            self.tools = tools.into_iter().filter_map(name).collect();
            self.listed = Instant::now();
        }
        Ok(client.era())
    }
}

/// `server`, as the gateway reaches it.
fn endpoint(socket: &Path, server: &Server) -> Result<McpEndpoint, String> {
    let fixed = [
        ("x-cluster", &*server.cluster),
        (HOST.as_str(), &*server.authority),
    ];
    let own = server.headers.iter();
    let own = own.map(|(name, value)| (&**name, value.expose()));
    let headers: Option<HeaderMap> = fixed
        .into_iter()
        .chain(own)
        .map(|(name, value)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
            Some((name.parse::<HeaderName>().ok()?, value))
        })
        .collect();
    let headers = headers.ok_or_else(|| "has a header that cannot be sent".to_owned())?;
    McpEndpoint::on_socket(socket, &server.path, headers, TIME_LIMIT)
}
