//! `tools` and `call` with the file of an MCP client: one command starts the servers and
//! prints the answer.

use serde_json::{Value, json};

use super::{client_file, fixture};
use crate::harness::process::{Output, run};
use crate::harness::server::Server;
use crate::harness::setup;
use crate::program::{ENDED_WITHIN, program};

fn says(arguments: &[&str]) -> Output {
    let mut program = program();
    program
        .args(arguments)
        .env("ENVOY", setup::envoy())
        .env("MCP_GATEWAY_WASM", setup::filter());
    run(&mut program, ENDED_WITHIN)
}

#[test]
fn a_file_of_a_client_is_listed_and_called() {
    let (weather, calendar) = (Server::start("weather"), Server::start("calendar"));
    let url = |server: &Server| format!("http://{}/mcp", server.address);
    let file = client_file(&json!({
        "weather": {"type": "http", "url": url(&weather)},
        "calendar": {"type": "http", "url": url(&calendar)},
        "local": {"command": setup::example("weather"), "args": ["--stdio"]},
        "My_Server": fixture(&["mine"]),
        "other": fixture(&["other"]),
    }));
    let file = file.to_str().expect("UTF-8");

    let listed = says(&["tools", file, "--output", "json"]);
    assert!(listed.success, "{}", listed.stderr);
    let tools: Value = serde_json::from_str(&listed.stdout).expect("JSON");
    let tools = tools.as_array().expect("a list").iter();
    let names: Vec<_> = tools.map(|tool| tool["name"].as_str()).collect();
    for name in [
        "weather__get_weather",
        "calendar__list_events",
        "local__get_weather",
        "My_Server__name",
        "other__name",
    ] {
        assert!(names.contains(&Some(name)), "{name}: {names:?}");
    }

    for (arguments, expected) in [
        (
            &["call", file, "local__get_weather", "--arg", "city=Lima"][..],
            "Peru",
        ),
        (&["call", file, "My_Server__name"], "mine"),
    ] {
        let called = says(arguments);
        assert!(called.success, "{}", called.stderr);
        assert!(called.stdout.contains(expected), "{}", called.stdout);
    }
}
