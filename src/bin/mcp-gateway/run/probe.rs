//! Asks servers again and again whether they are up and which tools they have. It asks them
//! directly, not through the filter.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mcp_gateway::config::Server;
use mcp_gateway::mcp::list::ListKind;
use reqwest::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::reason;
use crate::mcp_client::{ClientError, McpClient, McpEndpoint};

/// How often a server is asked whether it is up.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How often a server that is up is asked for its tools.
const LIST_EVERY: Duration = Duration::from_secs(30);
/// How long to wait for the slowest server before the first report.
const REPORT_WITHIN: Duration = Duration::from_secs(2);
/// How often to check for changes to report.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long the last answers and the ends of all sessions may take together.
const END_TIME_LIMIT: Duration = Duration::from_secs(2);

/// The last answer of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerStatus {
    /// It has not answered yet.
    Asked,
    Up {
        /// `modern`, or `legacy` and the version that the server chose.
        era: String,
        /// The tools that the gateway offers, by the server's own names.
        tools: Vec<String>,
        /// The number of other tools, which `include` and `exclude` hide.
        hidden: usize,
    },
    /// The reason why it cannot be used.
    Down(String),
}

impl ServerStatus {
    /// This status of a server that is a program or not. If a program does not answer, the status
    /// says where its output is.
    pub(super) fn with_hint(self, is_program: bool) -> Self {
        match self {
            Self::Down(reason) if is_program && reason.starts_with("no answer within") => {
                Self::Down(format!("{reason}; the log has what the program prints"))
            }
            status => status,
        }
    }
}

/// A thread that asks servers for their status. It ends when this is dropped.
pub(super) struct Prober {
    stop: watch::Sender<()>,
    thread: JoinHandle<()>,
}

impl Prober {
    /// Asks each of `servers`. Whenever a status has changed, gives all statuses to `report`, in
    /// the order of the servers. Through `socket`, Envoy forwards to all servers.
    pub(super) fn start(
        socket: PathBuf,
        servers: Vec<Server>,
        report: impl Fn(Vec<ServerStatus>) + Send + 'static,
    ) -> Self {
        let (stop, stopped) = watch::channel(());
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

    /// Ends the sessions with the servers, and then the thread.
    pub(super) fn end(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}

async fn probe_all(
    socket: &Path,
    servers: Vec<Server>,
    stopped: watch::Receiver<()>,
    report: impl Fn(Vec<ServerStatus>),
) {
    // The sender has gone when it is time to stop.
    let stop = async || while stopped.clone().changed().await.is_ok() {};
    let statuses = RefCell::new(vec![ServerStatus::Asked; servers.len()]);
    let asked = servers.into_iter().enumerate().map(async |(at, server)| {
        let mut probe = Probe::new(socket, server);
        loop {
            let status = probe.status().await;
            if let Some(known) = statuses.borrow_mut().get_mut(at) {
                *known = status;
            }
            if timeout(ASK_EVERY, stop()).await.is_ok() {
                break;
            }
        }
        if let Some(client) = probe.client {
            client.close().await;
        }
    });
    // Requests that have begun are not dropped: a server may begin a session for them.
    let end = async {
        tokio::select! {
            () = report_changes(&statuses, report) => {}
            () = stop() => {}
        }
        sleep(END_TIME_LIMIT).await;
    };
    tokio::select! {
        _ = join_all(asked) => {}
        () = end => {}
    }
}

/// Gives `statuses` to `report` whenever they have changed.
async fn report_changes(statuses: &RefCell<Vec<ServerStatus>>, report: impl Fn(Vec<ServerStatus>)) {
    let started = Instant::now();
    let mut reported = Vec::new();
    loop {
        sleep(LOOK_EVERY).await;
        let current = statuses.borrow().clone();
        let is_complete = !current.contains(&ServerStatus::Asked);
        let is_due = is_complete || started.elapsed() >= REPORT_WITHIN;
        if is_due && current != reported {
            report(current.clone());
            reported = current;
        }
    }
}

/// The state of one server.
struct Probe<'a> {
    socket: &'a Path,
    server: Server,
    /// The connection while the server is up. A legacy server keeps its session.
    client: Option<McpClient>,
    /// Its tools, by its own names, and the time of its list.
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

    /// Asks the server for its era and, if it is time, for its tools.
    ///
    /// # Errors
    /// The reason why the server cannot be used.
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

/// All tools of `server`, as the server lists them.
///
/// # Errors
/// The reason why the server does not list them.
pub(super) async fn tools(socket: &Path, server: &Server) -> Result<Vec<Value>, String> {
    let explained = |error: ClientError| reason::of(&error, server);
    let endpoint = endpoint(socket, server)?;
    let client = McpClient::connect(endpoint, server.protocol);
    let client = client.await.map_err(explained)?;
    let tools = client.list(ListKind::Tools).await;
    client.close().await;
    tools.map_err(|error| format!("tools/list: {}", explained(error)))
}

/// The endpoint of `server`, with the same headers and the same timeout as for the gateway.
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
    McpEndpoint::on_socket(socket, &server.path, headers, server.timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_output_of_a_silent_program_is() {
        let hint = "no answer within 5 s; the log has what the program prints";
        for (reason, is_program, expected) in [
            ("no answer within 5 s", true, hint),
            ("no answer within 5 s", false, "no answer within 5 s"),
            ("ended (exit status: 1)", true, "ended (exit status: 1)"),
        ] {
            let status = ServerStatus::Down(reason.to_owned()).with_hint(is_program);
            assert_eq!(status, ServerStatus::Down(expected.to_owned()));
        }
    }
}
