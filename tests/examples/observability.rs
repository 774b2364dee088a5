//! `envoy/observability.yaml`: labels, access logs and traces.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::example::example;
use crate::harness::capture::Capture;
use crate::harness::envoy::Envoy;
use crate::harness::fake;
use crate::harness::http::Request;
use crate::harness::message::{call, modern, request};
use crate::harness::setup;

/// Text in hexadecimal, so that spans, which hold its bytes, can be searched for it.
const TRACE: &str = "30313233343536373839616263646566";
const TRACE_TEXT: &str = "0123456789abcdef";
const PARENT: &str = "b7ad6b7169203331";
const SPANS_WITHIN: Duration = Duration::from_secs(30);

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
    collector: Capture,
}

async fn start(name: &str) -> Setup {
    let servers = [
        fake::start(r#"{"tools":{}}"#, TOOLS).await,
        fake::start(r#"{"tools":{}}"#, TOOLS).await,
    ];
    let collector = Capture::start(|_| ().into_response()).await;
    let port = |address: SocketAddr| format!("port_value: {}", address.port());
    let bootstrap = example("observability.yaml", servers[0].address)
        .replace("port_value: 9002", &port(servers[1].address))
        .replace("port_value: 4318", &port(collector.address));
    Setup {
        envoy: Envoy::start(name, &bootstrap),
        servers,
        collector,
    }
}

#[tokio::test]
async fn metrics_have_labels_and_the_dashboard_knows_them() {
    let Setup { envoy, .. } = start("observability_metrics").await;
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
    // Envoy counts at once, and adds to histograms every five seconds.
    let recorded = r#"mcp_server_call_ms_count{mcp_server="weather"} 3"#;
    let deadline = Instant::now() + SPANS_WITHIN;
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
    // No name is left that holds what is a label now.
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
    assert_eq!(unknown, [""; 0], "what Envoy does not export");
    // Every counter is drawn, and each histogram by its buckets.
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
    assert_eq!(forgotten, [""; 0], "what no panel shows");
    check_alerts(&exported, &metrics);
}

/// The file `name` of `deploy/`.
fn shipped(name: &str) -> String {
    let path = setup::repository().join("deploy").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of metrics in `text`.
fn names(text: &str) -> BTreeSet<String> {
    let word = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    // The labels have names of their own.
    let is_label = |name: &&str| ["mcp_server", "mcp_status", "mcp_group"].contains(name);
    let words = text.split(word).filter(|word| word.starts_with("mcp_"));
    words
        .filter(|word| !is_label(word))
        .map(str::to_owned)
        .collect()
}

/// Each expression of the alert rules is about what Envoy exports, and each rule is in the
/// documentation. `promtool` checks them, too, where there is one.
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
            "{name} is in no row"
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
        assert_eq!(unknown, [""; 0], "{name}: what Envoy does not export");
        // Values of labels are those of Envoy's.
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
    let Setup { envoy, .. } = start("observability_log").await;
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
    let Setup {
        envoy,
        servers,
        collector,
    } = start("observability_trace").await;
    let sent = format!("00-{TRACE}-{PARENT}-01");
    let traced = |request: Request| request.header("traceparent", &sent);
    // What was asked of both, with the trace and the span that each was told.
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
    assert_ne!(fields[2], PARENT, "the call is a span of Envoy's");

    // Without any, a list is in no trace, but has one id everywhere; a call gets
    // a trace of Envoy's.
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
    let deadline = Instant::now() + SPANS_WITHIN;
    let mut spans = String::new();
    while !(spans.contains(TRACE_TEXT) && spans.contains("weather") && spans.contains("tools/call"))
    {
        assert!(
            Instant::now() < deadline,
            "no span with the trace: {spans:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
        for recorded in collector.take() {
            assert_eq!(recorded.target, "/v1/traces");
            spans.push_str(&recorded.body);
        }
    }
}
