//! A small MCP client over Streamable HTTP. It supports modern MCP and, with sessions, the legacy
//! versions. It gives results as JSON, as the server sent them.

mod answer;
mod endpoint;
mod error;
mod param_headers;
mod requests;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use mcp_gateway::config::Protocol;
use mcp_gateway::mcp::list::ListKind;
use mcp_gateway::mcp::{MISSING_SERVERS_KEY, SESSION_HEADER, jsonrpc, method, version};
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

pub(crate) use self::endpoint::McpEndpoint;
#[cfg(feature = "controller")]
pub(crate) use self::endpoint::has_certificates;
pub(crate) use self::error::ClientError;
pub(crate) use self::param_headers::param_headers;

/// The most pages of a list that are read.
const MAX_PAGES: usize = 1000;

/// A client of one server.
pub(crate) struct McpClient {
    endpoint: McpEndpoint,
    spoken: SpokenVersion,
    /// The capabilities that the server declares.
    capabilities: Value,
    /// The id of the last JSON-RPC request.
    last_id: AtomicU64,
    /// The requests of the server that this client refused.
    refused: Mutex<BTreeSet<String>>,
    /// The servers that the lists of a gateway lack.
    missing: Mutex<Vec<String>>,
}

/// The version of MCP that both sides use.
enum SpokenVersion {
    Modern(&'static str),
    /// It is not known until `initialize` is answered.
    Initializing,
    Legacy(ClientSession),
}

/// The data of a legacy server's answer to `initialize`.
struct ClientSession {
    version: String,
    /// The id; a server without sessions has none.
    id: Option<HeaderValue>,
}

impl McpClient {
    /// Connects to the server at `endpoint`, with the versions that `protocol` allows. It tries the
    /// modern ones first.
    ///
    /// # Errors
    /// The server cannot be reached, or supports no version that this client supports.
    pub(crate) async fn connect(
        endpoint: McpEndpoint,
        protocol: Protocol,
    ) -> Result<Self, ClientError> {
        let mut client = Self {
            endpoint,
            spoken: SpokenVersion::Modern(version::NEWEST_MODERN),
            capabilities: Value::Null,
            last_id: AtomicU64::new(0),
            refused: Mutex::default(),
            missing: Mutex::default(),
        };
        if protocol != Protocol::Legacy {
            match client.discover().await {
                Ok(()) => return Ok(client),
                Err(error) if error.is_about_the_server() => return Err(error),
                Err(error) if protocol == Protocol::Modern => {
                    return Err(client.explained(error).await);
                }
                // A legacy server does not know the method.
                Err(_) => {}
            }
        }
        match client.initialize().await {
            Ok(()) => Ok(client),
            Err(error) => Err(client.explained(error).await),
        }
    }

    async fn discover(&mut self) -> Result<(), ClientError> {
        let result = self.request(method::SERVER_DISCOVER, json!({})).await?;
        let supported: Vec<String> = strings(result.get("supportedVersions"));
        self.spoken = version::negotiate(version::MODERN, &supported, None)
            .map(SpokenVersion::Modern)
            .ok_or(ClientError::NoCommonVersion(supported))?;
        self.capabilities = result.get("capabilities").cloned().unwrap_or_default();
        Ok(())
    }

    async fn initialize(&mut self) -> Result<(), ClientError> {
        let params = json!({
            "protocolVersion": version::NEWEST_LEGACY,
            "capabilities": {},
            "clientInfo": client_info(),
        });
        self.spoken = SpokenVersion::Initializing;
        let (result, headers) = self
            .exchange(method::INITIALIZE, params, HeaderMap::new())
            .await?;
        let chosen = result.get("protocolVersion").and_then(Value::as_str);
        let chosen = chosen.ok_or_else(|| {
            ClientError::NotMcp(
                "not an answer to initialize: it has no protocol version".to_owned(),
            )
        })?;
        self.spoken = SpokenVersion::Legacy(ClientSession {
            version: chosen.to_owned(),
            id: headers.get(SESSION_HEADER).cloned(),
        });
        self.capabilities = result.get("capabilities").cloned().unwrap_or_default();
        // The server's answer to this does not matter, since it has answered `initialize`.
        let _ = self.notify(method::INITIALIZED).await;
        Ok(())
    }

    /// `modern`, or `legacy` and the version that the server chose.
    pub(crate) fn era(&self) -> String {
        match &self.spoken {
            SpokenVersion::Modern(_) => "modern".to_owned(),
            SpokenVersion::Initializing => "unknown".to_owned(),
            SpokenVersion::Legacy(session) => format!("legacy {}", session.version),
        }
    }

    /// The version of MCP that both sides speak.
    #[cfg(feature = "controller")]
    pub(crate) fn version(&self) -> &str {
        match &self.spoken {
            SpokenVersion::Modern(version) => version,
            SpokenVersion::Initializing => "",
            SpokenVersion::Legacy(session) => &session.version,
        }
    }

    /// The requests of the server that this client refused. It declares no capabilities.
    pub(crate) fn refused(&self) -> Vec<String> {
        let refused = self.refused.lock();
        let refused = refused.unwrap_or_else(PoisonError::into_inner);
        refused.iter().cloned().collect()
    }

    /// The servers that the lists of a gateway lack because they did not answer the gateway.
    pub(crate) fn missing(&self) -> Vec<String> {
        let missing = self.missing.lock();
        missing.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note_missing(&self, list: &Value) {
        let names = list.get("_meta").and_then(|it| it.get(MISSING_SERVERS_KEY));
        let missing = self.missing.lock();
        let mut missing = missing.unwrap_or_else(PoisonError::into_inner);
        for name in strings(names) {
            if !missing.contains(&name) {
                missing.push(name);
            }
        }
    }

    /// All pages of a list. If the server does not know the method, the list is empty, unless the
    /// server declares that it has the list.
    ///
    /// # Errors
    /// A page has no result, or there are too many pages.
    pub(crate) async fn list(&self, kind: ListKind) -> Result<Vec<Value>, ClientError> {
        let mut entries = Vec::new();
        let mut params = json!({});
        for _ in 0..MAX_PAGES {
            let mut result = match self.request(kind.method(), params).await {
                Err(ClientError::Rpc { code, .. })
                    if code == jsonrpc::METHOD_NOT_FOUND && !self.declares(kind) =>
                {
                    return Ok(Vec::new());
                }
                result => result?,
            };
            self.note_missing(&result);
            match result.get_mut(kind.member()).map(Value::take) {
                Some(Value::Array(page)) => entries.extend(page),
                _ => {
                    let what = format!("a result without {}", kind.member());
                    return Err(ClientError::NotMcp(what));
                }
            }
            match result.get_mut("nextCursor").map(Value::take) {
                Some(Value::String(cursor)) => params = json!({"cursor": cursor}),
                _ => return Ok(entries),
            }
        }
        Err(ClientError::TooLong)
    }

    fn declares(&self, kind: ListKind) -> bool {
        // Templates are an optional part of `resources`.
        kind != ListKind::Templates && self.capabilities.get(kind.member()).is_some()
    }

    /// Sends the smallest request that every server must answer.
    ///
    /// # Errors
    /// The server does not answer, perhaps because a legacy session has ended.
    pub(crate) async fn ping(&self) -> Result<(), ClientError> {
        let method = match &self.spoken {
            SpokenVersion::Modern(_) => method::SERVER_DISCOVER,
            SpokenVersion::Initializing | SpokenVersion::Legacy(_) => method::PING,
        };
        match self.request(method, json!({})).await {
            // The session is valid; the server only lacks the method.
            Err(ClientError::Rpc { code, .. }) if code == jsonrpc::METHOD_NOT_FOUND => Ok(()),
            result => result.map(drop),
        }
    }

    /// Ends the session, if there is one.
    pub(crate) async fn close(self) {
        if let SpokenVersion::Legacy(ClientSession { id: Some(_), .. }) = &self.spoken {
            // Servers may refuse this request.
            let _ = self.limited(self.endpoint.delete(self.headers())).await;
        }
    }

    /// `error`; or the error that the server uses the old transport, if it does.
    async fn explained(&self, error: ClientError) -> ClientError {
        if !error.may_be_old_transport() {
            return error;
        }
        let asked = async {
            let response = self.endpoint.get(HeaderMap::new()).await?;
            Ok(answer::is_old_transport(response).await)
        };
        match self.limited(asked).await {
            Ok(true) => ClientError::OldTransport,
            _ => error,
        }
    }
}

fn client_info() -> Value {
    json!({"name": "mcp-gateway", "version": env!("CARGO_PKG_VERSION")})
}

/// The strings of an array.
fn strings(array: Option<&Value>) -> Vec<String> {
    let items = array.and_then(Value::as_array).into_iter().flatten();
    items
        .filter_map(|item| Some(item.as_str()?.to_owned()))
        .collect()
}
