//! Scenarios as data: a configuration, and cases of a request each, or several,
//! with what the servers answer and what has to come of it. Read by two drivers,
//! one on the core and one on the release .wasm, which must agree.
//!
//! `$name` in an expectation is given a value by what is seen there, for the
//! rest of the case; `$id` in what a server answers is the id that it was asked
//! with, and in what it is sent its own.

#[path = "names.rs"]
mod names;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

pub(crate) use names::Names;

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
    discovers: BTreeMap<String, Box<RawValue>>,
    /// The same of legacy servers, which are asked by `initialize`. A cluster
    /// that is in both speaks both.
    #[serde(default)]
    legacy: BTreeMap<String, Legacy>,
    /// Whether Envoy lets the filter hold the headers.
    #[serde(default = "yes")]
    pub(crate) hold: bool,
    /// Configurations of other gateways.
    #[serde(default)]
    others: BTreeMap<String, Box<RawValue>>,
    cases: Vec<Case>,
}

/// What a legacy server says of itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Legacy {
    capabilities: Box<RawValue>,
    #[serde(default)]
    session: Option<String>,
    #[serde(default = "newest")]
    version: String,
    #[serde(default)]
    instructions: Option<String>,
}

/// A gateway's Envoy, or another worker of the same.
pub(crate) const WORKER: &str = "worker";

/// An answer, as a driver sends it: status, headers and body.
pub(crate) type Parts = (u16, Vec<(String, String)>, String);

impl Scenarios {
    /// The configuration of the gateway of this name: the empty one, another
    /// [`WORKER`] of it, or a `replica` with the same configuration and nothing
    /// else in common.
    pub(crate) fn config_of(&self, name: &str) -> &str {
        self.others.get(name).unwrap_or(&self.config).get()
    }

    /// What the server of `cluster` answers to the message `body` at once.
    pub(crate) fn at_once(&self, cluster: &str, body: &str) -> Option<Parts> {
        let (id, method) = (member(body, "id"), member(body, "method"));
        let (modern, legacy) = (self.discovers.get(cluster), self.legacy.get(cluster));
        let (status, session, answer) = match (method.as_str(), modern, legacy) {
            ("server/discover", Some(capabilities), _) => (
                200,
                None,
                format!(
                    r#"{{"jsonrpc":"2.0","id":"{id}","result":{{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{capabilities},"ttlMs":0,"cacheScope":"private"}}}}"#
                ),
            ),
            ("server/discover", None, Some(_)) => {
                return Some((400, Vec::new(), "Bad Request: no valid session ID".into()));
            }
            ("initialize", Some(_), None) => (
                404,
                None,
                format!(
                    r#"{{"jsonrpc":"2.0","id":"{id}","error":{{"code":-32601,"message":"Method not found"}}}}"#
                ),
            ),
            ("initialize", _, Some(legacy)) => {
                let Legacy {
                    capabilities,
                    version,
                    ..
                } = legacy;
                let instructions = legacy
                    .instructions
                    .as_ref()
                    .map(|text| Value::from(text.as_str()));
                let instructions =
                    instructions.map_or(String::new(), |text| format!(r#","instructions":{text}"#));
                (
                    200,
                    legacy.session.clone(),
                    format!(
                        r#"{{"jsonrpc":"2.0","id":"{id}","result":{{"protocolVersion":"{version}","capabilities":{capabilities},"serverInfo":{{"name":"{cluster}","version":"1"}}{instructions}}}}}"#
                    ),
                )
            }
            ("notifications/initialized", _, Some(_)) => {
                return Some((202, Vec::new(), String::new()));
            }
            _ => return None,
        };
        let json = ("content-type".to_owned(), "application/json".to_owned());
        let session = session.map(|session| ("mcp-session-id".to_owned(), session));
        Some((status, [json].into_iter().chain(session).collect(), answer))
    }
}

/// One request and its fate.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Case {
    name: String,
    /// The case follows a client's `initialize`, whose session is `$session`;
    /// all requests are in it that do not say otherwise.
    session: bool,
    /// What comes before, with the same servers.
    before: Vec<Case>,
    /// Why the case does not hold yet: it fails once it does.
    contradicts: Option<String>,
    /// Who gets it: see [`Scenarios::config_of`].
    pub(crate) on: String,
    /// Seconds that pass before.
    pub(crate) after: u64,
    request: Request,
    /// Dynamic metadata of filters before.
    pub(crate) metadata: Value,
    /// What expressions come to, by their texts; the others fail.
    verdicts: BTreeMap<String, Value>,
    /// What calls are answered with, in this order.
    pub(crate) answers: Vec<Response>,
    /// What a cluster answers to what wants no answer, in place of 202.
    unasked: BTreeMap<String, Response>,
    /// What the server answers to a request that goes on.
    pub(crate) response: Option<Response>,
    /// The client goes, whatever it has by then.
    pub(crate) leaves: bool,
    /// Without it the answer is no error, and nothing else matters.
    expect: Option<Expect>,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Request {
    method: String,
    /// `:authority`
    host: String,
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
            host: "gateway.test".into(),
            path: "/mcp".into(),
            headers: BTreeMap::new(),
            body: None,
        }
    }
}

/// What a server answers.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Response {
    /// The cluster whose outstanding call this answers; a request that has
    /// gone on is answered by whoever it went to.
    #[serde(default)]
    pub(crate) to: String,
    /// The connection breaks instead.
    #[serde(default)]
    reset: bool,
    #[serde(default = "ok")]
    status: u16,
    /// The answer to a call that is a message has the `content-type` of JSON, if
    /// there is none here.
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

fn newest() -> String {
    "2025-11-25".into()
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
    /// The calls made, in their order.
    #[serde(default)]
    calls: Vec<Called>,
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

/// A call: its cluster, its JSON-RPC method or that of HTTP where it has no
/// body, and what it says.
#[derive(Deserialize)]
struct Called(String, String, #[serde(default)] Said);

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Said {
    headers: BTreeMap<String, Option<String>>,
    body: Option<Box<RawValue>>,
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

impl Call {
    fn method(&self) -> String {
        let member = member(&self.body, "method");
        if self.body.is_empty() {
            return joined(&self.headers, ":method").unwrap_or_default();
        }
        member
    }

    /// Whether it is an HTTP DELETE, a notification, or a response.
    pub(crate) fn wants_no_answer(&self) -> bool {
        member(&self.body, "method").is_empty() || member(&self.body, "id").is_empty()
    }
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
    /// The clusters of answers for which there was no call.
    pub(crate) uncalled: Vec<String>,
    /// Counters that are not zero.
    pub(crate) metrics: BTreeMap<String, u64>,
    /// Envoy's log.
    pub(crate) log: String,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut message = |what: &str, headers: &[(String, String)], body: &str| {
            write!(f, "\n    {what}")?;
            for (name, value) in headers {
                write!(f, " {name}={value}")?;
            }
            write!(f, "\n      {body}")
        };
        for call in &self.calls {
            message(
                &format!("call to {}", call.cluster),
                &call.headers,
                &call.body,
            )?;
        }
        for (what, seen) in [("upstream", &self.upstream), ("reply", &self.reply)] {
            match seen {
                Some(seen) => message(what, &seen.headers, &seen.body)?,
                None => message(what, &[], "nothing")?,
            }
        }
        write!(f, "\n    {:?}", self.state)?;
        let counted: Vec<_> = self
            .metrics
            .iter()
            .filter(|(_, value)| **value > 0)
            .collect();
        write!(f, "\n    {counted:?}\n    {:?}", self.log)
    }
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

/// A value as Envoy hands it over, which does not tell its type.
pub(crate) fn serialized(value: &Value) -> Vec<u8> {
    let map = |fields: Vec<(Vec<u8>, Vec<u8>)>| {
        let size = |bytes: &[u8]| u32::try_from(bytes.len()).expect("short").to_le_bytes();
        let count = u32::try_from(fields.len()).expect("few").to_le_bytes();
        let sizes = fields
            .iter()
            .map(|(name, value)| [size(name), size(value)].concat());
        let texts = fields
            .iter()
            .map(|(name, value)| [&**name, b"\0", value, b"\0"].concat());
        let parts: Vec<_> = [count.to_vec()]
            .into_iter()
            .chain(sizes)
            .chain(texts)
            .collect();
        parts.concat()
    };
    match value {
        Value::Null => Vec::new(),
        Value::Bool(is) => vec![u8::from(*is)],
        Value::Number(number) => number.as_f64().expect("a double").to_le_bytes().into(),
        Value::String(text) => text.clone().into(),
        Value::Array(list) => map(list.iter().map(|it| (serialized(it), Vec::new())).collect()),
        Value::Object(members) => {
            let member =
                |(name, value): (&String, &Value)| (name.clone().into(), serialized(value));
            map(members.iter().map(member).collect())
        }
    }
}

/// The text of a body in a scenario: a string's own, else the JSON as it stands.
fn text(raw: &RawValue) -> String {
    serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
}

const INITIALIZE: &str = r#"{"request":{"body":{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{},"roots":{},"sampling":{}},"clientInfo":{"name":"c","version":"1"}}}},"expect":{"reply":{"status":200,"headers":{"mcp-session-id":"$session"}}}}"#;

impl Case {
    /// The request to send, in the session if there is one.
    pub(crate) fn sent(&self, names: &Names) -> Sent {
        let request = &self.request;
        let body = request
            .body
            .as_deref()
            .map(|body| names.put(&text(body)).into_bytes());
        let mut headers = vec![
            (":method".to_owned(), request.method.clone()),
            (":path".to_owned(), request.path.clone()),
            (":authority".to_owned(), request.host.clone()),
            (":scheme".to_owned(), "http".to_owned()),
            ("x-forwarded-proto".to_owned(), "http".to_owned()),
        ];
        let defaults = [
            (body.is_some(), "content-type", "application/json"),
            (
                body.is_some(),
                "accept",
                "application/json, text/event-stream",
            ),
            (self.session, "mcp-session-id", "$session"),
            (self.session, "mcp-protocol-version", "2025-11-25"),
        ];
        let missing = defaults
            .iter()
            .filter(|(is_due, name, _)| *is_due && !request.headers.contains_key(*name));
        headers.extend(missing.map(|(_, name, value)| ((*name).to_owned(), names.put(value))));
        if let Some(body) = &body {
            headers.push(("content-length".to_owned(), body.len().to_string()));
        }
        for (name, value) in &request.headers {
            let values = match value {
                Value::Null => vec![],
                Value::String(value) => vec![value.as_str()],
                Value::Array(values) => values
                    .iter()
                    .map(|value| value.as_str().expect("text"))
                    .collect(),
                other => panic!("{}: header {name}: {other}", self.name),
            };
            headers.extend(
                values
                    .into_iter()
                    .map(|value| (name.clone(), names.put(value))),
            );
        }
        Sent { headers, body }
    }

    /// What the expression `text` comes to; `None` where it fails.
    pub(crate) fn verdict(&self, text: &str) -> Option<Vec<u8>> {
        self.verdicts.get(text).map(serialized)
    }

    /// What the server of `cluster` answers to what wants no answer, if it does.
    pub(crate) fn unasked(&self, cluster: &str) -> Option<Parts> {
        let accepted = Some((202, Vec::new(), String::new()));
        let answer = self.unasked.get(cluster);
        answer.map_or(accepted, |answer| answer.parts(&Names::default()))
    }

    /// Runs the case; gives what differs.
    fn run(&self, scenarios: &Scenarios, driver: &mut impl Driver) -> Vec<String> {
        let mut names = Names::default();
        let mut differences = Vec::new();
        let first: Option<Self> = self
            .session
            .then(|| serde_json::from_str(INITIALIZE).expect("a case"));
        let before = first.iter().chain(&self.before);
        for (at, step) in before.chain([self]).enumerate() {
            let seen = driver.drive(scenarios, step, &names);
            let status = seen
                .reply
                .as_ref()
                .and_then(|reply| reply.header(":status"));
            let found = match &step.expect {
                _ if !seen.uncalled.is_empty() => vec![format!("no calls to {:?}", seen.uncalled)],
                Some(expect) => expect.compare(&seen, &mut names),
                None if status.as_deref() < Some("300") => Vec::new(),
                None => vec![format!("an error: {status:?}")],
            };
            if !found.is_empty() {
                differences.push(format!("step {at}: {}\n  seen: {seen}", found.join("\n  ")));
            }
        }
        differences
    }
}

/// What runs requests: gateways that last for one case.
pub(crate) trait Driver {
    /// Runs one request, with what is known by then.
    fn drive(&mut self, scenarios: &Scenarios, case: &Case, names: &Names) -> Seen;
}

impl Response {
    /// It, where `$id` and other names stand for this; `None` when the connection
    /// breaks instead.
    pub(crate) fn parts(&self, names: &Names) -> Option<Parts> {
        let is_message = |body: &RawValue| body.get().starts_with('{');
        let json = ("content-type".to_owned(), "application/json".to_owned());
        let is_typed = self.to.is_empty() || self.headers.contains_key("content-type");
        let json = Some(json).filter(|_| !is_typed && self.body.as_deref().is_some_and(is_message));
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), names.put(value)));
        let body = self.body.as_deref().map(text).unwrap_or_default();
        (!self.reset).then(|| (self.status, headers.chain(json).collect(), names.put(&body)))
    }
}

/// Runs every case of every file, each with a new driver, and fails with all
/// that differs. `ONLY` in the environment is a part of the names of those to run.
pub(crate) fn run<D: Driver>(driver: impl Fn() -> D) {
    let only = std::env::var("ONLY").unwrap_or_default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/data");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("scenarios")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    let (mut cases, mut report) = (0, String::new());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a scenario file");
        let mut scenarios: Scenarios = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let file = file.file_stem().unwrap_or_default().to_string_lossy();
        for mut case in std::mem::take(&mut scenarios.cases) {
            let name = format!("{file}: {}", case.name);
            if !name.contains(&only) {
                continue;
            }
            cases += 1;
            for step in &mut case.before {
                step.session = case.session;
            }
            let differences = case.run(&scenarios, &mut driver());
            match (&case.contradicts, differences.is_empty()) {
                (None, true) => {}
                (Some(why), false) => {
                    let first = differences.first().and_then(|it| it.lines().next());
                    println!(
                        "{name}: does not hold yet: {why}\n  {}",
                        first.unwrap_or_default()
                    );
                }
                (Some(_), true) => report += &format!("\n{name}: it holds now\n"),
                (None, false) => {
                    let _ = writeln!(report, "\n{name}\n  {}", differences.join("\n  "));
                }
            }
        }
    }
    assert!(cases > 0, "no scenarios");
    assert!(report.is_empty(), "{report}");
    println!("{cases} cases");
}

impl Expect {
    fn compare(&self, seen: &Seen, names: &mut Names) -> Vec<String> {
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
                    if !same(names, value, &got.header(name)) {
                        differ(&format!("upstream header {name}"), value, &got.header(name));
                    }
                }
                if let Some(body) = expected
                    .body
                    .as_deref()
                    .map(text)
                    .filter(|body| !names.matches(body, &got.body))
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
                Some(got) => reply.compare(got, names, &mut differ),
            }
        } else if self.upstream.is_none() && seen.reply.is_some() {
            differ("reply", &"nothing", &seen.reply);
        }
        for (key, value) in &self.state {
            if seen.state.get(key) != value.as_ref() {
                differ(&format!("state {key}"), value, &seen.state.get(key));
            }
        }
        let expected: Vec<_> = self
            .calls
            .iter()
            .map(|Called(to, method, _)| (to.clone(), method.clone()))
            .collect();
        let calls: Vec<_> = seen
            .calls
            .iter()
            .map(|call| (call.cluster.clone(), call.method()))
            .collect();
        if expected != calls {
            differ("calls", &expected, &calls);
        }
        for (Called(to, _, said), call) in self.calls.iter().zip(&seen.calls) {
            for (name, value) in &said.headers {
                let got = joined(&call.headers, name);
                if !same(names, value, &got) {
                    differ(&format!("header {name} of a call to {to}"), value, &got);
                }
            }
            let own = names.with_id(&member(&call.body, "id"));
            if let Some(body) = said.body.as_deref().map(text)
                && !names.matches(&body.replace("$id", &own.put("$id")), &call.body)
            {
                differ(&format!("body of a call to {to}"), &body, &call.body);
            }
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
        names: &mut Names,
        differ: &mut dyn FnMut(&str, &dyn std::fmt::Debug, &dyn std::fmt::Debug),
    ) {
        if got.header(":status") != Some(self.status.to_string()) {
            differ("status", &self.status, &got.header(":status"));
        }
        for (name, value) in &self.headers {
            if !same(names, value, &got.header(name)) {
                differ(&format!("reply header {name}"), value, &got.header(name));
            }
        }
        if let Some(body) = self
            .body
            .as_deref()
            .map(text)
            .filter(|body| !names.matches(body, &got.body))
        {
            differ("reply body", &body, &got.body);
        }
        if let Some(id) = &self.id {
            let id = names.put(id);
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

/// Whether a header is as expected.
fn same(names: &mut Names, expected: &Option<String>, got: &Option<String>) -> bool {
    match (expected, got) {
        (Some(expected), Some(got)) => names.matches(expected, got),
        (None, None) => true,
        _ => false,
    }
}

/// The member `name` of the JSON object `body`, where it is a string.
pub(crate) fn member(body: &str, name: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body[name].as_str().unwrap_or_default().to_owned()
}
