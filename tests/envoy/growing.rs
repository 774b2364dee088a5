//! Requests that become longer in the filter, and buffers of Envoy that are too small for them.
//! Envoy answers 413 itself, and must survive.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, fs, process};

use serde_json::Value;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::Capture;
use crate::harness::envoy::Envoy;
use crate::harness::fake;
use crate::harness::http::{Answer, Request};
use crate::harness::message::{initialize, legacy};
use crate::harness::wire::{self, Act};

/// What the gateway inserts into a legacy client's request for a modern server.
const INSERTED: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"}},"#;
const BY: usize = INSERTED.len();
const TOOLS: &str = r#"{"tools":{}}"#;
const ORIGIN: &str = "https://app.example.com";

// The lists of these servers must not be kept: so each call asks for them, and waits.
const FIRST: fake::Answers = &[("tools/list", r#"{"tools":[{"name":"x"}]}"#)];
const SECOND: fake::Answers = &[
    ("tools/list", r#"{"tools":[{"name":"only"}]}"#),
    ("tools/call", r#"{"content":[]}"#),
];

/// Begins a session of a legacy client, and returns its id.
async fn begin(buffer: Buffer, to: SocketAddr) -> String {
    let answer = buffer.send(&initialize(), to).await;
    let session = answer.header("mcp-session-id");
    session.expect("a session").to_owned()
}

/// A call in this session, whose body has `size` bytes.
fn call(size: usize, session: &str) -> Request {
    let call = |text: &str| {
        let params = format!(r#"{{"name":"only","arguments":{{"x":"{text}"}}}}"#);
        legacy("1", "tools/call", &params)
    };
    let empty = call("").sent_body().len();
    let request = call(&"y".repeat(size - empty))
        .header("origin", ORIGIN)
        .header("mcp-session-id", session);
    assert_eq!(request.sent_body().len(), size);
    request
}

const ONE: &str =
    r#"{"servers":[{"name":"b","protocol":"MODERN"}],"prefixMode":"NEVER","cors":{}}"#;
const BOTH: &str = r#"{"servers":[{"name":"a","protocol":"MODERN"},{"name":"b","protocol":"MODERN"}],"prefixMode":"NEVER","cors":{}}"#;

/// A filter before this one that keeps the body until it is complete.
const KEEPS: &str = r#"          http_filters:
          - name: envoy.filters.http.lua
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
              default_source_code:
                inline_string: "function envoy_on_request(request) local body = request:body() end"
"#;

#[derive(Clone, Copy, Debug)]
struct Buffer {
    limit: usize,
    http2: bool,
}

impl Buffer {
    fn of(self, bootstrap: Bootstrap) -> Bootstrap {
        let Self { limit, http2 } = self;
        if http2 {
            let options = format!(
                "          stat_prefix: mcp\n          http2_protocol_options: {{ initial_stream_window_size: {limit} }}\n"
            );
            bootstrap.replace("          stat_prefix: mcp\n", &options)
        } else {
            bootstrap.replace("limit_bytes: 4194304", &format!("limit_bytes: {limit}"))
        }
    }

    async fn send(self, request: &Request, to: SocketAddr) -> Answer {
        if self.http2 {
            request.send_http2(to).await
        } else {
            request.send(to).await
        }
    }
}

#[rustfmt::skip]
const BUFFERS: [Buffer; 4] = [
    Buffer { limit: 16_384, http2: false },
    Buffer { limit: 1 << 20, http2: false },
    // The window of HTTP/2 cannot be smaller.
    Buffer { limit: 65_535, http2: true },
    Buffer { limit: 1 << 20, http2: true },
];

/// Sends requests of sizes around the limit, whole and in pieces, and with trailers in HTTP/2. A
/// request that fits after it has grown reaches the server, the others get 413.
async fn try_all(buffer: Buffer, envoy: &Envoy, server: &Capture) {
    let pause = Duration::from_millis(15);
    let piece = (buffer.limit / 5).min(100_000);
    let session = begin(buffer, envoy.address).await;
    for left in [0, 1, BY - 1, BY, BY + 1] {
        let size = buffer.limit - left;
        let whole = call(size, &session);
        let pieces = call(size, &session).chunked(piece).paused(pause);
        let trailers = pieces.clone().trailer("x-checksum", "1");
        let mut ways = vec![whole.clone(), whole.paused(pause), pieces];
        if buffer.http2 {
            ways.push(trailers);
        }
        for (way, request) in ways.iter().enumerate() {
            let answer = buffer.send(request, envoy.address).await;
            let what = format!("{buffer:?} {left} {way}: {answer:?}");
            let fits = left >= BY;
            assert_eq!(answer.status, if fits { 200 } else { 413 }, "{what}");
            assert_eq!(
                answer.header("access-control-allow-origin"),
                Some("*"),
                "{what}"
            );
            let arrived = server.take();
            let mut calls = arrived
                .iter()
                .filter(|request| request.json()["method"] == "tools/call");
            match calls.next() {
                Some(call) => assert_eq!((fits, call.body.len()), (true, size + BY), "{what}"),
                None => assert!(!fits, "{what}"),
            }
            envoy.check();
        }
    }
}

#[tokio::test]
async fn what_grows_beyond_envoys_buffer_is_refused_and_nothing_else_happens() {
    let a = fake::start(TOOLS, FIRST).await;
    let b = fake::start(TOOLS, SECOND).await;
    let clusters = [("a", a.address), ("b", b.address)];
    for buffer in BUFFERS {
        // With one server, the filter forwards the call at once. With two, the call waits until the
        // lists tell which server has the tool.
        let sole = Bootstrap::servers(ONE, &clusters[1..]);
        let shared = Bootstrap::servers(BOTH, &clusters);
        let kept = shared.clone().replace("          http_filters:\n", KEEPS);
        for bootstrap in [
            sole.clone(),
            sole.replace("          http_filters:\n", KEEPS),
            shared,
            kept,
        ] {
            let envoy = Envoy::with_workers(1, "growing", &buffer.of(bootstrap));
            try_all(buffer, &envoy, &b).await;
        }
    }
}

/// Sends requests at the same time. Every second one is too long. If `leave` is set, some clients
/// close their connections early. Returns how many requests got 200, and how many 413.
async fn burst(to: SocketAddr, count: u64, leave: bool) -> (usize, usize) {
    let http1 = BUFFERS[0];
    let session = begin(http1, to).await;
    let all: Vec<_> = (0..count)
        .map(|n| (n, call(if n % 2 == 0 { 60_000 } else { 65_400 }, &session)))
        .map(|(n, request)| async move {
            if leave && n % 3 == 0 {
                let _ = tokio::time::timeout(Duration::from_millis(n % 40), request.send(to)).await;
                return None;
            }
            Some(request.send(to).await.status)
        })
        .map(tokio::spawn)
        .collect();
    let (mut fit, mut refused) = (0, 0);
    for answer in all {
        match answer.await.expect("no panic") {
            Some(200) => fit += 1,
            Some(413) => refused += 1,
            Some(other) => panic!("{other}"),
            None => {}
        }
    }
    (fit, refused)
}

#[tokio::test]
async fn each_worker_writes_its_own_across_changes_of_the_configuration() {
    let slow = Arc::new(AtomicBool::new(false));
    let is_slow = Arc::clone(&slow);
    let server = wire::serve(move |request| {
        let message: Value = request.json();
        let result = match message["method"].as_str() {
            Some("server/discover") => {
                r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}"#
            }
            Some("tools/list") => r#"{"tools":[{"name":"only"}]}"#,
            _ => r#"{"content":[]}"#,
        };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
            message["id"]
        );
        let mut acts = Vec::new();
        if is_slow.load(Ordering::SeqCst) {
            acts.push(Act::Wait(Duration::from_millis(700)));
        }
        acts.extend(wire::json(&body));
        acts
    })
    .await;
    let clusters = [("a", server), ("b", server)];
    let file = env::temp_dir().join(format!("mcp-gateway-growing-{}.yaml", process::id()));
    // Each configuration is another plugin in the same VMs.
    let configure = |origin: &str| {
        let cors = format!(r#""cors":{{"allowOrigins":["{origin}","{ORIGIN}"]}}"#);
        let all = Bootstrap::servers(&BOTH.replace(r#""cors":{}"#, &cors), &clusters)
            .replace("limit_bytes: 4194304", "limit_bytes: 65536");
        let (_, listener) = all.text().split_once("  listeners:\n").expect("a listener");
        let (listener, _) = listener.split_once("  clusters:\n").expect("clusters");
        let kind =
            "  - \"@type\": type.googleapis.com/envoy.config.listener.v3.Listener\n    name: mcp\n";
        let listener = listener.replacen("  - name: mcp\n", kind, 1);
        let new = file.with_extension("new");
        fs::write(&new, format!("resources:\n{listener}")).expect("a file");
        fs::rename(&new, &file).expect("a file");
        all
    };
    let bootstrap = configure("http://first").replace_block("  listeners:\n", "  clusters:\n", "");
    let dynamic = format!(
        "node: {{ id: x, cluster: x }}\ndynamic_resources:\n  lds_config: {{ path_config_source: {{ path: {} }} }}\n",
        file.display()
    );
    let envoy = Envoy::start("growing_reload", &bootstrap.append(&dynamic));
    let to = envoy.address;
    assert_eq!(burst(to, 100, false).await, (50, 50));
    burst(to, 100, true).await;

    // Requests that are under way still use the old configuration.
    let (active, modified) = (
        "http.mcp.downstream_rq_active",
        "listener_manager.listener_modified",
    );
    envoy.stat_until(active, |requests| requests == 0).await;
    slow.store(true, Ordering::SeqCst);
    let under_way = tokio::spawn(burst(to, 60, false));
    envoy.stat_until(active, |requests| requests >= 10).await;
    configure("http://second");
    assert_eq!(under_way.await.expect("no panic"), (30, 30));
    slow.store(false, Ordering::SeqCst);
    envoy.stat_until(modified, |times| times == 1).await;
    for n in 0..3 {
        assert_eq!(burst(to, 100, false).await, (50, 50));
        configure(&format!("http://{n}"));
        envoy.stat_until(modified, |times| times == n + 2).await;
    }
    envoy.stat_until(active, |requests| requests == 0).await;
    let _ = fs::remove_file(file);
}
