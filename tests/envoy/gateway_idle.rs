//! Servers that close kept-alive connections. The gateway repeats only requests that are safe to
//! repeat, and no tool runs twice.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::message::{call, modern};
use crate::harness::port;

/// When the server ends a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closes {
    /// When the second request on a connection arrives, like a server that was about to close an
    /// idle connection.
    OnSecondRequest,
    /// When a call arrives. The server has run its tool by then.
    OnCall,
}

/// A modern server that keeps connections alive. Returns its address, and the methods of the
/// requests that it has read.
async fn serve(closes: Closes) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let read = Arc::new(Mutex::new(Vec::new()));
    let records = Arc::clone(&read);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let records = Arc::clone(&records);
            tokio::spawn(connection(stream, closes, records));
        }
    });
    (address, read)
}

async fn connection(mut stream: TcpStream, closes: Closes, read: Arc<Mutex<Vec<String>>>) {
    let mut is_second = false;
    while let Some(message) = next_message(&mut stream).await {
        let method = message["method"].as_str().unwrap_or_default().to_owned();
        let is_call = method == "tools/call";
        read.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(method.clone());
        let closes_now = match closes {
            Closes::OnSecondRequest => is_second,
            Closes::OnCall => is_call,
        };
        if closes_now {
            return;
        }
        is_second = true;
        let result = match method.as_str() {
            "server/discover" => {
                r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}"#
            }
            "tools/list" => r#"{"resultType":"complete","tools":[{"name":"t"}]}"#,
            _ => r#"{"resultType":"complete","content":[]}"#,
        };
        let id = &message["id"];
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The JSON-RPC message of the next request on a connection.
async fn next_message(stream: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut fields = head.lines().filter_map(|line| line.split_once(": "));
            let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            let length: usize = length?.1.parse().ok()?;
            if body.len() >= length {
                return serde_json::from_str(body).ok();
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

fn read_of(read: &Mutex<Vec<String>>, method: &str) -> usize {
    let read = read.lock().unwrap_or_else(PoisonError::into_inner);
    read.iter().filter(|it| *it == method).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_do_not_notice_that_a_server_closes_idle_connections() {
    let (address, read) = serve(Closes::OnSecondRequest).await;
    let config = r#"{"servers":[{"name":"a"}]}"#;
    let bootstrap = Bootstrap::servers(config, &[("a", address)]);
    let envoy = Envoy::with_workers(1, "idle_lists", &bootstrap);
    for _ in 0..4 {
        for method in ["tools/list", "server/discover"] {
            let answer = modern("1", method).send(envoy.address).await;
            assert_eq!(answer.status, 200, "{method}: {answer:?}");
        }
    }
    assert_eq!(envoy.stat("wasmcustom.mcp.server.a.failures"), 0);
    assert!(read_of(&read, "tools/list") > 4, "some were sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_a_server_took_and_broke_off_is_not_sent_again() {
    let (address, read) = serve(Closes::OnCall).await;
    let config = r#"{"servers":[{"name":"a"}]}"#;
    let bootstrap = Bootstrap::servers(config, &[("a", address)]);
    let mut envoy = Envoy::with_workers(1, "idle_calls", &bootstrap);
    envoy.failures_are_expected();
    for calls in 1..=3 {
        // After this list, Envoy keeps a connection to the server open.
        let listed = modern("1", "tools/list").send(envoy.address).await;
        assert_eq!(listed.status, 200, "{listed:?}");
        let request = call("1", "a__t", "{}").header("x-envoy-retry-on", "5xx,reset");
        let answer = request.send(envoy.address).await;
        assert_eq!(answer.status, 502, "{answer:?}");
        assert_eq!(answer.json()["error"]["code"], -32603);
        assert_eq!(read_of(&read, "tools/call"), calls, "the tool ran again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_not_sent_is_sent_again() {
    let (address, read) = serve(Closes::OnCall).await;
    let config = r#"{"servers":[{"name":"a"}]}"#;
    let bootstrap = Bootstrap::servers(config, &[("a", address)]);
    let text = bootstrap.text();
    assert!(text.contains("connect-failure,refused-stream"), "{text}");
    // Nobody listens at the first of the two endpoints.
    let (_reserved, nobody) = port::reserved();
    let nobody = nobody.port();
    let endpoint = |port: u16| {
        format!(
            "- endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }} }}"
        )
    };
    let one = endpoint(address.port());
    let two = format!("{one}\n        {}", endpoint(nobody));
    let envoy = Envoy::with_workers(1, "idle_unsent", &bootstrap.replace(&one, &two));
    for _ in 0..6 {
        let answer = modern("1", "server/discover").send(envoy.address).await;
        if answer.status == 200 {
            break;
        }
    }
    for _ in 0..4 {
        // For half of the calls, Envoy first tries the endpoint where nobody listens, and then the
        // other one.
        let answer = call("1", "a__t", "{}").send(envoy.address).await;
        assert_eq!(answer.status, 502, "{answer:?}");
        let message = answer.json()["error"]["message"].to_string();
        assert!(
            message.contains("connection reset"),
            "the call was not sent to the server: {message}"
        );
    }
    assert_eq!(read_of(&read, "tools/call"), 4);
}
