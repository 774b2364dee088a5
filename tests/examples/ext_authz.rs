//! `envoy/ext_authz.yaml`: an authorization server decides with the attributes that the
//! filter exports.

use serde_json::{Value, json};

use crate::authorization::Authorizer;
use crate::example::example;
use crate::harness::envoy::Envoy;
use crate::harness::http::Request;
use crate::harness::message::{call, initialize, legacy, modern};
use crate::harness::server::Server;

const BERLIN: &str = r#"{"city":"Berlin"}"#;

#[tokio::test]
async fn the_authorization_server_sees_the_tool_and_decides() {
    let authorizer = Authorizer::start().await;
    let weather = Server::start("weather");
    let port = format!("port_value: {}", authorizer.address.port());
    let bootstrap = example("ext_authz.yaml", weather.address).replace("port_value: 9003", &port);
    let envoy = Envoy::start("ext_authz", &bootstrap);
    let shown = |method: &str| json!({ "mcp_proxy": { "method": method } });
    let called =
        |tool: &str| json!({ "mcp_proxy": { "method": "tools/call", "params": { "name": tool } } });
    let started = json!({ "mcp_proxy": {
        "method": "initialize",
        "params": { "protocolVersion": "2025-11-25", "clientInfo": { "name": "test" } },
    } });
    let nothing = json!({});
    // {"name": "get_weather"} as a google.protobuf.Value, in base64.
    let params = "KhcKFQoEbmFtZRINGgtnZXRfd2VhdGhlcg==";
    let forged = legacy("1", "tools/call", r#"{"name":"list_cities"}"#)
        .header("x-mcp-method", "tools/call")
        .header("x-mcp-params", params);
    let events = Request::new("GET", "/mcp").header("accept", "text/event-stream");
    for (request, seen, status) in [
        (call("1", "get_weather", BERLIN), called("get_weather"), 200),
        (call("1", "list_cities", "{}"), called("list_cities"), 403),
        (call("1", "get_weather2", "{}"), called("get_weather2"), 403),
        (forged, called("list_cities"), 403),
        (modern("1", "tools/list"), shown("tools/list"), 403),
        (initialize(), started, 403),
        (events, nothing, 403),
    ] {
        let answer = request.send(envoy.address).await;
        assert_eq!(answer.status, status, "{request:?}: {answer:?}");
        assert_eq!(authorizer.take(), [seen], "{request:?}");
    }
    // The filter refuses a body that is not a message, before ext_authz asks the server.
    let answer = Request::post("{").send(envoy.address).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(authorizer.take(), [] as [Value; 0]);

    authorizer.stop().await;
    let answer = call("1", "get_weather", BERLIN).send(envoy.address).await;
    assert_eq!(answer.status, 403, "{answer:?}");
}
