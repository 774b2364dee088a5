//! Requests whose headers wait in the filter for a body that does not come: the
//! client is slow, or Envoy does not hold requests for this filter.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::Capture;
use crate::harness::envoy::Envoy;
use crate::harness::fake;
use crate::harness::http::ANSWERED_WITHIN;
use crate::harness::message::{legacy, modern};

const HOLDS: &str = "                allow_on_headers_stop_iteration: true\n";
const NOT_HELD: &str = "Envoy does not hold requests for this filter: set allow_on_headers_stop_iteration (Envoy 1.36)";

const TOOLS: &str = r#"{"tools":{}}"#;
const ANSWERS: fake::Answers = &[("tools/list", r#"{"tools":[]}"#)];

/// A configuration for each mode, in front of the same server.
fn bootstraps(server: &Capture) -> [Bootstrap; 2] {
    let gateway = r#"{"servers":[{"name":"a","protocol":"MODERN"}]}"#;
    [
        Bootstrap::policy(server.address),
        Bootstrap::servers(gateway, &[("a", server.address)]),
    ]
}

/// Sends the head of a request that announces a body, and sends no body. Returns the answer, and
/// how long it took.
async fn head_only(to: SocketAddr) -> (String, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(to).await.expect("a connection");
    let head = "POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\ncontent-length: 100\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("a reader");
    let mut answer = String::new();
    let reading = stream.read_to_string(&mut answer);
    let read = timeout(ANSWERED_WITHIN, reading).await;
    read.expect("an answer in time").expect("an answer");
    (answer, began.elapsed())
}

#[tokio::test]
async fn where_envoy_does_not_hold_clients_and_the_log_are_told_why() {
    let server = fake::start(TOOLS, ANSWERS).await;
    for bootstrap in bootstraps(&server) {
        let bootstrap = bootstrap.replace(HOLDS, "");
        let mut envoy = Envoy::with_workers(1, "not_held", &bootstrap);
        envoy.failures_are_expected();
        let to = envoy.address;
        let (first, second) = (legacy("7", "ping", "{}"), modern("8", "tools/list"));
        let (first, second) = tokio::join!(first.send(to), second.send(to));
        for answer in [first, second] {
            assert_eq!(answer.status, 503, "{answer:?}");
            let error = &answer.json()["error"];
            assert_eq!(
                (&error["code"], &error["message"]),
                (&(-32603).into(), &NOT_HELD.into())
            );
        }
        assert!(envoy.logged(NOT_HELD).contains("[error]"));
        assert_eq!(envoy.failures().len(), 1, "{:?}", envoy.failures());
        assert_eq!(envoy.stat("wasmcustom.mcp.rejected.not_held"), 2);
        assert!(server.take().is_empty());
    }
}

#[tokio::test]
async fn a_client_that_sends_no_body_is_told_so() {
    let server = fake::start(TOOLS, ANSWERS).await;
    for bootstrap in bootstraps(&server) {
        let envoy = Envoy::with_workers(1, "body_wait", &bootstrap);
        let to = envoy.address;
        assert_eq!(modern("1", "tools/list").send(to).await.status, 200);
        let slow = modern("2", "tools/list").paused(Duration::from_secs(6));
        // The body of this request starts after six seconds, and ends after twelve.
        let slow = slow.send(to);
        let ((one, time), (two, _), slow) = tokio::join!(head_only(to), head_only(to), slow);
        assert_eq!(slow.status, 200, "{slow:?}");
        assert!(time >= Duration::from_secs(10), "{time:?}");
        for answer in [one, two] {
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
            let error = r#""error":{"code":-32600,"message":"the body did not start within 10 s"}"#;
            assert!(answer.contains(error), "{answer}");
        }
        assert_eq!(envoy.stat("wasmcustom.mcp.rejected.body_timeout"), 2);
        assert_eq!(modern("3", "tools/list").send(to).await.status, 200);
    }
}
