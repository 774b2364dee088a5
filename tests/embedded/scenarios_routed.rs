//! Answers to routed requests, which Envoy may cut anywhere.

use crate::host::{Host, Plugin, Reply, Request, Response, Stream};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

fn gateway(rest: &str, buffer: usize) -> Plugin {
    Host::new()
        .cluster("a")
        .cluster("b")
        .buffer_limit(buffer)
        .configure(&format!(
            r#"{{"servers":[{{"name":"a","protocol":"MODERN"}},{{"name":"b","protocol":"MODERN"}}]{rest}}}"#
        ))
        .expect("a configuration")
}

/// A call of the tool `t` of `a` that has gone on to the server.
fn called(plugin: &Plugin) -> Stream {
    let mut stream = plugin.stream();
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"i","method":"tools/call","params":{{"name":"a__t",{META}}}}}"#
    );
    let request = Request::post("/mcp")
        .json(body)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "a__t");
    stream.request(request);
    stream.expect_released();
    stream
}

/// What the client gets of `response`, whose body comes in these pieces. The end of the stream
/// comes with the last piece, or after it.
fn answered(plugin: &Plugin, response: &Response, pieces: &[&[u8]], ends_with_last: bool) -> Reply {
    let mut stream = called(plugin);
    stream.respond_headers(response, false);
    for (at, piece) in pieces.iter().enumerate() {
        stream.respond_data(piece, ends_with_last && at + 1 == pieces.len());
    }
    if !ends_with_last {
        stream.respond_data("", true);
    }
    let reply = stream.reply().expect("an answer");
    assert!(reply.complete, "{reply:?}");
    reply
}

/// `@` marks the places where the server's prefix belongs.
const EVENTS: &str = ": ä\r\nid: 1\r\ndata:\r\n\r\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progress\":1}}\n\nevent: message\rdata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{\"uri\":\"@x:ü\"}}\r\rdata: {\"jsonrpc\":\"2.0\",\"id\":\"i\",\"result\":{\"content\":[{\"uri\":\"@file:///\\u0061\",\"type\":\"resource_link\"},{\"type\":\"text\",\"text\":\"x\"}]}}\r\n\r\n";
const JSON: &str = r#" {"jsonrpc":"2.0","result":{"content":[{"uri":"@file:///ü","type":"resource_link"},{"type":"resource","resource":{"text":"","uri":"@x:"}}],"n":1.10},"id":"\u0069"} "#;

fn sent(text: &str) -> Vec<u8> {
    text.replace('@', "").into_bytes()
}

#[test]
fn uris_are_renamed_wherever_an_answer_is_cut() {
    let plugin = gateway("", 1 << 20);
    let events = Response::new(200).header("content-type", "text/event-stream; charset=utf-8");
    let json = Response::json(200, "");
    for (response, text) in [(&events, EVENTS), (&json, JSON)] {
        let (body, expected) = (sent(text), text.replace('@', "a+"));
        for at in 0..=body.len() {
            let (first, second) = body.split_at(at);
            for ends_with_last in [true, false] {
                let reply = answered(&plugin, response, &[first, second], ends_with_last);
                assert_eq!(
                    (reply.status, reply.text()),
                    (200, expected.clone()),
                    "{at}"
                );
            }
        }
        let pieces: Vec<&[u8]> = body.chunks(1).collect();
        let reply = answered(&plugin, response, &pieces, false);
        // White space after the message may be missing.
        assert_eq!(reply.text().trim_end(), expected.trim_end());
    }
    assert_eq!(plugin.metric("mcp.server.a.failures").unwrap_or(0), 0);
}

#[test]
fn each_event_goes_on_as_soon_as_it_is_complete() {
    let plugin = gateway("", 1 << 20);
    let mut stream = called(&plugin);
    let events = Response::new(200).header("content-type", "text/event-stream");
    stream.respond_headers(&events, false);
    let mut expected = String::new();
    for event in EVENTS
        .replace("\r\r", "\r\n\r\n")
        .split_inclusive("\n\r\n")
        .flat_map(|part| part.split_inclusive("\n\n"))
    {
        expected += &event.replace('@', "a+");
        for byte in sent(event) {
            stream.respond_data([byte], false);
        }
        let reply = stream.reply().expect("headers at least");
        assert_eq!(reply.text(), expected);
    }
    assert!(expected.matches("data: {").count() == 3, "{expected:?}");
}

#[test]
fn what_is_no_answer_is_told_with_a_status_wherever_it_is_cut() {
    let plugin = gateway(r#","maxResponseBytes":500"#, 1 << 20);
    let long = format!(
        r#"{{"jsonrpc":"2.0","id":"i","result":{{"x":"{}"}}}}"#,
        "x".repeat(500)
    );
    let mut failures = 0;
    for (status, body) in [
        (200, r#"{"jsonrpc":"2.0","id":"j","result":{}}"#),
        (200, r#"{"jsonrpc":"2.0","id":"i","result":{"#),
        (404, r#"{"detail":"no"}"#),
        (200, &long),
        (200, "\u{feff}{}"),
    ] {
        for at in (0..=body.len()).step_by(7) {
            let (first, second) = body.as_bytes().split_at(at);
            let reply = answered(
                &plugin,
                &Response::json(status, ""),
                &[first, second],
                at % 2 == 0,
            );
            assert_eq!(reply.status, 502, "{at} {body}: {reply:?}");
            let answer = reply.json();
            assert_eq!(
                (&answer["id"], &answer["error"]["code"]),
                (&"i".into(), &(-32603).into())
            );
            failures += 1;
            assert_eq!(plugin.metric("mcp.server.a.failures"), Some(failures));
            assert_eq!(plugin.metric("mcp.rejected.server_failed"), Some(failures));
        }
    }
}

#[test]
fn no_answer_is_too_large_for_the_hosts_buffer() {
    let buffer = 1 << 15;
    for size in [buffer / 4, buffer / 2, buffer, 3 * buffer] {
        let plugin = gateway("", buffer);
        let links = r#"{"type":"resource_link","uri":"@x"},"#.repeat(size / 40);
        let text = format!(r#"{{"jsonrpc":"2.0","id":"i","result":{{"content":[{links}{{}}]}}}}"#);
        let (body, expected) = (sent(&text), text.replace('@', "a+"));
        for piece in [buffer / 2, 1500] {
            let pieces: Vec<&[u8]> = body.chunks(piece).collect();
            let reply = answered(&plugin, &Response::json(200, ""), &pieces, false);
            assert_eq!(reply.status, 200, "{size}");
            assert!(
                reply.text() == expected,
                "{size}: {} bytes",
                reply.body.len()
            );
        }
        let events = Response::new(200).header("content-type", "text/event-stream");
        let body = [b"data: ", body.as_slice(), b"\n\n"].concat();
        let pieces: Vec<&[u8]> = body.chunks(buffer / 2).collect();
        let reply = answered(&plugin, &events, &pieces, false);
        assert!(reply.text() == format!("data: {expected}\n\n"), "{size}");
    }
}

#[test]
fn an_answer_is_read_as_its_client_would_read_it() {
    let plugin = gateway("", 1 << 20);
    let link =
        r#"{"jsonrpc":"2.0","id":"i","result":{"content":[{"type":"resource_link","uri":"@x:"}]}}"#;
    let events = "text/event-stream";
    for (kind, text) in [
        ("application/json;charset=utf-8", link.to_owned()),
        ("Application/JSON ; charset=UTF-8", link.to_owned()),
        ("TEXT/Event-Stream", format!("data: {link}\n\n")),
        // A byte order mark is not part of a field.
        (events, format!("\u{feff}data: {link}\n\n")),
        (events, format!("data:{link}\n\n")),
        (
            events,
            format!("data\nevent: message\nunknown: y\ndata: {link}\ndata\n\n"),
        ),
        (events, format!("data:  {link} \r\r")),
    ] {
        let response = Response::new(200).header("content-type", kind);
        let body = sent(&text);
        let (first, second) = body.split_at(body.len() / 2);
        let reply = answered(&plugin, &response, &[first, second], false);
        assert_eq!(reply.status, 200, "{text:?}");
        assert!(
            reply.text().contains(r#""uri":"a+x:""#),
            "{text:?}: {:?}",
            reply.text()
        );
        assert!(
            !reply.text().contains("error"),
            "{text:?}: {:?}",
            reply.text()
        );
    }
    assert_eq!(plugin.metric("mcp.server.a.failures").unwrap_or(0), 0);
}

/// HTTP/2 servers may send such trailers.
#[test]
fn trailers_behind_an_answer_take_nothing_away_from_it() {
    let plugin = gateway("", 1 << 20);
    for (response, text) in [
        (Response::json(200, ""), JSON.to_owned()),
        (
            Response::new(200).header("content-type", "text/event-stream"),
            EVENTS.to_owned(),
        ),
    ] {
        let response = response
            .body(sent(&text))
            .without_length()
            .trailer("server-timing", "x");
        let reply = called(&plugin).respond(response);
        let renamed = text.replace('@', "a+");
        let told = reply.status == 502 && reply.json()["error"]["code"] == -32603;
        assert!(
            reply.complete && (told || reply.text() == renamed),
            "{reply:?}"
        );
    }
}

/// The prefixes make this answer much longer.
#[test]
fn what_was_held_is_not_written_beyond_the_hosts_buffer() {
    let name = "a".repeat(64);
    let plugin = Host::new()
        .cluster("a")
        .buffer_limit(16_384)
        .configure(&format!(
            r#"{{"servers":[{{"name":"{name}","cluster":"a","toolPrefix":"a__","protocol":"MODERN"}}]}}"#
        ))
        .expect("a configuration");
    let links = vec![r#"{"type":"resource_link","uri":""}"#; 230].join(",");
    let body = format!(r#"{{"jsonrpc":"2.0","id":"i","result":{{"content":[{links}]}}}}"#);
    let (first, rest) = body.as_bytes().split_at(100);
    for ends_with_last in [true, false] {
        let response = Response::json(200, "");
        let reply = answered(&plugin, &response, &[first, rest], ends_with_last);
        let text = String::from_utf8(reply.body).expect("UTF-8");
        assert_eq!(text.matches(&format!(r#""uri":"{name}+""#)).count(), 230);
    }
}
