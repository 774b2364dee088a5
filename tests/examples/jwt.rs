//! `envoy/jwt.yaml`: the role comes from a token, and each route has its own policy.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::example::{example, is_denied_by_rbac};
use crate::harness::capture::Capture;
use crate::harness::envoy::Envoy;
use crate::harness::http::Request;
use crate::harness::message::{call, initialize, legacy, modern};
use crate::harness::server::Server;
use crate::token::{Key, claims, role};

const TOKEN: &str = "x-k8s-sa-token";
const BERLIN: &str = r#"{"city":"Berlin"}"#;
const FORECAST: &str = r#"{"city":"Berlin","days":2}"#;
const REMOTE: &str = "/remote/mcp";
const LOCAL: &str = "/local/mcp";

fn start(name: &str, key: &Key, server: SocketAddr) -> Envoy {
    let jwks = key.jwks(&format!("{name}.json"));
    let file = format!("filename: {}", jwks.display());
    let bootstrap = example("jwt.yaml", server).replace("filename: envoy/jwks.json", &file);
    Envoy::start(name, &bootstrap)
}

#[tokio::test]
async fn role_route_and_tool_decide() {
    let key = Key::new(1);
    let weather = Server::start("weather");
    let envoy = start("jwt", &key, weather.address);
    let everywhere = [true, true];
    let nowhere = [false, false];
    let local = [false, true];
    for (request, guest, user, admin) in [
        (initialize(), everywhere, everywhere, everywhere),
        (
            modern("1", "server/discover"),
            everywhere,
            everywhere,
            everywhere,
        ),
        (
            modern("1", "tools/list"),
            everywhere,
            everywhere,
            everywhere,
        ),
        (
            call("1", "get_weather", BERLIN),
            nowhere,
            everywhere,
            everywhere,
        ),
        (
            call("1", "get_forecast", FORECAST),
            nowhere,
            local,
            everywhere,
        ),
        (call("1", "list_cities", "{}"), nowhere, nowhere, everywhere),
        (modern("1", "prompts/list"), nowhere, nowhere, nowhere),
    ] {
        for (account, allowed) in [("guest", guest), ("user", user), ("admin", admin)] {
            for (path, allowed) in [REMOTE, LOCAL].into_iter().zip(allowed) {
                let request = request
                    .clone()
                    .target(path)
                    .header(TOKEN, key.account(account));
                let answer = request.send(envoy.address).await;
                assert_eq!(
                    (is_denied_by_rbac(&answer), answer.status),
                    if allowed { (false, 200) } else { (true, 403) },
                    "{account}: {request:?}: {answer:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn without_a_token_for_here_nobody_is_anybody() {
    let key = Key::new(1);
    let weather = Server::start("weather");
    let envoy = start("jwt_tokens", &key, weather.address);
    let changed = |claim: &str, value: Value| {
        let mut claims = claims("admin");
        claims[claim] = value;
        key.sign(&claims)
    };
    let valid = key.account("admin");
    let (signed, _) = valid.rsplit_once('.').expect("a signature");
    for (token, status) in [
        (None, 401),
        (Some(String::new()), 401),
        (Some(signed.to_owned() + "."), 401),
        (Some(Key::new(2).account("admin")), 401),
        (Some(changed("iss", json!("https://example.com"))), 401),
        (Some(changed("exp", json!(1))), 401),
        (Some(changed("aud", json!(["vault"]))), 403),
        (Some(valid), 200),
    ] {
        for path in [REMOTE, LOCAL] {
            let mut request = modern("1", "tools/list")
                .target(path)
                .header("x-user-role", role("admin"));
            if let Some(token) = &token {
                request = request.header(TOKEN, token);
            }
            let answer = request.send(envoy.address).await;
            assert_eq!(answer.status, status, "{token:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn what_a_client_says_of_itself_counts_for_nothing() {
    let key = Key::new(1);
    let server = Capture::start(|request| request.result("{}")).await;
    let envoy = start("jwt_forged", &key, server.address);
    // {"name": "get_weather"} as a google.protobuf.Value, in base64.
    let params = "KhcKFQoEbmFtZRINGgtnZXRfd2VhdGhlcg==";
    let forged = |request: Request| {
        request
            .header(TOKEN, key.account("user"))
            .header("x-user-role", role("admin"))
            .header("X-User-Role", role("admin"))
            .header("x-mcp-method", "tools/call")
            .header("x-mcp-params", params)
    };
    let bare = legacy("1", "tools/call", r#"{"name":"list_cities"}"#);
    for (target, request) in [
        (REMOTE, call("1", "list_cities", "{}")),
        (LOCAL, call("1", "list_cities", "{}")),
        (REMOTE, bare.clone()),
        // These paths match a route of Envoy, but are not endpoints of the filter.
        ("/remote/mcp/other", bare.clone()),
        ("/local/mcp/mcp", bare.clone()),
        // This path matches neither a route nor an endpoint.
        ("/mcp", bare),
    ] {
        let answer = forged(request).target(target).send(envoy.address).await;
        assert!(is_denied_by_rbac(&answer), "{target}: {answer:?}");
    }
    assert!(server.take().is_empty());

    let allowed = forged(call("1", "get_weather", BERLIN)).target("/remote/mcp?a=b");
    assert_eq!(allowed.send(envoy.address).await.status, 200);
    let seen = server.take_one();
    assert_eq!(seen.target, "/mcp?a=b");
    assert_eq!(seen.header("x-user-role"), Some(&*role("user")));
    assert_eq!(seen.header(TOKEN), None);
}
