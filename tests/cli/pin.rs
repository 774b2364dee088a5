//! `pin` with the example servers, and with pins that differ from the tools.

use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::harness::server::Server;
use crate::harness::setup;
use crate::program::{folder, program, save};

/// The digest of `get_weather` that `docs/guides/pins.md` shows.
const WEATHER: &str = "sha256:7b815f98e705f1f9f8a12d239093f302e0987f98544fa9235242dae8427245e6";

fn pin(file: &Path, options: &[&str]) -> Output {
    let output = program()
        .arg("pin")
        .arg(file)
        .args(options)
        .env("XDG_RUNTIME_DIR", file.parent().expect("a folder"))
        .env("ENVOY", setup::envoy())
        .env("MCP_GATEWAY_WASM", setup::filter())
        .env_remove("SSL_CERT_FILE")
        .stdin(Stdio::null())
        .output();
    output.expect("the program")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn the_pins_of_a_file_are_written_and_compared() {
    let weather = Server::start("weather");
    let file = folder().join("servers.yaml");
    let servers = format!(
        "# mine\nservers:\n- name: weather\n  url: 'http://{}/mcp'\n  tools: {{ exclude: [list_*] }}\n",
        weather.address
    );
    save(&file, &servers);
    let unpinned = pin(&file, &["--check"]);
    assert_eq!(unpinned.status.code(), Some(2), "{unpinned:?}");
    let said = text(&unpinned.stderr);
    assert!(
        said.contains("servers.yaml pins no server: `mcp-gateway pin "),
        "{said}"
    );

    let output = pin(&file, &["--output", "json"]);
    let section: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let tools = &section["pins"]["servers"]["weather"]["tools"];
    assert_eq!(section["pins"]["policy"], "DENY");
    assert_eq!(tools["get_weather"], WEATHER);
    assert_eq!(
        tools["list_cities"],
        Value::Null,
        "an excluded tool has a pin"
    );

    let written = pin(&file, &["--write", "--policy", "hide"]);
    assert!(written.status.success(), "{written:?}");
    let pinned = std::fs::read_to_string(&file).expect("the file");
    assert!(pinned.starts_with(&servers), "{pinned}");
    assert!(pinned.contains("  policy: HIDE\n"), "{pinned}");
    let same = pin(&file, &["--check"]);
    assert_eq!(
        (text(&same.stdout), same.status.code()),
        (String::new(), Some(0))
    );
    // Without `--policy`, `pin --write` keeps the policy that is in the file.
    assert!(pin(&file, &["--write"]).status.success());
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), pinned);

    let line = format!("        get_weather: {WEATHER}\n");
    let other = format!("        gone: {WEATHER}\n        get_forecast: {WEATHER}\n");
    let without = pinned.replace(&line, "");
    let start = without.find("        get_forecast:").expect("a pin");
    let end = start + without[start..].find('\n').expect("a line") + 1;
    save(
        &file,
        &format!("{}{other}{}", &without[..start], &without[end..]),
    );
    let differs = pin(&file, &["--check", "--output", "json"]);
    assert_eq!(differs.status.code(), Some(1), "{differs:?}");
    let found: Value = serde_json::from_slice(&differs.stdout).expect("JSON");
    let difference =
        |tool: &str, kind: &str| json!({"server": "weather", "tool": tool, "difference": kind});
    assert_eq!(
        found,
        json!([
            difference("get_forecast", "changed"),
            difference("get_weather", "unpinned"),
            difference("gone", "unlisted"),
        ])
    );
}

#[test]
fn nothing_is_printed_where_a_server_does_not_answer() {
    let weather = Server::start("weather");
    let file = folder().join("servers.yaml");
    let servers = format!(
        "servers:\n- {{ name: weather, url: 'http://{}/mcp' }}\n- {{ name: down, url: 'http://127.0.0.1:9/mcp' }}\n",
        weather.address
    );
    save(&file, &servers);
    let output = pin(&file, &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(text(&output.stdout), "");
    let said = text(&output.stderr);
    assert!(said.contains("server down: connection refused"), "{said}");
    assert!(!pin(&file, &["--write"]).status.success());
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), servers);
}
