//! How much memory one worker holds at a time, and what happens if this is too much.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::fake;
use crate::harness::http::{Answer, Connection, Request};
use crate::harness::message::{call, initialize, legacy, modern};
use crate::harness::wire::{self, Act};

const TOOLS: &str = r#"{"tools":{}}"#;
const ANSWERS: fake::Answers = &[
    ("tools/list", r#"{"tools":[{"name":"t"}]}"#),
    ("tools/call", r#"{"content":[]}"#),
];
const HELD: usize = 200_000;
const WITHIN: Duration = Duration::from_secs(60);
const ACTIVE: &str = "http.mcp.downstream_rq_active";

fn envoy(name: &str, server: SocketAddr, config: &str) -> Envoy {
    let config = format!(
        r#"{{"servers":[{{"name":"a","protocol":"MODERN"}}],"memory":{{"heldBytes":{HELD}}}{config}}}"#
    );
    Envoy::with_workers(1, name, &Bootstrap::servers(&config, &[("a", server)]))
}

fn held(envoy: &Envoy) -> u64 {
    envoy.stat("wasmcustom.mcp.memory.held_bytes")
}

/// Waits until `is_so` is true.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + WITHIN;
    while !is_so().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn assert_refused(answer: &Answer, id: &str) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.json()["error"]["code"], -32603);
    assert_eq!(answer.json()["id"].to_string(), id);
}

/// A call whose body has 50 kB in its first part. `allowed` says which parts are sent.
fn stalled(allowed: watch::Receiver<usize>) -> Request {
    let arguments = format!(r#"{{"x":"{}"}}"#, "y".repeat(59_000));
    let whole = call("7", "a__t", &arguments);
    whole.chunked(50_000).allowed(allowed)
}

/// Sends six of `request`. When the worker has accepted all of them, `go_on` lets them hold memory.
/// Waits until other requests are refused.
async fn fill(envoy: &Envoy, request: &Request, go_on: impl FnOnce()) -> JoinSet<Answer> {
    envoy.stat_until(ACTIVE, |requests| requests == 0).await;
    let (to, mut slow) = (envoy.address, JoinSet::new());
    for _ in 0..6 {
        let request = request.clone();
        slow.spawn(async move { request.send(to).await });
    }
    envoy.stat_until(ACTIVE, |requests| requests == 6).await;
    go_on();
    until("refused", async || {
        modern("1", "ping").send(to).await.status == 503
    })
    .await;
    slow
}

#[tokio::test]
async fn stalled_bodies_fill_the_memory_and_new_requests_are_refused_until_they_end() {
    let server = fake::start(TOOLS, ANSWERS).await;
    let envoy = envoy("memory_bodies", server.address, "");
    let to = envoy.address;
    assert_eq!(modern("1", "tools/list").send(to).await.status, 200);
    let (allow, allowed) = watch::channel(0);
    let first = || allow.send(1).expect("requests");
    let mut slow = fill(&envoy, &stalled(allowed), first).await;
    assert_refused(&modern("1", "tools/list").send(to).await, "null");
    assert_refused(&call("2", "a__t", "{}").send(to).await, "null");
    let shown = held(&envoy);
    assert!(shown > 150_000 && shown < 600_000, "{shown}");
    allow.send(usize::MAX).expect("requests");
    while let Some(answer) = slow.join_next().await {
        let answer = answer.expect("no panic");
        assert_eq!(
            answer.status, 200,
            "a request that was accepted must succeed: {answer:?}"
        );
        assert_eq!(answer.json()["id"], 7);
    }
    assert_eq!(modern("1", "tools/list").send(to).await.status, 200);
    until("the gauge falls", async || held(&envoy) < 65_536).await;
    assert!(envoy.stat("wasmcustom.mcp.rejected.memory") >= 2);
}

#[tokio::test]
async fn a_legacy_client_gets_the_error_under_the_id_of_its_request() {
    let server = fake::start(TOOLS, ANSWERS).await;
    let envoy = envoy("memory_legacy", server.address, "");
    let to = envoy.address;
    let answer = initialize().send(to).await;
    let session = answer
        .header("mcp-session-id")
        .expect("a session")
        .to_owned();
    let (allow, allowed) = watch::channel(0);
    let first = || allow.send(1).expect("requests");
    let mut slow = fill(&envoy, &stalled(allowed), first).await;
    let request = legacy("42", "tools/list", "{}").header("mcp-session-id", &session);
    let answer = request.send(to).await;
    // Another status would end the client's session.
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["id"], 42, "{answer:?}");
    assert_eq!(answer.json()["error"]["code"], -32603);
    allow.send(usize::MAX).expect("requests");
    while let Some(answer) = slow.join_next().await {
        assert_eq!(answer.expect("no panic").status, 200);
    }
    let answer = request.send(to).await;
    assert!(answer.json()["result"].is_object(), "{answer:?}");
}

/// A server that needs a permit of `begin` to begin its answer to a call, and one of `end` to
/// complete it.
async fn half_answers(begin: Arc<Semaphore>, end: Arc<Semaphore>) -> SocketAddr {
    wire::serve(move |request| {
        let message = request.json();
        let id = &message["id"];
        match message["method"].as_str() {
            Some("tools/call") => {
                let body = format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[],"x":"{}"}}}}"#,
                    "y".repeat(60_000)
                );
                let length = format!("content-length: {}\r\n\r\n", body.len());
                let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{length}");
                let (first, rest) = body.split_at(50_000);
                vec![
                    Act::Until(Arc::clone(&begin)),
                    Act::Write(format!("{head}{first}")),
                    Act::Until(Arc::clone(&end)),
                    Act::Write(rest.to_owned()),
                ]
            }
            _ => wire::json(&format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[]}}}}"#
            )),
        }
    })
    .await
}

#[tokio::test]
async fn answers_that_have_arrived_in_part_count_too() {
    let (begin, end) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let server = half_answers(Arc::clone(&begin), Arc::clone(&end)).await;
    let envoy = envoy("memory_answers", server, "");
    let request = call("7", "a__t", "{}");
    let mut slow = fill(&envoy, &request, || begin.add_permits(6)).await;
    end.add_permits(6);
    while let Some(answer) = slow.join_next().await {
        let answer = answer.expect("no panic");
        assert_eq!(answer.status, 200, "{}", answer.text().len());
        assert_eq!(answer.json()["id"], 7);
    }
    until("the gauge falls", async || held(&envoy) < 65_536).await;
}

/// The number of clients. Together with the server, they need more memory than a VM has.
const MANY: usize = 150;
const EIGHT_MB: usize = 7_900_000;
/// A timeout that no server exceeds. It is shorter than the time that a test waits for an answer.
const LONG: &str = "50s";

/// An Envoy with the default `memory.heldBytes`, one worker, and this server. With a short
/// `timeout`, the server would be too slow for some clients on a busy machine.
fn default_envoy(name: &str, server: SocketAddr, timeout: &str, config: &str) -> Envoy {
    let config = format!(
        r#"{{"servers":[{{"name":"a","protocol":"MODERN","timeout":"{timeout}"}}]{config}}}"#
    );
    let bootstrap = Bootstrap::servers(&config, &[("a", server)]);
    let limit = "per_connection_buffer_limit_bytes: ";
    let bootstrap = bootstrap.replace(limit, &format!("{limit}16777216 # "));
    Envoy::with_workers(1, name, &bootstrap)
}

/// Sends [`MANY`] of `request` at once. Each gets a result, or an error because there is no memory
/// or because the server was too slow. A client that is refused while it still writes may see the
/// connection closed. Returns how many got a result.
async fn at_once(to: SocketAddr, request: Request) -> usize {
    let mut all = JoinSet::new();
    for _ in 0..MANY {
        let request = request.clone();
        all.spawn(async move { Connection::open(to).await.send(&request).await });
    }
    let mut well = 0;
    while let Some(answer) = all.join_next().await {
        let Ok(answer) = answer.expect("no panic") else {
            assert!(request.sent_body().len() > EIGHT_MB, "{request:?}");
            continue;
        };
        let body = answer.json();
        match answer.status {
            200 if body["result"].is_object() => well += 1,
            200 | 502 | 503 | 504 => assert_eq!(body["error"]["code"], -32603),
            status => panic!("{status}: {answer:?}"),
        }
    }
    well
}

/// A server whose answers are long. Before the last bytes of an answer to a call, it pauses.
async fn long_answers(within: fn(&str, &str) -> Option<String>) -> SocketAddr {
    wire::serve(move |request| {
        let message = request.json();
        let id = message["id"].to_string();
        let method = message["method"].as_str().unwrap_or_default();
        let cursor = message["params"]["cursor"].is_string();
        match within(method, &id) {
            _ if cursor => vec![Act::Hang],
            Some(body) => {
                let length = format!("content-length: {}\r\n\r\n", body.len());
                let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{length}");
                let (start, end) = body.split_at(body.len() - 10);
                let pause = if method == "tools/call" { 4 } else { 0 };
                vec![
                    Act::Write(format!("{head}{start}")),
                    Act::Wait(Duration::from_secs(pause)),
                    Act::Write(end.to_owned()),
                ]
            }
            None => wire::json(&format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"supportedVersions":["2026-07-28"],"capabilities":{{"tools":{{}}}},"tools":[]}}}}"#
            )),
        }
    })
    .await
}

fn result(id: &str, members: &str) -> Option<String> {
    let long = "x".repeat(EIGHT_MB);
    let members = members.replace("LONG", &long);
    Some(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{{members}}}}}"#
    ))
}

/// Fails unless the worker still answers and has freed the memory.
async fn assert_well(envoy: &Envoy) {
    until("the memory is free", async || held(envoy) < 40_000_000).await;
    let answer = modern("1", "server/discover").send(envoy.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn answers_of_8_mb_that_stall_do_not_end_the_worker() {
    let server = long_answers(|method, id| match method {
        "tools/call" => result(id, r#""content":[],"x":"LONG""#),
        _ => None,
    })
    .await;
    let envoy = default_envoy("memory_stalling", server, LONG, "");
    let well = at_once(envoy.address, call("7", "a__t", "{}")).await;
    assert!(well >= 30, "{well} answered well");
    assert_well(&envoy).await;
}

#[tokio::test]
async fn lists_whose_second_page_never_comes_do_not_end_the_worker() {
    let server = long_answers(|method, id| match method {
        "tools/list" => result(
            id,
            r#""tools":[{"name":"t","x":"LONG"}],"nextCursor":"2","ttlMs":0,"cacheScope":"private""#,
        ),
        _ => None,
    })
    .await;
    let envoy = default_envoy("memory_pages", server, "10s", r#","listCache":"OFF""#);
    at_once(envoy.address, modern("1", "tools/list")).await;
    assert_well(&envoy).await;
}

#[tokio::test]
async fn instructions_of_8_mb_do_not_end_the_worker() {
    let server = long_answers(|method, id| match method {
        "server/discover" => result(
            id,
            r#""supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"instructions":"LONG""#,
        ),
        _ => None,
    })
    .await;
    let envoy = default_envoy("memory_instructions", server, LONG, "");
    let well = at_once(envoy.address, modern("1", "server/discover")).await;
    assert!(well >= 100, "{well} answered well");
    assert_well(&envoy).await;
}

#[tokio::test]
async fn bodies_of_8_mb_for_a_slow_server_do_not_end_the_worker() {
    let server = long_answers(|method, id| match method {
        "tools/call" => Some(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[]}}}}"#
        )),
        _ => None,
    })
    .await;
    let envoy = default_envoy(
        "memory_requests",
        server,
        LONG,
        r#","maxRequestBodySize":8388608"#,
    );
    let arguments = format!(r#"{{"x":"{}"}}"#, "y".repeat(EIGHT_MB));
    let well = at_once(envoy.address, call("7", "a__t", &arguments)).await;
    assert!(well >= 30, "{well} answered well");
    assert_well(&envoy).await;
}
