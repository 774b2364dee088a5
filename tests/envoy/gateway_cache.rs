//! Pages that the gateway keeps, since their servers allow it.

use std::time::Duration;

use serde_json::Value;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::{Capture, Recorded};
use crate::harness::envoy::Envoy;
use crate::harness::fake;
use crate::harness::http::Request;
use crate::harness::message::{META, modern};

const ALL: &str = r#"{"tools":{},"prompts":{}}"#;

#[rustfmt::skip]
const PUBLIC: fake::Answers = &[
    ("tools/list", r#"{"tools":[{"name":"t"}],"ttlMs":60000,"cacheScope":"public","nextCursor":"2"}"#),
    ("tools/list#2", r#"{"tools":[{"name":"u"}],"ttlMs":90000,"cacheScope":"public"}"#),
    ("prompts/list", r#"{"prompts":[{"name":"p"}],"ttlMs":60000,"cacheScope":"public"}"#),
];

/// An Envoy with so many workers in front of a server `a`.
fn envoy(workers: usize, name: &str, config: &str, server: &Capture) -> Envoy {
    let bootstrap = Bootstrap::servers(config, &[("a", server.address)]);
    Envoy::with_workers(workers, name, &bootstrap)
}

/// The cache hits and misses so far.
fn cached(envoy: &Envoy) -> (u64, u64) {
    let count = |name| envoy.stat(&format!("wasmcustom.mcp.list.cache_{name}"));
    (count("hits"), count("misses"))
}

/// A request of a client with these capabilities and this client info, which are JSON text.
fn client(method: &str, capabilities: &str, info: &str) -> Request {
    let meta = META.replace(
        "Capabilities\":{}",
        &format!("Capabilities\":{capabilities}"),
    );
    let info = format!(r#",{}:{info}}}"#, r#""io.modelcontextprotocol/clientInfo""#);
    let meta = format!("{}{info}", meta.strip_suffix('}').expect("an object"));
    modern("1", method).body(format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{meta}}}}}"#
    ))
}

async fn listed(envoy: &Envoy, request: &Request) -> Value {
    let answer = request.send(envoy.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["result"].clone()
}

#[tokio::test]
async fn what_is_public_is_kept_for_all_clients_and_workers() {
    let server = Capture::start(|request| fake::answer(request, ALL, PUBLIC)).await;
    let envoy = envoy(2, "cache_public", r#"{"servers":[{"name":"a"}]}"#, &server);
    let first = listed(&envoy, &client("tools/list", "{}", r#"{"name":"secret"}"#)).await;
    assert_eq!(
        (first["ttlMs"].as_u64(), first["cacheScope"].as_str()),
        (Some(60000), Some("public"))
    );
    assert_eq!(cached(&envoy), (0, 2));
    let mut left = 60000;
    for n in 0..40 {
        let info = format!(r#"{{"name":"secret {n}"}}"#);
        let request = client("tools/list", "{}", &info)
            .header("authorization", format!("Bearer secret {n}"))
            .header("cookie", "a=secret");
        let list = listed(&envoy, &request).await;
        assert_eq!(list["tools"], first["tools"]);
        assert_eq!(list["cacheScope"], "public");
        let now = list["ttlMs"].as_u64().expect("a number");
        // The clocks of the workers may differ a little.
        assert!(now > 0 && now <= left + 100, "{now} after {left}");
        left = left.min(now);
    }
    assert!(left < 60000);
    assert_eq!(cached(&envoy), (80, 2));
    let all = server.take();
    let of = |method: &str| {
        let seen = all
            .iter()
            .filter(|request| request.json()["method"] == method);
        seen.collect::<Vec<&Recorded>>()
    };
    // Both workers had clients, and each worker has asked the server for its description.
    assert_eq!(of("server/discover").len(), 2);
    assert_eq!(of("tools/list").len(), 2);
    // The answer is for all clients, so the request must contain nothing of one client.
    for request in of("tools/list") {
        assert!(!format!("{request:?}").contains("secret"), "{request:?}");
        assert!(!request.body.contains("clientInfo"), "{request:?}");
    }
    // A list of another kind is kept separately.
    listed(&envoy, &modern("1", "prompts/list")).await;
    listed(&envoy, &modern("1", "prompts/list")).await;
    assert_eq!(server.asked(), ["prompts/list"]);
}

#[tokio::test]
async fn what_may_depend_on_the_clients_capabilities_is_kept_for_each() {
    let server = fake::start(ALL, PUBLIC).await;
    let envoy = envoy(
        1,
        "cache_capabilities",
        r#"{"servers":[{"name":"a"}]}"#,
        &server,
    );
    const CAPABILITIES: [&str; 3] = [
        "{}",
        r#"{"elicitation":{}}"#,
        r#"{"sampling":{"tools":{}}}"#,
    ];
    for _ in 0..2 {
        for capabilities in CAPABILITIES {
            listed(&envoy, &client("tools/list", capabilities, "{}")).await;
        }
    }
    let lists = server
        .take()
        .into_iter()
        .filter(|request| request.json()["method"] == "tools/list");
    let asked: Vec<String> = lists
        .map(|request| {
            request.json()["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]
                .to_string()
        })
        .collect();
    let expected: Vec<&str> = CAPABILITIES.iter().flat_map(|own| [*own, *own]).collect();
    assert_eq!(asked, expected);
    assert_eq!(cached(&envoy), (6, 6));
}

#[rustfmt::skip]
const KEPT_BY_NOBODY: [fake::Answers; 5] = [
    &[("tools/list", r#"{"tools":[],"ttlMs":60000,"cacheScope":"private"}"#)],
    &[("tools/list", r#"{"tools":[],"ttlMs":60000}"#)],
    &[("tools/list", r#"{"tools":[],"cacheScope":"public"}"#)],
    &[("tools/list", r#"{"tools":[],"ttlMs":0,"cacheScope":"public"}"#)],
    &[("tools/list", r#"{"tools":[]}"#)],
];

#[tokio::test]
async fn what_is_private_or_has_no_time_is_asked_every_time() {
    let mut servers = Vec::new();
    for answers in KEPT_BY_NOBODY {
        servers.push(fake::start(ALL, answers).await);
    }
    let names: Vec<String> = (0..servers.len()).map(|at| format!("s{at}")).collect();
    let clusters: Vec<_> = names
        .iter()
        .map(String::as_str)
        .zip(servers.iter().map(|server| server.address))
        .collect();
    let config: Vec<String> = names
        .iter()
        .map(|name| format!(r#"{{"name":"{name}"}}"#))
        .collect();
    let config = format!(r#"{{"servers":[{}]}}"#, config.join(","));
    let envoy = Envoy::start("cache_private", &Bootstrap::servers(&config, &clusters));
    for _ in 0..3 {
        let list = listed(&envoy, &modern("1", "tools/list")).await;
        assert_eq!(
            (list["ttlMs"].as_u64(), list["cacheScope"].as_str()),
            (Some(0), Some("private"))
        );
        for (at, server) in servers.iter().enumerate() {
            assert_eq!(server.asked(), ["tools/list"], "{at}");
        }
    }
    assert_eq!(cached(&envoy).0, 0);
}

#[rustfmt::skip]
const HALF: fake::Answers = &[
    ("tools/list", r#"{"tools":[{"name":"t"}],"ttlMs":60000,"cacheScope":"public","nextCursor":"2"}"#),
    ("tools/list#2", r#"{"tools":[{"name":"u"}],"ttlMs":60000,"cacheScope":"private"}"#),
];

#[tokio::test]
async fn each_page_is_kept_as_it_says_itself() {
    let server = fake::start(ALL, HALF).await;
    let envoy = envoy(1, "cache_half", r#"{"servers":[{"name":"a"}]}"#, &server);
    for expected in [
        &["tools/list", "tools/list#2"][..],
        &["tools/list#2"],
        &["tools/list#2"],
    ] {
        let list = listed(&envoy, &modern("1", "tools/list")).await;
        assert_eq!(list["tools"].as_array().map(Vec::len), Some(2));
        assert_eq!(list["cacheScope"], "private");
        assert_eq!(server.asked(), expected);
    }
}

#[tokio::test]
async fn a_ttl_of_the_configuration_keeps_what_the_server_would_not() {
    let server = fake::start(ALL, KEPT_BY_NOBODY[0]).await;
    let config = r#"{"servers":[{"name":"a","listTtl":"30s"}]}"#;
    let envoy = envoy(2, "cache_ttl", config, &server);
    for n in 0..10 {
        let list = listed(&envoy, &modern("1", "tools/list")).await;
        let ttl = list["ttlMs"].as_u64().expect("a number");
        assert!(ttl > 0 && ttl <= 30000, "{ttl}");
        assert_eq!(list["cacheScope"], "public");
        assert_eq!(server.asked().len(), usize::from(n == 0), "{n}");
    }
}

#[tokio::test]
async fn without_a_cache_every_client_asks_for_itself() {
    let server = fake::start(ALL, PUBLIC).await;
    let config = r#"{"servers":[{"name":"a"}],"listCache":"OFF"}"#;
    let envoy = envoy(1, "cache_off", config, &server);
    for n in 0..3 {
        let info = format!(r#"{{"name":"client {n}"}}"#);
        let list = listed(&envoy, &client("tools/list", "{}", &info)).await;
        // The list still has the server's cache hints.
        assert_eq!(
            (list["ttlMs"].as_u64(), list["cacheScope"].as_str()),
            (Some(60000), Some("public"))
        );
        let all = server.take();
        let lists = all
            .iter()
            .filter(|request| request.json()["method"] == "tools/list");
        let informed = lists.filter(|request| request.body.contains(&info)).count();
        assert_eq!(informed, 2, "{all:?}");
    }
    assert_eq!(cached(&envoy), (0, 0));
}

const SHORT: fake::Answers = &[(
    "tools/list",
    r#"{"tools":[{"name":"t"}],"ttlMs":300,"cacheScope":"public"}"#,
)];

#[tokio::test]
async fn when_its_time_is_up_a_page_is_asked_anew() {
    let server = fake::start(ALL, SHORT).await;
    let envoy = envoy(2, "cache_short", r#"{"servers":[{"name":"a"}]}"#, &server);
    for _ in 0..3 {
        let list = listed(&envoy, &modern("1", "tools/list")).await;
        assert_eq!(list["ttlMs"].as_u64(), Some(300));
        assert_eq!(server.asked(), ["tools/list"]);
        tokio::time::sleep(Duration::from_millis(350)).await;
    }
}

#[tokio::test]
async fn what_is_kept_outlives_its_server_and_a_failure_is_not_kept() {
    let answer = |request: &Recorded| {
        let count = request.header("tracestate").unwrap_or_default();
        match (count, request.json()["method"].as_str()) {
            ("fail", Some("tools/list")) => fake::answer(request, ALL, &[]),
            ("fail", _) | ("", _) => fake::answer(request, ALL, PUBLIC),
            other => panic!("{other:?}"),
        }
    };
    let server = Capture::start(answer).await;
    let config = r#"{"servers":[{"name":"a"}],"failureMode":"FAIL"}"#;
    let envoy = envoy(1, "cache_failure", config, &server);
    let failing = modern("1", "tools/list").header("tracestate", "fail");
    // The server answers that it has no such list. The gateway shows an empty list, and does not
    // keep it.
    let list = listed(&envoy, &failing).await;
    assert_eq!(list["tools"].as_array().map(Vec::len), Some(0));
    for _ in 0..2 {
        let list = listed(&envoy, &modern("1", "tools/list")).await;
        assert_eq!(list["tools"].as_array().map(Vec::len), Some(2));
        // The server would answer with an error now, but the gateway does not ask it.
        let list = listed(&envoy, &failing).await;
        assert_eq!(list["tools"].as_array().map(Vec::len), Some(2));
    }
}
