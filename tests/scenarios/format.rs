//! Scenarios as data: a configuration, and cases of one request each with what
//! the servers answer and what has to come of it. Read by two drivers, one on
//! the core and one on the release .wasm, which must agree.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// One file of scenarios.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenarios {
    /// The plugin configuration, as it stands.
    pub(crate) config: Box<RawValue>,
    /// The clusters that Envoy knows.
    #[serde(default)]
    pub(crate) clusters: Vec<String>,
    /// The capabilities of servers that are asked by `server/discover` and
    /// answer at once, by their clusters; such calls are not shown.
    #[serde(default)]
    pub(crate) discovers: BTreeMap<String, Box<RawValue>>,
    /// Whether Envoy lets the filter hold the headers.
    #[serde(default = "yes")]
    pub(crate) hold: bool,
    cases: Vec<Case>,
}

impl Scenarios {
    /// What the server of `cluster` answers to the message `body` at once.
    pub(crate) fn at_once(&self, cluster: &str, body: &str) -> Option<String> {
        let capabilities = self.discovers.get(cluster)?.get();
        (member(body, "method") == "server/discover").then(|| {
            let id = member(body, "id");
            format!(
                r#"{{"jsonrpc":"2.0","id":"{id}","result":{{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{capabilities},"ttlMs":0,"cacheScope":"private"}}}}"#
            )
        })
    }
}

/// One request and its fate.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    name: String,
    #[serde(default)]
    request: Request,
    /// What calls are answered with, in this order.
    #[serde(default)]
    pub(crate) answers: Vec<Response>,
    /// What the server answers to a request that goes on.
    #[serde(default)]
    pub(crate) response: Option<Response>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Request {
    method: String,
    path: String,
    /// Beside `content-type` and `accept`, which null removes; a list is
    /// several fields.
    headers: BTreeMap<String, Value>,
    /// The body as it stands; a string is the text itself.
    body: Option<Box<RawValue>>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            method: "POST".into(),
            path: "/mcp".into(),
            headers: BTreeMap::new(),
            body: None,
        }
    }
}

/// What a server answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Response {
    /// The cluster whose outstanding call this answers; a request that has
    /// gone on is answered by whoever it went to.
    #[serde(default)]
    pub(crate) to: String,
    /// The connection breaks instead.
    #[serde(default)]
    pub(crate) reset: bool,
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// `$id` stands for the JSON-RPC id of a call.
    #[serde(default)]
    body: Option<Box<RawValue>>,
    /// Whether the body comes in two parts; of the server's own answer only.
    #[serde(default)]
    pub(crate) split: bool,
}

fn yes() -> bool {
    true
}

fn ok() -> u16 {
    200
}

/// What has to come of it; what is not named may be anything, null is absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// The request as it goes on; null: it does not.
    #[serde(default)]
    upstream: Option<Upstream>,
    /// The answer that the client gets.
    #[serde(default)]
    reply: Option<Reply>,
    /// Filter state.
    #[serde(default)]
    state: BTreeMap<String, Option<String>>,
    /// The calls made, in their order: cluster and JSON-RPC method.
    #[serde(default)]
    calls: Option<Vec<(String, String)>>,
    /// Headers of every call.
    #[serde(default)]
    call_headers: BTreeMap<String, Option<String>>,
    /// Counters.
    #[serde(default)]
    metrics: BTreeMap<String, u64>,
    /// What Envoy's log holds.
    #[serde(default)]
    log: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upstream {
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    #[serde(default)]
    body: Option<Box<RawValue>>,
    #[serde(default)]
    route_cleared: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    /// The JSON text of the id.
    #[serde(default)]
    id: Option<String>,
    /// The JSON-RPC error's code, and a part of its message.
    #[serde(default)]
    error: Option<(i64, String)>,
    /// The whole body.
    #[serde(default)]
    body: Option<Box<RawValue>>,
}

/// A request as a driver sends it.
pub(crate) struct Sent {
    /// Pseudo-headers and headers.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, if there is one.
    pub(crate) body: Option<Vec<u8>>,
}

/// A call that a driver saw.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The cluster.
    pub(crate) cluster: String,
    /// Pseudo-headers and headers.
    pub(crate) headers: Vec<(String, String)>,
    /// A JSON-RPC message.
    pub(crate) body: String,
}

/// What a driver saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The request as it went on, if it did.
    pub(crate) upstream: Option<Message>,
    /// Whether the route was selected anew.
    pub(crate) route_cleared: bool,
    /// The answer that the client got.
    pub(crate) reply: Option<Message>,
    /// Filter state with its whole keys.
    pub(crate) state: BTreeMap<String, String>,
    /// All calls.
    pub(crate) calls: Vec<Call>,
    /// Counters that are not zero.
    pub(crate) metrics: BTreeMap<String, u64>,
    /// Envoy's log.
    pub(crate) log: String,
}

/// Headers and body.
#[derive(Debug, Default, Clone)]
pub(crate) struct Message {
    /// Pseudo-headers and headers.
    pub(crate) headers: Vec<(String, String)>,
    /// The whole body.
    pub(crate) body: String,
}

impl Message {
    /// The values of `name`, joined.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        joined(&self.headers, name)
    }
}

fn joined(headers: &[(String, String)], name: &str) -> Option<String> {
    let values: Vec<&str> = headers
        .iter()
        .filter(|(n, _)| n == name)
        .map(|(_, value)| value.as_str())
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// The text of a body in a scenario: a string's own, else the JSON as it stands.
fn text(raw: &RawValue) -> String {
    serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
}

impl Case {
    /// The request to send.
    pub(crate) fn sent(&self) -> Sent {
        let request = &self.request;
        let body = request.body.as_deref().map(|body| text(body).into_bytes());
        let mut headers = vec![
            (":method".to_owned(), request.method.clone()),
            (":path".to_owned(), request.path.clone()),
            (":authority".to_owned(), "gateway.test".to_owned()),
            (":scheme".to_owned(), "http".to_owned()),
            ("x-forwarded-proto".to_owned(), "http".to_owned()),
        ];
        let defaults = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        let missing = defaults
            .iter()
            .filter(|(name, _)| body.is_some() && !request.headers.contains_key(*name));
        headers.extend(missing.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        if let Some(body) = &body {
            headers.push(("content-length".to_owned(), body.len().to_string()));
        }
        for (name, value) in &request.headers {
            let values = match value {
                Value::Null => vec![],
                Value::String(value) => vec![value.clone()],
                Value::Array(values) => values
                    .iter()
                    .map(|value| value.as_str().expect("text").to_owned())
                    .collect(),
                other => panic!("{}: header {name}: {other}", self.name),
            };
            headers.extend(values.into_iter().map(|value| (name.clone(), value)));
        }
        Sent { headers, body }
    }
}

impl Response {
    /// Status, headers and body, where the JSON-RPC id of the call is `id`.
    pub(crate) fn parts(&self, id: &str) -> (u16, Vec<(String, String)>, String) {
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let body = self.body.as_deref().map(text).unwrap_or_default();
        (self.status, headers, body.replace("$id", id))
    }
}

/// Runs every case of every file with `drive`, and fails with all that differs.
pub(crate) fn run(drive: impl Fn(&Scenarios, &Case) -> Seen) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/data");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("scenarios")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    let (mut cases, mut report) = (0, String::new());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a scenario file");
        let scenarios: Scenarios = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for case in &scenarios.cases {
            cases += 1;
            let seen = drive(&scenarios, case);
            let differences = case.expect.compare(&seen);
            if !differences.is_empty() {
                let name = file.file_stem().unwrap_or_default().to_string_lossy();
                let _ = writeln!(
                    report,
                    "\n{name}: {}\n  {}\n  seen: {seen:#?}",
                    case.name,
                    differences.join("\n  ")
                );
            }
        }
    }
    assert!(cases > 0, "no scenarios");
    assert!(report.is_empty(), "{report}");
    println!("{cases} cases");
}

impl Expect {
    fn compare(&self, seen: &Seen) -> Vec<String> {
        let mut differences = Vec::new();
        let mut differ = |what: &str, expected: &dyn std::fmt::Debug, got: &dyn std::fmt::Debug| {
            differences.push(format!("{what}: expected {expected:?}, got {got:?}"));
        };
        match (&self.upstream, &seen.upstream) {
            (None, None) => {}
            (None, Some(_)) => differ("upstream", &"nothing", &"a request"),
            (Some(_), None) => differ("upstream", &"a request", &"nothing"),
            (Some(expected), Some(got)) => {
                for (name, value) in &expected.headers {
                    if got.header(name) != *value {
                        differ(&format!("upstream header {name}"), value, &got.header(name));
                    }
                }
                if let Some(body) = expected
                    .body
                    .as_deref()
                    .map(text)
                    .filter(|body| *body != got.body)
                {
                    differ("upstream body", &body, &got.body);
                }
                if expected
                    .route_cleared
                    .is_some_and(|cleared| cleared != seen.route_cleared)
                {
                    differ(
                        "route cleared",
                        &expected.route_cleared,
                        &seen.route_cleared,
                    );
                }
            }
        }
        if let Some(reply) = &self.reply {
            match &seen.reply {
                None => differ("reply", &reply.status, &"nothing"),
                Some(got) => reply.compare(got, &mut differ),
            }
        } else if self.upstream.is_none() && seen.reply.is_some() {
            differ("reply", &"nothing", &seen.reply);
        }
        for (key, value) in &self.state {
            if seen.state.get(key) != value.as_ref() {
                differ(&format!("state {key}"), value, &seen.state.get(key));
            }
        }
        let calls: Vec<(String, String)> = seen
            .calls
            .iter()
            .map(|call| (call.cluster.clone(), member(&call.body, "method")))
            .collect();
        if self.calls.clone().unwrap_or_default() != calls {
            differ("calls", &self.calls, &calls);
        }
        for (name, value) in &self.metrics {
            if seen.metrics.get(name).copied().unwrap_or(0) != *value {
                differ(&format!("metric {name}"), value, &seen.metrics.get(name));
            }
        }
        for (name, value) in &self.call_headers {
            for call in &seen.calls {
                if joined(&call.headers, name) != *value {
                    differ(
                        &format!("call header {name} to {}", call.cluster),
                        value,
                        &joined(&call.headers, name),
                    );
                }
            }
        }
        for line in self
            .log
            .iter()
            .filter(|line| !seen.log.contains(line.as_str()))
        {
            differ("log", line, &seen.log);
        }
        differences
    }
}

impl Reply {
    fn compare(
        &self,
        got: &Message,
        differ: &mut dyn FnMut(&str, &dyn std::fmt::Debug, &dyn std::fmt::Debug),
    ) {
        if got.header(":status") != Some(self.status.to_string()) {
            differ("status", &self.status, &got.header(":status"));
        }
        for (name, value) in &self.headers {
            if got.header(name) != *value {
                differ(&format!("reply header {name}"), value, &got.header(name));
            }
        }
        if let Some(body) = self
            .body
            .as_deref()
            .map(text)
            .filter(|body| *body != got.body)
        {
            differ("reply body", &body, &got.body);
        }
        if let Some(id) = &self.id {
            let start = format!(r#"{{"jsonrpc":"2.0","id":{id},"#);
            if !got.body.starts_with(&start) {
                differ("reply id", &start, &got.body);
            }
        }
        if let Some((code, message)) = &self.error {
            let body: Value = serde_json::from_str(&got.body).unwrap_or_default();
            let said = body["error"]["message"].as_str().unwrap_or_default();
            if body["error"]["code"] != *code || !said.contains(message.as_str()) {
                differ("error", &(code, message), &got.body);
            }
            if got.header("content-type").as_deref() != Some("application/json") {
                differ(
                    "content-type of an error",
                    &"application/json",
                    &got.header("content-type"),
                );
            }
        }
    }
}

/// The member `name` of the JSON object `body`, where it is a string.
pub(crate) fn member(body: &str, name: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body[name].as_str().unwrap_or_default().to_owned()
}
