//! The id of a session contains the session. So every gateway with the key can serve it, and no
//! gateway without the key can.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::envoy::Envoy;
use crate::harness::http::Connection;
use crate::harness::legacy::Legacy;
use crate::harness::port;
use crate::harness::server::Server;
use crate::harness::session::{Events, Session, initialize};
use crate::sessions::{FIRST, Two, assert_called, assert_listed, assert_unknown, keyed};

#[tokio::test]
async fn two_gateways_with_one_key_are_one() {
    let two = Two::start().await;
    let (one, other) = (
        two.envoy("replicas_one", &[FIRST]),
        two.envoy("replicas_other", &[FIRST]),
    );
    let session = Session::begin(one.address).await;
    assert_listed(&session.list().send(other.address).await, "the other");
    let called = session.call("1", "b__t", "{}").send(other.address).await;
    assert_called(&called, "b", "the other");

    // One gateway forwards a server's request to the client, the other gateway forwards the
    // client's response.
    let call = session.call("2", "a__ask", r#"{"id":"1.0"}"#);
    let mut events = Events::open(one.address, &call).await;
    let asked: Value = serde_json::from_str(&events.message().await).expect("JSON");
    let response = json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "decline"}});
    let posted = session
        .post(&response.to_string())
        .send(other.address)
        .await;
    assert_eq!(posted.status, 202, "{posted:?}");
    let answer = events.message().await;
    assert!(
        answer.contains("decline") && answer.contains(r#"\"id\":1.0"#),
        "{answer}"
    );

    // The call begins through one gateway, and its answer comes through the other one.
    let mut events = Events::open(one.address, &session.call("3", "b__early", "{}")).await;
    let event = events.next().await.expect("an event");
    let id = event.lines().find_map(|line| line.strip_prefix("id: "));
    let rest = session.get().header("last-event-id", id.expect("an id"));
    let mut events = Events::open(other.address, &rest).await;
    assert!(events.message().await.contains(r#""id":3,"#));

    let deleted = session.delete().send(other.address).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    assert_eq!((two.a.sessions(), two.b.sessions()), ((1, 0), (1, 0)));
    for envoy in [&one, &other] {
        assert_unknown(&session.list().send(envoy.address).await, "deleted: list");
        let called = session.call("1", "a__t", "{}").send(envoy.address).await;
        assert_unknown(&called, "deleted: call");
        // To end a session that has already ended is no failure.
        assert_eq!(session.delete().send(envoy.address).await.status, 200);
    }
}

#[tokio::test]
async fn a_session_is_used_on_many_connections_at_once() {
    let two = Two::start().await;
    let envoy = two.envoy("replicas_connections", &[FIRST]);
    let to = envoy.address;
    let session = Session::begin(to).await;
    let mut talks = JoinSet::new();
    for at in 0..16 {
        let session = session.clone();
        talks.spawn(async move {
            let mut connection = Connection::open(to).await;
            for round in 0..20 {
                let name = if (at + round) % 2 == 0 { "a" } else { "b" };
                let call = session.call(r#""x""#, &format!("{name}__t"), "{}");
                let answer = connection.send(&call).await.expect("an answer");
                assert_called(&answer, name, "one of many");
                let answer = connection.send(&session.list()).await.expect("an answer");
                assert_listed(&answer, "one of many");
            }
        });
    }
    while let Some(talk) = talks.join_next().await {
        talk.expect("a talk");
    }
    assert_eq!((two.a.sessions(), two.b.sessions()), ((1, 1), (1, 1)));
    for server in [&two.a, &two.b] {
        let calls = server.with(r#""method":"tools/call""#);
        assert_eq!(calls.len(), 160);
        let own = calls[0].header("mcp-session-id").map(str::to_owned);
        assert!(
            calls
                .iter()
                .all(|it| it.header("mcp-session-id") == own.as_deref())
        );
    }
}

#[tokio::test]
async fn a_configured_key_outlives_the_gateway_and_no_other_does() {
    let two = Two::start().await;
    for keys in [&[FIRST][..], &[]] {
        let warning = "session";
        let before = two.envoy("replicas_before", keys);
        let session = Session::begin(before.address).await;
        assert_listed(&session.list().send(before.address).await, "before");
        drop(before);
        let after = two.envoy("replicas_after", keys);
        let (list, call) = (
            session.list().send(after.address).await,
            session.call("1", "a__t", "{}").send(after.address).await,
        );
        let warned = after.log();
        let warned: Vec<_> = warned
            .iter()
            .filter(|line| line.contains("[warning]") && line.contains(warning))
            .collect();
        if keys.is_empty() {
            assert_unknown(&list, "without a key");
            assert_unknown(&call, "without a key");
            assert_eq!(warned.len(), 1, "{warned:?}");
        } else {
            assert_listed(&list, "with a key");
            assert_called(&call, "a", "with a key");
            assert!(warned.is_empty(), "{warned:?}");
        }
        let anew = Session::begin(after.address).await;
        assert_listed(&anew.list().send(after.address).await, "anew");
    }
}

/// A client that gets 404 must begin a new session.
#[tokio::test]
async fn a_server_that_forgets_its_sessions_is_begun_with_anew() {
    let two = Two::start().await;
    let envoy = two.envoy("replicas_forgotten", &[FIRST]);
    let to = envoy.address;
    for (name, server) in [("a", &two.a), ("b", &two.b)] {
        let other = if name == "a" { "b" } else { "a" };
        let session = Session::begin(to).await;
        assert_listed(&session.list().send(to).await, name);
        server.forget();
        // The gateway must not return a list without this server.
        assert_unknown(&session.list().send(to).await, name);
        let call = |server: &str| session.call("1", &format!("{server}__t"), "{}");
        assert_unknown(&call(name).send(to).await, name);
        assert_called(
            &call(other).send(to).await,
            other,
            "one that forgot nothing",
        );
        let level = session.request("1", "logging/setLevel", r#"{"level":"info"}"#);
        assert_unknown(&level.send(to).await, "logging/setLevel");
        assert_eq!(session.delete().send(to).await.status, 200);
        let anew = Session::begin(to).await;
        assert_listed(&anew.list().send(to).await, "anew");
    }
}

const BERLIN: &str = r#"{"city":"Berlin"}"#;

/// The server uses the Rust SDK, which keeps sessions in memory. So a restart of the server ends
/// them.
#[tokio::test]
async fn a_server_that_is_started_anew_is_met_anew() {
    let (_reserved, address) = port::reserved();
    let calendar = Server::start("calendar");
    let weather = Server::start_on("weather", address.port());
    let config = format!(
        r#"{{"servers":[{{"name":"weather"}},{{"name":"calendar"}},{{"name":"old","cluster":"weather","hostname":"weather","protocol":"LEGACY","shareSession":true}}],"session":{{{}}}}}"#,
        keyed(&[FIRST])
    );
    let clusters = [("weather", weather.address), ("calendar", calendar.address)];
    let bootstrap = crate::harness::bootstrap::Bootstrap::servers(&config, &clusters);
    let envoy = Envoy::with_workers(1, "replicas_restarted", &bootstrap);
    let to = envoy.address;
    let call = |session: &Session, server: &str| {
        let tool = format!("{server}__get_weather");
        session.call("1", &tool, BERLIN)
    };
    let modern = || crate::harness::message::call("1", "old__get_weather", BERLIN);
    let session = Session::begin(to).await;
    for request in [call(&session, "weather"), call(&session, "old"), modern()] {
        let answer = request.send(to).await;
        assert!(
            answer.status == 200 && answer.text().contains("partly_cloudy"),
            "{answer:?}"
        );
    }
    let list = session.list().send(to).await;
    assert_eq!(
        list.json()["result"]["tools"].as_array().map(Vec::len),
        Some(9),
        "{list:?}"
    );

    drop(weather);
    let gone = call(&session, "weather").send(to).await;
    assert_eq!(gone.status, 200, "{gone:?}");
    assert_eq!(gone.json()["error"]["code"], -32603, "{gone:?}");
    let restarted = Server::start_on("weather", address.port());
    // Modern clients share the gateway's own session with `old`, and must not notice that it has
    // ended. For a second after an answer, the gateway assumes that the session is still there. So
    // one call may fail, and no more than one.
    let first = modern().send(to).await;
    if first.status != 200 {
        assert_eq!(first.status, 502, "{first:?}");
        assert_eq!(first.json()["error"]["code"], -32603, "{first:?}");
    }
    for at in 0..3 {
        let answer = modern().send(to).await;
        assert!(answer.text().contains("partly_cloudy"), "{at}: {answer:?}");
    }
    let list = crate::harness::message::modern("1", "tools/list")
        .send(to)
        .await;
    assert_eq!(
        list.json()["result"]["tools"].as_array().map(Vec::len),
        Some(9),
        "{list:?}"
    );
    assert_unknown(&session.list().send(to).await, "list");
    assert_unknown(&call(&session, "weather").send(to).await, "call");
    let anew = Session::begun(&initialize().send(to).await);
    for server in ["weather", "old"] {
        let answer = call(&anew, server).send(to).await;
        assert!(answer.text().contains("partly_cloudy"), "{answer:?}");
    }

    drop(restarted);
    let _weather = Server::start_on("weather", address.port());
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let answer = modern().send(to).await;
    assert!(answer.text().contains("partly_cloudy"), "{answer:?}");
}

/// A server that was down when the session began is not part of the session.
#[tokio::test]
async fn a_server_that_was_gone_has_no_part_in_the_session() {
    let a = Legacy::start("a").await;
    let (_reserved, nobody) = port::reserved();
    let config = format!(
        r#"{{"servers":[{{"name":"a"}},{{"name":"b"}}],"session":{{{}}}}}"#,
        keyed(&[FIRST])
    );
    let clusters = [("a", a.address), ("b", nobody)];
    let bootstrap = crate::harness::bootstrap::Bootstrap::servers(&config, &clusters);
    let envoy = Envoy::start("replicas_absent", &bootstrap);
    let to = envoy.address;
    let session = Session::begin(to).await;
    let list = session.list().send(to).await;
    assert_eq!(
        list.json()["result"]["tools"].as_array().map(Vec::len),
        Some(1),
        "{list:?}"
    );
    let absent = session.call("1", "b__t", "{}").send(to).await;
    assert!(matches!(absent.status, 200 | 502), "{absent:?}");
    assert!(absent.json()["error"]["code"].is_i64(), "{absent:?}");
    assert_called(
        &session.call("1", "a__t", "{}").send(to).await,
        "a",
        "the other",
    );
    assert_eq!(session.delete().send(to).await.status, 200);
    assert_eq!(a.sessions(), (1, 0));
}
