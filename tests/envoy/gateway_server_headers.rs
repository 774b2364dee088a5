//! Which response headers of a server reach a client of the gateway, and which `x-mcp-*` headers of
//! a client reach which server.

use axum::http::HeaderValue;
use axum::response::Response;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::{Capture, Recorded};
use crate::harness::envoy::Envoy;
use crate::harness::message::call;

/// Headers on which a browser would act, or that are for the server's own clients only.
const PRIVATE: &[&str] = &[
    "set-cookie",
    "www-authenticate",
    "proxy-authenticate",
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "clear-site-data",
    "alt-svc",
    "refresh",
    "location",
    "link",
    "strict-transport-security",
    "service-worker-allowed",
    "mcp-session-id",
    "x-mcp-cluster",
    "x-powered-by",
    "x-envoy-degraded",
];

const PUBLIC: &[&str] = &[
    "cache-control",
    "retry-after",
    "mcp-anything",
    "x-request-id",
    "traceparent",
    "server-timing",
];

fn says_much(request: &Recorded) -> Response {
    let result = match request.json()["method"].as_str() {
        Some("server/discover") => {
            r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}"#
        }
        _ => r#"{"content":[]}"#,
    };
    let mut response = request.result(result);
    for name in PRIVATE.iter().chain(PUBLIC) {
        let value = HeaderValue::from_static("of-the-server");
        response.headers_mut().insert(*name, value);
    }
    let server = HeaderValue::from_static("of-the-server");
    response.headers_mut().insert("server", server);
    response
}

#[tokio::test]
async fn a_client_gets_the_headers_of_the_answer_and_those_of_envoy() {
    let server = Capture::start(says_much).await;
    for (name, config) in [
        // With the first configuration the gateway changes the answer, with the second it does not.
        (
            "server_headers",
            r#"{"servers":[{"name":"a","protocol":"MODERN"}]}"#,
        ),
        (
            "server_headers_as_is",
            r#"{"servers":[{"name":"a","protocol":"MODERN"}],"prefixMode":"NEVER"}"#,
        ),
    ] {
        let bootstrap = Bootstrap::servers(config, &[("a", server.address)]);
        let envoy = Envoy::start(name, &bootstrap);
        let tool = if config.contains("NEVER") {
            "t"
        } else {
            "a__t"
        };
        let answer = call("1", tool, "{}").send(envoy.address).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        for name in PRIVATE {
            assert_eq!(answer.header(name), None, "{name}: {answer:?}");
        }
        for name in PUBLIC {
            assert_eq!(
                answer.header(name),
                Some("of-the-server"),
                "{name}: {answer:?}"
            );
        }
        assert_eq!(answer.header("server"), Some("envoy"));
        for name in ["content-type", "date", "x-envoy-upstream-service-time"] {
            assert!(answer.header(name).is_some(), "{name}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_clients_x_mcp_header_reaches_only_the_server_that_it_is_for() {
    let (a, b) = (
        Capture::start(says_much).await,
        Capture::start(says_much).await,
    );
    let config = r#"{"servers":[{"name":"a","protocol":"MODERN","passthroughHeaders":["x-mcp-tenant"]},{"name":"b","protocol":"MODERN"}],"session":{"identity":{"header":"x-mcp-user"}}}"#;
    let bootstrap = Bootstrap::servers(config, &[("a", a.address), ("b", b.address)]);
    let envoy = Envoy::start("x_mcp_headers", &bootstrap);
    for (server, tool, tenant) in [(&a, "a__t", Some("acme")), (&b, "b__t", None)] {
        let request = call("1", tool, "{}")
            .header("x-mcp-tenant", "acme")
            .header("x-mcp-user", "me")
            .header("x-mcp-else", "x");
        let answer = request.send(envoy.address).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = server.take_one();
        assert_eq!(seen.header("x-mcp-tenant"), tenant, "{seen:?}");
        let others = seen
            .headers
            .keys()
            .filter(|name| name.as_str().starts_with("x-mcp-") && name.as_str() != "x-mcp-tenant");
        assert_eq!(others.count(), 0, "{seen:?}");
    }
}

#[tokio::test]
async fn a_virtual_host_with_a_name_gets_the_calls_where_the_route_rewrites_the_authority() {
    let server = Capture::start(says_much).await;
    let servers = r#""servers":[{"name":"a","protocol":"MODERN","hostname":"a.internal"}]"#;
    for (name, rewrite, host, expected) in [
        // The filter rewrites the authority, so the virtual host no longer matches.
        ("virtual_host_filter", true, "mcp.example.com", None),
        (
            "virtual_host_route",
            false,
            "mcp.example.com",
            Some("a.internal"),
        ),
        ("virtual_host_other", false, "other.example.com", None),
    ] {
        let config = format!(r#"{{"rewriteAuthority":{rewrite},{servers}}}"#);
        let bootstrap = Bootstrap::servers(&config, &[("a", server.address)])
            .replace(r#"domains: ["*"]"#, r#"domains: ["mcp.example.com"]"#)
            .replace(
                "route: { cluster_header: x-mcp-cluster,",
                "route: { host_rewrite_literal: a.internal, cluster_header: x-mcp-cluster,",
            );
        let envoy = Envoy::start(name, &bootstrap);
        let answer = call("1", "a__t", "{}")
            .with("host", host)
            .send(envoy.address)
            .await;
        assert_eq!(
            answer.status == 200,
            expected.is_some(),
            "{name}: {answer:?}"
        );
        let called: Vec<_> = server
            .take()
            .into_iter()
            .filter(|it| it.json()["method"] == "tools/call")
            .map(|it| it.header("host").map(str::to_owned))
            .collect();
        let expected: Vec<_> = expected.map(|it| Some(it.to_owned())).into_iter().collect();
        assert_eq!(called, expected, "{name}");
    }
}
