//! Requests from browsers on other origins.

use axum::response::{IntoResponse, Response};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::{Capture, Recorded};
use crate::harness::envoy::Envoy;
use crate::harness::http::{Answer, Request};
use crate::harness::message::{call, modern};
use crate::harness::shared::{gateway, policy};

const ORIGIN: (&str, &str) = ("origin", "https://app.example.com");
const EXPOSED: &str = "Mcp-Session-Id, WWW-Authenticate, Mcp-Protocol-Version";

fn preflight() -> Request {
    Request::new("OPTIONS", "/mcp")
        .header(ORIGIN.0, ORIGIN.1)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "content-type,mcp-param-region,x-evil",
        )
}

fn assert_readable(answer: &Answer) {
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some(ORIGIN.1),
        "{answer:?}"
    );
    assert_eq!(
        answer.header("access-control-expose-headers"),
        Some(EXPOSED)
    );
    assert_eq!(answer.header("vary"), Some("origin"));
}

/// The filter must answer a preflight itself: RBAC would deny it, and servers do not expect it.
#[tokio::test]
async fn a_preflight_is_answered_by_the_filter() {
    let (policy, gateway) = (policy(), gateway());
    for to in [policy.envoy.address, gateway.envoy.address] {
        let answer = preflight().send(to).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        assert_eq!(answer.body.len(), 0);
        assert_readable(&answer);
        let allowed = answer
            .header("access-control-allow-headers")
            .unwrap_or_default();
        assert!(
            allowed.ends_with("mcp-method, mcp-name, mcp-param-region"),
            "{allowed}"
        );
        assert_eq!(
            answer.header("access-control-allow-methods"),
            Some("GET, POST, DELETE, OPTIONS")
        );
        assert_eq!(answer.header("access-control-max-age"), Some("86400"));
        assert_eq!(answer.header("x-envoy-upstream-service-time"), None);
    }
}

#[tokio::test]
async fn what_only_looks_like_a_preflight_is_refused() {
    let (policy, gateway) = (policy(), gateway());
    for to in [policy.envoy.address, gateway.envoy.address] {
        for name in ["origin", "access-control-request-method"] {
            let answer = preflight().without(name).send(to).await;
            assert_eq!(answer.status, 405, "{answer:?}");
            if name == "origin" {
                // A request without an origin is not from a browser, so no origin may read the
                // answer.
                assert_eq!(answer.header("access-control-allow-origin"), None);
                assert_eq!(answer.header("vary"), Some("origin"));
            } else {
                assert_readable(&answer);
            }
        }
    }
    // On other paths, the filter does not answer preflights.
    let answer = preflight()
        .target("/other")
        .send(policy.envoy.address)
        .await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let answer = preflight()
        .target("/other")
        .send(gateway.envoy.address)
        .await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn browsers_may_read_every_answer() {
    let (policy, gateway) = (policy(), gateway());
    for (to, request, status) in [
        (policy.envoy.address, modern("1", "tools/list"), 200),
        (
            policy.envoy.address,
            call("1", "get_weather", r#"{"city":"Lima"}"#),
            200,
        ),
        (policy.envoy.address, call("1", "get_forecast", "{}"), 403),
        (policy.envoy.address, Request::post("{"), 400),
        (policy.envoy.address, Request::new("PUT", "/mcp"), 405),
        (gateway.envoy.address, modern("1", "tools/list"), 200),
        (
            gateway.envoy.address,
            call("1", "calendar__list_events", "{}"),
            200,
        ),
        (gateway.envoy.address, call("1", "nobody__knows", "{}"), 200),
        (gateway.envoy.address, modern("1", "nobody/knows"), 404),
        (gateway.envoy.address, Request::post("{"), 400),
    ] {
        let answer = request.header(ORIGIN.0, ORIGIN.1).send(to).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_readable(&answer);
    }
}

fn says_much_of_cors(_: &Recorded) -> Response {
    let headers = [
        ("access-control-allow-origin", "https://other.example.com"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "x-secret"),
        ("vary", "accept"),
    ];
    (headers, "{}").into_response()
}

#[tokio::test]
async fn what_the_server_says_of_origins_is_replaced() {
    let server = Capture::start(says_much_of_cors).await;
    let envoy = Envoy::start("cors", &Bootstrap::policy(server.address));
    let list = || modern("1", "tools/list");

    let answer = list().header(ORIGIN.0, ORIGIN.1).send(envoy.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN.1));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert_eq!(
        answer.header("access-control-expose-headers"),
        Some(EXPOSED)
    );
    assert_eq!(answer.header("vary"), Some("accept,origin"));
    assert_eq!(server.take().len(), 1);

    // This request is not from a browser. It gets an answer, which no origin may read.
    let answer = list().send(envoy.address).await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (200, None)
    );
    assert_eq!(server.take().len(), 1);

    for origin in [
        "https://evil.example.com",
        "null",
        "https://app.example.com.evil.test",
        "",
    ] {
        for request in [list(), preflight(), Request::new("GET", "/mcp")] {
            let answer = request.with("origin", origin).send(envoy.address).await;
            assert_eq!(answer.status, 403, "{answer:?}");
            assert_eq!(answer.json()["error"]["code"], -32600);
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    assert_eq!(preflight().send(envoy.address).await.status, 204);
    assert_eq!(server.take().len(), 0);
}
