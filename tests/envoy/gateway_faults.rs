//! Every way in which a server can fail a list or a call: what the client gets, what is counted,
//! and that the other server still works.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::Recorded;
use crate::harness::envoy::Envoy;
use crate::harness::http::Answer;
use crate::harness::message::{call, modern};
use crate::harness::wire::{self, Act};

/// What the client gets.
enum Comes {
    /// An error with this status. After the server's name, its message begins with this text.
    Error(u16, &'static str),
    /// The server's own answer, with this status.
    Passes(u16),
}
use Comes::{Error, Passes};

#[derive(Clone, Copy)]
enum How {
    Whole,
    /// Announces one byte more than it sends, and closes the connection.
    Promises,
    /// Announces the length of the body.
    Announces,
    /// Sends the body in two parts.
    Pauses,
    Slow,
    Hangs,
    Resets,
}

struct Fault {
    name: &'static str,
    how: How,
    /// The status line and the headers. If this is empty, the server sends nothing.
    head: &'static str,
    /// `ID` stands for the id of the request.
    body: &'static str,
    call: Comes,
    /// How the error about the list begins after the server's name. `None` if the list succeeds.
    list: Option<&'static str>,
}

const fn whole(
    name: &'static str,
    head: &'static str,
    body: &'static str,
    call: Comes,
    list: Option<&'static str>,
) -> Fault {
    Fault {
        name,
        how: How::Whole,
        head,
        body,
        call,
        list,
    }
}

const OK: &str = "200 OK\r\ncontent-type: application/json";
const HTML: &str = "<html><body>Sorry</body></html>";
const GOOD: &str = r#"{"jsonrpc":"2.0","id":ID,"result":{"resultType":"complete","tools":[{"name":"t"}],"content":[]}}"#;
const LONG: &str = r#"{"jsonrpc":"2.0","id":ID,"result":{"content":[],"tools":[],"x":"LONG"}}"#;
const SAYS_NO: &str =
    r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32050,"message":"no","data":{"x":1.10}}}"#;

#[rustfmt::skip]
const FAULTS: &[Fault] = &[
    Fault { name: "closes", how: How::Whole, head: "", body: "", call: Error(502, ""), list: Some("") },
    Fault { name: "resets", how: How::Resets, head: "", body: "", call: Error(502, ""), list: Some("") },
    Fault { name: "hangs", how: How::Hangs, head: "", body: "", call: Error(504, "did not answer in time"), list: Some("did not answer in time") },
    Fault { name: "is slow", how: How::Slow, head: OK, body: GOOD, call: Passes(200), list: None },
    Fault { name: "resets after the head", how: How::Resets, head: OK, body: "", call: Error(502, ""), list: Some("") },
    Fault { name: "resets in the body", how: How::Resets, head: OK, body: "{\"jsonrpc\":\"2.0\",\"id\":ID,", call: Error(502, ""), list: Some("") },
    Fault { name: "hangs after the head", how: How::Hangs, head: OK, body: "", call: Error(504, ""), list: Some("did not answer in time") },
    Fault { name: "hangs in the body", how: How::Hangs, head: OK, body: "{\"jsonrpc\":\"2.0\",\"id\":ID,", call: Error(504, ""), list: Some("did not answer in time") },
    Fault { name: "sends less than it promised", how: How::Promises, head: OK, body: GOOD, call: Error(502, ""), list: Some("") },
    whole("speaks no HTTP", "SSH-2.0-OpenSSH_9.2", "", Error(502, ""), Some("")),
    whole("answers 500 with HTML", "500 Oops\r\ncontent-type: text/html", HTML, Error(502, "answered HTTP 500"), Some("answered HTTP 500")),
    whole("answers 500 with nothing", "500 Oops", "", Error(502, "answered HTTP 500"), Some("answered HTTP 500")),
    whole("answers 502 with HTML", "502 Bad\r\ncontent-type: text/html", HTML, Error(502, "answered HTTP 502"), Some("answered HTTP 502")),
    whole("answers 503", "503 Later\r\nretry-after: 7\r\ncontent-type: text/plain", "later", Error(502, ""), Some("")),
    whole("answers 504", "504 Late\r\ncontent-type: text/plain", "late", Error(502, ""), Some("did not answer in time")),
    whole("answers 500 in JSON-RPC", "500 Oops\r\ncontent-type: application/json", SAYS_NO, Error(502, "answered HTTP 500"), Some("answered error -32050")),
    whole("answers 400 with HTML", "400 Bad\r\ncontent-type: text/html", HTML, Error(502, "answered HTTP 400"), Some("answered HTTP 400")),
    whole("answers 404 with HTML", "404 Not\r\ncontent-type: text/html", HTML, Error(502, "answered HTTP 404"), Some("answered HTTP 404")),
    whole("answers 404 with JSON that is no JSON-RPC", "404 Not\r\ncontent-type: application/json", r#"{"detail":"Not Found"}"#, Error(502, "answered HTTP 404"), Some("answered HTTP 404")),
    whole("answers 404 in JSON-RPC", "404 Not\r\ncontent-type: application/json", SAYS_NO, Passes(404), Some("answered error -32050: no")),
    whole("answers 400 in JSON-RPC", "400 Bad\r\ncontent-type: application/json; charset=utf-8", SAYS_NO, Passes(400), Some("answered error -32050: no")),
    whole("answers 429 in JSON-RPC", "429 Slow\r\ncontent-type: application/json\r\nretry-after: 7", SAYS_NO, Passes(429), Some("answered error -32050: no")),
    whole("answers 429 in text", "429 Slow\r\ncontent-type: text/plain", "slow down", Error(502, "answered HTTP 429"), Some("answered HTTP 429")),
    whole("answers 401", "401 Who\r\ncontent-type: text/plain", "who?", Error(502, "refused the gateway's credentials"), Some("refused the gateway's credentials")),
    whole("answers 401 with nothing", "401 Who\r\ncontent-length: 0", "", Error(502, "refused the gateway's credentials"), Some("refused the gateway's credentials")),
    whole("answers 401 in JSON-RPC", "401 Who\r\ncontent-type: application/json", SAYS_NO, Error(502, "refused the gateway's credentials"), Some("refused the gateway's credentials")),
    whole("answers 403", "403 No\r\ncontent-type: application/json", SAYS_NO, Error(502, "refused the gateway's credentials"), Some("refused the gateway's credentials")),
    whole("redirects", "302 There\r\nlocation: https://secret.example.com/", "", Error(502, "answered HTTP 302"), Some("answered HTTP 302")),
    whole("answers 202", "202 Taken\r\ncontent-length: 0", "", Error(502, "answered HTTP 202"), Some("answered HTTP 202")),
    whole("answers 204", "204 Nothing", "", Error(502, "answered HTTP 204"), Some("answered HTTP 204")),
    whole("answers nothing", "200 OK\r\ncontent-length: 0", "", Error(502, "sent "), Some("sent ")),
    whole("answers HTML", "200 OK\r\ncontent-type: text/html", HTML, Error(502, "sent "), Some("sent ")),
    whole("answers with an error", OK, SAYS_NO, Passes(200), Some("answered error -32050: no")),
    whole("answers with an error without an id", OK, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what?"}}"#, Passes(200), Some("sent ")),
    whole("answers something else", OK, r#"{"jsonrpc":"2.0","id":"gw-1","result":{"content":[],"tools":[]}}"#, Error(502, "sent no JSON-RPC response"), Some("sent no JSON-RPC response")),
    whole("answers with a request", OK, r#"{"jsonrpc":"2.0","id":ID,"method":"ping"}"#, Error(502, "sent no JSON-RPC response"), Some("sent no JSON-RPC response")),
    whole("answers in a batch", OK, r#"[{"jsonrpc":"2.0","id":ID,"result":{"tools":[],"content":[]}}]"#, Error(502, "sent no JSON-RPC response"), Some("sent no JSON-RPC response")),
    whole("answers with half of it", OK, r#"{"jsonrpc":"2.0","id":ID,"result":{"content":["#, Error(502, "sent no JSON-RPC response"), Some("sent no JSON-RPC response")),
    // The filter holds back only the start of an answer. A longer answer is already on its way to
    // the client when the filter finds its fault.
    Fault { name: "answers more than one may", how: How::Pauses, head: OK, body: LONG, call: Error(200, "sent an answer of more than 100000 bytes"), list: Some("sent an answer of more than 100000 bytes") },
    Fault { name: "announces more than one may", how: How::Announces, head: OK, body: LONG, call: Error(502, "sent an answer of more than 100000 bytes"), list: Some("sent an answer of more than 100000 bytes") },
    whole("answers in gzip", "200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip", "\u{1f}zipped", Error(502, "used a content-encoding"), Some("used a content-encoding")),
    whole("answers with events and no answer", "200 OK\r\ncontent-type: text/event-stream", ": hello\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\n", Error(200, "sent "), Some("sent no JSON-RPC response")),
    whole("answers with nothing but the type of events", "200 OK\r\ncontent-type: text/event-stream", "", Error(200, "sent "), Some("sent no JSON-RPC response")),
];

fn script(fault: &Fault, request: &Recorded) -> Vec<Act> {
    if fault.head.is_empty() {
        return match fault.how {
            How::Hangs => vec![Act::Hang],
            How::Resets => vec![Act::Reset],
            _ => Vec::new(),
        };
    }
    let id = request.json()["id"].to_string();
    let body = fault.body.replace("ID", &id);
    let body = body.replace("LONG", &"x".repeat(100_000));
    let length = match fault.how {
        How::Announces => format!("\r\ncontent-length: {}", body.len()),
        How::Promises | How::Resets | How::Hangs => {
            format!("\r\ncontent-length: {}", body.len() + 1)
        }
        _ => String::new(),
    };
    let head = if fault.head.starts_with("SSH") {
        fault.head.to_owned()
    } else {
        let head = fault.head;
        format!(
            "HTTP/1.1 {head}{length}\r\nset-cookie: a=secret\r\nwww-authenticate: Basic realm=\"secret\"\r\nmcp-session-id: secret\r\nconnection: close\r\n\r\n"
        )
    };
    let mut acts = match fault.how {
        How::Slow => vec![Act::Wait(Duration::from_millis(300))],
        _ => Vec::new(),
    };
    if matches!(fault.how, How::Pauses) {
        let (first, second) = body.split_at(body.len() / 2);
        let pause = Act::Wait(Duration::from_millis(500));
        return vec![
            Act::Write(head + first),
            pause,
            Act::Write(second.to_owned()),
        ];
    }
    acts.push(Act::Write(head + &body));
    acts.extend(match fault.how {
        // The other side should have received the answer by then.
        How::Resets => vec![Act::Wait(Duration::from_millis(100)), Act::Reset],
        How::Hangs => vec![Act::Hang],
        _ => Vec::new(),
    });
    acts
}

const ALL: &str = r#"{"jsonrpc":"2.0","id":ID,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}}"#;

/// A server that answers `server/discover`, and fails every other request with the current fault.
async fn broken() -> (std::net::SocketAddr, Arc<Mutex<usize>>) {
    let current = Arc::new(Mutex::new(0));
    let fault = Arc::clone(&current);
    let address = wire::serve(move |request| {
        let message = request.json();
        if message["method"] == "server/discover" {
            return wire::json(&ALL.replace("ID", &message["id"].to_string()));
        }
        let at = *fault.lock().unwrap_or_else(PoisonError::into_inner);
        script(&FAULTS[at], request)
    })
    .await;
    (address, current)
}

async fn good() -> std::net::SocketAddr {
    wire::serve(|request| {
        let message = request.json();
        let id = message["id"].to_string();
        let body = if message["method"] == "server/discover" {
            ALL
        } else {
            GOOD
        };
        wire::json(&body.replace("ID", &id))
    })
    .await
}

/// The names of the tools in a list.
fn tools(answer: &Value) -> Vec<&str> {
    let tools = answer["result"]["tools"].as_array().expect("a list");
    tools
        .iter()
        .map(|tool| tool["name"].as_str().expect("a name"))
        .collect()
}

/// An id that JSON can write in another way too. The client must get it back unchanged.
const ID: &str = r#""\u0069d""#;

fn assert_error(answer: &Answer, status: u16, told: &str, what: &str) {
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    let start = format!(r#"{{"jsonrpc":"2.0","id":{ID},"#);
    assert!(answer.json_text().starts_with(&start), "{what}: {answer:?}");
    let error = &answer.json()["error"];
    assert_eq!(error["code"], -32603, "{what}");
    let message = error["message"].as_str().expect("a message");
    assert!(message.starts_with(told), "{what}: {message}");
}

/// These counters of `mcp.`, in this order.
fn counted(envoy: &Envoy) -> [u64; 5] {
    [
        "server.broken.failures",
        "server.broken.timeouts",
        "rejected.server_failed",
        "server.good.failures",
        "server.good.timeouts",
    ]
    .map(|name| envoy.stat(&format!("wasmcustom.mcp.{name}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_server_has_one_outcome_and_no_others_suffer() {
    let (good, (broken, current)) = (good().await, broken().await);
    let clusters = [("good", good), ("broken", broken)];
    let start = |timeout: &str, mode: &str| {
        let config = format!(
            r#"{{"servers":[{{"name":"good"}},{{"name":"broken","timeout":"{timeout}"}}],"maxResponseBytes":100000,"failureMode":"{mode}","failedServerTtl":"0s"}}"#
        );
        let bootstrap = Bootstrap::servers(&config, &clusters).replace(
            "timeout: 0s, idle_timeout: 300s",
            &format!("timeout: {timeout}"),
        );
        Envoy::with_workers(1, &format!("faults_{mode}_{timeout}"), &bootstrap)
    };
    // A server that hangs exceeds any timeout. All others must not exceed it on a busy machine
    // either.
    let [short, long] = ["1.5s", "30s"].map(|it| (start(it, "FAIL"), start(it, "BEST_EFFORT")));
    let mut wrong = Vec::new();
    for (at, fault) in FAULTS.iter().enumerate() {
        *current.lock().unwrap_or_else(PoisonError::into_inner) = at;
        let (strict, lenient) = match fault.how {
            How::Hangs => &short,
            _ => &long,
        };
        let checks = async {
            let list = modern(ID, "tools/list");
            let [failures, timeouts, rejected, ..] = counted(strict);
            let answer = list.send(strict.address).await;
            let timed_out = fault.list.is_some_and(|told| told.contains("in time"));
            match fault.list {
                Some(told) => {
                    assert_error(&answer, 502, &format!("server broken {told}"), fault.name)
                }
                None => assert_eq!(
                    tools(&answer.json()),
                    ["good__t", "broken__t"],
                    "{}",
                    fault.name
                ),
            }
            let failed = u64::from(fault.list.is_some());
            let expected = [
                failures + failed,
                timeouts + u64::from(timed_out),
                rejected + failed,
                0,
                0,
            ];
            assert_eq!(counted(strict), expected, "{}: list", fault.name);

            let [failures, timeouts, rejected, ..] = counted(lenient);
            let answer = list.send(lenient.address).await;
            assert_eq!(
                tools(&answer.json()).first(),
                Some(&"good__t"),
                "{}",
                fault.name
            );
            assert_eq!(
                tools(&answer.json()).len() as u64,
                2 - failed,
                "{}",
                fault.name
            );
            let expected = [
                failures + failed,
                timeouts + u64::from(timed_out),
                rejected,
                0,
                0,
            ];
            assert_eq!(counted(lenient), expected, "{}: list", fault.name);
        };
        if let Some(error) = caught(checks) {
            wrong.push(format!("{} (list): {error}", fault.name));
        }
        let checks = async {
            let [failures, timeouts, rejected, ..] = counted(strict);
            let request = call(ID, "broken__t", "{}");
            let answer = request.send(strict.address).await;
            let mut failed = (1, 1);
            let mut timed_out = 0;
            match &fault.call {
                Passes(status) => {
                    assert_eq!(answer.status, *status, "{}: {answer:?}", fault.name);
                    assert_eq!(
                        answer.text(),
                        fault.body.replace("ID", r#""id""#),
                        "{}",
                        fault.name
                    );
                    assert!(
                        answer
                            .header("content-type")
                            .expect("a type")
                            .starts_with("application/json")
                    );
                    let retry = (*status == 429).then_some("7");
                    assert_eq!(answer.header("retry-after"), retry, "{}", fault.name);
                    assert_private(&answer, fault.name);
                    failed = (0, 0);
                }
                Error(status, told) => {
                    assert_error(
                        &answer,
                        *status,
                        &format!("server broken {told}"),
                        fault.name,
                    );
                    assert_private(&answer, fault.name);
                    assert_eq!(answer.header("retry-after"), None, "{}", fault.name);
                    timed_out = u64::from(*status == 504);
                }
            }
            let expected = [
                failures + failed.0,
                timeouts + timed_out,
                rejected + failed.1,
                0,
                0,
            ];
            assert_eq!(counted(strict), expected, "{}: call", fault.name);
        };
        if let Some(error) = caught(checks) {
            wrong.push(format!("{} (call): {error}", fault.name));
        }
        let answer = call("1", "good__t", "{}").send(strict.address).await;
        assert_eq!(
            answer.json()["result"]["content"],
            json!([]),
            "{}",
            fault.name
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Headers that the server sends to its own clients must not reach this client.
fn assert_private(answer: &Answer, what: &str) {
    let headers = format!("{:?}", answer.headers);
    assert!(!headers.contains("secret"), "{what}: {answer:?}");
}

/// The message of the panic of `checks`, if they panic. So the test can report all faults at the
/// end.
fn caught(checks: impl Future<Output = ()>) -> Option<String> {
    let checks = || Handle::current().block_on(checks);
    let caught = || catch_unwind(AssertUnwindSafe(checks)).err();
    let panic = tokio::task::block_in_place(caught)?;
    let told = panic.downcast_ref::<String>();
    Some(told.map_or_else(|| "a panic".to_owned(), Clone::clone))
}
