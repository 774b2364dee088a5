//! Thousands of sessions begin and end. Afterwards no server has an open session, the memory has
//! not grown, and no log has a session id or a key.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::harness::envoy::Envoy;
use crate::harness::http::Connection;
use crate::harness::legacy::Legacy;
use crate::harness::message::{call, modern};
use crate::harness::session::{Session, initialize};
use crate::sessions::{FIRST, SECOND, Two, assert_called, assert_listed, keyed};

const CLIENTS: usize = 16;
const SESSIONS: usize = 5000;
/// How many more bytes Envoy may use after all sessions than after the first tenth of them.
const GROWS: u64 = 24 << 20;

/// Begins, uses and ends sessions: each client has one connection, and all clients work at the same
/// time.
async fn sessions(envoy: &Envoy, number: usize) {
    let to = envoy.address;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(async move {
            let mut connection = Connection::open(to).await;
            for _ in 0..number / CLIENTS {
                let begun = connection.send(&initialize()).await.expect("an answer");
                let session = Session::begun(&begun);
                let list = connection.send(&session.list()).await.expect("an answer");
                assert_listed(&list, "one of many");
                let ended = connection.send(&session.delete()).await.expect("an answer");
                assert_eq!(ended.status, 200, "{ended:?}");
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("a client");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_sessions_leave_nothing_behind() {
    let two = Two::start().await;
    let envoy = two.envoy("many", &[FIRST]);
    let began = Instant::now();
    let first = SESSIONS / 10 / CLIENTS * CLIENTS;
    sessions(&envoy, first).await;
    let before = envoy.resident();
    let rest = (SESSIONS - first) / CLIENTS * CLIENTS;
    sessions(&envoy, rest).await;
    let after = envoy.resident();
    let took = began.elapsed();
    eprintln!(
        "{} sessions in {took:?}: {before:?} bytes, then {after:?}",
        first + rest
    );
    for server in [&two.a, &two.b] {
        assert_eq!(server.sessions(), (first + rest, 0));
    }
    let created = envoy.stat("wasmcustom.mcp.sessions.created");
    assert_eq!(created, (first + rest) as u64);
    if let (Some(before), Some(after)) = (before, after) {
        assert!(after < before + GROWS, "{before} bytes, then {after}");
    }
}

/// The gateway begins its own sessions with legacy servers for modern clients. It must end all of
/// them.
#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_ends_every_session_that_it_begins() {
    let two = Two::start().await;
    let envoy = two.envoy("many_bridged", &[]);
    let to = envoy.address;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(async move {
            let mut connection = Connection::open(to).await;
            for at in 0..25 {
                let name = if at % 2 == 0 { "a" } else { "b" };
                let call = call("1", &format!("{name}__t"), "{}");
                let answer = connection.send(&call).await.expect("an answer");
                assert_called(&answer, name, "one of many");
                let list = modern("1", "tools/list");
                let list = connection.send(&list).await.expect("an answer");
                assert_listed(&list, "one of many");
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("a client");
    }
    for server in [&two.a, &two.b] {
        let ended = |it: &Legacy| it.sessions().1 == 0;
        server.until("the end of every session", ended).await;
        assert!(server.sessions().0 >= 592, "{:?}", server.sessions());
    }
}

#[tokio::test]
async fn no_log_has_a_session_or_a_key() {
    let two = Two::start().await;
    let session = format!(
        r#"{},"identity":{{"header":"x-user"}}"#,
        keyed(&[FIRST, SECOND])
    );
    let mut envoy = Envoy::start("many_logs", &two.bootstrap(&session));
    // This test causes failures of a server, and the filter logs them.
    envoy.failures_are_expected();
    let to = envoy.address;
    let user = "sub-4f9c2d";
    let session = Session::begun(&initialize().header("x-user", user).send(to).await);
    let by = |request: crate::harness::http::Request| request.header("x-user", user);
    let half = &session.id[..session.id.len() / 2];
    let requests = [
        session.list(),
        session.call("1", "a__t", "{}"),
        session.call("1", "b__early", "{}"),
        session.call("1", "b__none", "{}"),
        session.post(r#"{"jsonrpc":"2.0","method":"notifications/x"}"#),
        session.list().with("mcp-session-id", half),
        session.get(),
    ];
    for request in &requests {
        by(request.clone()).send(to).await;
    }
    two.a.forget();
    for request in &requests {
        by(request.clone()).send(to).await;
    }
    by(session.delete()).send(to).await;
    by(session.delete().target("/mcp?last")).send(to).await;
    // Envoy writes the access log with a delay. Both DELETE requests came last, so the log is
    // complete when it has both.
    let written = || {
        envoy
            .access()
            .lines()
            .filter(|line| line.contains("DELETE"))
            .count()
            == 2
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !written() {
        assert!(Instant::now() < deadline, "{}", envoy.access());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let logs = envoy.log().join("\n") + &envoy.access();
    assert!(logs.contains("tools/call"), "{logs}");
    let secrets = [&session.id[..24], half, FIRST, SECOND, "a-1", "b-1", user];
    for secret in secrets {
        assert!(!logs.contains(secret), "{secret:?} is in a log:\n{logs}");
    }
}
