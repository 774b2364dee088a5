//! Servers that answer something other than what the gateway asked for.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::bootstrap::{Bootstrap, SHIPPED_CORS};
use crate::harness::envoy::Envoy;
use crate::harness::message::{call, modern};
use crate::harness::shared::gateway;

/// A server that answers with the fault that the request's `tracestate` names, and closes the
/// connection.
async fn serve(faults: &'static [Fault]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, faults));
        }
    });
    address
}

async fn answer(mut stream: TcpStream, faults: &'static [Fault]) {
    let mut request = Vec::new();
    while !request.ends_with(b"}}}}") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let request = String::from_utf8(request).expect("text");
    let (_, id) = request.split_once(r#""id":""#).expect("an id");
    let id = id.split('"').next().unwrap_or_default();
    if request.contains("server/discover") {
        let body = DISCOVERED.replace("ID", id);
        drop(stream.write_all(body.as_bytes()).await);
        return;
    }
    let fault = faults.iter().find(|fault| {
        let tracestate = format!("\r\ntracestate: {}\r\n", fault.name);
        request.contains(&tracestate)
    });
    match fault.and_then(|fault| fault.answer) {
        Some(answer) => drop(stream.write_all(answer.replace("ID", id).as_bytes()).await),
        // Waits until the other side closes the connection.
        None => drop(stream.read_buf(&mut Vec::new()).await),
    }
}

/// The answer to `server/discover`, which the gateway sends to every server before it asks for a
/// list.
const DISCOVERED: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":\"ID\",\"result\":{\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{}}}}";

struct Fault {
    name: &'static str,
    /// `ID` stands for the id of the request. With `None`, the server does not answer.
    answer: Option<&'static str>,
    /// How the error that the client gets begins.
    told: &'static str,
}

const FAULTS: &[Fault] = &[
    Fault {
        name: "closes",
        answer: Some(""),
        told: "server calendar is unreachable (503)",
    },
    Fault {
        name: "no-http",
        answer: Some("SSH-2.0-OpenSSH_9.2\r\n"),
        told: "server calendar ",
    },
    Fault {
        name: "breaks-off",
        answer: Some(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"jsonrpc\"",
        ),
        told: "server calendar did not answer: connection reset, or response too large",
    },
    Fault {
        name: "hangs",
        answer: None,
        told: "server calendar did not answer in time (504)",
    },
    Fault {
        name: "only-continues",
        answer: Some("HTTP/1.1 100 Continue\r\n\r\n"),
        told: "server calendar ",
    },
    Fault {
        name: "status-500",
        answer: Some("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"),
        told: "server calendar answered HTTP 500",
    },
    Fault {
        name: "status-202",
        answer: Some("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"),
        told: "server calendar answered HTTP 202",
    },
    Fault {
        name: "status-302",
        answer: Some("HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n"),
        told: "server calendar answered HTTP 302",
    },
    Fault {
        name: "empty",
        answer: Some("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        told: "server calendar sent neither JSON nor an event stream",
    },
    Fault {
        name: "html",
        answer: Some("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<html>"),
        told: "server calendar sent neither JSON nor an event stream",
    },
    Fault {
        name: "another-id",
        answer: Some(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":\"gw-1\",\"result\":{\"tools\":[]}}",
        ),
        told: "server calendar sent no JSON-RPC response to the request",
    },
    Fault {
        name: "events-without-answer",
        answer: Some(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hello\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\n",
        ),
        told: "server calendar sent no JSON-RPC response to the request",
    },
    Fault {
        name: "error",
        answer: Some(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":\"ID\",\"error\":{\"code\":-32000,\"message\":\"no\\ncalendar\"}}",
        ),
        told: "server calendar answered error -32000: no\ncalendar",
    },
    Fault {
        name: "no-list",
        answer: Some(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":\"ID\",\"result\":{}}",
        ),
        told: "server calendar sent ",
    },
    Fault {
        name: "no-type",
        answer: Some(
            "HTTP/1.1 200 OK\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":\"ID\",\"result\":{\"tools\":[]}}",
        ),
        told: "server calendar sent neither JSON nor an event stream",
    },
    Fault {
        name: "no-array",
        answer: Some(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":\"ID\",\"result\":{\"tools\":1}}",
        ),
        told: "server calendar sent ",
    },
];

#[tokio::test]
async fn what_is_wrong_with_a_server_is_told_and_nothing_worse_happens() {
    let servers = gateway();
    let nonsense = serve(FAULTS).await;
    let bootstrap = Bootstrap::gateway(servers.weather.address, nonsense)
        .replace(
            "                    - name: calendar\n",
            "                    - name: calendar\n                      timeout: 2s\n",
        )
        .replace(
            SHIPPED_CORS,
            "                    failedServerTtl: 0s\n                    failureMode: FAIL",
        );
    let strict = Envoy::start("nonsense_strict", &bootstrap);
    let lenient = bootstrap.replace("failureMode: FAIL", "failureMode: BEST_EFFORT");
    let lenient = Envoy::start("nonsense_lenient", &lenient);
    for fault in FAULTS {
        let list = modern("1", "tools/list").header("tracestate", fault.name);
        let answer = list.send(strict.address).await;
        assert_eq!(answer.status, 502, "{}: {answer:?}", fault.name);
        let answer = answer.json();
        assert_eq!(answer["error"]["code"], -32603, "{}", fault.name);
        let message = answer["error"]["message"].as_str().expect("a message");
        assert!(message.starts_with(fault.told), "{}: {message}", fault.name);

        let answer = list.send(lenient.address).await.json();
        let tools = answer["result"]["tools"].as_array().map(Vec::len);
        assert_eq!(tools, Some(3), "{}: {answer}", fault.name);

        // The other server still answers calls.
        let call = |tool| call("1", tool, "{}").header("tracestate", fault.name);
        let answer = call("weather__list_cities").send(strict.address).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", fault.name);
    }
    // The text of a server must not add lines to Envoy's log.
    let log = lenient.log().join("\n");
    assert!(!log.contains("no\ncalendar"), "{log}");
}
