//! What Envoy's stats show.

use crate::harness::message::{call, legacy, modern};
use crate::harness::shared;

#[tokio::test]
async fn messages_and_refusals_and_servers_are_counted() {
    let gateway = shared::gateway();
    let count = |name: &str| gateway.envoy.stat(&format!("wasmcustom.mcp.{name}"));
    let names = [
        "requests.tool",
        "requests.lifecycle",
        "rejected.parse_error",
        "rejected.unknown",
        "server.weather.calls",
        "server.weather.failures",
    ];
    let before = names.map(count);
    for request in [
        modern("1", "tools/list"),
        legacy("1", "ping", "{}"),
        modern("1", "tools/list").body("{"),
        call("1", "nobody__knows", "{}"),
        call("1", "weather__list_cities", "{}"),
    ] {
        request.send(gateway.envoy.address).await;
    }
    let after = names.map(count);
    for (((name, before), after), least) in
        names.iter().zip(before).zip(after).zip([2, 1, 1, 1, 1, 0])
    {
        // Other tests use the same Envoy at the same time.
        assert!(after >= before + least, "{name}: {before} then {after}");
    }
    // docs/operate/metrics.md has these names, and envoy/observability.yaml makes labels of their
    // parts.
    let metrics = gateway.envoy.metrics();
    for name in ["mcp_requests_tool", "mcp_server_weather_calls"] {
        assert!(
            metrics.contains(&format!("{name}{{}} ")),
            "{name}: {metrics}"
        );
    }
}
