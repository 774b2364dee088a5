//! Servers that are down, and come back later.

use std::time::{Duration, Instant};
use std::{env, fs, process};

use serde_json::{Value, json};

use crate::harness::bootstrap::{Bootstrap, SHIPPED_CORS};
use crate::harness::envoy::Envoy;
use crate::harness::message::{call, modern};
use crate::harness::port;
use crate::harness::server::Server;

async fn listed(envoy: &Envoy) -> Vec<String> {
    let answer = modern("1", "tools/list").send(envoy.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let tools = answer["result"]["tools"].as_array().expect("a list");
    let name = |tool: &Value| tool["name"].as_str().expect("a name").to_owned();
    tools.iter().map(name).collect()
}

const WEATHER: [&str; 3] = [
    "weather__get_forecast",
    "weather__get_weather",
    "weather__list_cities",
];
const CALENDAR: [&str; 3] = [
    "calendar__add_event",
    "calendar__find_free_slot",
    "calendar__list_events",
];

#[tokio::test]
async fn a_server_that_is_down_is_left_out_until_it_is_back() {
    let (_reserved, port) = port::reserved();
    let weather = Server::start("weather");
    let bootstrap = Bootstrap::gateway(weather.address, port);
    // Each worker has its own memory of which servers are down.
    let envoy = Envoy::with_workers(1, "down", &bootstrap);

    for _ in 0..5 {
        assert_eq!(listed(&envoy).await, WEATHER);
    }
    // A cache must not keep a list that lacks a server.
    let list = modern("1", "tools/list").send(envoy.address).await.json();
    let kept = (&list["result"]["ttlMs"], &list["result"]["cacheScope"]);
    assert_eq!(kept, (&json!(0), &json!("private")));
    let discovered = modern("1", "server/discover").send(envoy.address).await;
    assert_eq!(
        discovered.json()["result"]["instructions"],
        "Weather for a handful of cities. Start with `list_cities`."
    );
    // The log has one such line (`logged` fails if there are two), and it names the server.
    let line = envoy.logged("server calendar");
    assert!(line.contains("[warning][wasm]"), "{line}");
    assert!(
        line.ends_with("server calendar is unreachable (503)"),
        "{line}"
    );

    // The tools of the other server can be called, those of the server that is down cannot.
    let answer = call("1", "weather__list_cities", "{}")
        .send(envoy.address)
        .await;
    assert_eq!(answer.json()["result"]["isError"], false);
    let answer = call("1", "calendar__list_events", "{}")
        .header("origin", "https://app.example.com")
        .send(envoy.address)
        .await;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example.com")
    );
    let error = &answer.json()["error"];
    assert_eq!(error["code"], -32603);
    let message = error["message"].as_str().expect("a message");
    assert!(message.starts_with("server calendar "), "{message}");

    // Now all servers are down.
    drop(weather);
    for method in ["tools/list", "server/discover"] {
        let answer = modern(r#""\u0061""#, method).send(envoy.address).await;
        assert_eq!(answer.status, 502, "{answer:?}");
        let start = r#"{"jsonrpc":"2.0","id":"\u0061","error":{"code":-32603,"#;
        assert!(answer.text().starts_with(start), "{answer:?}");
        let answer = answer.json();
        let message = answer["error"]["message"].as_str().expect("a message");
        assert!(message.contains("server weather "), "{message}");
        assert!(
            message.contains("server calendar is unreachable"),
            "{message}"
        );
    }
    let line = envoy.logged("server weather");
    assert!(line.contains("[warning][wasm]"), "{line}");
    envoy.access_with(&json!({
        "code": 502,
        "details": "mcp_server_failed",
        "mcp_status": "mcp_server_failed",
        "mcp_method": "tools/list",
    }));

    // One server is back.
    let _calendar = Server::start_on("calendar", port.port());
    assert_eq!(listed(&envoy).await, CALENDAR);
    assert_eq!(listed(&envoy).await, CALENDAR);
    let answer = call("1", "calendar__list_events", "{}")
        .send(envoy.address)
        .await;
    assert_eq!(answer.json()["result"]["isError"], false);
    let line = envoy.logged("server calendar answers again");
    assert!(line.contains("[info][wasm]"), "{line}");
}

#[tokio::test]
async fn where_all_must_answer_one_that_is_down_is_an_error() {
    let (_reserved, port) = port::reserved();
    let weather = Server::start("weather");
    let bootstrap = Bootstrap::gateway(weather.address, port)
        .replace(SHIPPED_CORS, "                    failureMode: FAIL");
    let envoy = Envoy::start("down_fail", &bootstrap);
    let answer = modern("1", "tools/list").send(envoy.address).await;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(
        answer.json()["error"]["message"],
        "server calendar is unreachable (503)"
    );
    let _calendar = Server::start_on("calendar", port.port());
    assert_eq!(listed(&envoy).await, [WEATHER, CALENDAR].concat());
}

/// The control plane gives Envoy a server's endpoints after the first requests of clients, as when
/// pods start. Then lists have the server without delay.
#[tokio::test]
async fn a_server_is_not_left_out_because_envoy_gets_its_endpoints_late() {
    let (weather, calendar) = (Server::start("weather"), Server::start("calendar"));
    let file = env::temp_dir().join(format!("mcp-gateway-endpoints-{}.yaml", process::id()));
    let assign = |endpoints: &str| {
        let new = file.with_extension("new");
        let kind = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
        let assignment = format!(
            "resources:\n- {{ \"@type\": {kind}, cluster_name: calendar, endpoints: [{endpoints}] }}\n"
        );
        fs::write(&new, assignment).expect("a file");
        fs::rename(&new, &file).expect("a file");
    };
    assign("");
    let config =
        r#"{"servers":[{"name":"weather"},{"name":"calendar"}],"failedServerTtl":"3600s"}"#;
    let bootstrap = Bootstrap::servers(config, &[("weather", weather.address)]).append(&format!(
        "  - {{ name: calendar, type: EDS, eds_cluster_config: {{ eds_config: {{ path_config_source: {{ path: {} }} }} }} }}\nnode: {{ id: x, cluster: x }}\n",
        file.display()
    ));
    let envoy = Envoy::with_workers(2, "endpoints_late", &bootstrap);
    let count = |name: &str| envoy.stat(&format!("wasmcustom.mcp.server.calendar.{name}"));
    for _ in 0..10 {
        assert_eq!(listed(&envoy).await, WEATHER);
    }
    assert_eq!((count("failures"), count("left_out")), (10, 0));

    let host = calendar.address;
    assign(&format!(
        "{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: {}, port_value: {} }} }} }} }}] }}",
        host.ip(),
        host.port()
    ));
    let deadline = Instant::now() + Duration::from_secs(60);
    while listed(&envoy).await != [WEATHER, CALENDAR].concat() {
        assert!(
            Instant::now() < deadline,
            "Envoy does not read {}",
            file.display()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(count("left_out"), 0);
    let _ = fs::remove_file(file);
}
