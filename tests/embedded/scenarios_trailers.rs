//! Answers that end with HTTP trailers, which every HTTP/2 server may send. No body callback then
//! gets the end of the body.

use crate::host::{Host, Outcome, Plugin, Reply, Request, Response, Stream};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
const GATEWAY: &str =
    r#"{"servers":[{"name":"a","protocol":"MODERN"},{"name":"b","protocol":"MODERN"}]}"#;
const POLICY: &str = r#"{"trafficMode":"REJECT_NO_MCP","authorization":{"defaultAction":"ALLOW","rules":[{"action":"DENY","tools":["secret"]}]}}"#;

fn plugin(config: &str) -> Plugin {
    let host = Host::new().cluster("a").cluster("b");
    host.configure(config).expect("a configuration")
}

fn sent(plugin: &Plugin, method: &str, params: &str) -> Stream {
    let mut stream = plugin.stream();
    let body =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}{META}}}}}"#);
    let mut request = Request::post("/mcp")
        .json(body)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method);
    if method == "tools/call" {
        request = request.header("mcp-name", "a__t");
    }
    stream.request(request);
    stream.expect_released();
    stream
}

fn called(plugin: &Plugin) -> Stream {
    sent(plugin, "tools/call", r#""name":"a__t","#)
}

/// What the client gets of an answer with trailers, whose body comes in pieces of these sizes.
fn told(stream: Stream, response: Response, pieces: &[usize]) -> Reply {
    let mut stream = stream;
    let response = response.without_length().chunks(pieces);
    stream.respond(response.trailer("server-timing", "x"))
}

#[test]
fn an_answer_of_any_length_arrives() {
    let plugin = plugin(GATEWAY);
    for size in [10, 8000, 8192, 9000, 100_000] {
        let answer = |uri: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"type":"resource_link","uri":"{uri}","name":"{}"}}]}}}}"#,
                "y".repeat(size)
            )
        };
        for pieces in [&[][..], &[5], &[500], &[size / 2, size / 4]] {
            let response = Response::json(200, answer("x"));
            let reply = told(called(&plugin), response, pieces);
            assert_eq!(reply.status, 200, "{size} {pieces:?}");
            assert!(reply.text() == answer("a+x"), "{size} {pieces:?}");
        }
    }
}

#[test]
fn a_list_of_any_length_arrives_where_it_is_cut() {
    let plugin = plugin(POLICY);
    for size in [10, 8000, 9000, 100_000] {
        let list = |before: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{before}{{"name":"{}"}}]}}}}"#,
                "y".repeat(size)
            )
        };
        for pieces in [&[][..], &[5], &[500], &[size / 2, size / 4]] {
            let stream = sent(&plugin, "tools/list", "");
            let response = Response::json(200, list(r#"{"name":"secret"},"#));
            let reply = told(stream, response, pieces);
            assert_eq!(reply.status, 200, "{size} {pieces:?}");
            assert!(reply.text() == list(""), "{size} {pieces:?}: {reply:?}");
        }
    }
}

/// Fails unless the reply is an error that says what the server did.
fn assert_error(reply: &Reply, message: &str, what: &str) {
    assert_eq!(reply.status, 502, "{what}: {reply:?}");
    let body = reply.json();
    assert_eq!(
        (&body["id"], &body["error"]["code"]),
        (&1.into(), &(-32603).into()),
        "{what}"
    );
    let text = body["error"]["message"].as_str().expect("a message");
    assert!(text.contains(message), "{what}: {text}");
}

#[test]
fn what_is_no_answer_is_a_502_with_its_body() {
    let plugin = plugin(GATEWAY);
    for (response, message) in [
        (
            Response::json(200, r#"{"jsonrpc":"2.0","id":2,"result":{}}"#),
            "no JSON-RPC",
        ),
        (
            Response::json(200, r#"{"jsonrpc":"2.0","id":1,"res"#),
            "no JSON-RPC",
        ),
        (Response::json(200, "17"), "no JSON-RPC"),
        (Response::json(404, r#"{"detail":"Not Found"}"#), "HTTP 404"),
        (Response::json(500, r#"{"detail":"x"}"#), "HTTP 500"),
        (
            Response::new(500)
                .header("content-type", "text/html")
                .body("<p>"),
            "HTTP 500",
        ),
        // These responses have trailers and no body.
        (Response::json(500, ""), "HTTP 500"),
        (Response::json(200, ""), "no JSON-RPC"),
        (Response::new(200), "neither JSON nor an event stream"),
    ] {
        for pieces in [&[][..], &[4]] {
            let reply = told(called(&plugin), response.clone(), pieces);
            assert_error(&reply, message, &format!("{response:?} {pieces:?}"));
            assert!(reply.complete, "{reply:?}");
        }
    }
}

/// The filter cannot add anything to a body after its trailers. So it resets the stream: every
/// client takes this for an error, but not a regular end without an answer.
#[test]
fn a_response_that_has_begun_and_has_no_answer_is_broken_off() {
    let plugin = plugin(GATEWAY);
    let event = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progress\":1}}\n\n";
    let long = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"x":"{}""#,
        "y".repeat(9000)
    );
    let head = Response::new(200).without_length();
    let mut failures = 0;
    for response in [
        head.clone()
            .header("content-type", "text/event-stream")
            .body(event),
        head.header("content-type", "application/json").body(&long),
    ] {
        let mut stream = called(&plugin);
        let reply = stream.respond(response.chunks(&[20]).trailer("server-timing", "x"));
        assert!(!reply.complete, "{reply:?}");
        assert_eq!(stream.outcome(), Outcome::Reset);
        failures += 1;
        assert_eq!(plugin.metric("mcp.server.a.failures"), Some(failures));
        assert_eq!(plugin.metric("mcp.rejected.server_failed"), Some(failures));
    }
    assert_eq!(plugin.open_streams(), 0);
}

#[test]
fn a_stream_with_its_answer_ends_as_it_is() {
    let plugin = plugin(GATEWAY);
    let event = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[]}}\n\n";
    let reply = told(called(&plugin), Response::events(event), &[20]);
    assert!(reply.complete, "{reply:?}");
    assert_eq!((reply.status, reply.text().as_str()), (200, event));
    assert!(
        reply
            .trailers
            .is_some_and(|trailers| trailers.contains("server-timing"))
    );
}
