//! Scenarios as data. A file has a configuration and cases. A case has one or several
//! requests, the answers of the servers, and the expected results. Two drivers run all
//! cases: one with the core, and one with the release .wasm. Both must have the same
//! results.
//!
//! `$name` in an expectation gets the value that is seen in this place, and has it for the
//! rest of the case. `$id` is the id of the JSON-RPC message: in the answer of a server,
//! that of the request that the server has got; in an expected request, that of this
//! request.

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
    /// The configuration of the filter, as text.
    pub(crate) config: Box<RawValue>,
    /// The clusters that Envoy knows.
    #[serde(default)]
    pub(crate) clusters: Vec<String>,
    /// The capabilities of modern servers, by their clusters. These servers answer
    /// `server/discover` at once, and such calls are not among the `calls` of an
    /// expectation.
    #[serde(default)]
    discovers: BTreeMap<String, Box<RawValue>>,
    /// The same for legacy servers, which answer `initialize` at once. A server that is in
    /// both maps supports both eras.
    #[serde(default)]
    legacy: BTreeMap<String, Legacy>,
    /// Whether Envoy lets the filter hold the headers.
    #[serde(default = "yes")]
    pub(crate) hold: bool,
    /// The configurations of other gateways, by their names.
    #[serde(default)]
    others: BTreeMap<String, Box<RawValue>>,
    cases: Vec<Case>,
}

/// The answer of a legacy server to `initialize`.
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

/// The name of another worker of the same Envoy.
pub(crate) const WORKER: &str = "worker";

/// An answer that a driver sends: status, headers and body.
pub(crate) type Parts = (u16, Vec<(String, String)>, String);

impl Scenarios {
    /// The configuration of the gateway with this name. The gateway of the case has the
    /// empty name. If `others` has no configuration for the name, it is the same: for
    /// another [`WORKER`], and for a `replica`, which shares nothing else with the gateway.
    pub(crate) fn config_of(&self, name: &str) -> &str {
        self.others.get(name).unwrap_or(&self.config).get()
    }

    /// The answer that the server of `cluster` gives to the message `body` at once, if it
    /// does.
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

/// One request, and what must happen to it.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Case {
    name: String,
    /// Whether a client begins a session first, with `initialize`. The id of the session is
    /// `$session`. All requests of the case that set no other session are in it.
    session: bool,
    /// Requests that come before this one, to the same gateways.
    before: Vec<Case>,
    /// Why the expectation is not fulfilled yet. The test fails as soon as it is fulfilled.
    contradicts: Option<String>,
    /// The name of the gateway that gets the request: see [`Scenarios::config_of`].
    pub(crate) on: String,
    /// How many seconds pass before the request.
    pub(crate) after: u64,
    request: Request,
    /// The dynamic metadata that earlier filters have written.
    pub(crate) metadata: Value,
    /// The values of expressions, by their texts. The evaluation of all other expressions
    /// fails.
    verdicts: BTreeMap<String, Value>,
    /// The servers' answers to the gateway's calls, in this order.
    pub(crate) answers: Vec<Response>,
    /// The answers of servers to messages that need no response, by their clusters. The
    /// default is 202.
    unasked: BTreeMap<String, Response>,
    /// The server's answer to the forwarded request.
    pub(crate) response: Option<Response>,
    /// Whether the client closes its stream at the end, even if it has no complete answer.
    pub(crate) leaves: bool,
    /// What is expected. Without it, the test only checks that the answer is not an error.
    expect: Option<Expect>,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Request {
    method: String,
    /// `:authority`
    host: String,
    path: String,
    /// Headers in addition to `content-type` and `accept`. Null removes a header, and a
    /// list makes several fields.
    headers: BTreeMap<String, Value>,
    /// The body. If it is a JSON string, the body is the content of the string.
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

/// The answer of a server.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Response {
    /// The cluster whose outstanding call gets this answer. It is empty in the answer to a
    /// forwarded request.
    #[serde(default)]
    pub(crate) to: String,
    /// Whether the connection breaks, without an answer.
    #[serde(default)]
    reset: bool,
    #[serde(default = "ok")]
    status: u16,
    /// The headers. An answer to a call has the `content-type` of JSON if its body is a
    /// message and there is no other `content-type` here.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The body. `$id` in it is the JSON-RPC id of the call.
    #[serde(default)]
    body: Option<Box<RawValue>>,
    /// Whether the body comes in two parts. This is only for the answer to a forwarded
    /// request.
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

/// What is expected. Without `upstream` or `calls`, there must be no request and no calls
/// to servers. A header, a key or a counter that is not named may have any value. One with
/// null must be absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// The request that goes on to the server. With null, no request may go on.
    #[serde(default)]
    upstream: Option<Upstream>,
    /// The answer that the client gets.
    #[serde(default)]
    reply: Option<Reply>,
    /// The filter state, by its keys.
    #[serde(default)]
    state: BTreeMap<String, Option<String>>,
    /// The calls of the gateway, in their order.
    #[serde(default)]
    calls: Vec<Called>,
    /// Headers that every call must have.
    #[serde(default)]
    call_headers: BTreeMap<String, Option<String>>,
    /// The values of counters.
    #[serde(default)]
    metrics: BTreeMap<String, u64>,
    /// Texts that Envoy's log must contain.
    #[serde(default)]
    log: Vec<String>,
}

/// A call: its cluster, its method, and its content. The method is that of JSON-RPC, or
/// that of HTTP if the call has no body.
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

/// A request that a driver sends.
pub(crate) struct Sent {
    /// Pseudo-headers and headers.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, if there is one.
    pub(crate) body: Option<Vec<u8>>,
}

/// A call that a driver has seen.
#[derive(Debug, Clone)]
pub(crate) struct Call {
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

/// What a driver has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The request that went on to the server, if one did.
    pub(crate) upstream: Option<Message>,
    /// Whether the filter has cleared Envoy's route cache.
    pub(crate) route_cleared: bool,
    /// The answer that the client has got.
    pub(crate) reply: Option<Message>,
    /// Filter state with its whole keys.
    pub(crate) state: BTreeMap<String, String>,
    /// All calls of the gateway, in their order.
    pub(crate) calls: Vec<Call>,
    /// The clusters of the answers in the case for which the gateway made no call.
    pub(crate) uncalled: Vec<String>,
    /// Counters that are not zero.
    pub(crate) metrics: BTreeMap<String, u64>,
    /// The lines that the filter has written to Envoy's log.
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

/// A request or an answer.
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

/// The bytes in which Envoy gives the filter a value. They do not say which type the value
/// has.
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

/// The text of a body in a scenario: the content of a JSON string, or else the JSON itself.
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

    /// The value of the expression `text`. `None` if its evaluation fails.
    pub(crate) fn verdict(&self, text: &str) -> Option<Vec<u8>> {
        self.verdicts.get(text).map(serialized)
    }

    /// The answer of the server of `cluster` to a message that needs no response. `None` if
    /// the connection breaks.
    pub(crate) fn unasked(&self, cluster: &str) -> Option<Parts> {
        let accepted = Some((202, Vec::new(), String::new()));
        let answer = self.unasked.get(cluster);
        answer.map_or(accepted, |answer| answer.parts(&Names::default()))
    }

    /// Runs the case. Returns the differences between the results and the expectations.
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

/// Runs requests. It has gateways for one case.
pub(crate) trait Driver {
    /// Runs the request of `case`. `names` has the values that are known so far.
    fn drive(&mut self, scenarios: &Scenarios, case: &Case, names: &Names) -> Seen;
}

impl Response {
    /// The answer, with the values of `$id` and the other names. `None` if the connection
    /// breaks.
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

/// Runs every case of every file, each with a new driver. Fails with a list of all
/// differences. With the environment variable `ONLY`, it runs only the cases whose names
/// contain this text.
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
                (Some(_), true) => {
                    report += &format!("\n{name}: holds now: remove `contradicts`\n")
                }
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

/// Whether a header has the expected value.
fn same(names: &mut Names, expected: &Option<String>, got: &Option<String>) -> bool {
    match (expected, got) {
        (Some(expected), Some(got)) => names.matches(expected, got),
        (None, None) => true,
        _ => false,
    }
}

/// The member `name` of the JSON object `body`. An empty text if it is not a string.
pub(crate) fn member(body: &str, name: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body[name].as_str().unwrap_or_default().to_owned()
}
