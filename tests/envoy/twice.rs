//! The filter is in one chain twice. The first instance, before authentication, answers browsers
//! and OAuth clients. The second, after authentication, reads the messages.

use crate::harness::bootstrap::{Bootstrap, SHIPPED_CORS};
use crate::harness::challenge::bearer;
use crate::harness::envoy::Envoy;
use crate::harness::http::Request;
use crate::harness::message::{call, modern};
use crate::harness::server::Server;
use crate::token::{Key, access};

const BERLIN: &str = r#"{"city":"Berlin"}"#;
const ISSUER: &str = "https://login.example.com";
const ORIGIN: &str = "https://app.example.com";
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource/mcp";

const FIRST: &str = r#"{"trafficMode": "NOOP", "paths": ["/mcp"], "cors": {"allowOrigins": ["https://app.example.com"]}, "oauth": {"authorizationServers": ["https://login.example.com"]}}"#;

const AUTHENTICATION: &str = r#"          - name: envoy.filters.http.jwt_authn
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
              providers:
                login:
                  issuer: https://login.example.com
                  audiences: [mcp]
                  local_jwks: { filename: JWKS }
              rules:
              - match: { prefix: / }
                requires: { provider_name: login }
"#;

/// This filter is after the second instance, and decides by a header that this instance exports.
const POLICY: &str = r#"          - name: envoy.filters.http.rbac
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
              rules:
                action: DENY
                policies:
                  no-cities:
                    permissions: [{ header: { name: x-mcp-toolname, string_match: { exact: list_cities } } }]
                    principals: [{ any: true }]
"#;

/// `envoy/gateway.yaml` with another instance of its filter before
/// authentication, and a policy after it.
fn twice(weather: &Server, calendar: &Server) -> Bootstrap {
    let shipped = Bootstrap::gateway(weather.address, calendar.address)
        .replace(&format!("{SHIPPED_CORS}\n"), "");
    let text = shipped.text();
    let from = text
        .find("          - name: mcp-gateway")
        .expect("the filter");
    let to = text
        .find("          # For filters after")
        .expect("what follows");
    let second = text[from..to].to_owned();
    let (head, configuration) = second
        .split_once("configuration:\n")
        .expect("a configuration");
    assert!(
        configuration.contains("- name: calendar"),
        "{configuration}"
    );
    let kind = r#""@type": type.googleapis.com/google.protobuf.StringValue"#;
    let indent = " ".repeat(18);
    let first = format!("{head}configuration:\n{indent}{kind}\n{indent}value: '{FIRST}'\n");
    let jwks = Key::new(1).jwks("twice.json");
    let authentication = AUTHENTICATION.replace("JWKS", jwks.to_str().expect("UTF-8"));
    let all = [first, authentication, second.clone(), POLICY.to_owned()].concat();
    shipped.replace(&second, &all)
}

#[tokio::test]
async fn browsers_and_oauth_before_authentication_and_messages_after_it() {
    let (weather, calendar) = (Server::start("weather"), Server::start("calendar"));
    // With one worker, the gateway asks each server for its description once.
    let envoy = Envoy::with_workers(1, "twice", &twice(&weather, &calendar));
    let to = envoy.address;
    let token = Key::new(1).sign(&access(ISSUER, "mcp", ""));
    let known = |request: Request| request.header("authorization", format!("Bearer {token}"));
    let list_cities = call("1", "weather__list_cities", "{}");
    let get_weather = call("1", "weather__get_weather", BERLIN);
    let preflight = Request::new("OPTIONS", "/mcp").header("access-control-request-method", "POST");

    // These requests need no token.
    let metadata = Request::new("GET", WELL_KNOWN);
    for (request, status) in [(&preflight, 204), (&metadata, 200)] {
        let answer = request.clone().header("origin", ORIGIN).send(to).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
        let evil = request.clone().header("origin", "https://evil.example.com");
        assert_eq!(evil.send(to).await.status, 403);
    }

    // These requests need a token. Some are refused even with a token.
    let unknown = [
        modern("1", "tools/list"),
        get_weather.clone(),
        Request::post("{"),
    ];
    let forged = list_cities.clone().header("x-mcp-toolname", "get_weather");
    let answers = [
        (known(modern("1", "tools/list")), 200),
        (known(get_weather.clone()), 200),
        (known(call("1", "calendar__list_events", "{}")), 200),
        (
            known(get_weather.header("x-mcp-toolname", "list_cities")),
            200,
        ),
        (known(list_cities), 403),
        (known(forged), 403),
        (known(Request::post("{")), 400),
        (known(Request::new("PUT", "/mcp")), 405),
    ];
    for (request, status) in unknown
        .map(|request| (request, 401))
        .into_iter()
        .chain(answers)
    {
        let answer = request.header("origin", ORIGIN).send(to).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
        assert_eq!(answer.header("vary"), Some("origin"));
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge.is_some(), status == 401, "{answer:?}");
        if let Some(challenge) = challenge {
            let (params, _) = bearer(challenge);
            let metadata = format!("http://{to}{WELL_KNOWN}");
            assert!(
                params.contains(&("resource_metadata".to_owned(), metadata)),
                "{challenge}"
            );
        }
    }

    // Each instance has counted only what it did itself.
    for (name, value) in [
        ("preflight", 1),
        ("rejected.origin", 2),
        ("requests.tool", 6),
        ("rejected.parse_error", 1),
        ("server.weather.calls", 4),
        ("server.weather.lists", 1),
        ("server.calendar.calls", 1),
        ("server.calendar.lists", 1),
    ] {
        assert_eq!(
            envoy.stat(&format!("wasmcustom.mcp.{name}")),
            value,
            "{name}"
        );
    }
}

#[tokio::test]
async fn lists_are_the_same_behind_another_instance() {
    let (weather, calendar) = (Server::start("weather"), Server::start("calendar"));
    let once = Envoy::start(
        "once",
        &Bootstrap::gateway(weather.address, calendar.address),
    );
    let twice = Envoy::start("twice_lists", &twice(&weather, &calendar));
    let token = Key::new(1).sign(&access(ISSUER, "mcp", ""));
    let bearer = format!("Bearer {token}");
    for method in ["server/discover", "tools/list"] {
        let request = modern(r#""\u0061""#, method).header("authorization", &bearer);
        let (one, two) = (
            request.send(once.address).await,
            request.send(twice.address).await,
        );
        assert_eq!((one.status, two.status), (200, 200), "{two:?}");
        assert_eq!(one.text(), two.text());
    }
}
