//! Calls of tools: the gateway sends each to the server that its prefix names.

use axum::body::Bytes;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::http::{Connection, Request};
use crate::harness::message::{META, call};
use crate::harness::shared::gateway;

#[tokio::test]
async fn a_call_is_answered_as_by_the_server_itself() {
    let gateway = gateway();
    let (weather, calendar) = (gateway.weather.address, gateway.calendar.address);
    for (server, prefix, tool, arguments) in [
        (weather, "weather__", "get_weather", r#"{"city":"Berlin"}"#),
        (
            weather,
            "weather__",
            "get_weather",
            r#"{"city":"\u0042erlin", "x": 1.10}"#,
        ),
        (
            weather,
            "weather__",
            "get_forecast",
            r#"{"city":"Lima","days":3}"#,
        ),
        // Calls that the tool or the server answers with an error.
        (
            weather,
            "weather__",
            "get_forecast",
            r#"{"city":"Lima","days":9}"#,
        ),
        (weather, "weather__", "get_weather", "{}"),
        (weather, "weather__", "no_such_tool", "{}"),
        (weather, "weather__", "", "{}"),
        (calendar, "calendar__", "list_events", r#"{"day":"monday"}"#),
        (
            calendar,
            "calendar__",
            "find_free_slot",
            r#"{"day":"friday","minutes":600}"#,
        ),
        (
            calendar,
            "calendar__",
            "get_weather",
            r#"{"city":"Berlin"}"#,
        ),
    ] {
        for id in ["7", r#""\u0069d""#, "-1"] {
            let direct = call(id, tool, arguments).send(server).await;
            let request = call(id, &format!("{prefix}{tool}"), arguments);
            for request in [request.clone(), request.clone().chunked(7)] {
                let through = request.send(gateway.envoy.address).await;
                assert_eq!(
                    (through.status, &through.body),
                    (direct.status, &direct.body),
                    "{request:?}"
                );
                for name in ["content-type", "cache-control", "mcp-session-id"] {
                    assert_eq!(through.header(name), direct.header(name), "{request:?}");
                }
            }
            let request = request.trailer("x-checksum", "1");
            let through = request.send_http2(gateway.envoy.address).await;
            assert_eq!(
                (through.status, &through.body),
                (direct.status, &direct.body)
            );
        }
    }
}

#[tokio::test]
async fn a_name_that_no_server_has_is_unknown() {
    let gateway = gateway();
    for tool in [
        "get_weather",
        "nobody__knows",
        "WEATHER__get_weather",
        "weather_get_weather",
        " weather__get_weather",
        "",
        "__",
    ] {
        let answer = named(tool).send(gateway.envoy.address).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let error = &answer.json()["error"];
        assert_eq!(error["code"], -32602, "{answer:?}");
        assert_eq!(error["message"], format!("Unknown tool: {tool}"));
        assert_eq!(answer.header("x-envoy-upstream-service-time"), None);
    }
}

/// A call of a tool. If the name begins with a space, `Mcp-Name` has it in Base64, since the value
/// of a header cannot begin with a space.
fn named(tool: &str) -> Request {
    if tool.starts_with(' ') {
        return call("1", tool, "{}").with("mcp-name", "=?base64?IHdlYXRoZXJfX2dldF93ZWF0aGVy?=");
    }
    call("1", tool, "{}")
}

#[tokio::test]
async fn a_call_without_a_name_is_refused() {
    let gateway = gateway();
    for params in [
        "",
        r#""name":1,"#,
        r#""name":null,"#,
        r#""arguments":{"name":"weather__get_weather"},"#,
    ] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{params}{META}}}}}"#
        );
        let request = call("1", "x", "{}").without("mcp-name").body(body);
        let answer = request.send(gateway.envoy.address).await;
        assert_eq!(answer.status, 200, "{params}: {answer:?}");
        assert_eq!(answer.json()["error"]["code"], -32602, "{params}");
    }
}

/// Only the filter chooses the cluster of a request, and only at its endpoint. A client must not
/// reach a server with an `x-mcp-cluster` header of its own.
#[tokio::test]
async fn a_cluster_that_the_client_names_opens_no_door() {
    let gateway = gateway();
    for target in [
        "/",
        "/other",
        "/mcp/other",
        "/mcp/../other",
        "/MCP",
        "/mcp;x",
        "/mcp%2fx",
    ] {
        let forged = call("1", "weather__get_weather", "{}")
            .target(target)
            .header("x-mcp-cluster", "weather");
        for request in [
            forged.clone(),
            forged.clone().header("X-Mcp-Cluster", "calendar"),
            Request::new("GET", target).header("x-mcp-cluster", "weather"),
            Request::new("CONNECT-UDP", target).header("x-mcp-cluster", "weather"),
        ] {
            let answer = request.send(gateway.envoy.address).await;
            assert!(
                [307, 400, 404].contains(&answer.status),
                "{request:?}: {answer:?}"
            );
            assert_eq!(answer.header("x-envoy-upstream-service-time"), None);
        }
        let answer = forged.send_http2(gateway.envoy.address).await;
        assert!([307, 404].contains(&answer.status), "{target}: {answer:?}");
    }
    // At the endpoint, the filter ignores such headers of the client.
    let other = call("1", "weather__get_weather", r#"{"city":"Lima"}"#)
        .header("x-mcp-cluster", "calendar")
        .header("x-mcp-servername", "calendar");
    for target in [
        "/mcp",
        "/mcp/",
        "/mcp?x=/other",
        "//mcp",
        "/other/../mcp",
        "/%6dcp",
    ] {
        let answer = other
            .clone()
            .target(target)
            .send(gateway.envoy.address)
            .await;
        assert_eq!(answer.json()["result"]["structuredContent"]["city"], "Lima");
    }
}

/// Events that use all parts of the format: comments, ids, `retry`, empty data, data in several
/// lines, and both kinds of line ends.
const EVENTS: [&[u8]; 3] = [
    b": a comment\r\nid: 1\r\nretry: 10\r\ndata:\r\n\r\n",
    b"event: message\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"method\":\"notifications/progress\"}\n\n",
    b"data: {\"jsonrpc\":\"2.0\", \"id\":1,\"result\":{\"x\":1.10,\"name\":\"weather__t\"}}\n\ndata:\n\n",
];

#[tokio::test]
async fn events_reach_the_client_one_by_one_and_untouched() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = server.local_addr().expect("an address");
    // With `protocol: MODERN`, the gateway sends this server nothing but the call.
    let name = "                    - name: weather\n";
    let bootstrap = Bootstrap::gateway(address, address).replace(
        name,
        &format!("{name}                      protocol: MODERN\n"),
    );
    let envoy = Envoy::start("events", &bootstrap);
    let mut client = Connection::open(envoy.address).await;
    let request = call("1", "weather__t", "{}");

    let serve = async {
        let (mut stream, _) = server.accept().await.expect("Envoy");
        read_request(&mut stream).await;
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.expect("a client");
        stream
    };
    let (answer, mut stream) = tokio::join!(client.begin(&request), serve);
    let mut answer = answer.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    for event in EVENTS {
        // The server sends the next event only when the client has this one.
        stream.write_all(event).await.expect("a client");
        let mut received = Vec::new();
        while received.len() < event.len() {
            let frame = answer
                .body_mut()
                .frame()
                .await
                .expect("more")
                .expect("a frame");
            received.extend_from_slice(&frame.into_data().unwrap_or_else(|_| Bytes::new()));
        }
        assert_eq!(received, event);
    }
    drop(stream);
    assert!(answer.body_mut().frame().await.is_none());
}

async fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"}}}}") {
        assert_ne!(stream.read_buf(&mut request).await.expect("a request"), 0);
    }
}
