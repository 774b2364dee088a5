//! The stream that a GET opens: the only server's own stream, or the rest of an answer.

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::legacy::Legacy;
use crate::harness::message::modern;
use crate::harness::session::{Events, Session};
use crate::sessions::{FIRST, Two, assert_refused, assert_unknown, keyed};

/// The value of this field of an event.
fn field<'a>(event: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = event.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn a_sole_server_has_its_stream_and_can_resume_it() {
    let server = Legacy::start("a").await;
    let config = format!(
        r#"{{"servers":[{{"name":"a"}},{{"name":"b","enabled":false}}],"session":{{{}}}}}"#,
        keyed(&[FIRST])
    );
    let envoy = Envoy::start(
        "streams_sole",
        &Bootstrap::servers(&config, &[("a", server.address)]),
    );
    let to = envoy.address;
    let session = Session::begin(to).await;
    let mut events = Events::open(to, &session.get()).await;
    let event = events.next().await.expect("an event");
    let id = field(&event, "id").expect("an id").to_owned();
    assert!(!id.contains("after"), "the server's own: {event}");
    assert!(event.contains(r#""uri":"a+file:///x""#), "{event}");
    // The stream stays open while the client sends other requests.
    assert_eq!(session.list().send(to).await.status, 200);
    drop(events);

    let resumed = session.get().header("last-event-id", &id);
    let mut events = Events::open(to, &resumed).await;
    let event = events.next().await.expect("an event");
    let next = field(&event, "id").expect("an id");
    assert_ne!(next, id);
    drop(events);
    let seen = server.take();
    let mut gets = seen.iter().filter(|it| it.method == "GET");
    let (first, second) = (gets.next().expect("GET"), gets.next().expect("GET"));
    assert_eq!(first.header("last-event-id"), None);
    assert_eq!(second.header("last-event-id"), Some("a/after none"));
    for get in [first, second] {
        assert_eq!(get.header("mcp-session-id"), Some("a-1"));
        assert_eq!(get.header("mcp-protocol-version"), Some("2025-11-25"));
        assert_eq!(get.header("accept"), Some("text/event-stream"));
        assert_eq!((get.target.as_str(), get.body.as_str()), ("/mcp", ""));
    }

    let other = Session::begin(to).await;
    let forged = [
        (
            session.get().header("last-event-id", "a/after none"),
            "the server's own",
        ),
        (
            session.get().header("last-event-id", format!("{id}A")),
            "changed",
        ),
        (
            other.get().header("last-event-id", &id),
            "another session's",
        ),
    ];
    for (request, what) in forged {
        assert_refused(&request.send(to).await, 400, -32600, what);
    }
    let unknown = session.get().with("mcp-session-id", "x").send(to).await;
    assert_unknown(&unknown, "no session");
    let modern = session.get().with("mcp-protocol-version", "2026-07-28");
    assert_refused(&modern.send(to).await, 405, -32600, "a modern client");
    assert_eq!(
        server.take().iter().filter(|it| it.method == "GET").count(),
        0
    );
    // If the server no longer knows its session, the client gets the same answer.
    server.forget();
    assert_unknown(&session.get().send(to).await, "forgotten");
}

#[tokio::test]
async fn of_several_servers_none_has_a_stream_but_the_rest_of_an_answer_comes() {
    let two = Two::start().await;
    let envoy = two.envoy("streams_several", &[FIRST]);
    let to = envoy.address;
    let session = Session::begin(to).await;
    let answer = session.get().send(to).await;
    assert_refused(&answer, 405, -32600, "GET");
    assert_eq!(answer.header("allow"), Some("POST, DELETE"));

    let call = session.call(r#""späť""#, "b__early", "{}");
    let mut events = Events::open(to, &call).await;
    let event = events.next().await.expect("an event");
    let id = field(&event, "id").expect("an id").to_owned();
    assert_eq!(field(&event, "retry"), Some("10"), "{event}");
    // The stream ends without an answer for now, and this is no failure.
    assert_eq!(events.next().await, None);
    assert_eq!(envoy.stat("wasmcustom.mcp.server.b.failures"), 0);

    for (id, what) in [("early/1", "the server's own"), ("x", "nobody's")] {
        let answer = session.get().header("last-event-id", id).send(to).await;
        assert_refused(&answer, 405, -32600, what);
    }
    let resumed = session.get().header("last-event-id", &id);
    let mut events = Events::open(to, &resumed).await;
    let event = events.next().await.expect("an event");
    let answer = field(&event, "data").expect("data");
    assert_eq!(
        answer,
        r#"{"jsonrpc":"2.0","id":"späť","result":{"content":[{"type":"text","text":"early/1"}]}}"#
    );
    assert_ne!(field(&event, "id"), Some("early/2"));
    assert_eq!(events.next().await, None);
    assert_eq!(envoy.stat("wasmcustom.mcp.server.b.failures"), 0);
    assert_eq!(
        two.a.take().iter().filter(|it| it.method == "GET").count(),
        0
    );
}

#[tokio::test]
async fn for_a_modern_client_a_stream_that_ends_early_is_no_answer() {
    use crate::harness::message::call;

    let two = Two::start().await;
    let envoy = two.envoy("streams_bridged", &[]);
    let answer = call("1", "b__early", "{}").send(envoy.address).await;
    assert_eq!(answer.json()["error"]["code"], -32603, "{answer:?}");
    assert!(!answer.text().contains("early/1"), "{answer:?}");
    assert_eq!(
        modern("1", "tools/list").send(envoy.address).await.status,
        200
    );
}
