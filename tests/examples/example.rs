//! The example configurations of `envoy/`, with the ports and paths of the tests.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::json;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::http::Answer;
use crate::harness::setup;

/// The configuration `name` of `envoy/`, with the server `weather` at this address.
pub(crate) fn example(name: &str, weather: SocketAddr) -> Bootstrap {
    example_on(0, name, weather)
}

/// The same, on the given port, for tests that must know the port before Envoy starts.
pub(crate) fn example_on(port: u16, name: &str, weather: SocketAddr) -> Bootstrap {
    let other = Bootstrap::policy(weather);
    let whole = other.text().to_owned();
    other
        .replace(&whole, &shipped(name))
        // With port 0, the operating system chooses a free port. The test reads it from
        // Envoy.
        .replace("port_value: 10000", &format!("port_value: {port}"))
        .replace("port_value: 9901", "port_value: 0")
        .replace(
            "port_value: 9001",
            &format!("port_value: {}", weather.port()),
        )
}

/// The text of `name` in `envoy/`, with the path of the filter under test.
pub(crate) fn shipped(name: &str) -> String {
    let path = setup::repository().join("envoy").join(name);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let filter = setup::filter();
    let filter = filter.to_str().expect("a path in UTF-8");
    text.replace("target/wasm32-wasip1/release/mcp_gateway.wasm", filter)
}

/// Whether RBAC has denied the request: with a JSON-RPC error, where the filter knows the id of the
/// request.
pub(crate) fn is_denied_by_rbac(answer: &Answer) -> bool {
    let reason = "RBAC: access denied";
    let is_said = match answer.header("content-type") {
        Some("application/json") => {
            let mut error = answer.json();
            let id = error["id"].take();
            let expected = json!({ "jsonrpc": "2.0", "id": null, "error": { "code": 403, "message": reason } });
            !id.is_null() && error == expected
        }
        _ => answer.text() == reason,
    };
    answer.status == 403 && is_said
}

/// Whether Envoy supports span tags with a `value`, which `observability.yaml` needs. Envoy
/// 1.37 and later do.
pub(crate) fn has_tag_values() -> bool {
    let output = Command::new(setup::envoy()).arg("--version").output();
    let output = output.expect("Envoy");
    !String::from_utf8_lossy(&output.stdout).contains("/1.36.")
}
