//! Hostile servers and hostile clients use the same workers as honest ones, and the honest ones
//! must not lose a request. `SOAK_SECONDS` says how long the test runs (10 by default).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::fake;
use crate::harness::http::{Connection, Request};
use crate::harness::legacy::Legacy;
use crate::harness::message::{about, call, initialize, legacy, modern, request};
use crate::harness::wire::{self, Act};
use crate::hostile::hostile;
use crate::random::Random;

const ANSWERS: fake::Answers = &[
    (
        "tools/list",
        r#"{"resultType":"complete","tools":[{"name":"t"}]}"#,
    ),
    (
        "tools/call",
        r#"{"resultType":"complete","content":[{"type":"text","text":"well"}]}"#,
    ),
];

/// The timeouts of hostile servers are short, so that lists do not wait long. Those of honest
/// servers are long enough for a busy machine.
const CONFIG: &str = r#"{"servers":[
    {"name":"honest","protocol":"MODERN","timeout":"20s"},
    {"name":"legacy","protocol":"LEGACY","timeout":"20s","shareSession":true},
    {"name":"hostile","timeout":"500ms"},
    {"name":"hanging","protocol":"LEGACY","timeout":"500ms","shareSession":true}],
    "failedServerTtl":"1s"}"#;

/// How a hostile server answers. This depends only on the number of the request.
fn misbehave(number: u64, id: &str) -> Vec<Act> {
    let random = &mut Random(number);
    let long = || "x".repeat(2_000_000);
    let result = |result: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    let discovered = |instructions: &str| {
        result(&format!(
            r#"{{"supportedVersions":["2026-07-28"],"capabilities":{{"tools":{{}}}},"instructions":"{instructions}"}}"#
        ))
    };
    let part_of = |body: &str| {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        vec![
            Act::Write(format!("{head}{}", &body[..length / 2])),
            Act::Hang,
        ]
    };
    let events = |text: &str| {
        let head = wire::head("200 OK", "text/event-stream");
        vec![Act::Write(head + text), Act::Hang]
    };
    match random.below(12) {
        0 => wire::json(&discovered(&long())),
        1 => wire::json(&discovered("")),
        2 => part_of(&discovered(&long())),
        3 => wire::json(&result(&format!(
            r#"{{"tools":[{{"name":"{}"}}],"nextCursor":"{number}"}}"#,
            long()
        ))),
        4 => wire::json(&result(
            r#"{"tools":[{"name":"t"},7,{"name":8}],"nextCursor":""}"#,
        )),
        5 => {
            wire::json(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"session"}}"#)
        }
        6 => events(&format!("data: {}\n\n", long())),
        7 => events(": still here\n\nevent: ping\ndata: 17\n\ndata: [DONE]\n\n"),
        8 => vec![Act::Hang],
        9 => vec![Act::Reset],
        10 => vec![Act::Write(
            wire::head("503 Service Unavailable", "text/html") + &long(),
        )],
        _ => vec![Act::Write("SSH-2.0-x\r\n".to_owned())],
    }
}

async fn hostile_server() -> SocketAddr {
    let number = AtomicU64::new(0);
    wire::serve(move |request| {
        let message: serde_json::Value = serde_json::from_str(&request.body).unwrap_or_default();
        misbehave(
            number.fetch_add(1, Ordering::Relaxed),
            &message["id"].to_string(),
        )
    })
    .await
}

/// What a hostile client sends.
fn nasty(random: &mut Random, number: u64) -> Request {
    match random.below(8) {
        0 => {
            let capabilities = format!(r#"{{"made-up-{number}":{{}}}}"#);
            let body = modern("1", "tools/list");
            let text = String::from_utf8_lossy(body.sent_body())
                .replace("\":{}}", &format!("\":{capabilities}}}"));
            body.body(text)
        }
        1 => {
            let uris = vec![r#""hostile+f:x""#; 20_000].join(",");
            request(
                "1",
                "subscriptions/listen",
                &format!(r#""notifications":{{"resourceSubscriptions":[{uris}]}},"#),
            )
        }
        2 => call("1", "hostile__t", "{}"),
        3 => about("1", "prompts/get", "hanging__p"),
        4 => legacy("1", "notifications/cancelled", r#"{"requestId":7}"#)
            .header("mcp-session-id", "forged"),
        5 => call(
            "1",
            "legacy__none",
            &format!(r#"{{"x":"{}"}}"#, "y".repeat(900_000)),
        ),
        _ => hostile(random),
    }
}

/// Sends hostile requests, and ignores the answers.
async fn attack(to: SocketAddr, attacker: u64, is_over: Arc<AtomicBool>) {
    let mut number = attacker << 32;
    while !is_over.load(Ordering::Relaxed) {
        number += 1;
        let mut random = Random(number);
        if random.below(8) == 0 {
            // A body that never ends holds memory as long as its client keeps the connection.
            let mut stream = TcpStream::connect(to).await.expect("a connection");
            let body = "y".repeat(500_000);
            let head = "POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\naccept: */*\r\ncontent-length: 1000000\r\n\r\n";
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            sleep(Duration::from_millis(300)).await;
            continue;
        }
        let request = nasty(&mut random, number);
        let mut connection = Connection::open(to).await;
        let _ = timeout(Duration::from_secs(2), connection.begin(&request)).await;
    }
}

fn assert_has_tools(answer: &serde_json::Value) {
    let tools = answer["result"]["tools"].as_array().expect("tools");
    for name in ["honest__t", "legacy__t"] {
        assert!(tools.iter().any(|tool| tool["name"] == name), "{answer}");
    }
}

/// A modern client, whose requests must all succeed. Returns how many it sent.
async fn modern_client(to: SocketAddr, is_over: Arc<AtomicBool>) -> u64 {
    let mut made = 0;
    while !is_over.load(Ordering::Relaxed) {
        let listed = modern("1", "tools/list").send(to).await;
        assert_eq!(listed.status, 200, "{listed:?}");
        assert_has_tools(&listed.json());
        for tool in ["honest__t", "legacy__t"] {
            let called = call("2", tool, "{}").send(to).await;
            assert_eq!(called.status, 200, "{called:?}");
            let content = &called.json()["result"]["content"];
            assert!(content.is_array(), "{called:?}");
        }
        made += 3;
    }
    made
}

/// A legacy client, whose requests must all succeed. It uses one session for all of them.
async fn legacy_client(to: SocketAddr, is_over: Arc<AtomicBool>) -> u64 {
    let begun = initialize().send(to).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let session = begun
        .header("mcp-session-id")
        .expect("a session")
        .to_owned();
    let send = async |id: &str, method: &str, params: &str| {
        let request = legacy(id, method, params).header("mcp-session-id", &session);
        let answer = request.send(to).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    };
    let mut made = 0;
    while !is_over.load(Ordering::Relaxed) {
        assert_has_tools(&send("1", "tools/list", "{}").await.json());
        for tool in ["honest__t", "legacy__t"] {
            let params = format!(r#"{{"name":"{tool}","arguments":{{}}}}"#);
            let called = send("2", "tools/call", &params).await;
            assert!(called.text().contains(r#""content""#), "{called:?}");
        }
        made += 3;
    }
    made
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn honest_clients_and_servers_lose_nothing_beside_hostile_ones() {
    let seconds = std::env::var("SOAK_SECONDS").map_or(10, |text| text.parse().expect("a number"));
    let honest = fake::start(r#"{"tools":{}}"#, ANSWERS).await;
    let legacy = Legacy::start("legacy").await;
    let servers = [
        ("honest", honest.address),
        ("legacy", legacy.address),
        ("hostile", hostile_server().await),
        ("hanging", hostile_server().await),
    ];
    let envoy = Envoy::start(
        "soak",
        &Bootstrap::servers(&CONFIG.replace('\n', ""), &servers),
    );
    let to = envoy.address;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut attackers = JoinSet::new();
    for attacker in 0..12 {
        attackers.spawn(attack(to, attacker, Arc::clone(&is_over)));
    }
    let mut clients = JoinSet::new();
    clients.spawn(modern_client(to, Arc::clone(&is_over)));
    clients.spawn(legacy_client(to, Arc::clone(&is_over)));
    let run = async {
        sleep(Duration::from_secs(seconds)).await;
        is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(run, async {
        while let Some(made) = clients.join_next().await {
            let made = made.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            assert!(made > 3, "{made} requests in {seconds} s");
            println!("{made} honest requests in {seconds} s");
        }
    });
    while let Some(attacker) = attackers.join_next().await {
        attacker.expect("no panic");
    }
    // The memory that the attackers' requests held must become free again.
    let held = "wasmcustom.mcp.memory.held_bytes";
    envoy.stat_until(held, |bytes| bytes < 8_000_000).await;
    assert_eq!(envoy.stat("wasmcustom.mcp.rejected.memory"), 0);
    assert!(
        envoy.resident().is_none_or(|bytes| bytes < 1 << 30),
        "{:?}",
        envoy.resident()
    );
}
