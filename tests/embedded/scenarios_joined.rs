//! Streams that wait for the same call. They come and go in every order.

use serde_json::{Value, json};

use crate::host::{Call, Host, Outcome, Plugin, Request, Response, Stream};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

fn list(id: usize) -> Request {
    let body =
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{{META}}}}}"#);
    Request::post("/mcp")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/list")
        .json(body)
}

fn answer(call: &Call, result: &Value) -> Response {
    let body = json!({"jsonrpc": "2.0", "id": call.json()["id"], "result": result});
    Response::json(200, body.to_string())
}

fn page(n: usize, rest: &Value) -> Value {
    let mut page = json!({"tools": [{"name": format!("t{n}")}]});
    for (name, value) in rest.as_object().expect("an object") {
        page[name] = value.clone();
    }
    page
}

/// A gateway that has already discovered its server, and streams that have sent `tools/list`. Their
/// request ids start at 0.
fn asking(streams: usize) -> (Plugin, Vec<Stream>) {
    let plugin = Host::new()
        .cluster("a")
        .configure(r#"{"servers":[{"name":"a"}]}"#)
        .expect("a configuration");
    let mut first = plugin.stream();
    first.request(list(99));
    let call = first.call("a");
    let result = json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}});
    first.answer(&call, answer(&call, &result));
    let call = first.call("a");
    // The gateway must not keep this list, but the list is not for one client only.
    let public = json!({"ttlMs": 0, "cacheScope": "public"});
    first.answer(&call, answer(&call, &page(0, &public)));
    first.expect_reply(200);
    let streams = (0..streams).map(|id| {
        let mut stream = plugin.stream();
        assert_eq!(stream.request(list(id)), Outcome::Waiting);
        stream
    });
    let streams = streams.collect();
    (plugin, streams)
}

/// The one tool in the answer to the stream with this id.
fn tool(id: usize, stream: &Stream) -> String {
    let reply = stream.expect_reply(200).json();
    assert_eq!(reply["id"], id);
    reply["result"]["tools"][0]["name"]
        .as_str()
        .expect("a name")
        .to_owned()
}

#[test]
fn one_call_answers_all_who_wait_for_it() {
    let (plugin, mut streams) = asking(5);
    let call = streams[3].call("a");
    assert_eq!(streams[0].calls().len(), 1);
    let freshness = json!({"ttlMs": 1000, "cacheScope": "public", "nextCursor": "2"});
    streams[0].answer(&call, answer(&call, &page(1, &freshness)));
    // All streams share one call for the second page too.
    assert_eq!(streams[0].calls().len(), 1);
    let call = streams[2].call("a");
    streams[1].answer(
        &call,
        answer(
            &call,
            &page(2, &json!({"ttlMs": 1000, "cacheScope": "public"})),
        ),
    );
    for (id, stream) in streams.iter().enumerate() {
        assert_eq!(tool(id, stream), "a__t1");
    }
    // Each client has asked for a list, the first one included.
    assert_eq!(plugin.metric("mcp.server.a.lists"), Some(6));
    assert_eq!(plugin.metric("mcp.server.a.calls").unwrap_or(0), 0);
    drop(streams);
    assert_eq!(plugin.open_streams(), 0);
}

#[test]
fn a_private_answer_is_for_the_first_who_still_waits() {
    for gone in [None, Some(0), Some(2), Some(4)] {
        let (plugin, mut streams) = asking(5);
        if let Some(gone) = gone {
            streams[gone].client_gone();
        }
        let there: Vec<usize> = (0..5).filter(|id| Some(*id) != gone).collect();
        let mut n = 0;
        let last = there[there.len() - 1];
        // The gateway then makes a call for each client alone. The order does not matter.
        while let Some(call) = streams[last].calls().into_iter().next_back() {
            n += 1;
            streams[last].answer(
                &call,
                answer(&call, &page(n, &json!({"cacheScope": "private"}))),
            );
            assert!(n <= there.len(), "more calls than clients");
        }
        let mut tools: Vec<String> = there.iter().map(|id| tool(*id, &streams[*id])).collect();
        tools.sort();
        tools.dedup();
        assert_eq!(tools.len(), there.len(), "{gone:?}: {tools:?}");
        drop(streams);
        assert_eq!(plugin.open_streams(), 0);
    }
}

#[test]
fn who_asked_first_may_go_at_any_time() {
    let (plugin, mut streams) = asking(3);
    streams[0].client_gone();
    let call = streams[1].call("a");
    let freshness = json!({"ttlMs": 1000, "cacheScope": "public", "nextCursor": "2"});
    streams[1].answer(&call, answer(&call, &page(1, &freshness)));
    streams[1].client_gone();
    let call = streams[2].call("a");
    streams[2].answer(&call, answer(&call, &page(2, &json!({}))));
    assert_eq!(tool(2, &streams[2]), "a__t1");
    // The client leaves, and then the answer to its call comes.
    let mut last = plugin.stream();
    plugin.advance(std::time::Duration::from_secs(5));
    last.request(list(7));
    let call = last.call("a");
    last.client_gone();
    let mut other = plugin.stream();
    assert_eq!(other.request(list(8)), Outcome::Waiting);
    // This stream may wait for the call of the other one, or not. It must be answered in both
    // cases.
    other.answer(
        &call,
        answer(
            &call,
            &page(3, &json!({"ttlMs": 1000, "cacheScope": "public"})),
        ),
    );
    while let Some(call) = other.calls().first() {
        other.answer(call, answer(call, &page(4, &json!({}))));
    }
    other.expect_reply(200);
    drop((streams, last, other));
    assert_eq!(plugin.open_streams(), 0);
}

#[test]
fn all_who_wait_hear_of_a_failure() {
    const FAIL: [fn(&mut Stream, &Call) -> Outcome; 3] = [
        |stream, call| stream.reset(call),
        |stream, call| stream.refuse(call),
        |stream, call| stream.time_out(call),
    ];
    for fail in FAIL {
        let (plugin, mut streams) = asking(4);
        let call = streams[0].call("a");
        fail(&mut streams[2], &call);
        // If the connection broke, the gateway makes one more call, for all streams together.
        let again = streams[0].calls();
        assert!(again.len() <= 1, "{again:?}");
        if let Some(call) = again.first() {
            fail(&mut streams[2], call);
        }
        for (id, stream) in streams.iter().enumerate() {
            let reply = stream.expect_reply(502).json();
            assert_eq!(
                (&reply["id"], &reply["error"]["code"]),
                (&json!(id), &json!(-32603))
            );
        }
        assert_eq!(streams[0].calls().len(), 0);
        // Each request fails, and at least one failure is counted.
        assert!(plugin.metric("mcp.server.a.failures").unwrap_or(0) >= 1);
    }
}

/// The failed stream has registered the call, but has not sent it. Nobody must wait for this call.
#[test]
fn a_call_that_is_not_sent_because_its_stream_fails_is_not_joined() {
    let (plugin, _) = asking(0);
    let mut failing = plugin.stream();
    failing.refuse_state();
    failing.request(list(1));
    failing.expect_reply(500);
    assert_eq!(failing.calls().len(), 0);
    let mut next = plugin.stream();
    assert_eq!(next.request(list(2)), Outcome::Waiting);
    let call = next.call("a");
    let freshness = json!({"ttlMs": 0, "cacheScope": "public"});
    next.answer(&call, answer(&call, &page(1, &freshness)));
    assert_eq!(tool(2, &next), "a__t1");
}
