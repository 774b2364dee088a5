//! Streamed answers: which URIs the gateway changes in them, when events arrive, and how streams
//! end. And answers that are larger than any buffer of Envoy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::Recorded;
use crate::harness::envoy::Envoy;
use crate::harness::http::{ANSWERED_WITHIN, Connection, Request};
use crate::harness::message::{about, call, modern};
use crate::harness::wire::{self, Act};

const DISCOVERED: &str = r#"{"jsonrpc":"2.0","id":ID,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}}"#;

/// A server that answers `server/discover` at once. `script` answers everything else.
async fn server(script: impl Fn(&Recorded) -> Vec<Act> + Send + Sync + 'static) -> SocketAddr {
    wire::serve(move |request| {
        let message = request.json();
        if message["method"] == "server/discover" {
            return wire::json(&DISCOVERED.replace("ID", &message["id"].to_string()));
        }
        script(request)
    })
    .await
}

fn envoy(name: &str, server: SocketAddr, rest: &str) -> (Envoy, Bootstrap) {
    let config = format!(r#"{{"servers":[{{"name":"a"}},{{"name":"b","timeout":"5s"}}]{rest}}}"#);
    let bootstrap = Bootstrap::servers(&config, &[("a", server), ("b", server)]);
    (Envoy::start(name, &bootstrap), bootstrap)
}

fn events() -> String {
    wire::head("200 OK", "text/event-stream")
}

/// Reads the body until `length` bytes have arrived or the body ends.
async fn next(body: &mut Incoming, length: usize) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while bytes.len() < length {
            match body.frame().await {
                Some(Ok(frame)) => bytes.extend(frame.into_data().unwrap_or_default()),
                Some(Err(error)) => panic!("{error} after {:?}", String::from_utf8_lossy(&bytes)),
                None => break,
            }
        }
    };
    let in_time = timeout(ANSWERED_WITHIN, read).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(in_time.is_ok(), "only {text:?} came in time");
    text
}

/// Sends `request`. The answer must begin with status 200 and the content type of events.
async fn begin(to: SocketAddr, request: &Request) -> Incoming {
    let mut connection = Connection::open(to).await;
    let answer = timeout(ANSWERED_WITHIN, connection.begin(request))
        .await
        .expect("an answer in time");
    let answer = answer.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"text/event-stream".parse().expect("a value"))
    );
    assert!(!format!("{:?}", answer.headers()).contains("secret"));
    answer.into_body()
}

/// Methods, names and results. `@` marks the places where the server's prefix belongs.
const RESULTS: &[(&str, &str, &str)] = &[
    (
        "tools/call",
        "a__t",
        r#"{"content":[{"uri":"@file:///ä","type":"resource_link", "name":"n"},{"type":"resource","resource":{"uri":"@x:\u0061","text":"file:///x"}},{"type":"text","text":"file:///y","uri":"z"}],"structuredContent":{"uri":"file:///x","n":1.10,"big":12345678901234567890123},"isError":false}"#,
    ),
    (
        "prompts/get",
        "a__p",
        r#"{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"@file:///p","blob":""}}},{"role":"user","content":{"type":"resource_link","uri":"@p:q"}}],"description":"file:///x"}"#,
    ),
    (
        "resources/read",
        "a+file:///r",
        r#"{"contents":[{"uri":"@file:///r","text":"file:///r"},{"uri":"@file:///s","_meta":{"uri":"x"}}],"uri":"x"}"#,
    ),
];

/// A result as a stream of events that uses all forms that the format allows.
fn streamed(result: &str) -> String {
    let answer = format!(r#"{{"jsonrpc":"2.0","id":"ü","result":{result}}}"#);
    let (first, second) = answer.split_at(answer.find(',').expect("members") + 1);
    format!(
        ": priming\r\nid: 1\r\nretry: 10\r\ndata:\r\n\r\nevent: message\rdata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{\"level\":\"info\",\"data\":\"file:///log\"}}}}\r\rid: 2\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{{\"uri\":\"@file:///u\"}}}}\n\nid: 3\nevent: message\ndata: {first}\ndata: {second}\n\n"
    )
}

/// The messages of a stream, parsed as browsers parse them.
fn messages(text: &str) -> Vec<Value> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let data = |event: &str| {
        let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let data = text.split_terminator("\n\n").map(data);
    let message = |data: String| {
        serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"))
    };
    data.filter(|data| !data.is_empty()).map(message).collect()
}

fn result(request: &Recorded) -> &'static str {
    let method = request.header("mcp-method").expect("a method");
    let (.., result) = RESULTS
        .iter()
        .find(|(known, ..)| *known == method)
        .expect("a method");
    result
}

#[tokio::test]
async fn uris_are_renamed_in_json_and_in_events_wherever_a_chunk_ends() {
    let server = server(|request| {
        let events = streamed(result(request)).replace('@', "");
        match request.header("baggage") {
            Some("json") => {
                let answer = format!(
                    r#"{{"jsonrpc":"2.0","id":"ü","result":{}}}"#,
                    result(request)
                );
                wire::json(&answer.replace('@', ""))
            }
            Some("bytewise") => vec![Act::Write(self::events()), Act::Bytewise(events)],
            _ => vec![Act::Write(self::events() + &events)],
        }
    })
    .await;
    let (envoy, _) = envoy("streams_renamed", server, "");
    for (method, name, result) in RESULTS {
        for way in ["json", "at once", "bytewise"] {
            let request = about(r#""ü""#, method, name).header("baggage", way);
            let answer = request.send(envoy.address).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let renamed = |text: &str| text.replace('@', "a+");
            if way == "json" {
                let expected = format!(r#"{{"jsonrpc":"2.0","id":"ü","result":{result}}}"#);
                assert_eq!(answer.text(), renamed(&expected), "{method}");
                continue;
            }
            let expected = messages(&renamed(&streamed(result)));
            assert_eq!(
                messages(answer.text()),
                expected,
                "{method} {way}: {:?}",
                answer.text()
            );
            assert_eq!(expected.len(), 3);
            // The other lines of the events stay.
            for line in [
                "id: 1",
                "retry: 10",
                "id: 2",
                "id: 3",
                "event: message",
                ": priming",
            ] {
                assert!(answer.text().contains(line), "{line}: {:?}", answer.text());
            }
            // Numbers keep their spelling.
            let number = r#""n":1.10,"big":12345678901234567890123"#;
            assert_eq!(answer.text().contains(number), *method == "tools/call");
        }
    }
}

fn progress(n: u32) -> String {
    format!(
        "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{\"progressToken\":1,\"progress\":{n}}}}}\n\n"
    )
}

const ANSWER: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[]}}\n\n";

#[tokio::test]
async fn progress_arrives_while_the_server_still_works() {
    let permits = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&permits);
    let server = server(move |_| {
        let wait = || Act::Until(Arc::clone(&gate));
        vec![
            Act::Write(events()),
            wait(),
            Act::Write(progress(1)),
            wait(),
            Act::Write(progress(2)),
            wait(),
            Act::Write(ANSWER.to_owned()),
        ]
    })
    .await;
    let (envoy, _) = envoy("streams_progress", server, "");
    let mut body = begin(envoy.address, &call("1", "a__t", "{}")).await;
    for event in [progress(1), progress(2), ANSWER.to_owned()] {
        // The server sends the next event only after the client has received the one before.
        permits.add_permits(1);
        assert_eq!(next(&mut body, event.len()).await, event);
    }
    assert_eq!(next(&mut body, 1).await, "");
    // If a client closes its connection, this does not count as a failure of the server.
    permits.add_permits(1);
    let mut body = begin(envoy.address, &call("1", "a__t", "{}")).await;
    next(&mut body, progress(1).len()).await;
    drop(body);
    // The connection is a task on this thread. It needs time to close.
    tokio::time::sleep(Duration::from_millis(200)).await;
    envoy.access_logged("downstream_remote_disconnect");
    assert_eq!(envoy.stat("wasmcustom.mcp.server.a.failures"), 0);
}

#[tokio::test]
async fn a_stream_without_end_times_out_a_list_and_not_a_call() {
    let server = server(|_| {
        vec![
            Act::Write(events() + ": here\n\n" + &progress(1)),
            Act::Hang,
        ]
    })
    .await;
    let (envoy, _) = envoy("streams_endless", server, "");
    let mut body = begin(envoy.address, &call("1", "b__t", "{}")).await;
    let first = format!(": here\n\n{}", progress(1));
    assert_eq!(next(&mut body, first.len()).await, first);
    // The timeout of `b` is five seconds. `a` has the default.
    let answer = modern("1", "tools/list").send(envoy.address).await;
    assert_eq!(answer.status, 502, "{answer:?}");
    let message = answer.json()["error"]["message"].to_string();
    assert!(
        message.contains("server a ") && message.contains("server b "),
        "{message}"
    );
    for name in ["a", "b"] {
        assert_eq!(
            envoy.stat(&format!("wasmcustom.mcp.server.{name}.timeouts")),
            1,
            "{name}"
        );
    }
    // The call still goes on: the timeout does not apply to it.
    let more = timeout(Duration::from_millis(200), body.frame()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn a_stream_that_fails_ends_with_an_error() {
    let server = server(|request| {
        let long = format!(
            "data: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"x\":\"{}\"}}}}",
            "x".repeat(20_000)
        );
        let rest = match request.header("baggage") {
            Some("too long") => format!("{long}\n\n{}", progress(2)),
            Some("too long and without end") => long,
            Some("no answer") => progress(2),
            Some("another's answer") => ANSWER.replace("\"id\":1", "\"id\":2"),
            Some("half an answer") => ANSWER.trim_end().to_owned(),
            other => panic!("{other:?}"),
        };
        let mut acts = vec![Act::Write(events() + &progress(1) + &rest)];
        if request.header("baggage") == Some("too long and without end") {
            acts.push(Act::Hang);
        }
        acts
    })
    .await;
    let (envoy, _) = envoy("streams_fail", server, r#","maxResponseBytes":10000"#);
    let count = |name: &str| envoy.stat(&format!("wasmcustom.mcp.{name}"));
    for (at, (way, before, told)) in (1..).zip([
        (
            "too long",
            1,
            "server a sent an answer of more than 10000 bytes",
        ),
        (
            "too long and without end",
            1,
            "server a sent an answer of more than 10000 bytes",
        ),
        ("no answer", 2, "server a sent "),
        ("another's answer", 2, "server a sent "),
        ("half an answer", 1, "server a sent "),
    ]) {
        let request = call("1", "a__t", "{}").header("baggage", way);
        let mut body = begin(envoy.address, &request).await;
        let text = if way == "too long and without end" {
            // Whether or not the server closes the connection, no more data comes.
            let text = next(&mut body, 200).await;
            let more = timeout(Duration::from_millis(200), body.frame()).await;
            assert!(!matches!(more, Ok(Some(Ok(_)))), "{more:?}");
            text
        } else {
            next(&mut body, usize::MAX).await
        };
        let mut messages = messages(&text);
        let error = messages.pop().expect("an error");
        assert_eq!(messages.len(), before, "{way}: {text}");
        assert_eq!(
            (&error["jsonrpc"], &error["id"], &error["error"]["code"]),
            (&json!("2.0"), &json!(1), &json!(-32603)),
            "{way}: {text}"
        );
        let message = error["error"]["message"].as_str().expect("a message");
        assert!(message.starts_with(told), "{way}: {message}");
        assert!(!text.contains("xxx"), "{way}: {text}");
        assert_eq!(
            (count("server.a.failures"), count("rejected.server_failed")),
            (at, at),
            "{way}"
        );
    }
}

#[tokio::test]
async fn answers_larger_than_any_buffer_of_envoys_come_whole() {
    const SIZE: usize = 6 << 20;
    let answer = |link: &str| {
        let text = "0123456789abcdef".repeat(SIZE / 16);
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"type":"text","text":"{text}"}},{{"type":"resource_link","uri":"{link}file:///x","name":"x"}}]}}}}"#
        )
    };
    let server = server(move |request| match request.header("baggage") {
        Some("json") => wire::json(&answer("")),
        _ => vec![Act::Write(format!("{}data: {}\n\n", events(), answer("")))],
    })
    .await;
    let (shipped, bootstrap) = envoy("streams_large", server, "");
    let tight = |name, limit: u32| {
        let limit = format!("per_connection_buffer_limit_bytes: {limit}");
        let shipped = "per_connection_buffer_limit_bytes: 4194304";
        // The limit also applies to the connections to servers, so that what Envoy reads at once
        // fits into the buffer.
        let cluster = format!("    connect_timeout: 5s\n    {limit}\n");
        let bootstrap = bootstrap.clone().replace(shipped, &limit);
        let bootstrap = bootstrap.replace_all("    connect_timeout: 5s\n", &cluster);
        Envoy::start(name, &bootstrap)
    };
    let (default, small) = (
        tight("streams_large_1m", 1 << 20),
        tight("streams_large_64k", 1 << 16),
    );
    for envoy in [&shipped, &default, &small] {
        for way in ["json", "events"] {
            let request = call("1", "a__t", "{}").header("baggage", way);
            let got = request.send(envoy.address).await;
            assert_eq!(got.status, 200, "{way}: {:?}", got.headers);
            let expected = answer("a+");
            let same = match way {
                "json" => got.text() == expected,
                _ => got.text() == format!("data: {expected}\n\n"),
            };
            assert!(
                same,
                "{way}: {} bytes of {}",
                got.body.len(),
                expected.len()
            );
        }
    }
}
