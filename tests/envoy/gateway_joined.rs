//! Several clients send the same request at the same time.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::http::{ANSWERED_WITHIN, Answer};
use crate::harness::message::modern;
use crate::harness::wire::{self, Act};

const DISCOVERED: &str = r#"{"jsonrpc":"2.0","id":ID,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}}"#;

/// A server that answers each list request only when there is a permit. Its n-th list has the tool
/// `t<n>`.
struct Gated {
    address: SocketAddr,
    lists: Arc<AtomicUsize>,
    permits: Arc<Semaphore>,
}

async fn gated(freshness: &'static str) -> Gated {
    let (lists, permits) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (count, gate) = (Arc::clone(&lists), Arc::clone(&permits));
    let address = wire::serve(move |request| {
        let message = request.json();
        let id = message["id"].to_string();
        if message["method"] == "server/discover" {
            return wire::json(&DISCOVERED.replace("ID", &id));
        }
        let n = count.fetch_add(1, Ordering::SeqCst) + 1;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{{"name":"t{n}"}}],{freshness}}}}}"#
        );
        let mut acts = vec![Act::Until(Arc::clone(&gate))];
        acts.extend(wire::json(&body));
        acts
    })
    .await;
    Gated {
        address,
        lists,
        permits,
    }
}

impl Gated {
    fn asked(&self) -> usize {
        self.lists.load(Ordering::SeqCst)
    }

    /// Returns when the server has been asked this many times.
    async fn until_asked(&self, times: usize) {
        let deadline = Instant::now() + ANSWERED_WITHIN;
        while self.asked() < times {
            assert!(Instant::now() < deadline, "asked {} times", self.asked());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

const PUBLIC: &str = r#""ttlMs":60000,"cacheScope":"public""#;
const PRIVATE: &str = r#""ttlMs":0,"cacheScope":"private""#;
const CLIENTS: usize = 20;

/// An Envoy with one worker in front of `a` and `b`. The worker has already discovered both.
async fn start(name: &str, a: &Gated, b: &Gated, timeout_of_a: &str) -> Envoy {
    let config = format!(
        r#"{{"servers":[{{"name":"a","timeout":"{timeout_of_a}"}},{{"name":"b","timeout":"50s"}}],"failedServerTtl":"0s"}}"#
    );
    let clusters = [("a", a.address), ("b", b.address)];
    let envoy = Envoy::with_workers(1, name, &Bootstrap::servers(&config, &clusters));
    let answer = modern("1", "server/discover").send(envoy.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    envoy
}

/// Several clients send `tools/list` at the same time. Their request ids start at 0.
fn ask(envoy: &Envoy, clients: usize) -> JoinSet<(usize, Answer)> {
    let (to, mut all) = (envoy.address, JoinSet::new());
    for id in 0..clients {
        all.spawn(async move { (id, modern(&id.to_string(), "tools/list").send(to).await) });
    }
    all
}

/// Waits until most requests should have reached the gateway. It is enough that some have.
async fn let_them_come() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

/// The names of the tools in the answer to the client with this id.
fn tools((id, answer): (usize, Answer)) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert_eq!(answer["id"], id);
    let tools = answer["result"]["tools"].as_array().expect("a list");
    tools
        .iter()
        .map(|tool| tool["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[tokio::test]
async fn many_who_ask_the_same_at_once_make_one_call_of_each_server() {
    let (a, b) = (gated(PUBLIC).await, gated(PUBLIC).await);
    let envoy = start("joined", &a, &b, "50s").await;
    let clients = ask(&envoy, CLIENTS);
    a.until_asked(1).await;
    let_them_come().await;
    a.permits.add_permits(CLIENTS);
    b.permits.add_permits(CLIENTS);
    for answer in clients.join_all().await {
        assert_eq!(tools(answer), ["a__t1", "b__t1"]);
    }
    assert_eq!((a.asked(), b.asked()), (1, 1));
    let count = |name: &str| envoy.stat(&format!("wasmcustom.mcp.server.{name}"));
    // Each client has asked for a list, and none has called a tool.
    assert_eq!((count("a.calls"), count("b.calls")), (0, 0));
    let clients = u64::try_from(CLIENTS).expect("a number");
    assert_eq!((count("a.lists"), count("b.lists")), (clients, clients));
    assert_eq!((count("a.failures"), count("b.failures")), (0, 0));
}

#[tokio::test]
async fn a_private_answer_is_for_one_client_and_the_others_ask_for_themselves() {
    let (a, b) = (gated(PRIVATE).await, gated(PUBLIC).await);
    let envoy = start("joined_private", &a, &b, "50s").await;
    let clients = ask(&envoy, CLIENTS);
    a.until_asked(1).await;
    let_them_come().await;
    a.permits.add_permits(CLIENTS);
    b.permits.add_permits(CLIENTS);
    let mut own = HashSet::new();
    for answer in clients.join_all().await {
        let tools = tools(answer);
        assert_eq!((tools.len(), tools[1].as_str()), (2, "b__t1"), "{tools:?}");
        assert!(own.insert(tools[0].clone()), "{} twice", tools[0]);
    }
    assert_eq!((a.asked(), b.asked()), (CLIENTS, 1));
}

#[tokio::test]
async fn who_waits_is_answered_though_who_asked_first_has_gone() {
    for freshness in [PUBLIC, PRIVATE] {
        let (a, b) = (gated(freshness).await, gated(freshness).await);
        let envoy = start("joined_gone", &a, &b, "50s").await;
        // This client closes its connection while the gateway waits for the servers.
        let mut first = TcpStream::connect(envoy.address)
            .await
            .expect("a connection");
        let request = modern("99", "tools/list");
        let body = request.sent_body().to_vec();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/list\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        first
            .write_all(&[head.as_bytes(), &body].concat())
            .await
            .expect("Envoy");
        a.until_asked(1).await;
        b.until_asked(1).await;
        let clients = ask(&envoy, 5);
        let_them_come().await;
        drop(first);
        let_them_come().await;
        a.permits.add_permits(CLIENTS);
        b.permits.add_permits(CLIENTS);
        let mut own = HashSet::new();
        for answer in clients.join_all().await {
            let tools = tools(answer);
            assert_eq!(tools.len(), 2, "{tools:?}");
            assert!(
                own.insert(tools.clone()) || freshness == PUBLIC,
                "{tools:?} twice"
            );
        }
        assert!(freshness == PRIVATE || a.asked() <= 2, "{}", a.asked());
    }
}

#[tokio::test]
async fn nobody_waits_longer_than_the_server_has() {
    let (a, b) = (gated(PUBLIC).await, gated(PUBLIC).await);
    b.permits.add_permits(CLIENTS);
    let envoy = start("joined_late", &a, &b, "1s").await;
    let clients = ask(&envoy, 5);
    for answer in clients.join_all().await {
        // `a` does not answer in time. The list has the tools of `b` anyway.
        assert_eq!(tools(answer), ["b__t1"]);
    }
    assert!(envoy.stat("wasmcustom.mcp.server.a.timeouts") >= 1);
    a.permits.add_permits(CLIENTS);
    // Now `a` answers, so the list has its tools again. On a busy machine, `a` may be too late again.
    let deadline = Instant::now() + ANSWERED_WITHIN;
    let list = modern("0", "tools/list");
    while tools((0, list.send(envoy.address).await)).len() != 2 {
        assert!(Instant::now() < deadline, "no tools of a");
    }
}
