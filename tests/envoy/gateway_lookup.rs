//! Calls that wait until the lists tell which server has the tool, and lists that are larger than
//! any buffer of Envoy.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::sync::Semaphore;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::Capture;
use crate::harness::envoy::Envoy;
use crate::harness::message::{about, call, modern};
use crate::harness::wire::{self, Act};
use crate::harness::{fake, port};

const TOOLS: &str = r#"{"tools":{}}"#;
const SHARED: &str = r#"{"servers":[{"name":"a"},{"name":"b"}],"prefixMode":"NEVER"}"#;

#[rustfmt::skip]
const FIRST: fake::Answers = &[("tools/list", r#"{"tools":[{"name":"x"}],"ttlMs":60000,"cacheScope":"public"}"#), ("tools/call", r#"{"content":["first"]}"#)];
#[rustfmt::skip]
const SECOND: fake::Answers = &[("tools/list", r#"{"tools":[{"name":"x"},{"name":"only"}],"ttlMs":60000,"cacheScope":"public"}"#), ("tools/call", r#"{"content":["second"]}"#)];

#[tokio::test]
async fn a_call_waits_for_its_lists_and_goes_on_as_it_came() {
    let (a, b) = (
        fake::start(TOOLS, FIRST).await,
        fake::start(TOOLS, SECOND).await,
    );
    let clusters = [("a", a.address), ("b", b.address)];
    let envoy = Envoy::with_workers(1, "lookup", &Bootstrap::servers(SHARED, &clusters));
    let arguments = format!(r#"{{"x":1.10,"y":"{}"}}"#, "ä".repeat(100_000));
    let request = call(r#""\u0069""#, "only", &arguments).header("mcp-param-x", "1");
    for (at, request) in [request.clone(), request.clone().chunked(9000)]
        .iter()
        .enumerate()
    {
        let answer = request.send(envoy.address).await;
        assert_eq!(
            answer.json()["result"]["content"],
            json!(["second"]),
            "{answer:?}"
        );
        let seen = b.take();
        let seen = seen.last().expect("a call");
        assert!(seen.body.as_bytes() == request.sent_body(), "{at}");
        assert_eq!(seen.header("mcp-param-x"), Some("1"));
        assert_eq!(seen.header("mcp-name"), Some("only"));
        // The gateway keeps the lists while they are fresh, and does not ask for them again.
        let lists = usize::from(at == 0);
        assert_eq!(a.asked().len(), lists, "{at}");
    }
    let answer = request
        .trailer("x-checksum", "1")
        .send_http2(envoy.address)
        .await;
    assert_eq!(answer.json()["result"]["content"], json!(["second"]));
    let count = |name: &str| envoy.stat(&format!("wasmcustom.mcp.server.b.{name}"));
    assert_eq!((count("calls"), count("lists")), (3, 1));
}

#[tokio::test]
async fn what_a_server_that_is_down_may_have_is_not_unknown() {
    let (_reserved, nobody) = port::reserved();
    let b = fake::start(TOOLS, SECOND).await;
    let clusters = [("a", nobody), ("b", b.address)];
    for mode in ["BEST_EFFORT", "FAIL"] {
        let config = SHARED.replace(
            "\"prefixMode\"",
            &format!("\"failureMode\":\"{mode}\",\"prefixMode\""),
        );
        let envoy = Envoy::start("lookup_down", &Bootstrap::servers(&config, &clusters));
        let answer = call(r#""\u0069""#, "nobody_knows", "{}")
            .send(envoy.address)
            .await;
        assert_eq!(answer.status, 502, "{answer:?}");
        assert!(
            answer
                .text()
                .starts_with(r#"{"jsonrpc":"2.0","id":"\u0069","error":{"code":-32603,"#)
        );
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains("server a "), "{message}");
        // The gateway does not use the other server either: the client may mean a tool of the
        // server that is down.
        let answer = call("1", "only", "{}").send(envoy.address).await;
        assert_eq!(answer.status, 502, "{mode}: {answer:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_its_server_is_looked_up_leaves_nothing_behind() {
    let permits = Arc::new(Semaphore::new(0));
    let (gate, calls) = (Arc::clone(&permits), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&calls);
    let server = wire::serve(move |request| {
        let message = request.json();
        let id = &message["id"];
        let result = match message["method"].as_str() {
            Some("server/discover") => {
                r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}"#
            }
            Some("tools/list") => r#"{"tools":[{"name":"x"}]}"#,
            _ => {
                count.fetch_add(1, Ordering::SeqCst);
                r#"{"content":[]}"#
            }
        };
        let mut acts = vec![Act::Until(Arc::clone(&gate))];
        acts.extend(wire::json(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#
        )));
        acts
    })
    .await;
    let clusters = [("a", server), ("b", server)];
    let envoy = Envoy::with_workers(1, "lookup_gone", &Bootstrap::servers(SHARED, &clusters));
    let to = envoy.address;
    let mut clients: Vec<_> = (0..10)
        .map(|_| tokio::spawn(async move { call("1", "x", "{}").send(to).await }))
        .collect();
    let active = "http.mcp.downstream_rq_active";
    envoy.stat_until(active, |requests| requests == 10).await;
    let last = clients.pop().expect("a client");
    for client in &clients {
        client.abort();
    }
    envoy.stat_until(active, |requests| requests == 1).await;
    permits.add_permits(1000);
    let answer = last.await.expect("a client that stays");
    assert_eq!(answer.json()["result"]["content"], json!([]), "{answer:?}");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_list_larger_than_any_buffer_of_envoys_comes_whole() {
    let description = "0123456789abcdef".repeat(65_536);
    let entry = move |n: usize| format!(r#"{{"description":"{description}","name":"t{n}"}}"#);
    let page = entry.clone();
    let server = Capture::start(move |request| {
        if request.json()["method"] != "tools/list" {
            return fake::answer(request, TOOLS, &[]);
        }
        let cursor = request.json()["params"]["cursor"]
            .as_str()
            .map(|cursor| cursor.parse::<usize>());
        let n = cursor.map_or(0, |cursor| cursor.expect("a number"));
        let next = if n < 2 {
            format!(r#","nextCursor":"{}""#, n + 1)
        } else {
            String::new()
        };
        let tools = [2 * n, 2 * n + 1].map(&page).join(",");
        request.result(&format!(r#"{{"tools":[{tools}]{next}}}"#))
    })
    .await;
    let shipped = Bootstrap::servers(r#"{"servers":[{"name":"a"}]}"#, &[("a", server.address)]);
    let small = shipped
        .clone()
        .replace("limit_bytes: 4194304", "limit_bytes: 65536");
    let small = small.replace_all(
        "    connect_timeout: 5s\n",
        "    connect_timeout: 5s\n    per_connection_buffer_limit_bytes: 65536\n",
    );
    for bootstrap in [shipped, small] {
        let envoy = Envoy::start("lookup_large", &bootstrap);
        let answer = modern("1", "tools/list").send(envoy.address).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let expected: Vec<String> = (0..6).map(|n| entry(n).replace("\"t", "\"a__t")).collect();
        let start = format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"resultType":"complete","tools":[{}]"#,
            expected.join(",")
        );
        assert!(
            answer.text().starts_with(&start),
            "{} bytes",
            answer.body.len()
        );
        let answer = about("1", "tools/call", "a__t1").send(envoy.address).await;
        assert_eq!(answer.status, 404, "{answer:?}");
    }
}
