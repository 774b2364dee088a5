//! Which requests reach the server in policy mode, and in which form.

use axum::response::{IntoResponse, Response};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::{Capture, Recorded};
use crate::harness::envoy::Envoy;
use crate::harness::frames;
use crate::harness::http::Request;
use crate::harness::message::{call, initialize, legacy, modern};

fn empty(_: &Recorded) -> Response {
    ([("content-type", "application/json")], "{}").into_response()
}

#[tokio::test]
async fn what_is_allowed_reaches_the_server_as_it_was_sent() {
    let server = Capture::start(empty).await;
    let envoy = Envoy::start("policy_server", &Bootstrap::policy(server.address));
    let body = r#" {"params":{"arguments":{"x":1.10,"x":2},"n\u0061me":"get_weather"},"id":1.50, "method":"tools\/call","jsonrpc":"2.0"}"#;
    let request = call("1", "get_weather", "{}")
        .without("mcp-protocol-version")
        .body(body)
        .target("/mcp?key=a&b=%20")
        .header("authorization", "Bearer a")
        .header("cookie", "a=1")
        .header("mcp-session-id", "s")
        .header("x-custom", "c")
        .header("x-mcp-method", "forged")
        .header("x-mcp-params", "Zm9yZ2Vk")
        .header("x-mcp-toolname", "forged")
        .header("x-mcp-promptname", "forged")
        .header("x-mcp-resourceuri", "forged")
        .header("x-mcp-servername", "forged")
        .header("x-mcp-cluster", "forged");
    for answer in [
        request.send(envoy.address).await,
        request.clone().chunked(5).send(envoy.address).await,
        request.send_http2(envoy.address).await,
        request
            .clone()
            .trailer("x-checksum", "1")
            .send_http2(envoy.address)
            .await,
    ] {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.text(), "{}");
    }
    for seen in server.take() {
        assert_eq!(seen.body, body);
        assert_eq!(
            (seen.method.as_str(), seen.target.as_str()),
            ("POST", "/mcp?key=a&b=%20")
        );
        for (name, value) in [
            ("host", envoy.address.to_string().as_str()),
            ("content-type", "application/json"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "get_weather"),
            ("mcp-session-id", "s"),
            ("authorization", "Bearer a"),
            ("cookie", "a=1"),
            ("x-custom", "c"),
        ] {
            assert_eq!(seen.header(name), Some(value), "{name}");
        }
        let shown = seen
            .headers
            .keys()
            .find(|name| name.as_str().starts_with("x-mcp-"));
        assert_eq!(shown, None);
        assert_eq!(seen.header("x-forwarded-proto"), None);
    }
}

#[tokio::test]
async fn what_is_refused_or_denied_never_reaches_the_server() {
    let server = Capture::start(empty).await;
    let envoy = Envoy::start("policy_refused", &Bootstrap::policy(server.address));
    for (request, status) in [
        (call("1", "get_forecast", "{}"), 403),
        (modern("1", "prompts/list"), 403),
        (
            initialize()
                .target("/other")
                .header("x-mcp-method", "initialize"),
            403,
        ),
        (Request::post("{"), 400),
        (
            Request::post(r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]"#),
            400,
        ),
        (
            legacy("1", "tools/call", r#"{"name":"get_weather","name":"x"}"#),
            400,
        ),
        (call("1", "get_weather", "{}").with("mcp-name", "x"), 400),
        (
            modern("1", "tools/list").header("content-encoding", "gzip"),
            415,
        ),
        (modern("1", "tools/list").body(vec![b' '; 2_000_000]), 413),
        (
            modern("1", "tools/list")
                .body(vec![b' '; 2_000_000])
                .chunked(9999),
            413,
        ),
        (Request::new("PUT", "/mcp"), 405),
        (Request::new("DELETE", "/mcp"), 400),
        (
            Request::new("OPTIONS", "/mcp")
                .header("origin", "https://app.example.com")
                .header("access-control-request-method", "POST"),
            204,
        ),
    ] {
        let answer = request.send(envoy.address).await;
        assert_eq!(answer.status, status, "{request:?}: {answer:?}");
        let answer = request.send_http2(envoy.address).await;
        assert_eq!(answer.status, status, "{request:?}: {answer:?}");
        assert_eq!(server.take().len(), 0, "{request:?}");
    }
    assert_eq!(
        modern("1", "tools/list").send(envoy.address).await.status,
        200
    );
    assert_eq!(server.take().len(), 1);
}

/// A policy that denies a method or a name that begins with `x`, as the metadata has it, and allows
/// everything else.
const DENY: &str = r#"v3.RBAC
              rules:
                action: DENY
                policies:
                  deny-what-starts-with-x:
                    permissions:
                    - sourced_metadata:
                        metadata_matcher:
                          filter: mcp_proxy
                          path: [{ key: method }]
                          value: { string_match: { prefix: x } }
                    - sourced_metadata:
                        metadata_matcher:
                          filter: mcp_proxy
                          path: [{ key: params }, { key: name }]
                          value: { string_match: { prefix: x } }
                    principals: [{ any: true }]
"#;

/// `envoy/envoy.yaml` with that policy.
fn denying(server: &Capture) -> Bootstrap {
    Bootstrap::policy(server.address).replace_block(
        "v3.RBAC\n",
        "          - name: envoy.filters.http.router",
        DENY,
    )
}

/// `header_to_metadata` drops a value that is too long, without an error. The filter must refuse
/// such a request, since the policy would not see the value.
#[tokio::test]
async fn no_length_slips_past_a_policy_that_denies() {
    let server = Capture::start(empty).await;
    let envoy = Envoy::start("policy_deny", &denying(&server));
    let sizes = (1..2).chain(6050..6160).chain(8180..8200).chain(9000..9001);
    let (mut denied, mut refused) = (0, 0);
    for size in sizes {
        let long = "x".repeat(size);
        for request in [
            legacy("1", "tools/call", &format!(r#"{{"name":"{long}"}}"#)),
            legacy("1", &long, "{}"),
        ] {
            let answer = request.send(envoy.address).await;
            match answer.status {
                403 => denied += 1,
                400 => refused += 1,
                _ => panic!("{size}: {answer:?}"),
            }
        }
    }
    assert_eq!(server.take().len(), 0);
    assert!(denied > 0 && refused > 0, "{denied}, {refused}");
    let allowed = legacy("1", "tools/call", r#"{"name":"a"}"#);
    assert_eq!(allowed.send(envoy.address).await.status, 200);
}

/// If Envoy does not normalize paths, it accepts any bytes in a query. The filter must still
/// recognize the endpoint.
#[tokio::test]
async fn bytes_that_are_no_text_hide_no_path() {
    let server = Capture::start(empty).await;
    let bootstrap = denying(&server).replace("normalize_path: true", "normalize_path: false");
    let envoy = Envoy::start("policy_bytes", &bootstrap);
    let call = |tool| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#)
    };
    for path in [b"/mcp".as_slice(), b"/mcp?\xff", b"/mcp?\xc3\x28=\xff"] {
        let said = frames::post(envoy.address, path, &call("x")).await;
        let denied =
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":403,"message":"RBAC: access denied"}}"#;
        assert_eq!(said, denied, "{path:?}");
    }
    assert_eq!(frames::post(envoy.address, b"/mcp", &call("a")).await, "{}");
}
