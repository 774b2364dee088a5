//! Thousands of requests, good and hostile. Envoy must answer all of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::harness::http::{Answer, Connection, Request};
use crate::harness::message::{call, initialize, legacy, modern};
use crate::harness::shared::{gateway, policy};
use crate::random::Random;

const REQUESTS: u64 = 10_000;
const AT_ONCE: u64 = 16;
const DONE_WITHIN: Duration = Duration::from_secs(300);

fn bytes(random: &mut Random, longest: usize) -> Vec<u8> {
    let size = random.below(longest + 1);
    (0..size).map(|_| random.next().to_le_bytes()[0]).collect()
}

fn good(random: &mut Random) -> Request {
    let id = random.of(&["1", "70", r#""\u0061""#, "-7"]);
    let tools = [
        "get_weather",
        "get_forecast",
        "weather__get_weather",
        "weather__list_cities",
        "calendar__list_events",
        "nobody__knows",
    ];
    match random.below(6) {
        0 => modern(id, "tools/list"),
        1 => modern(id, "server/discover"),
        2 => modern(id, "ping"),
        3 => legacy(id, "tools/list", "{}"),
        4 => initialize(),
        _ => call(id, random.of(&tools), r#"{"city":"Berlin"}"#),
    }
}

/// Changes the body at one to four random places.
fn mutated(request: &Request, random: &mut Random) -> Request {
    let mut body = request.sent_body().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(body.len().max(1));
        match random.below(5) {
            0 => body.truncate(at),
            1 if at < body.len() => drop(body.remove(at)),
            2 => body.splice(at..at, bytes(random, 8)).for_each(drop),
            3 => {
                let piece = random.of(&["\"", "{", "}", "[", ",", ":", "\\u0000", "\\ud800", "\0"]);
                body.splice(at..at, piece.bytes()).for_each(drop);
            }
            _ if at < body.len() => body[at] = random.next().to_le_bytes()[0],
            _ => {}
        }
    }
    request.clone().body(body)
}

/// A value that a header may have, but that no reader of the header expects.
fn value(random: &mut Random) -> Vec<u8> {
    let mut value = match random.below(6) {
        0 => b"=?base64?".to_vec(),
        1 => b"application/json; charset=\"".to_vec(),
        2 => b"text/event-stream;q=0.000,*/*;q=".to_vec(),
        3 => "x".repeat(random.below(4000)).into(),
        _ => Vec::new(),
    };
    value.extend(bytes(random, 20));
    value.retain(|byte| !byte.is_ascii_control());
    value
}

pub(crate) fn hostile(random: &mut Random) -> Request {
    let request = good(random);
    let header = random.of(&[
        "accept",
        "content-type",
        "content-encoding",
        "origin",
        "mcp-name",
        "mcp-method",
        "mcp-protocol-version",
        "mcp-session-id",
        "x-mcp-cluster",
        "x-mcp-method",
        "x-mcp-params",
        "connection-x",
        "access-control-request-method",
        "traceparent",
    ]);
    let value = value(random);
    match random.below(9) {
        0 => mutated(&request, random),
        1 => mutated(&request, random).chunked(1 + random.below(50)),
        2 => request.with(header, value),
        3 => request.header(header, value),
        4 => request.body(bytes(random, 300)),
        5 => {
            let depth = 1 + random.below(5000);
            let nested = "[".repeat(depth) + &"]".repeat(depth);
            legacy("1", "tools/call", &format!(r#"{{"name":{nested}}}"#))
        }
        6 => {
            let name = "x".repeat(random.below(20_000));
            legacy("1", "tools/call", &format!(r#"{{"name":"{name}"}}"#))
        }
        7 => Request::new(
            random.of(&["GET", "PUT", "DELETE", "OPTIONS", "HEAD"]),
            "/mcp",
        )
        .header(header, value),
        _ => request.target(random.of(&["/", "/mcp/", "/mcp?", "//mcp", "/mcp#", "/%6dcp", "*"])),
    }
}

/// Closes the connection in the middle of a request.
async fn hang_up(to: SocketAddr, random: &mut Random) {
    let mut stream = TcpStream::connect(to).await.expect("a connection");
    let head = "POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\naccept: */*\r\ncontent-length: 100\r\n\r\n{\"jsonrpc\":";
    let size = random.below(head.len() + 1);
    let _ = stream.write_all(&head.as_bytes()[..size]).await;
}

/// Closes the connection without waiting for the answer.
async fn turn_away(to: SocketAddr, request: &Request) {
    let mut connection = Connection::open(to).await;
    let answer = connection.begin(request);
    let _ = timeout(Duration::from_millis(1), answer).await;
}

/// Sends requests until all are sent, on one connection as long as this stays open.
async fn attack(to: SocketAddr, requests: Arc<AtomicU64>, expected: &'static [u16]) {
    let mut connection = Connection::open(to).await;
    loop {
        let number = requests.fetch_add(1, Ordering::Relaxed);
        if number >= REQUESTS {
            return;
        }
        // The request depends only on its number, so every run sends the same requests.
        let mut random = Random(number);
        let request = match random.below(20) {
            0..10 => good(&mut random),
            10 => {
                hang_up(to, &mut random).await;
                continue;
            }
            11 => {
                turn_away(to, &good(&mut random)).await;
                continue;
            }
            _ => hostile(&mut random),
        };
        let answer = match connection.send(&request).await {
            Ok(answer) => answer,
            // Envoy closes a connection on which it has refused a request.
            Err(_) => {
                connection = Connection::open(to).await;
                let answer = connection.send(&request).await;
                answer.unwrap_or_else(|error| panic!("{number}: {error}: {request:?}"))
            }
        };
        let is_expected = expected.contains(&answer.status);
        assert!(is_expected, "{number}: {answer:?} to {request:?}");
        assert_well_formed(&answer);
        if !connection.is_open() {
            connection = Connection::open(to).await;
        }
    }
}

fn assert_well_formed(answer: &Answer) {
    let length = answer.header("content-length");
    let length = length.map(|length| length.parse::<usize>().expect("a length"));
    // An answer to HEAD has no body, but the length of the body of GET.
    assert!(
        answer.body.is_empty() || length.is_none_or(|length| length == answer.body.len()),
        "{answer:?}"
    );
    if answer.header("content-type") == Some("application/json") && !answer.body.is_empty() {
        assert_eq!(answer.json()["jsonrpc"], "2.0", "{answer:?}");
    }
}

async fn attack_at_once(to: SocketAddr, expected: &'static [u16]) {
    let requests = Arc::new(AtomicU64::new(0));
    let mut attackers = JoinSet::new();
    for _ in 0..AT_ONCE {
        attackers.spawn(attack(to, Arc::clone(&requests), expected));
    }
    let done = async {
        while let Some(attacker) = attackers.join_next().await {
            if let Err(error) = attacker {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    };
    timeout(DONE_WITHIN, done).await.expect("an end in time");
}

#[tokio::test]
async fn the_policy_takes_whatever_comes() {
    let policy = policy();
    let to = policy.envoy.address;
    // Another status, such as 401 or 422, would come from the server.
    attack_at_once(to, &[200, 202, 204, 400, 403, 404, 405, 406, 413, 415]).await;
    assert_eq!(modern("1", "tools/list").send(to).await.status, 200);
}

#[tokio::test]
async fn the_gateway_takes_whatever_comes() {
    let gateway = gateway();
    let to = gateway.envoy.address;
    attack_at_once(to, &[200, 202, 204, 400, 403, 404, 405, 406, 413, 415]).await;
    let answer = modern("1", "tools/list").send(to).await;
    let tools = answer.json()["result"]["tools"].as_array().map(Vec::len);
    assert_eq!(tools, Some(6));
}
