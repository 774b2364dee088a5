//! `envoy/observability.yaml`: labels of metrics, access logs and traces.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::collector::{Collector, attributes, text};
use crate::example::{example, has_tag_values};
use crate::harness::capture::Capture;
use crate::harness::envoy::Envoy;
use crate::harness::fake;
use crate::harness::http::Request;
use crate::harness::message::{call, legacy, modern, request};
use crate::harness::setup;

const TRACE: &str = "30313233343536373839616263646566";
const PARENT: &str = "b7ad6b7169203331";
const WITHIN: Duration = Duration::from_secs(120);

const TOOLS: fake::Answers = &[
    (
        "tools/list",
        r#"{"resultType":"complete","tools":[{"name":"a","inputSchema":{"type":"object"}}],"ttlMs":0,"cacheScope":"private"}"#,
    ),
    (
        "tools/call",
        r#"{"resultType":"complete","content":[],"isError":true}"#,
    ),
];

struct Setup {
    envoy: Envoy,
    servers: [Capture; 2],
    collector: Collector,
    audit: PathBuf,
}

/// Starts Envoy and its servers. `None` if this Envoy is too old for the configuration.
async fn start(name: &str) -> Option<Setup> {
    if !has_tag_values() {
        return None;
    }
    let servers = [
        fake::start(r#"{"tools":{}}"#, TOOLS).await,
        fake::start(r#"{"tools":{}}"#, TOOLS).await,
    ];
    let collector = Collector::start().await;
    let audit = setup::files().join(format!("{name}.jsonl"));
    let _ = fs::remove_file(&audit);
    let port = |address: SocketAddr| format!("port_value: {}", address.port());
    let bootstrap = example("observability.yaml", servers[0].address)
        .replace("port_value: 9002", &port(servers[1].address))
        .replace("port_value: 4317", &port(collector.address))
        .replace("target/mcp-audit.jsonl", audit.to_str().expect("UTF-8"));
    Some(Setup {
        envoy: Envoy::start(name, &bootstrap),
        servers,
        collector,
        audit,
    })
}

#[tokio::test]
async fn metrics_have_labels_and_the_dashboard_knows_them() {
    let Some(Setup {
        envoy, collector, ..
    }) = start("observability_metrics").await
    else {
        return;
    };
    for (request, status) in [
        (modern("1", "tools/list"), 200),
        (modern("1", "prompts/list"), 200),
        (call("1", "weather__a", "{}"), 200),
        (call("1", "weather__a", "{}"), 200),
        (
            request("1", "prompts/get", r#""name":"weather__a","#).header("mcp-name", "weather__a"),
            404,
        ),
        (modern("1", "tools/list").body("{"), 400),
    ] {
        let answer = request.send(envoy.address).await;
        assert_eq!(answer.status, status, "{request:?}: {answer:?}");
    }
    // Envoy updates counters at once, but histograms only every five seconds.
    let recorded = r#"mcp_server_call_ms_count{mcp_server="weather"} 3"#;
    let deadline = Instant::now() + WITHIN;
    let mut metrics = envoy.metrics();
    while !metrics.contains(recorded) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(500)).await;
        metrics = envoy.metrics();
    }
    for line in [
        r#"mcp_requests{mcp_group="tools_call"} 2"#,
        r#"mcp_requests{mcp_group="tools_list"} 1"#,
        r#"mcp_requests{mcp_group="prompt"} 2"#,
        r#"mcp_rejected{mcp_status="parse_error"} 1"#,
        r#"mcp_server_calls{mcp_server="weather"} 3"#,
        r#"mcp_server_lists{mcp_server="weather"} 1"#,
        r#"mcp_server_lists{mcp_server="calendar"} 1"#,
        r#"mcp_server_calls{mcp_server="calendar"} 0"#,
        r#"mcp_server_tool_errors{mcp_server="weather"} 2"#,
        r#"mcp_server_errors{mcp_server="weather"} 0"#,
        recorded,
        r#"mcp_server_call_ms_bucket{mcp_server="weather",le="300000"} 3"#,
        r#"mcp_server_failures{mcp_server="weather"} 0"#,
        r#"mcp_server_timeouts{mcp_server="calendar"} 0"#,
        r#"mcp_fanout_duration_ms_bucket{le="10000"} "#,
        "mcp_preflight{} 0",
    ] {
        assert!(metrics.contains(line), "no {line} in\n{metrics}");
    }
    // The name of the server must be a label, and not a part of a metric's name.
    let exported = names(&metrics);
    assert!(!exported.iter().any(|name| name.contains("weather")));

    let dashboard: Value = serde_json::from_str(&shipped("grafana/dashboard.json")).expect("JSON");
    let mut asked = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().expect("targets") {
            asked.extend(names(target["expr"].as_str().expect("an expression")));
        }
    }
    let unknown: Vec<_> = asked.difference(&exported).collect();
    assert_eq!(unknown, [""; 0], "Envoy does not export these metrics");
    // The dashboard must show every counter and gauge. Of a histogram, it must show the
    // buckets.
    let histograms = ["mcp_fanout_duration_ms", "mcp_server_call_ms"];
    let whole = |name: &&String| {
        !["_sum", "_count"].iter().any(|end| name.ends_with(end))
            && !histograms.contains(&name.as_str())
    };
    let forgotten: Vec<_> = exported
        .iter()
        .filter(whole)
        .filter(|name| !asked.contains(*name))
        .collect();
    assert_eq!(forgotten, [""; 0], "no panel shows these metrics");
    check_alerts(&exported, &metrics);
    // The OpenTelemetry collector gets the same metrics with the same labels.
    for name in ["calls", "tool_errors", "call_ms"] {
        let name = format!("wasmcustom.mcp.server.{name}");
        let labels = collector.metric(&name, ("mcp_server", "weather")).await;
        assert_eq!(labels.len(), 1, "{labels:?}");
    }
}

/// The file `name` of `deploy/`.
fn shipped(name: &str) -> String {
    let path = setup::repository().join("deploy").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of metrics in `text`.
fn names(text: &str) -> BTreeSet<String> {
    let word = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    // Labels also start with `mcp_`, but are not metrics.
    let is_label = |name: &&str| ["mcp_server", "mcp_status", "mcp_group"].contains(name);
    let words = text.split(word).filter(|word| word.starts_with("mcp_"));
    words
        .filter(|word| !is_label(word))
        .map(str::to_owned)
        .collect()
}

/// Checks that the alert rules use only metrics that Envoy exports, and that the
/// documentation has a row for each rule. If `promtool` is installed, it also checks the
/// rules.
fn check_alerts(exported: &BTreeSet<String>, metrics: &str) {
    let rules = shipped("prometheus/alerts.yaml");
    let file: Value = serde_saphyr::from_str(&rules).expect("YAML");
    let page = setup::repository().join("docs/operate/metrics.md");
    let page = fs::read_to_string(page).expect("the page");
    let groups = file["groups"].as_array().expect("groups");
    let rules: Vec<&Value> = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().expect("rules"))
        .collect();
    assert!(rules.len() > 8, "{} rules", rules.len());
    for rule in rules {
        let name = rule["alert"].as_str().expect("a name");
        let fields: Vec<&str> = rule
            .as_object()
            .expect("a rule")
            .keys()
            .map(String::as_str)
            .collect();
        let known = ["alert", "annotations", "expr", "for", "labels"];
        assert!(
            fields.iter().all(|field| known.contains(field)),
            "{name}: {fields:?}"
        );
        assert!(
            page.contains(&format!("| `{name}` |")),
            "{name} is in no row of docs/operate/metrics.md"
        );
        for text in ["summary", "description"] {
            assert!(rule["annotations"][text].is_string(), "{name}: no {text}");
        }
        let severity = rule["labels"]["severity"].as_str().expect("a severity");
        assert!(
            ["info", "warning", "critical"].contains(&severity),
            "{name}: {severity}"
        );
        let expression = rule["expr"].as_str().expect("an expression");
        let asked = names(expression);
        assert!(!asked.is_empty(), "{name}: {expression}");
        let unknown: Vec<_> = asked.difference(exported).collect();
        assert_eq!(
            unknown, [""; 0],
            "{name}: Envoy does not export these metrics"
        );
        // The labels of the expression must be in a series that Envoy exports.
        for label in expression
            .split('{')
            .skip(1)
            .filter_map(|it| it.split('}').next())
        {
            assert!(metrics.contains(label), "{name}: no series has {label}");
        }
        let count = |c: char| expression.matches(c).count();
        assert_eq!(count('('), count(')'), "{name}: {expression}");
    }
    let folder = setup::repository().join("deploy/prometheus");
    for arguments in [
        ["check", "rules", "alerts.yaml"],
        ["test", "rules", "alerts_test.yaml"],
    ] {
        let mut promtool = Command::new("promtool");
        match promtool.args(arguments).current_dir(&folder).output() {
            Ok(output) => assert!(output.status.success(), "{output:?}"),
            Err(error) => println!("no promtool: {error}"),
        }
    }
}

#[tokio::test]
async fn no_name_forges_a_line_of_the_access_log() {
    let Some(Setup { envoy, .. }) = start("observability_log").await else {
        return;
    };
    let name = "weather__x\n{\"mcp_method\":\"forged\"}\r\n\"";
    let params = format!(r#""name":{},"arguments":{{}},"#, json!(name));
    let encoded = "=?base64?d2VhdGhlcl9feAp7Im1jcF9tZXRob2QiOiJmb3JnZWQifQ0KIg==?=";
    let forging = request("\"a\\n\\\"b\"", "tools/call", &params).header("mcp-name", encoded);
    let answer = forging.send(envoy.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let line = envoy.access_logged("forged");
    let line: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(line["mcp_method"], "tools/call", "{line}");
    assert_eq!(line["mcp_name"], name, "{line}");
    assert_eq!(line["mcp_id"], r#""a\n\"b""#, "{line}");
    assert_eq!(line["code"], 200);
    assert_eq!(line["mcp_server"], "weather", "{line}");
    assert_eq!(line["mcp_error"], "tool_error", "{line}");
}

#[tokio::test]
async fn one_trace_goes_from_the_client_to_every_server() {
    let Some(Setup {
        envoy,
        servers,
        collector,
        ..
    }) = start("observability_trace").await
    else {
        return;
    };
    let sent = format!("00-{TRACE}-{PARENT}-01");
    let traced = |request: Request| request.header("traceparent", &sent);
    // The requests of both servers since the last call: the method, and the fields of
    // `traceparent`.
    let seen = || {
        servers.each_ref().map(|server| {
            let parents = server.take().into_iter().map(|recorded| {
                let parent = recorded.header("traceparent").unwrap_or("").to_owned();
                let fields: Vec<String> = parent.split('-').map(str::to_owned).collect();
                (
                    recorded.json()["method"].as_str().unwrap_or("").to_owned(),
                    fields,
                )
            });
            parents.collect::<Vec<_>>()
        })
    };
    let list = traced(modern("1", "tools/list"));
    assert_eq!(list.send(envoy.address).await.status, 200);
    for server in seen() {
        assert!(server.iter().any(|(method, _)| method == "tools/list"));
        for (method, fields) in server {
            assert_eq!(fields[1..3], [TRACE, PARENT], "{method}");
        }
    }
    let called = traced(call("2", "weather__a", "{}"));
    assert_eq!(called.send(envoy.address).await.status, 200);
    let [weather, calendar] = seen();
    assert_eq!(calendar, []);
    let (method, fields) = weather.last().expect("a call");
    assert_eq!(method, "tools/call");
    assert_eq!(fields[1], TRACE);
    assert_ne!(fields[2], PARENT, "Envoy did not start a span for the call");

    // Without a `traceparent` of the client, the gateway's requests for a list are in no
    // trace, but all of them have the `x-request-id` of the client's request. Envoy starts
    // a new trace for a call.
    let untraced = modern("4", "tools/list").send(envoy.address).await;
    assert_eq!(untraced.status, 200);
    let line = envoy.access_logged(r#""mcp_id":"4""#);
    let line: Value = serde_json::from_str(&line).expect("JSON");
    for server in &servers {
        let recorded = server.take();
        assert!(!recorded.is_empty());
        for recorded in recorded {
            assert_eq!(recorded.header("traceparent"), None);
            assert_eq!(recorded.header("x-request-id"), line["request_id"].as_str());
        }
    }
    let called = call("3", "weather__a", "{}");
    assert_eq!(called.send(envoy.address).await.status, 200);
    let [weather, _] = seen();
    let (_, fields) = weather.last().expect("a call");
    assert_eq!(fields.len(), 4, "{fields:?}");
    assert_ne!(fields[1], TRACE);
    let own = fields[1].clone();

    for (id, trace) in [("1", TRACE), ("2", TRACE), ("3", &own)] {
        let line = envoy.access_logged(&format!(r#""mcp_id":"{id}""#));
        let line: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(line["trace_id"], *trace, "{line}");
    }
    let span = collector.span("jsonrpc.request.id", "2").await;
    assert_eq!(hex(&span.trace_id), TRACE);
    assert_eq!(hex(&span.parent_span_id), PARENT);
    let span = collector.span("jsonrpc.request.id", "3").await;
    assert_eq!(hex(&span.trace_id), own);
    assert!(
        collector
            .services()
            .iter()
            .all(|name| name == "mcp-gateway")
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The rows of the table in `page` whose first cell is a word in backquotes: this word, and
/// the second cell.
fn rows(page: &str) -> BTreeMap<String, String> {
    let path = setup::repository().join("docs").join(page);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{page}: {error}"));
    let rows = text.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        Some((name.to_owned(), rest.split(" |").next()?.to_owned()))
    });
    rows.collect()
}

/// The attributes of a span or a log record that have names of OpenTelemetry's conventions
/// for MCP or of the gateway. The other attributes come from Envoy itself. Checks that the
/// documentation has a row for each of them.
fn said(attributes: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let known = rows("operate/traces.md");
    assert!(known.len() > 8, "{known:?}");
    let ours = |name: &&String| {
        ["mcp", "gen_ai.", "jsonrpc.", "rpc.", "error."]
            .iter()
            .any(|start| name.starts_with(start))
    };
    let ours: BTreeMap<_, _> = attributes
        .iter()
        .filter(|(name, _)| ours(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, value) in &ours {
        assert!(
            known.contains_key(name),
            "{name} is in no row of docs/operate/traces.md"
        );
        assert!(!value.is_empty() && value != "-", "{name}={value}");
    }
    ours
}

#[tokio::test]
async fn spans_and_log_records_have_the_names_of_the_conventions() {
    let Some(Setup {
        envoy, collector, ..
    }) = start("observability_names").await
    else {
        return;
    };
    let prompt = request("13", "prompts/get", r#""name":"weather__p","#);
    for (request, status) in [
        (modern("11", "tools/list"), 200),
        (call("\"12\"", "weather__a", "{}"), 200),
        (prompt.header("mcp-name", "weather__p"), 404),
        (call("14", "nobody__a", "{}"), 200),
    ] {
        let answer = request.send(envoy.address).await;
        assert_eq!(answer.status, status, "{request:?}: {answer:?}");
    }
    for (id, expected) in [
        (
            "11",
            json!({"mcp.method.name": "tools/list", "mcp_gateway.status": "mcp_ok"}),
        ),
        (
            "\"12\"",
            json!({
                "mcp.method.name": "tools/call",
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "a",
                "error.type": "tool_error",
                "mcp_gateway.server": "weather",
                "mcp_gateway.name": "weather__a",
                "mcp_gateway.status": "mcp_ok",
            }),
        ),
        (
            "13",
            json!({
                "mcp.method.name": "prompts/get",
                "gen_ai.prompt.name": "p",
                "error.type": "-32601",
                "rpc.response.status_code": "-32601",
                "mcp_gateway.server": "weather",
                "mcp_gateway.name": "weather__p",
                "mcp_gateway.status": "mcp_ok",
            }),
        ),
        (
            "14",
            json!({
                "mcp.method.name": "tools/call",
                "gen_ai.operation.name": "execute_tool",
                // No server has this tool, so the attribute has the name that the client
                // has sent.
                "gen_ai.tool.name": "nobody__a",
                "error.type": "mcp_unknown",
                "mcp_gateway.name": "nobody__a",
                "mcp_gateway.status": "mcp_unknown",
            }),
        ),
    ] {
        let mut expected = expected;
        expected["jsonrpc.request.id"] = json!(id);
        expected["mcp.protocol.version"] = json!("2026-07-28");
        let span = collector.span("jsonrpc.request.id", id).await;
        assert_eq!(json!(said(&attributes(&span.attributes))), expected, "{id}");
        let log = collector.log("jsonrpc.request.id", id).await;
        assert_eq!(json!(said(&attributes(&log.attributes))), expected, "{id}");
        assert_eq!(json!(text(log.body.as_ref())), expected["mcp.method.name"]);
        assert_eq!(log.trace_id, span.trace_id, "{id}");
    }
}

#[tokio::test]
async fn the_audit_log_has_the_fields_that_its_page_says() {
    let Some(Setup { envoy, audit, .. }) = start("observability_audit").await else {
        return;
    };
    let began = legacy(
        "1",
        "initialize",
        r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}"#,
    );
    let answer = began.send(envoy.address).await;
    let session = answer
        .header("mcp-session-id")
        .expect("a session")
        .to_owned();
    for request in [
        modern("2", "tools/list"),
        call("3", "weather__a", r#"{"password":"s3cr3t"}"#),
        call("4", "nobody__x", "{}"),
        modern("5", "tools/list").body("{"),
        legacy("6", "tools/list", "{}").header("mcp-session-id", &session),
        Request::new("GET", "/mcp"),
    ] {
        request.send(envoy.address).await;
    }
    let deadline = Instant::now() + WITHIN;
    let mut lines = String::new();
    while lines.lines().count() < 7 {
        assert!(Instant::now() < deadline, "only {lines}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        lines = fs::read_to_string(&audit).unwrap_or_default();
    }
    for secret in ["s3cr3t", &session] {
        assert!(!lines.contains(secret), "{lines}");
    }
    let known = rows("operate/audit-log.md");
    let parsed: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    for line in &parsed {
        let fields: BTreeSet<_> = line.as_object().expect("an object").keys().collect();
        assert_eq!(fields, known.keys().collect(), "{line}");
        for (field, kind) in &known {
            let value = &line[field];
            let is_right = match kind.as_str() {
                "string" => value.is_string(),
                "string or null" => value.is_string() || value.is_null(),
                "number" => value.is_u64(),
                other => panic!("{field}: {other} is no type"),
            };
            assert!(is_right, "{field} is no {kind}: {line}");
        }
        assert_eq!(line["format"], "mcp-gateway.audit.v1");
        let time = line["time"].as_str().expect("a time");
        assert_eq!(
            (time.len(), time.find('T'), time.find('Z')),
            (24, Some(10), Some(23)),
            "{time}"
        );
    }
    let of = |id: &str| {
        let mut lines = parsed.iter();
        lines
            .find(|line| line["jsonrpc_id"] == id)
            .unwrap_or_else(|| panic!("{id}: {lines:?}"))
    };
    let shown = |line: &Value| {
        let fields = [
            "method",
            "name",
            "server",
            "tool",
            "status",
            "error",
            "http_status",
        ];
        json!(fields.map(|field| line[field].clone()))
    };
    assert_eq!(
        shown(of("3")),
        json!([
            "tools/call",
            "weather__a",
            "weather",
            "a",
            "mcp_ok",
            "tool_error",
            200
        ])
    );
    assert_eq!(
        shown(of("2")),
        json!(["tools/list", null, null, null, "mcp_ok", null, 200])
    );
    assert_eq!(shown(of("4"))[4], "mcp_unknown");
}
