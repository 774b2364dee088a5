//! Talks to an MCP server with rmcp, as a script says, and tells what it saw:
//! what `tests/sdk/python_client.py` describes, on the Rust SDK.
//!
//! `cargo run --example rmcp_client -- [--mode auto|modern|legacy] [--log LEVEL]
//! [--elicit JSON] [--sample TEXT] [--roots URI] TALKS`

#![expect(
    deprecated,
    reason = "what is deprecated has to work while it is there"
)]

use std::{
    collections::HashMap,
    env, fs,
    path::Path,
    pin::pin,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, ErrorData, RoleClient, ServiceError,
    model::{
        CallToolRequest, ClientConfig, ClientRequest, CreateMessageRequestParams,
        CreateMessageResult, ElicitRequestParams, ElicitResult, Implementation, ListRootsResult,
        LoggingMessageNotificationParam, PingRequest, ProgressNotificationParam, ProtocolVersion,
        ResourceUpdatedNotificationParam,
    },
    service::{NotificationContext, PeerRequestOptions, RequestContext, RunningService},
    transport::StreamableHttpClientTransport,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

// A gateway that hangs must fail the test and not hang it too.
const CONNECTED_WITHIN: Duration = Duration::from_secs(15);
const STEP_WITHIN: Duration = Duration::from_secs(8);
/// rmcp hands each notification to a task of its own, which may end after the
/// result is there.
const NOTICED_WITHIN: Duration = Duration::from_millis(20);
/// How long a call that is to be cancelled runs without telling of any progress.
const STARTED_WITHIN: Duration = Duration::from_secs(1);
const UPDATED_WITHIN: Duration = Duration::from_secs(3);
const MODERN: ProtocolVersion = ProtocolVersion::V_2026_07_28;

#[tokio::main]
async fn main() -> ExitCode {
    let (said, code) = match talk_all().await {
        Ok(answers) => (answers, ExitCode::SUCCESS),
        Err(error) => (error, ExitCode::FAILURE),
    };
    println!("{said}");
    code
}

async fn talk_all() -> Result<Value, Value> {
    let asked = Asked::new(env::args().skip(1))?;
    let mut answers = Vec::new();
    for (url, steps) in &asked.talks {
        let answer = talk(&asked, url, steps).await;
        answers.push(answer.unwrap_or_else(|error| json!({ "error": error })));
    }
    Ok(json!(answers))
}

/// What to do, as the command line says.
struct Asked {
    talks: Vec<(String, Vec<Value>)>,
    options: HashMap<String, String>,
}

impl Asked {
    fn new(mut words: impl Iterator<Item = String>) -> Result<Self, Value> {
        let (mut talks, mut options) = (Vec::new(), HashMap::new());
        while let Some(word) = words.next() {
            if let Some(option) = word.strip_prefix("--") {
                let value = words
                    .next()
                    .ok_or_else(|| said("an option needs a value"))?;
                options.insert(option.to_owned(), value);
            } else {
                talks = serde_json::from_str(&word).map_err(said)?;
            }
        }
        Ok(Self { talks, options })
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is for `map_err`")]
fn said(message: impl ToString) -> Value {
    json!({ "message": message.to_string() })
}

fn described(error: ServiceError) -> Value {
    match error {
        ServiceError::McpError(error) => json!(error),
        other => said(other),
    }
}

/// What came with the step that is being done.
#[derive(Default)]
struct Seen {
    lists: Mutex<Map<String, Value>>,
    progress: Notify,
    updated: Notify,
    updates: Mutex<Value>,
}

impl Seen {
    fn lists(&self) -> MutexGuard<'_, Map<String, Value>> {
        lock(&self.lists)
    }

    fn forget(&self) {
        let kinds = ["progress", "logs", "elicited", "sampled", "rooted"];
        *self.lists() = kinds
            .map(|kind| (kind.to_owned(), json!([])))
            .into_iter()
            .collect();
    }

    fn note(&self, kind: &str, what: impl Serialize) {
        if let Some(Value::Array(list)) = self.lists().get_mut(kind) {
            list.push(json!(what));
        }
    }
}

#[derive(Clone)]
struct Handler {
    seen: Arc<Seen>,
    config: ClientConfig,
    elicit: Value,
    sample: String,
    roots: String,
}

impl Handler {
    fn new(asked: &Asked) -> Result<Self, Value> {
        let offered = [
            ("elicit", "elicitation"),
            ("sample", "sampling"),
            ("roots", "roots"),
        ];
        let offered = offered
            .iter()
            .filter(|(option, _)| asked.option(option).is_some());
        let offered: Map<_, _> = offered
            .map(|(_, name)| ((*name).to_owned(), json!({})))
            .collect();
        let info = Implementation::new("rmcp-client", "1.0.0");
        Ok(Self {
            seen: Arc::default(),
            config: ClientConfig::new(read(Value::Object(offered))?, info),
            elicit: serde_json::from_str(asked.option("elicit").unwrap_or("null")).map_err(said)?,
            sample: asked.option("sample").unwrap_or_default().to_owned(),
            roots: asked.option("roots").unwrap_or_default().to_owned(),
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T: DeserializeOwned>(json: Value) -> Result<T, Value> {
    serde_json::from_value(json).map_err(said)
}

fn answer<T: DeserializeOwned>(json: Value) -> Result<T, ErrorData> {
    let answer = serde_json::from_value(json);
    answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        self.config.clone()
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        self.seen.note("sampled", params);
        let content = json!({ "type": "text", "text": self.sample });
        answer(json!({ "role": "assistant", "content": content, "model": "fixed" }))
    }

    async fn create_elicitation(
        &self,
        params: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        self.seen.note("elicited", params);
        answer(json!({ "action": "accept", "content": self.elicit }))
    }

    async fn list_roots(
        &self,
        _: RequestContext<RoleClient>,
    ) -> Result<ListRootsResult, ErrorData> {
        self.seen.note("rooted", json!({}));
        answer(json!({ "roots": [{ "uri": self.roots, "name": "root" }] }))
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let mut told = json!(params);
        if let Some(told) = told.as_object_mut() {
            told.remove("progressToken");
            told.values_mut().for_each(whole);
        }
        self.seen.note("progress", told);
        self.seen.progress.notify_waiters();
    }

    async fn on_logging_message(
        &self,
        params: LoggingMessageNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.seen.note("logs", params);
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        *lock(&self.seen.updates) = json!(params);
        self.seen.updated.notify_one();
    }
}

/// The SDK makes floats of the server's numbers.
fn whole(value: &mut Value) {
    let float = value.as_f64().filter(|float| float.fract() == 0.0);
    if let Some(integer) = float.and_then(|float| format!("{float:.0}").parse::<i64>().ok()) {
        *value = json!(integer);
    }
}

type Client = RunningService<RoleClient, Handler>;

async fn connect(asked: &Asked, url: &str, handler: &Handler) -> Result<Client, Value> {
    let preferred_versions = vec![MODERN];
    let lifecycle = match asked.option("mode") {
        Some("legacy") => ClientLifecycleMode::Initialize,
        Some("modern") => ClientLifecycleMode::Discover { preferred_versions },
        _ => ClientLifecycleMode::Auto {
            preferred_versions,
            legacy_version: None,
        },
    };
    let transport = StreamableHttpClientTransport::from_uri(url);
    let connecting = handler.clone().serve_with_lifecycle(transport, lifecycle);
    let client = timeout(CONNECTED_WITHIN, connecting).await.map_err(said)?;
    let client = client.map_err(said)?;
    let server = client
        .peer_info()
        .ok_or_else(|| said("the server says nothing of itself"))?;
    let level = asked
        .option("log")
        .filter(|_| server.capabilities.logging.is_some());
    if let Some(level) = level.filter(|_| server.protocol_version != MODERN) {
        let set = client.set_level(read(json!({ "level": level }))?);
        timeout(STEP_WITHIN, set)
            .await
            .map_err(said)?
            .map_err(described)?;
    }
    Ok(client)
}

async fn talk(asked: &Asked, url: &str, steps: &[Value]) -> Result<Value, Value> {
    let handler = Handler::new(asked)?;
    let seen = &handler.seen;
    let mut client = connect(asked, url, &handler).await?;
    let server = client
        .peer_info()
        .ok_or_else(|| said("the server says nothing of itself"))?;
    let modern = server.protocol_version == MODERN;
    let mut done = Vec::new();
    for step in steps {
        seen.forget();
        let outcome = if step["do"] == "reconnect" {
            // What cannot be closed in an orderly way is not the point.
            let _ = client.cancel().await;
            client = connect(asked, url, &handler).await?;
            Ok(json!({}))
        } else if step["do"] == "pause" {
            pause(step["file"].as_str().unwrap_or_default()).await
        } else {
            let level = asked.option("log").filter(|_| modern);
            let doing = timeout(STEP_WITHIN, perform(&client, seen, step, level));
            doing
                .await
                .unwrap_or_else(|_| Err(said("nothing came in time")))
        };
        let mut told = seen.lists().clone();
        match outcome {
            Ok(result) => told.insert("result".to_owned(), result),
            Err(error) => told.insert("error".to_owned(), error),
        };
        done.push(Value::Object(told));
    }
    // Waits until a legacy session is really deleted.
    client.cancel().await.map_err(said)?;
    Ok(json!({
        "protocolVersion": server.protocol_version,
        "serverInfo": server.server_info,
        "capabilities": server.capabilities,
        "steps": done,
    }))
}

async fn pause(file: &str) -> Result<Value, Value> {
    fs::write(format!("{file}.here"), "").map_err(said)?;
    while !Path::new(file).exists() {
        sleep(Duration::from_millis(50)).await;
    }
    Ok(json!({}))
}

async fn perform(
    client: &Client,
    seen: &Seen,
    step: &Value,
    level: Option<&str>,
) -> Result<Value, Value> {
    let mut params = step.clone();
    if let Some(level) = level {
        params["_meta"] = json!({ "io.modelcontextprotocol/logLevel": level });
    }
    match step["do"].as_str().unwrap_or_default() {
        "list_tools" => listed("tools", client.list_all_tools().await),
        "list_prompts" => listed("prompts", client.list_all_prompts().await),
        "list_resources" => listed("resources", client.list_all_resources().await),
        "list_templates" => {
            let templates = client.list_all_resource_templates().await;
            listed("resourceTemplates", templates)
        }
        "call" => {
            let result = client.call_tool(read(params)?).await;
            sleep(NOTICED_WITHIN).await;
            told(result)
        }
        "cancel" => {
            let request = ClientRequest::CallToolRequest(CallToolRequest::new(read(params)?));
            let options = PeerRequestOptions::no_options();
            let mut started = pin!(seen.progress.notified());
            started.as_mut().enable();
            let call = client.send_cancellable_request(request, options).await;
            let call = call.map_err(described)?;
            // Too late is as good: it is the server that says whether it was cancelled.
            let _ = timeout(STARTED_WITHIN, started).await;
            call.cancel(None).await.map_err(described)?;
            sleep(Duration::from_millis(50)).await;
            Ok(json!({}))
        }
        "prompt" => told(client.get_prompt(read(params)?).await),
        "read" => told(client.read_resource(read(params)?).await),
        "complete" => told(client.complete(read(params)?).await),
        "subscribe" => {
            let subscribed = client.subscribe(read(params)?).await;
            told(subscribed.map(|()| json!({})))
        }
        "updated" => {
            let updated = timeout(UPDATED_WITHIN, seen.updated.notified()).await;
            updated
                .map(|()| lock(&seen.updates).take())
                .map_err(|_| said("nothing came in time"))
        }
        "ping" => {
            let ping = ClientRequest::PingRequest(PingRequest::default());
            told(client.send_request(ping).await)
        }
        other => Err(said(format!("no such step: {other}"))),
    }
}

fn told(result: Result<impl Serialize, ServiceError>) -> Result<Value, Value> {
    result.map(|result| json!(result)).map_err(described)
}

fn listed(key: &str, entries: Result<impl Serialize, ServiceError>) -> Result<Value, Value> {
    entries
        .map(|entries| json!({ key: entries }))
        .map_err(described)
}
