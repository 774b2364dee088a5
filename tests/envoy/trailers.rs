//! Responses of HTTP/2 servers that end with trailers.

use std::time::Duration;

use hyper::header::HeaderValue;
use hyper::{Response, StatusCode};

use crate::harness::answers;
use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::Recorded;
use crate::harness::envoy::Envoy;
use crate::harness::http::{Pieces, Request};
use crate::harness::message::{call, modern};

const EVENT: &str = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progress\":1}}\n\n";

fn filler() -> String {
    "y".repeat(50_000)
}

/// The server's answer to a request. The header `baggage` says which answer.
fn server_says(request: &Recorded) -> Response<Pieces> {
    let way = request.header("baggage").expect("a way");
    let json = "application/json";
    let (status, kind, body) = match way {
        "long" => (
            200,
            json,
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[],"tools":[{{"name":"secret"}},{{"name":"{}"}}]}}}}"#,
                filler()
            ),
        ),
        "half" => (
            200,
            json,
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"x":"{}""#, filler()),
        ),
        "short half" => (200, json, r#"{"jsonrpc":"2.0","#.to_owned()),
        "failed" => (500, "text/plain", "no".to_owned()),
        "failed, and says nothing" => (500, "text/plain", String::new()),
        "nothing" => (200, json, String::new()),
        "events" => (200, "text/event-stream", EVENT.to_owned()),
        other => panic!("{other}"),
    };
    let body = Request::post(body)
        .chunked(9_000)
        .paused(Duration::from_millis(5));
    let mut response = Response::new(body.trailer("server-timing", "x").pieces());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert("content-type", kind);
    response
}

#[tokio::test]
async fn a_gateway_tells_every_answer_or_its_failure() {
    let server = answers::serve(true, server_says).await;
    let config =
        r#"{"servers":[{"name":"a","protocol":"MODERN"},{"name":"b","protocol":"MODERN"}]}"#;
    let bootstrap = Bootstrap::servers(config, &[("a", server), ("b", server)]).http2_servers();
    let envoy = Envoy::with_workers(1, "trailers", &bootstrap);
    for http2 in [false, true] {
        for way in [
            "long",
            "short half",
            "failed",
            "failed, and says nothing",
            "nothing",
        ] {
            let request = call("1", "a__t", "{}").header("baggage", way);
            let answer = if http2 {
                request.send_http2(envoy.address).await
            } else {
                request.send(envoy.address).await
            };
            let body = answer.json();
            assert_eq!(body["id"], 1, "{way}");
            if way == "long" {
                assert_eq!(answer.status, 200, "{way}");
                assert_eq!(body["result"]["tools"][1]["name"], filler(), "{way}");
            } else {
                assert_eq!(
                    (answer.status, &body["error"]["code"]),
                    (502, &(-32603).into()),
                    "{way}: {body}"
                );
            }
            envoy.check();
        }
    }
}

/// A response that has begun cannot become an error any more, so the filter resets its stream.
#[tokio::test]
async fn a_response_without_an_answer_does_not_end_as_if_it_had_one() {
    let server = answers::serve(true, server_says).await;
    let gateway =
        r#"{"servers":[{"name":"a","protocol":"MODERN"},{"name":"b","protocol":"MODERN"}]}"#;
    let policy = r#"{"trafficMode":"REJECT_NO_MCP","authorization":{"defaultAction":"ALLOW","rules":[{"action":"DENY","tools":["secret"]}]}}"#;
    for (request, bootstrap) in [
        (
            call("1", "a__t", "{}"),
            Bootstrap::servers(gateway, &[("a", server), ("b", server)]),
        ),
        (
            modern("1", "tools/list"),
            Bootstrap::policy(server).configured(policy),
        ),
    ] {
        let envoy = Envoy::with_workers(1, "trailers_reset", &bootstrap.http2_servers());
        for way in ["half", "events", "half", "events"] {
            let request = request.clone().header("baggage", way);
            let mut connection = crate::harness::http::Connection::open(envoy.address).await;
            let sent = connection.send(&request).await;
            assert!(sent.is_err(), "{way}: {sent:?}");
            envoy.check();
        }
        let answer = request.header("baggage", "long").send(envoy.address).await;
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains(&filler()));
        // A stream ends in Envoy a moment after the client has its answer.
        let active = "http.mcp.downstream_rq_active";
        envoy.stat_until(active, |streams| streams == 0).await;
    }
}
