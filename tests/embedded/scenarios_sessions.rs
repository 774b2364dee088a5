//! Sessions of legacy clients and of the gateway itself, under the host's rules: answers in every
//! order, clients that leave, and answers that come too late.

use serde_json::{Value, json};

use crate::host::{Call, Host, Outcome, Plugin, Request, Response, Stream};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

fn gateway(servers: &str) -> Plugin {
    let host = ["a", "b", "c"].into_iter().fold(Host::new(), Host::cluster);
    let config = format!(r#"{{"servers":[{servers}]}}"#);
    host.configure(&config).expect("a configuration")
}

const THREE: &str = r#"{"name":"a","protocol":"LEGACY"},{"name":"b","protocol":"LEGACY"},{"name":"c","protocol":"LEGACY"}"#;
const SOLE: &str = r#"{"name":"a","protocol":"LEGACY"}"#;

fn post(body: impl AsRef<[u8]>) -> Request {
    Request::post("/mcp")
        .header("accept", "application/json, text/event-stream")
        .json(body)
}

fn legacy(session: &str, method: &str, params: &Value) -> Request {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    post(body.to_string()).header("mcp-session-id", session)
}

fn initialize() -> Request {
    post(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#,
    )
}

fn modern_call() -> Request {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{{"name":"a__x",{META}}}}}"#
    );
    post(body)
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "a__x")
}

/// The answer of a legacy server. Its session is named after its cluster, and it has one tool.
fn answer(call: &Call) -> Response {
    let message: Value = serde_json::from_str(&call.text()).unwrap_or_default();
    let result = match message["method"].as_str() {
        Some("initialize") => {
            json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "instructions": call.cluster})
        }
        Some("tools/list") => json!({"tools": [{"name": "x"}]}),
        _ => return Response::new(202),
    };
    let body = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
    let session = format!("s-{}", call.cluster);
    Response::json(200, body.to_string()).header("mcp-session-id", session)
}

/// Answers calls to these clusters until there are none. It always takes the call to the cluster
/// that comes first in `order`.
fn answer_all(stream: &mut Stream, order: &[&str]) {
    loop {
        let calls = stream.calls();
        let to = |cluster: &&str| calls.iter().find(|call| call.cluster == *cluster);
        let Some(call) = order.iter().find_map(to) else {
            return;
        };
        stream.answer(call, answer(call));
    }
}

fn begin(plugin: &Plugin, order: &[&str]) -> (String, String) {
    let mut stream = plugin.stream();
    stream.request(initialize());
    answer_all(&mut stream, order);
    let reply = stream.expect_reply(200);
    let session = reply.header("mcp-session-id").expect("a session");
    (session, reply.text())
}

const ORDERS: [[&str; 3]; 6] = [
    ["a", "b", "c"],
    ["a", "c", "b"],
    ["b", "a", "c"],
    ["b", "c", "a"],
    ["c", "a", "b"],
    ["c", "b", "a"],
];

#[test]
fn the_order_of_answers_does_not_matter() {
    let plugin = gateway(THREE);
    let (_, first) = begin(&plugin, &ORDERS[0]);
    assert!(
        first.contains(r#""instructions":"a: a\n\nb: b\n\nc: c""#),
        "{first}"
    );
    for order in ORDERS {
        let (session, text) = begin(&plugin, &order);
        assert_eq!(text, first, "{order:?}");
        let mut list = plugin.stream();
        list.request(legacy(&session, "tools/list", &json!({})));
        for call in list.calls() {
            let own = format!("s-{}", call.cluster);
            assert_eq!(call.header("mcp-session-id"), Some(own), "{order:?}");
        }
        answer_all(&mut list, &order);
        let tools = &list.expect_reply(200).json()["result"]["tools"];
        assert_eq!(
            *tools,
            json!([{"name": "a__x"}, {"name": "b__x"}, {"name": "c__x"}]),
            "{order:?}"
        );
        let mut end = plugin.stream();
        end.request(Request::delete("/mcp").header("mcp-session-id", &session));
        answer_all(&mut end, &order);
        end.expect_reply(200);
    }
    assert_eq!(plugin.open_streams(), 0);
}

#[test]
fn no_two_sessions_have_the_same_id() {
    let plugin = gateway(SOLE);
    let mut sessions: Vec<String> = (0..20).map(|_| begin(&plugin, &["a"]).0).collect();
    sessions.sort();
    sessions.dedup();
    assert_eq!(sessions.len(), 20);
}

#[test]
fn a_client_may_leave_at_any_time() {
    let plugin = gateway(THREE);
    let (session, _) = begin(&plugin, &["a", "b", "c"]);
    let requests = [
        initialize(),
        legacy(&session, "tools/list", &json!({})),
        Request::delete("/mcp").header("mcp-session-id", &session),
        modern_call(),
    ];
    for request in requests {
        for answered in 0..7 {
            let mut stream = plugin.stream();
            stream.request(&request);
            for _ in 0..answered {
                if let Some(call) = stream.calls().first() {
                    stream.answer(call, answer(call));
                }
            }
            stream.client_gone();
            // The answers that come after this are for nobody, and must do no harm.
            answer_all(&mut stream, &["c", "b", "a"]);
            assert_eq!(stream.calls().len(), 0);
            assert_eq!(plugin.open_streams(), 0);
        }
    }
    let mut last = plugin.stream();
    last.request(legacy(&session, "ping", &json!({})));
    last.expect_reply(200);
}

const FAIL: [fn(&mut Stream, &Call) -> Outcome; 3] = [
    |stream, call| stream.reset(call),
    |stream, call| stream.refuse(call),
    |stream, call| stream.time_out(call),
];

#[test]
fn what_wants_no_answer_may_have_none() {
    for fail in FAIL {
        let plugin = gateway(SOLE);
        let mut stream = plugin.stream();
        stream.request(initialize());
        let call = stream.call("a");
        stream.answer(&call, answer(&call));
        let ready = stream.call("a");
        assert_eq!(ready.json()["method"], "notifications/initialized");
        fail(&mut stream, &ready);
        let session = stream.expect_reply(200).header("mcp-session-id");
        let session = session.expect("a session");

        // The gateway accepts a notification before a server has got it.
        let mut told = plugin.stream();
        let body = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
        told.request(post(body).header("mcp-session-id", &session));
        told.expect_reply(202);
        assert_eq!(plugin.open_streams(), 0);
        let call = told.call("a");
        fail(&mut told, &call);

        let mut end = plugin.stream();
        end.request(Request::delete("/mcp").header("mcp-session-id", &session));
        let call = end.call("a");
        assert_eq!(call.header(":method").as_deref(), Some("DELETE"));
        assert!(call.body.is_empty());
        fail(&mut end, &call);
        end.expect_reply(200);
    }
}

/// A modern client's call that has gone on to a legacy server.
fn bridged(plugin: &Plugin) -> (Stream, String) {
    let mut stream = plugin.stream();
    stream.request(modern_call());
    answer_all(&mut stream, &["a"]);
    let upstream = stream.expect_released();
    let id = upstream.json()["id"].as_str().expect("a string").to_owned();
    (stream, id)
}

fn methods(calls: &[Call]) -> Vec<String> {
    let method = |call: &Call| match call.body.as_slice() {
        [] => call.header(":method").unwrap_or_default(),
        _ => call.json()["method"].as_str().unwrap_or("").to_owned(),
    };
    calls.iter().map(method).collect()
}

#[test]
fn a_bridged_request_is_cancelled_and_its_session_ended_when_the_client_leaves() {
    let events = Response::new(200).header("content-type", "text/event-stream");
    for way in 0..4 {
        let plugin = gateway(SOLE);
        let (mut stream, id) = bridged(&plugin);
        match way {
            0 => {}
            1 => stream.respond_headers(&Response::json(200, ""), false),
            2 => stream.respond_headers(&events, false),
            _ => {
                stream.respond_headers(&events, false);
                stream.respond_data("data: {\"jsonrpc\":\"2.0\",", false);
            }
        }
        stream.client_gone();
        assert_eq!(plugin.open_streams(), 0);
        let calls = stream.calls();
        assert_eq!(
            methods(&calls),
            ["notifications/cancelled", "DELETE"],
            "{way}"
        );
        assert_eq!(calls[0].json()["params"]["requestId"], id);
        for call in &calls {
            assert_eq!(call.header("mcp-session-id").as_deref(), Some("s-a"));
        }
        // The answers to these calls come after the stream has ended, in any order.
        stream.answer(&calls[1], Response::new(200));
        stream.reset(&calls[0]);
    }
}

#[test]
fn a_bridged_request_that_is_answered_only_ends_its_session() {
    let plugin = gateway(SOLE);
    let (mut stream, id) = bridged(&plugin);
    let body = json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}});
    let reply = stream.respond(Response::json(200, body.to_string()));
    assert_eq!(reply.json()["id"], "mine");
    assert_eq!(methods(&stream.calls()), ["DELETE"]);
    let call = stream.call("a");
    FAIL[0](&mut stream, &call);
    assert_eq!(plugin.open_streams(), 0);
}

/// What the client gets of `text` if it arrives in two parts, cut at `at`.
fn cut(stream: &mut Stream, text: &str, at: usize) -> String {
    let events = Response::new(200).header("content-type", "text/event-stream");
    let (first, second) = text.as_bytes().split_at(at);
    stream.respond_headers(&events, false);
    stream.respond_data(first, false);
    stream.respond_data(second, true);
    stream.reply().expect("an answer").text()
}

#[test]
fn names_are_given_wherever_a_stream_is_cut() {
    const TEXT: &str = "id: 1\r\ndata:\r\n\r\nid: ü\ndata: {\"jsonrpc\":\"2.0\",\"id\":0,\ndata: \"method\":\"ping\",\"params\":{\"_meta\":{\"progressToken\":\"😀\"}}}\n\nevent: message\rdata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\r\r";
    let plugin = gateway(SOLE);
    let (session, _) = begin(&plugin, &["a"]);
    let called = || {
        let mut stream = plugin.stream();
        stream.request(legacy(&session, "tools/call", &json!({"name": "a__x"})));
        stream.expect_released();
        stream
    };
    let whole = cut(&mut called(), TEXT, 0);
    assert!(!whole.contains("id: 1\r") && !whole.contains("id: ü") && !whole.contains('😀'));
    assert!(whole.contains(r#""id":1,"result":{}"#), "{whole}");
    // Not at each byte: each time the gateway opens a session, which takes long in the interpreter.
    for at in (1..=TEXT.len()).step_by(11) {
        assert_eq!(cut(&mut called(), TEXT, at), whole, "{at}");
    }
}

#[test]
fn a_bridged_stream_is_the_same_wherever_it_is_cut() {
    let plugin = gateway(r#"{"name":"a","protocol":"LEGACY","shareSession":true}"#);
    let text = |id: &str| {
        format!(
            "id: 1\ndata:\n\ndata: {{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\"}}\n\ndata: {{\"jsonrpc\":\"2.0\",\"id\":\"{id}\",\"result\":{{\"content\":[]}}}}\n\n"
        )
    };
    let (mut stream, id) = bridged(&plugin);
    let whole = cut(&mut stream, &text(&id), 0);
    assert!(
        whole.contains(r#""id":"mine","result":{"resultType":"complete""#),
        "{whole}"
    );
    assert!(!whole.contains("ping"));
    for at in (1..text(&id).len()).step_by(17) {
        let before = plugin.calls().len();
        let (mut stream, id) = bridged(&plugin);
        let text = text(&id);
        if at > text.len() {
            break;
        }
        assert_eq!(cut(&mut stream, &text, at), whole, "{at}");
        let calls = plugin.calls();
        let told = &calls[before..];
        assert_eq!(told.len(), 1, "{:?}", methods(told));
        assert_eq!(
            told[0].json(),
            json!({"jsonrpc": "2.0", "id": 7, "result": {}})
        );
        answer_all(&mut stream, &["a"]);
    }
}

#[test]
fn trailers_behind_an_answer_to_a_server_do_not_reach_it() {
    let plugin = gateway(SOLE);
    let (session, _) = begin(&plugin, &["a"]);
    let mut stream = plugin.stream();
    stream.request(legacy(&session, "tools/call", &json!({"name": "a__x"})));
    let ask = "data: {\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"ping\"}\n\n";
    let text = cut(&mut stream, ask, 0);
    let name = text.split('"').nth(7).expect("a name");
    let body = json!({"jsonrpc": "2.0", "id": name, "result": {}}).to_string();
    let mut posted = plugin.stream();
    posted.request(
        post(body)
            .header("mcp-session-id", &session)
            .trailer("x-secret", "1"),
    );
    let upstream = posted.expect_released();
    assert_eq!(upstream.json()["id"], 0);
    assert!(upstream.trailers.is_none_or(|trailers| trailers.is_empty()));
}

#[test]
fn a_session_that_nobody_uses_is_ended() {
    let plugin = gateway(r#"{"name":"a","protocol":"LEGACY","shareSession":true}"#);
    let (mut stream, id) = bridged(&plugin);
    let body = json!({"jsonrpc": "2.0", "id": id, "result": {}});
    stream.respond(Response::json(200, body.to_string()));
    assert_eq!(stream.calls().len(), 0);
    assert_ne!(plugin.tick_period(), 0);
    plugin.advance(std::time::Duration::from_secs(301));
    plugin.tick();
    assert_eq!(methods(&stream.calls()), ["DELETE"]);
}
