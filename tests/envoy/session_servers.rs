//! Requests of servers during a call, progress and cancellation. Each message must reach its
//! receiver through any connection and any worker.

use serde_json::{Value, json};

use crate::harness::envoy::Envoy;
use crate::harness::http::{Connection, Request};
use crate::harness::session::{Events, Session};
use crate::sessions::{FIRST, Two, assert_refused};

/// Ids as JSON texts. Each is a different id.
const IDS: &[&str] = &[
    "0",
    "1",
    "-1",
    "1.0",
    "1e2",
    "-0.50",
    "123456789012345678901234567890",
    r#""""#,
    r#""1""#,
    r#""a b""#,
    r#""\u0061\"\\/\n""#,
    r#""ü😀""#,
    r#""\ud83d\ude00""#,
];

/// Calls `tool`, which sends the client a request with this id. Returns the stream of the call, and
/// the request.
async fn asked(envoy: &Envoy, session: &Session, tool: &str, id: &str) -> (Events, Value) {
    let arguments = json!({ "id": id }).to_string();
    let call = session.call(r#""call""#, tool, &arguments);
    let mut events = Events::open(envoy.address, &call).await;
    let request: Value = serde_json::from_str(&events.message().await).expect("JSON");
    assert_eq!(request["method"], "elicitation/create", "{id}");
    (events, request)
}

/// The client's response to a server's request.
fn response(session: &Session, id: &Value) -> Request {
    let body = format!(
        r#"{{"jsonrpc":"2.0", "id":{id},"result":{{"action":"accept","content":{{"n":1.10}}}}}}"#
    );
    session.post(&body)
}

/// The response as it reached the tool, which returns it as the result of the call.
async fn came_back(events: &mut Events) -> String {
    let answer: Value = serde_json::from_str(&events.message().await).expect("JSON");
    assert_eq!(answer["id"], "call", "{answer}");
    assert_eq!(events.next().await, None);
    answer["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("no text: {answer}"))
        .to_owned()
}

#[tokio::test]
async fn an_answer_comes_back_under_the_servers_own_id_of_every_kind() {
    let two = Two::start().await;
    let envoy = two.envoy("servers_ids", &[FIRST]);
    let session = Session::begin(envoy.address).await;
    let mut names = Vec::new();
    for id in IDS {
        let (mut events, request) = asked(&envoy, &session, "b__ask", id).await;
        let name = &request["id"];
        assert!(name.is_string(), "{id}: {request}");
        assert!(!names.contains(name), "{id}: {request}");
        names.push(name.clone());
        let answer = response(&session, name).send(envoy.address).await;
        assert_eq!((answer.status, answer.body.len()), (202, 0), "{answer:?}");
        let back = came_back(&mut events).await;
        let expected = format!(
            r#"{{"jsonrpc":"2.0", "id":{id},"result":{{"action":"accept","content":{{"n":1.10}}}}}}"#
        );
        assert_eq!(back, expected);
    }
    // An error reaches the server too.
    let (mut events, request) = asked(&envoy, &session, "a__ask", "7").await;
    let error = format!(
        r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-1,"message":"no"}}}}"#,
        request["id"]
    );
    let answer = session.post(&error).send(envoy.address).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let back = came_back(&mut events).await;
    assert_eq!(
        back,
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"no"}}"#
    );
}

#[tokio::test]
async fn two_servers_may_ask_at_once_under_the_same_id() {
    let two = Two::start().await;
    let envoy = two.envoy("servers_both", &[FIRST]);
    let to = envoy.address;
    let session = Session::begin(to).await;
    let other = Session::begin(to).await;
    let (mut of_a, by_a) = asked(&envoy, &session, "a__ask", "1").await;
    let (mut of_b, by_b) = asked(&envoy, &session, "b__ask", "1").await;
    assert_ne!(by_a["id"], by_b["id"]);
    assert_eq!(
        (&by_a["params"]["message"], &by_b["params"]["message"]),
        (&json!("a?"), &json!("b?"))
    );
    // Each alias is valid only in its own session, and this session accepts no other id.
    let alias = by_a["id"].as_str().expect("a string");
    let (front, back) = alias.split_at(alias.len() - 1);
    let changed = format!("{front}{}", if back == "A" { "Q" } else { "A" });
    let forged = [
        json!(1),
        json!("1"),
        json!(null),
        json!(changed),
        json!(front),
        json!(""),
        json!("gw-1-1"),
    ];
    for id in forged {
        let answer = response(&session, &id).send(to).await;
        assert_refused(&answer, 400, -32600, &id.to_string());
    }
    let foreign = response(&other, &by_a["id"]).send(to).await;
    assert_refused(&foreign, 400, -32600, "another session's");
    let without = response(&session, &by_a["id"]).without("mcp-session-id");
    assert_refused(&without.send(to).await, 400, -32600, "no session");
    assert!(two.a.with(r#""action""#).is_empty() && two.b.with(r#""action""#).is_empty());

    for (events, request, server) in [(&mut of_b, &by_b, &two.b), (&mut of_a, &by_a, &two.a)] {
        assert_eq!(
            response(&session, &request["id"]).send(to).await.status,
            202
        );
        assert!(came_back(events).await.contains(r#""id":1,"#));
        assert_eq!(server.with(r#""action""#).len(), 1);
    }
}

#[tokio::test]
async fn progress_goes_both_ways() {
    let two = Two::start().await;
    let envoy = two.envoy("servers_progress", &[FIRST]);
    let to = envoy.address;
    let session = Session::begin(to).await;
    // Progress of the client's call has the client's own token.
    for token in ["1", r#""\u0074""#, "12345678901234567890"] {
        let params = format!(r#"{{"name":"a__progress","_meta":{{"progressToken":{token}}}}}"#);
        let call = session.request("1", "tools/call", &params);
        let mut events = Events::open(to, &call).await;
        let progress = events.message().await;
        assert!(
            progress.contains(&format!(r#""progressToken":{token},"#)),
            "{progress}"
        );
        assert!(events.message().await.contains(r#""id":1,"#));
    }
    // Progress of the server's request has the token that the gateway gave the client.
    let (mut events, request) = asked(&envoy, &session, "b__ask", r#""tök""#).await;
    let token = &request["params"]["_meta"]["progressToken"];
    let progress = |token: &Value| {
        session.post(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":0.50}}}}"#
        ))
    };
    for unknown in [json!("tök"), json!(1), json!("x")] {
        assert_eq!(progress(&unknown).send(to).await.status, 202);
    }
    assert_eq!(progress(token).send(to).await.status, 202);
    let told = two.b.seen("0.50").await;
    assert_eq!(
        told.body,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"tök","progress":0.50}}"#
    );
    response(&session, &request["id"]).send(to).await;
    came_back(&mut events).await;
    assert_eq!(two.b.with("0.50").len(), 1);
    assert!(two.a.with("0.50").is_empty());
}

#[tokio::test]
async fn a_cancellation_reaches_the_one_server_from_any_connection() {
    let two = Two::start().await;
    let envoy = two.envoy("servers_cancel", &[FIRST]);
    let to = envoy.address;
    let session = Session::begin(to).await;
    let other = Session::begin(to).await;
    let cancel = |session: &Session, id: &str| {
        session.post(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"bored"}}}}"#
        ))
    };
    // With so many connections, both workers get some.
    for at in 0..12 {
        let id = format!(r#""call {at}""#);
        let call = session.call(&id, "b__wait", "{}");
        let mut events = Events::open(to, &call).await;
        assert_eq!(events.next().await.as_deref(), Some(": begun"));
        if at == 0 {
            for (session, id) in [
                (&other, id.as_str()),
                (&session, r#""call""#),
                (&session, "0"),
            ] {
                assert_eq!(cancel(session, id).send(to).await.status, 202);
            }
        }
        let mut connection = Connection::open(to).await;
        let told = connection.send(&cancel(&session, &id)).await;
        assert_eq!(told.expect("an answer").status, 202);
        let seen = two.b.seen(&format!(r#""requestId":{id}"#)).await;
        assert_eq!(seen.json()["params"]["reason"], "bored");
        // The server sends nothing after the cancellation, so the stream ends here.
        let _ = events.next().await;
    }
    assert_eq!(two.b.with("bored").len(), 12);
    assert!(two.a.with("bored").is_empty());
    assert_eq!(two.b.left(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_call() {
    let two = Two::start().await;
    let envoy = two.envoy("servers_left", &[FIRST]);
    let to = envoy.address;
    let session = Session::begin(to).await;
    let mut events = Events::open(to, &session.call("1", "b__wait", "{}")).await;
    assert_eq!(events.next().await.as_deref(), Some(": begun"));
    drop(events);
    two.b
        .until("the end of the stream", |it| it.left() == 1)
        .await;
    // A client that closes its connection does not cancel its call (MCP 2025-11-25, transports), so
    // the session goes on.
    assert!(two.b.with("cancelled").is_empty());
    assert_eq!(session.list().send(to).await.status, 200);
}

#[tokio::test]
async fn a_modern_client_that_leaves_cancels_its_call_and_ends_the_session() {
    use crate::harness::message::call;

    let two = Two::start().await;
    let envoy = two.envoy("servers_bridged", &[]);
    let to = envoy.address;
    let mut events = Events::open(to, &call("7", "b__wait", "{}")).await;
    assert_eq!(events.next().await.as_deref(), Some(": begun"));
    assert_eq!(two.b.sessions(), (1, 1));
    let sent = two.b.seen(r#""method":"tools/call""#).await;
    drop(events);
    let told = two.b.seen("notifications/cancelled").await;
    assert_eq!(told.json()["params"]["requestId"], sent.json()["id"]);
    assert_eq!(told.header("mcp-session-id"), sent.header("mcp-session-id"));
    two.b
        .until("the end of the session", |it| it.sessions().1 == 0)
        .await;
    assert_eq!(two.b.with("cancelled").len(), 1);
    assert_eq!(two.a.sessions().1, 0);
    // If a legacy server sends a request during a modern client's call, the gateway refuses it. The
    // client does not see it.
    let answer = call("7", "b__ask", r#"{"id":"\"x\""}"#).send(to).await;
    let text = answer.json()["result"]["content"][0]["text"].to_string();
    assert!(
        text.contains("-32601") && text.contains(r#"\"id\":\"x\""#),
        "{answer:?}"
    );
    assert!(
        !answer.text().contains("elicitation/create\",\"params"),
        "{answer:?}"
    );
    two.b
        .until("the end of the session", |it| it.sessions().1 == 0)
        .await;
}
