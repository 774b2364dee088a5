//! Clients that use the Rust SDK or the Python SDK, through both shipped configurations.

#[path = "../clients/rmcp_client.rs"]
mod rmcp_client;

use rmcp_client::{Mode, list_and_call};
use serde_json::{Value, json};

use crate::harness::python;
use crate::harness::shared::{gateway, policy};

const BERLIN: &str = r#"{"city":"Berlin"}"#;
const FORECAST: &str = r#"{"city":"Berlin","days":2}"#;
const WEATHER: [&str; 3] = ["get_forecast", "get_weather", "list_cities"];
const MERGED: [&str; 6] = [
    "weather__get_forecast",
    "weather__get_weather",
    "weather__list_cities",
    "calendar__add_event",
    "calendar__find_free_slot",
    "calendar__list_events",
];

fn arguments(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[tokio::test]
async fn the_rust_sdk_passes_the_policy_in_every_mode() {
    let policy = policy();
    let url = policy.envoy.url();
    for (mode, version) in [
        (Mode::Auto, "2026-07-28"),
        (Mode::Modern, "2026-07-28"),
        (Mode::Legacy, "2025-11-25"),
    ] {
        let outcome = list_and_call(&url, mode, "get_weather", arguments(BERLIN)).await;
        let outcome = outcome.unwrap_or_else(|error| panic!("{mode:?}: {error}"));
        assert_eq!(outcome.protocol_version, version, "{mode:?}");
        assert_eq!(outcome.tools, WEATHER, "{mode:?}");
        assert!(!outcome.is_error, "{mode:?}");
        assert!(outcome.text[0].contains("partly_cloudy"), "{mode:?}");

        let denied = list_and_call(&url, mode, "get_forecast", arguments(FORECAST)).await;
        let error = denied.expect_err("a call that RBAC denies").to_string();
        assert!(
            error.contains("403") || error.contains("RBAC"),
            "{mode:?}: {error}"
        );
    }
}

#[tokio::test]
async fn the_rust_sdk_sees_one_server_behind_the_gateway() {
    let gateway = gateway();
    let url = gateway.envoy.url();
    for (mode, version) in [
        (Mode::Auto, "2026-07-28"),
        (Mode::Modern, "2026-07-28"),
        (Mode::Legacy, "2025-11-25"),
    ] {
        for (tool, args, said) in [
            ("weather__get_weather", BERLIN, "partly_cloudy"),
            (
                "calendar__find_free_slot",
                r#"{"day":"monday","minutes":30}"#,
                "10:00",
            ),
        ] {
            let outcome = list_and_call(&url, mode, tool, arguments(args)).await;
            let outcome = outcome.unwrap_or_else(|error| panic!("{mode:?} {tool}: {error}"));
            assert_eq!(outcome.protocol_version, version);
            assert_eq!(outcome.tools, MERGED);
            assert!(!outcome.is_error);
            assert!(outcome.text[0].contains(said), "{:?}", outcome.text);
        }
        let outcome = list_and_call(
            &url,
            mode,
            "weather__get_forecast",
            json!({"city": "Berlin", "days": 9}),
        );
        assert!(outcome.await.expect("an answer").is_error);
        let unknown = list_and_call(&url, mode, "get_weather", arguments(BERLIN)).await;
        let error = unknown.expect_err("no such tool").to_string();
        assert!(error.contains("Unknown tool: get_weather"), "{error}");
    }
}

#[test]
fn the_python_sdk_passes_the_policy_in_every_mode() {
    let policy = policy();
    let url = policy.envoy.url();
    for (mode, version) in [
        ("auto", "2026-07-28"),
        ("2026-07-28", "2026-07-28"),
        ("legacy", "2025-11-25"),
    ] {
        let outcome = python::talk(&url, mode, &["--list", "--call", "get_weather", BERLIN]);
        let outcome = outcome.unwrap_or_else(|error| panic!("{mode}: {error}"));
        assert_eq!(outcome["protocolVersion"], version, "{mode}");
        assert_eq!(outcome["tools"], json!(WEATHER), "{mode}");
        assert_eq!(outcome["call"]["isError"], false, "{mode}");
        assert_eq!(outcome["call"]["structured"]["celsius"], 14, "{mode}");

        let denied = python::talk(&url, mode, &["--call", "get_forecast", FORECAST]);
        let error = denied.expect_err("a call that RBAC denies");
        assert!(!error.contains("Timeout"), "{mode}: {error}");
    }
}

#[test]
fn the_python_sdk_sees_one_server_behind_the_gateway() {
    let gateway = gateway();
    let url = gateway.envoy.url();
    for (mode, version) in [
        ("auto", "2026-07-28"),
        ("2026-07-28", "2026-07-28"),
        ("legacy", "2025-11-25"),
    ] {
        let call = [
            "--list",
            "--call",
            "calendar__list_events",
            r#"{"day":"monday"}"#,
        ];
        let outcome = python::talk(&url, mode, &call);
        let outcome = outcome.unwrap_or_else(|error| panic!("{mode}: {error}"));
        assert_eq!(outcome["protocolVersion"], version, "{mode}");
        assert_eq!(outcome["tools"], json!(MERGED), "{mode}");
        assert_eq!(
            outcome["call"]["structured"]["events"][0]["title"],
            "Stand-up"
        );
    }
    let outcome = python::talk(&url, "auto", &["--call", "weather__get_weather", BERLIN]);
    assert_eq!(
        outcome.expect("an answer")["call"]["structured"]["celsius"],
        14
    );
    let outcome = python::talk(&url, "auto", &[]).expect("a connection");
    assert_eq!(outcome["serverInfo"]["name"], "mcp-gateway");
    let unknown = python::talk(&url, "auto", &["--call", "get_weather", BERLIN]);
    let error = unknown.expect_err("no such tool");
    assert!(error.contains("Unknown tool: get_weather"), "{error}");
}
