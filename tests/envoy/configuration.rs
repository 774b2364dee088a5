//! The filter's configuration, in the forms in which Envoy can give it to the filter.

use std::net::SocketAddr;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::{self, Envoy};
use crate::harness::http::Request;
use crate::harness::message::{call, modern};
use crate::harness::shared::{gateway, policy};

const STRUCT: &str = r#""@type": type.googleapis.com/google.protobuf.Struct"#;
const STRING: &str = r#""@type": type.googleapis.com/google.protobuf.StringValue"#;

/// The text that follows the filter's configuration in the two files.
const NEXT_FILTER: [&str; 2] = ["          # 2. ", "          # For filters after"];

/// `bootstrap` with another configuration of the filter, which is one line of YAML.
fn configured(bootstrap: Bootstrap, kind: &str, value: &str) -> Bootstrap {
    let text = bootstrap.text();
    let (old, end) = if text.contains(STRUCT) {
        (STRUCT, NEXT_FILTER[1])
    } else {
        (STRING, NEXT_FILTER[0])
    };
    let indent = " ".repeat(18);
    bootstrap.replace_block(old, end, &format!("{kind}\n{indent}value: {value}\n"))
}

/// The status and the body of each answer to the same requests of all kinds.
async fn answers(to: SocketAddr) -> Vec<(u16, String)> {
    let mut answers = Vec::new();
    for request in [
        modern("1", "tools/list"),
        modern("2", "server/discover"),
        modern("3", "ping"),
        call("4", "get_weather", r#"{"city":"Lima"}"#),
        call("5", "weather__get_weather", r#"{"city":"Lima"}"#),
        call("6", "get_forecast", "{}"),
        Request::post("{"),
        Request::new("PUT", "/mcp"),
        Request::new("PUT", "/other"),
        modern("7", "tools/list").with("accept", "text/html"),
    ] {
        let answer = request
            .header("origin", "https://app.example.com")
            .send(to)
            .await;
        let origin = answer.header("access-control-allow-origin");
        answers.push((answer.status, format!("{origin:?} {}", answer.text())));
    }
    answers
}

#[tokio::test]
async fn the_policy_is_the_same_in_either_form_and_spelling() {
    let policy = policy();
    let expected = answers(policy.envoy.address).await;
    for (name, kind, value) in [
        (
            "policy_struct",
            STRUCT,
            r#"{ paths: ["/mcp"], trafficMode: REJECT_NO_MCP, cors: { allowOrigins: [https://app.example.com] } }"#,
        ),
        (
            "policy_snake",
            STRUCT,
            r#"{ paths: ["/mcp"], traffic_mode: REJECT_NO_MCP, max_request_body_size: 1048576, cors: { max_age: 24h, allow_origins: [https://app.example.com] } }"#,
        ),
        (
            "policy_snake_string",
            STRING,
            r#"'{"paths": ["/mcp"], "traffic_mode": "REJECT_NO_MCP", "cors": {"allow_origins": ["https://app.example.com"]}}'"#,
        ),
    ] {
        let bootstrap = configured(Bootstrap::policy(policy.weather.address), kind, value);
        let envoy = Envoy::start(name, &bootstrap);
        assert_eq!(answers(envoy.address).await, expected, "{name}");
    }
}

#[tokio::test]
async fn the_gateway_is_the_same_in_either_form_and_spelling() {
    let gateway = gateway();
    let expected = answers(gateway.envoy.address).await;
    for (name, kind, value) in [
        (
            "gateway_string",
            STRING,
            r#"'{"servers": [{"name": "weather"}, {"name": "calendar"}], "cors": {"allowOrigins": ["https://app.example.com"]}}'"#,
        ),
        (
            "gateway_snake",
            STRUCT,
            "{ servers: [{ name: weather, tool_prefix: weather__ }, { name: calendar, timeout: 5s }], failure_mode: BEST_EFFORT, max_list_pages: 64, cors: { allow_origins: [https://app.example.com] } }",
        ),
    ] {
        let bootstrap = Bootstrap::gateway(gateway.weather.address, gateway.calendar.address);
        let envoy = Envoy::start(name, &configured(bootstrap, kind, value));
        assert_eq!(answers(envoy.address).await, expected, "{name}");
    }
}

#[test]
fn a_configuration_that_is_wrong_is_refused_with_the_place_of_the_fault() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    for (name, kind, value, fault) in [
        (
            "wrong_field",
            STRUCT,
            "{ servers: [{ name: weather }, { name: calendar, toolPrefx: c }] }",
            "servers[1].toolPrefx: unknown field",
        ),
        (
            "wrong_snake_field",
            STRUCT,
            "{ servers: [{ name: weather }, { name: calendar, tool_prefx: c }] }",
            "servers[1].toolPrefx: unknown field",
        ),
        (
            "wrong_string_field",
            STRING,
            r#"'{"servers": [{"name": "weather"}, {"name": "calendar", "toolPrefx": "c"}]}'"#,
            "servers[1].toolPrefx: unknown field",
        ),
        (
            "wrong_type",
            STRUCT,
            "{ servers: [{ name: 7 }] }",
            "servers[0].name: ",
        ),
        (
            "wrong_value",
            STRUCT,
            "{ servers: [{ name: weather }], failureMode: MAYBE }",
            "failureMode: ",
        ),
        (
            "wrong_credentials",
            STRUCT,
            r#"{ cors: { allowOrigins: ["*"], allowCredentials: true } }"#,
            "cors.allowCredentials: ",
        ),
        (
            "wrong_origin",
            STRUCT,
            r#"{ cors: { allowOrigins: ["https://a.example.com", "https://a.example.com/mcp"] } }"#,
            r#"cors.allowOrigins[1]: "https://a.example.com/mcp" "#,
        ),
        (
            "wrong_pattern",
            STRING,
            r#"'{"cors": {"allowOrigins": ["https://*.*.example.com"]}}'"#,
            r#"cors.allowOrigins[0]: "https://*.*.example.com" "#,
        ),
        (
            "wrong_origins",
            STRUCT,
            "{ cors: { allowOrigins: [] } }",
            "cors.allowOrigins: ",
        ),
        (
            "wrong_max_age",
            STRUCT,
            "{ cors: { maxAge: a day } }",
            "cors.maxAge: ",
        ),
        (
            "wrong_authorization_server",
            STRUCT,
            "{ oauth: { authorizationServers: [login.example.com] } }",
            r#"oauth.authorizationServers[0]: "login.example.com" "#,
        ),
        (
            "wrong_oauth_field",
            STRUCT,
            "{ oauth: { resourceNmae: Weather } }",
            "oauth.resourceNmae: unknown field",
        ),
        (
            "token_in_the_query",
            STRUCT,
            "{ oauth: { requireToken: true, bearerMethodsSupported: [header, query] } }",
            "oauth.requireToken: needs bearerMethodsSupported: [\"header\"]",
        ),
        (
            "wrong_json",
            STRING,
            "'{'",
            "mcp-gateway configuration refused: ",
        ),
    ] {
        let bootstrap = configured(Bootstrap::gateway(nobody, nobody), kind, value);
        let log = envoy::refused(name, &bootstrap);
        let told: Vec<_> = log
            .iter()
            .filter(|line| line.contains("mcp-gateway configuration refused: "))
            .collect();
        assert_eq!(told.len(), 1, "{name}: {log:#?}");
        assert!(told[0].contains(fault), "{name}: {}", told[0]);
    }
}
