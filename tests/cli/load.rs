//! Clients that send requests until they are stopped, and count the failures.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_rustls::rustls::crypto::ring;

const MODERN: &str = "2026-07-28";
const CLIENTS: usize = 6;
const POLL_EVERY: Duration = Duration::from_millis(10);
/// This only makes sure that a test ends. No test depends on the speed of the machine.
const GIVE_UP_AFTER: Duration = Duration::from_secs(120);

/// A client that keeps its connections and does not retry.
pub(crate) fn client() -> Client {
    // It fails if another test has installed the provider before, which is fine.
    let _ = ring::default_provider().install_default();
    let client = Client::builder().no_proxy().retry(reqwest::retry::never());
    client.build().expect("a client")
}

/// Sends requests to a gateway with one client of `client()`.
#[derive(Clone)]
pub(crate) struct Asker {
    client: Client,
    url: String,
}

impl Asker {
    pub(crate) fn new(gateway: SocketAddr) -> Self {
        Self {
            client: client(),
            url: format!("http://{gateway}/mcp"),
        }
    }

    /// Sends one request, and returns the `result` of the response. Any response without a
    /// result is an error.
    pub(crate) async fn ask(&self, method: &str, mut params: Value) -> Result<Value, String> {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let mut request = self.client.post(&self.url);
        if let Some(name) = params["name"].as_str() {
            request = request.header("mcp-name", name);
        }
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = request
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", method)
            .json(&body)
            .send()
            .await
            .map_err(|error| format!("{error:?}"))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| format!("{error:?}"))?;
        let json = text.lines().find_map(|line| line.strip_prefix("data: {"));
        let json = json.map_or_else(|| text.clone(), |rest| format!("{{{rest}"));
        let message: Value =
            serde_json::from_str(&json).map_err(|_| format!("{status}: {text}"))?;
        match message.get("result") {
            Some(result) if status == 200 => Ok(result.clone()),
            _ => Err(format!("{status}: {text}")),
        }
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Result<Value, String> {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }

    /// The names of the tools, in the order of the list.
    pub(crate) async fn tools(&self) -> Result<Vec<String>, String> {
        let result = self.list().await?;
        match result["tools"].is_array() {
            true => Ok(names(&result)),
            false => Err(format!("no tools in {result}")),
        }
    }

    async fn list(&self) -> Result<Value, String> {
        self.ask("tools/list", json!({})).await
    }

    /// Lists the tools until `wanted` is true for their names. Returns how long it took.
    pub(crate) async fn until(&self, wanted: impl Fn(&[String]) -> bool) -> Duration {
        self.until_list(|list| wanted(&names(list))).await
    }

    /// Lists the tools until `_meta` of the list names `server` as the only missing server.
    pub(crate) async fn until_missing(&self, server: &str) {
        let missing = "io.github.mcp-gateway/missingServers";
        self.until_list(|list| list["_meta"][missing] == json!([server]))
            .await;
    }

    async fn until_list(&self, wanted: impl Fn(&Value) -> bool) -> Duration {
        let started = Instant::now();
        loop {
            let list = self.list().await.expect("a list");
            if wanted(&list) {
                return started.elapsed();
            }
            assert!(started.elapsed() < GIVE_UP_AFTER, "still {list}");
            tokio::time::sleep(POLL_EVERY).await;
        }
    }
}

/// The names of the tools of a list.
fn names(list: &Value) -> Vec<String> {
    let tools = list["tools"].as_array().into_iter().flatten();
    let name = |tool: &Value| tool["name"].as_str().map(str::to_owned);
    tools.filter_map(name).collect()
}

/// Clients that list and call tools by turns until they are stopped.
pub(crate) struct Load {
    clients: JoinSet<()>,
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<String>>>,
}

impl Load {
    pub(crate) fn start(gateway: SocketAddr) -> Self {
        let mut load = Self {
            clients: JoinSet::new(),
            stop: Arc::default(),
            asked: Arc::default(),
            failed: Arc::default(),
        };
        for _ in 0..CLIENTS {
            let (stop, asked, failed) =
                (load.stop.clone(), load.asked.clone(), load.failed.clone());
            let asker = Asker::new(gateway);
            load.clients.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answers = [
                        // In every configuration of the test, the gateway has the server
                        // `weather`.
                        asker.tools().await.and_then(|tools| {
                            let there = tools
                                .iter()
                                .filter(|it| it.starts_with("weather__"))
                                .count();
                            if there == 3 {
                                Ok(())
                            } else {
                                Err(format!("listed {tools:?}"))
                            }
                        }),
                        asker
                            .call("weather__get_weather", json!({"city": "Tokyo"}))
                            .await
                            .and_then(|result| {
                                let right = result["structuredContent"]["celsius"] == 22;
                                if right {
                                    Ok(())
                                } else {
                                    Err(format!("called {result}"))
                                }
                            }),
                    ];
                    for answer in answers {
                        asked.fetch_add(1, Ordering::Relaxed);
                        if let Err(why) = answer {
                            failed.lock().expect("the failures").push(why);
                        }
                    }
                }
            });
        }
        load
    }

    /// Stops the clients. Returns the number of requests, and the failures.
    pub(crate) async fn end(mut self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        while self.clients.join_next().await.is_some() {}
        let failed = self.failed.lock().expect("the failures").clone();
        (self.asked.load(Ordering::Relaxed), failed)
    }
}
