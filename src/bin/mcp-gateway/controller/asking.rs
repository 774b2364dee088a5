//! Asks the servers again and again whether they are up and which tools they have.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mcp_gateway::config::Server;
use mcp_gateway::mcp::list::ListKind;
use reqwest::Url;
use reqwest::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::net::lookup_host;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, sleep, timeout};
use tracing::info;

use super::name::ObjectName;
use super::plan::ServerQuestion;
use super::snapshot::ServerAnswer;
use super::store::KnownCluster;
use crate::mcp_client::{ClientError, McpClient, McpEndpoint};

/// How often the controller asks a server that answers.
const ASK_EVERY: Duration = Duration::from_secs(15);
/// How often the controller asks a server that does not answer.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// How often the controller asks a server that answers for its tools.
const LIST_EVERY: Duration = Duration::from_secs(60);
/// The most servers that the controller asks at the same time.
const AT_A_TIME: usize = 32;
/// How long the controller asks one server. The server's own `timeout` may be longer, but the other
/// servers must have their turn.
const ASK_TIME_LIMIT: Duration = Duration::from_secs(60);
/// How long the end of a session may take.
const END_TIME_LIMIT: Duration = Duration::from_secs(1);
/// The most characters of a reason that are kept.
const LONGEST_REASON: usize = 256;

/// The tasks that ask servers, one for each server.
pub(super) struct Asking {
    store: Arc<KnownCluster>,
    limit: Arc<Semaphore>,
    asked: BTreeMap<ObjectName, ProbedServer>,
}

/// A server that is asked. The task ends when this is dropped.
struct ProbedServer {
    question: ServerQuestion,
    _stop: oneshot::Sender<()>,
}

impl Asking {
    pub(super) fn new(store: Arc<KnownCluster>) -> Self {
        Self {
            store,
            limit: Arc::new(Semaphore::new(AT_A_TIME)),
            asked: BTreeMap::new(),
        }
    }

    /// From now on, asks exactly the servers of `questions`.
    pub(super) fn ask(&mut self, questions: &BTreeMap<ObjectName, ServerQuestion>) {
        self.asked.retain(|name, _| questions.contains_key(name));
        self.store.change(|snapshot| {
            snapshot
                .answers
                .retain(|name, _| questions.contains_key(name));
            false
        });
        for (name, question) in questions {
            let known = self.asked.get(name);
            if known.is_some_and(|it| it.question == *question) {
                continue;
            }
            let (stop, stopped) = oneshot::channel();
            let asker = Asker {
                name: name.clone(),
                question: question.clone(),
                store: Arc::clone(&self.store),
                limit: Arc::clone(&self.limit),
                client: None,
                tools: 0,
                listed: Instant::now(),
            };
            tokio::spawn(asker.ask_until(stopped));
            let question = question.clone();
            let asked = ProbedServer {
                question,
                _stop: stop,
            };
            self.asked.insert(name.clone(), asked);
        }
    }

    /// Stops asking all servers.
    pub(super) fn stop(&mut self) {
        self.asked.clear();
        self.store.change(|snapshot| {
            snapshot.answers.clear();
            false
        });
    }
}

/// The state of the task that asks one server.
struct Asker {
    name: ObjectName,
    question: ServerQuestion,
    store: Arc<KnownCluster>,
    limit: Arc<Semaphore>,
    /// The connection while the server answers. A legacy server keeps its session.
    client: Option<McpClient>,
    tools: u32,
    listed: Instant,
}

impl Asker {
    async fn ask_until(mut self, stopped: oneshot::Receiver<()>) {
        tokio::select! {
            () = self.ask_for_ever() => {}
            _ = stopped => {}
        }
        if let Some(client) = self.client {
            let _ = timeout(END_TIME_LIMIT, client.close()).await;
        }
    }

    async fn ask_for_ever(&mut self) {
        loop {
            let Ok(permit) = Arc::clone(&self.limit).acquire_owned().await else {
                return;
            };
            let answer = match timeout(ASK_TIME_LIMIT, self.answer()).await {
                Ok(Ok(version)) => ServerAnswer::Up {
                    version: printable(&version),
                    tools: self.tools,
                },
                Ok(Err(reason)) => ServerAnswer::Down(printable(&reason)),
                Err(_) => {
                    let limit = ASK_TIME_LIMIT.as_secs();
                    ServerAnswer::Down(format!("no answer within {limit} s"))
                }
            };
            drop(permit);
            let pause = match &answer {
                ServerAnswer::Up { .. } => ASK_EVERY,
                ServerAnswer::Down(_) => ASK_AGAIN,
            };
            let name = &self.name;
            self.store.change(|snapshot| {
                let known = snapshot.answers.get(name);
                let is_new = known != Some(&answer);
                if is_new {
                    info!(server = %name, answer = ?answer, "asked");
                    snapshot.answers.insert(name.clone(), answer);
                }
                is_new
            });
            sleep(pause).await;
        }
    }

    /// Asks the server for its version and, if it is time, for its tools.
    ///
    /// # Errors
    /// The reason why the server cannot be used.
    async fn answer(&mut self) -> Result<String, String> {
        if let Some(client) = &self.client
            && client.ping().await.is_err()
        {
            self.client = None;
        }
        let server = &self.question.server;
        let (client, is_new) = match &self.client {
            Some(client) => (client, false),
            None => {
                let endpoint = endpoint(&self.question).await?;
                let connected = McpClient::connect(endpoint, server.protocol).await;
                let connected = connected.map_err(|error| explained(&error, server))?;
                (&*self.client.insert(connected), true)
            }
        };
        if is_new || self.listed.elapsed() >= LIST_EVERY {
            let tools = client.list(ListKind::Tools).await;
            let tools =
                tools.map_err(|error| format!("tools/list: {}", explained(&error, server)))?;
            let name = |tool: &Value| Some(tool.get("name")?.as_str()?.to_owned());
            let shown = tools
                .iter()
                .filter_map(name)
                .filter(|name| server.allows(ListKind::Tools, name));
            self.tools = u32::try_from(shown.count()).unwrap_or(u32::MAX);
            self.listed = Instant::now();
        }
        Ok(client.version().to_owned())
    }
}

/// The server's endpoint, reached in the same way and with the same timeout as by the gateway.
async fn endpoint(question: &ServerQuestion) -> Result<McpEndpoint, String> {
    let server = &question.server;
    let mut url = Url::parse(&question.origin).map_err(|error| error.to_string())?;
    let mut address = None;
    if let Some(name) = &question.certified_name {
        address = Some(resolved(&url).await?);
        url.set_host(Some(name))
            .map_err(|error| error.to_string())?;
    }
    let own = server.headers.iter();
    let own = own.map(|(name, value)| (&**name, value.expose()));
    let authority = (HOST.as_str(), &*server.authority);
    let headers: Option<HeaderMap> = std::iter::once(authority)
        .chain(own)
        .map(|(name, value)| {
            let mut value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
            value.set_sensitive(true);
            Some((name.parse::<HeaderName>().ok()?, value))
        })
        .collect();
    let headers = headers.ok_or_else(|| "has a header that cannot be sent".to_owned())?;
    let url = format!("{}{}", url.as_str().trim_end_matches('/'), server.path);
    McpEndpoint::at_address(
        &url,
        address,
        headers,
        &question.authorities,
        server.timeout,
    )
}

/// An address of the host of `url`.
async fn resolved(url: &Url) -> Result<SocketAddr, String> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or_default();
    let found = lookup_host((host, port)).await;
    let first = found.ok().and_then(|mut all| all.next());
    first.ok_or_else(|| ClientError::UnknownHost.to_string())
}

/// The reason why `server` gave no result, with the field that the user should change.
fn explained(error: &ClientError, server: &Server) -> String {
    let hint = match error {
        ClientError::Status { code: 401, .. } if server.headers.is_empty() => {
            "set its credentials in spec.headers"
        }
        ClientError::Status { code: 401, .. } => "check the values of spec.headers",
        ClientError::Status {
            code: 403 | 421, ..
        } => {
            "check spec.headers; if the server accepts only some values of Host, set spec.hostname"
        }
        ClientError::Status {
            code: 404 | 405, ..
        }
        | ClientError::NotMcp(_) => "check spec.path",
        _ => return error.to_string(),
    };
    format!("{error}; {hint}")
}

/// The start of `text`, on one line.
fn printable(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(LONGEST_REASON).map(printable).collect()
}
