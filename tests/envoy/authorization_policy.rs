//! `authorization` in policy mode: the filter removes entries from the lists in responses, in
//! whatever form the server sends them.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::authorization::assert_denied;
use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::{Capture, Recorded};
use crate::harness::envoy::Envoy;
use crate::harness::http::{Answer, Request};
use crate::harness::message::{call, legacy, modern};
use crate::harness::wire::{self, Act};

const LIST: &str = r#"{"resultType":"complete","tools":[ {"name":"secret"} , {"title":"secret","name":"read", "n":1.10},{"name":"write"},{"name":"s\u0065cret"}],"ttlMs":60000,"cacheScope":"public" }"#;

/// What callers who are not admins get of the list, byte for byte.
const CUT: &str = r#"{"resultType":"complete","tools":[ {"title":"secret","name":"read", "n":1.10},{"name":"write"}],"ttlMs":60000,"cacheScope":"private" }"#;

const RULES: &str = r#"{"defaultAction":"ALLOW","rules":[
    {"action":"ALLOW","when":"'x-user' in request.headers && request.headers['x-user'] == 'admin'"},
    {"action":"DENY","tools":["secret"]}
]}"#;

const OPEN: &str = r#"v3.RBAC
              rules:
                policies:
                  everybody: { permissions: [{ any: true }], principals: [{ any: true }] }
"#;

/// `envoy/envoy.yaml` with these rules and no rules of RBAC, with hold or without.
fn bootstrap(server: std::net::SocketAddr, holds: bool, rules: &str) -> Bootstrap {
    let rules: String = rules.lines().map(str::trim).collect();
    let config = format!(
        r#"{{"paths":["/mcp"],"trafficMode":"REJECT_NO_MCP","holdRequestHeaders":{holds},"authorization":{rules}}}"#
    );
    let bootstrap = Bootstrap::policy(server).configured(&config).replace_block(
        "v3.RBAC\n",
        "          - name: envoy.filters.http.router",
        OPEN,
    );
    let stop = "                allow_on_headers_stop_iteration: true\n";
    if holds {
        bootstrap
    } else {
        bootstrap.replace(stop, "")
    }
}

fn result(id: &Value, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// A list, in the form that the header `x-as` names.
fn listed(request: &Recorded) -> Response {
    if request.method == "GET" {
        // The rest of an answer whose stream the server closed early.
        let list = result(&Value::from(7), LIST);
        let events = format!("id: 2\ndata: {list}\n\ndata: no message\n\n");
        return ([("content-type", "text/event-stream")], events).into_response();
    }
    let message = request.json();
    let id = &message["id"];
    if message["method"] != "tools/list" {
        return request.result(LIST);
    }
    let list = result(id, LIST);
    match request.header("x-as").unwrap_or("json") {
        "json" => ([("content-type", "application/json")], list).into_response(),
        "events" => {
            let other = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":{"tools":[{"name":"secret"}]}}}"#;
            let events = format!(": x\r\ndata: {other}\r\n\r\nid: 9\r\ndata: {list}\r\n\r\n");
            ([("content-type", "text/event-stream")], events).into_response()
        }
        "early" => {
            let events = "id: 1\nretry: 10\ndata:\n\n".to_owned();
            ([("content-type", "text/event-stream")], events).into_response()
        }
        "gzip" => {
            let fields = [
                ("content-type", "application/json"),
                ("content-encoding", "gzip"),
            ];
            (fields, list).into_response()
        }
        "text" => ([("content-type", "text/plain")], list).into_response(),
        "array" => {
            let list = format!("[{list}]");
            ([("content-type", "application/json")], list).into_response()
        }
        "error" => {
            let error = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"no tools"}}}}"#
            );
            let json = [("content-type", "application/json")];
            (StatusCode::NOT_FOUND, json, error).into_response()
        }
        "down" => (StatusCode::SERVICE_UNAVAILABLE, "down").into_response(),
        other => panic!("{other}"),
    }
}

fn list(form: &str) -> Request {
    modern("7", "tools/list").header("x-as", form)
}

/// The data of the last event.
fn last_event(answer: &Answer) -> &str {
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let mut lines = answer.text().lines().rev();
    let data = lines.find_map(|line| line.strip_prefix("data: "));
    data.expect("an event")
}

#[tokio::test]
async fn lists_show_what_may_be_called_in_json_and_in_events_with_hold_and_without() {
    let server = Capture::start(listed).await;
    for holds in [true, false] {
        let name = format!("authorization_policy_{holds}");
        let envoy = Envoy::start(&name, &bootstrap(server.address, holds, RULES));
        let to = envoy.address;
        let (all, cut) = (result(&7.into(), LIST), result(&7.into(), CUT));
        for (user, expected) in [("guest", &cut), ("admin", &all)] {
            // Other callers may get another list, so no cache may keep this list for all.
            let expected = &expected.replace(r#""public""#, r#""private""#);
            let with = |form: &str| list(form).header("x-user", user);
            let answer = with("json").send(to).await;
            assert_eq!((answer.status, answer.text()), (200, expected.as_str()));
            let answer = with("json").chunked(7).send_http2(to).await;
            assert_eq!((answer.status, answer.text()), (200, expected.as_str()));

            let answer = with("events").send(to).await;
            assert_eq!(last_event(&answer), expected);
            assert!(
                answer
                    .text()
                    .contains(r#"{"data":{"tools":[{"name":"secret"}]}}"#)
            );
            assert!(answer.text().contains("id: 9"), "{answer:?}");

            let answer = call("7", "secret", "{}")
                .header("x-user", user)
                .send(to)
                .await;
            if user == "guest" {
                assert_denied(&answer, "7", "tools/call secret");
            } else {
                // A response that is no list passes unchanged.
                assert_eq!((answer.status, answer.text()), (200, all.as_str()));
            }
        }
        envoy.access_with(
            &json!({ "code": 403, "details": "mcp_denied", "mcp_status": "mcp_denied" }),
        );
        assert_eq!(envoy.stat("wasmcustom.mcp.denied"), 1);
    }
}

#[tokio::test]
async fn what_cannot_be_looked_into_does_not_pass() {
    let server = Capture::start(listed).await;
    for holds in [true, false] {
        let name = format!("authorization_unread_{holds}");
        let envoy = Envoy::start(&name, &bootstrap(server.address, holds, RULES));
        for (form, status, said) in [
            ("gzip", 502, "content-encoding"),
            ("text", 502, "neither JSON nor an event stream"),
            ("array", 502, "no JSON-RPC response"),
            ("error", 404, "no tools"),
            ("down", 503, "down"),
        ] {
            let answer = list(form).send(envoy.address).await;
            // Without hold, the status has already been sent when the filter finds this fault in
            // the body.
            let is_late = !holds && form == "array";
            let status = if is_late { 200 } else { status };
            assert_eq!(answer.status, status, "{form}: {answer:?}");
            assert!(answer.text().contains(said), "{form}: {answer:?}");
            assert!(!answer.text().contains("secret"), "{form}: {answer:?}");
        }
    }
}

/// Without this, servers would compress the lists that the filter must read.
#[tokio::test]
async fn what_may_be_a_list_is_asked_for_without_compression() {
    let server = Capture::start(listed).await;
    let get = Request::new("GET", "/mcp").header("accept", "text/event-stream");
    for holds in [true, false] {
        let name = format!("authorization_encoding_{holds}");
        let envoy = Envoy::start(&name, &bootstrap(server.address, holds, RULES));
        for (request, expected) in [
            (list("json"), None),
            (get.clone(), None),
            // Without hold, the headers have been forwarded before the filter knows what the
            // request calls.
            (call("1", "read", "{}"), holds.then_some("gzip, br")),
        ] {
            let request = request.header("accept-encoding", "gzip, br");
            assert_eq!(request.send(envoy.address).await.status, 200);
            let seen = server.take_one();
            assert_eq!(seen.header("accept-encoding"), expected, "{request:?}");
        }
    }
}

/// MCP 2025-11-25 lets a server close the stream and send the rest of the answer to a GET.
#[tokio::test]
async fn a_list_that_comes_on_a_resumed_stream_is_cut_too() {
    let server = Capture::start(listed).await;
    for holds in [true, false] {
        let name = format!("authorization_resumed_{holds}");
        let envoy = Envoy::start(&name, &bootstrap(server.address, holds, RULES));
        let begun = legacy("7", "tools/list", "{}").header("x-as", "early");
        let answer = begun.send(envoy.address).await;
        assert_eq!(
            (answer.status, answer.text()),
            (200, "id: 1\nretry: 10\ndata:\n\n")
        );
        let get = Request::new("GET", "/mcp")
            .header("accept", "text/event-stream")
            .header("last-event-id", "1");
        for (user, list) in [("guest", CUT), ("admin", LIST)] {
            let answer = get.clone().header("x-user", user).send(envoy.address).await;
            let list = result(&7.into(), list).replace(r#""public""#, r#""private""#);
            let expected = format!("id: 2\ndata: {list}\n\ndata: no message\n\n");
            assert_eq!((answer.status, answer.text()), (200, &*expected));
        }
    }
}

#[tokio::test]
async fn a_list_in_pieces_of_any_size_is_cut() {
    let server = wire::serve(|request| {
        let list = result(&request.json()["id"], LIST);
        match request.header("x-as") {
            Some("events") => vec![
                Act::Write(wire::head("200 OK", "text/event-stream")),
                Act::Bytewise(format!("data: {list}\r\n\r\n")),
            ],
            _ => vec![
                Act::Write(wire::head("200 OK", "application/json")),
                Act::Bytewise(list),
            ],
        }
    })
    .await;
    let envoy = Envoy::start("authorization_pieces", &bootstrap(server, true, RULES));
    let cut = result(&7.into(), CUT);
    let answer = list("json").send(envoy.address).await;
    assert_eq!((answer.status, answer.text()), (200, &*cut));
    let answer = list("events").send(envoy.address).await;
    assert_eq!((answer.status, last_event(&answer)), (200, &*cut));
}

/// The list is longer than the part that the filter holds back, and longer than Envoy's buffers.
#[tokio::test]
async fn a_long_list_is_cut_and_one_over_the_limit_does_not_pass() {
    let server = Capture::start(|request| {
        let entries: usize = request
            .header("x-entries")
            .unwrap_or("1")
            .parse()
            .expect("a number");
        let entry = format!(r#",{{"name":"read","description":"{}"}}"#, "x".repeat(1000));
        let list = format!(
            r#"{{"tools":[{{"name":"secret"}}{}]}}"#,
            entry.repeat(entries)
        );
        request.result(&list)
    })
    .await;
    let envoy = Envoy::start(
        "authorization_long",
        &bootstrap(server.address, true, RULES),
    );
    for entries in [5, 9, 100, 5000] {
        let request = modern("1", "tools/list").header("x-entries", entries.to_string());
        let answer = request.send(envoy.address).await;
        assert_eq!(answer.status, 200, "{entries}");
        assert!(!answer.text().contains("secret"), "{entries}");
        let tools = &answer.json()["result"]["tools"];
        assert_eq!(tools.as_array().map(Vec::len), Some(entries));
    }
    let request = modern("1", "tools/list").header("x-entries", "9000");
    let answer = request.send(envoy.address).await;
    assert!(!answer.text().contains("secret"), "{answer:?}");
    assert_eq!(answer.json()["error"]["code"], -32603);
}
