//! Lists and discovery, merged from all servers.

use std::collections::HashMap;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::harness::http::{Answer, Request};
use crate::harness::message::{META, initialize, legacy, modern};
use crate::harness::shared::gateway;

/// The entries of a list, exactly as they are in the answer.
fn entries(answer: &Answer) -> Vec<String> {
    let raw = |text: &str| -> HashMap<String, Box<RawValue>> {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    };
    let result = raw(raw(answer.json_text())["result"].get());
    let tools: Vec<Box<RawValue>> = serde_json::from_str(result["tools"].get()).expect("a list");
    tools.iter().map(|tool| tool.get().to_owned()).collect()
}

#[tokio::test]
async fn the_list_has_each_entry_as_its_server_wrote_it_except_for_the_name() {
    let gateway = gateway();
    let list = modern(r#""\u0061""#, "tools/list");
    let mut expected = Vec::new();
    for (server, prefix) in [
        (gateway.weather.address, "weather__"),
        (gateway.calendar.address, "calendar__"),
    ] {
        for entry in entries(&list.send(server).await) {
            let prefixed = format!(r#"{{"name":"{prefix}"#);
            expected.push(entry.replacen(r#"{"name":""#, &prefixed, 1));
        }
    }
    let answer = list.send(gateway.envoy.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(entries(&answer), expected);
    assert_eq!(expected.len(), 6);
    let start = r#"{"jsonrpc":"2.0","id":"\u0061","result":{"#;
    assert!(answer.text().starts_with(start), "{answer:?}");
    let result = &answer.json()["result"];
    assert_eq!(result["resultType"], "complete");
    assert_eq!(
        (&result["ttlMs"], &result["cacheScope"]),
        (&json!(0), &json!("public"))
    );
}

#[tokio::test]
async fn discovery_tells_what_the_servers_can_do_together() {
    let gateway = gateway();
    let answer = modern("1.50", "server/discover")
        .send(gateway.envoy.address)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.text().starts_with(r#"{"jsonrpc":"2.0","id":1.50,"#));
    let result = &answer.json()["result"];
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(result["capabilities"], json!({"tools": {}}));
    assert_eq!(
        result["instructions"],
        "weather: Weather for a handful of cities. Start with `list_cities`.\n\n\
         calendar: One week of appointments. Use `find_free_slot` before `add_event`."
    );
    let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(info["name"], "mcp-gateway");
}

#[tokio::test]
async fn the_gateway_answers_pings_and_notifications_itself() {
    let gateway = gateway();
    let to = gateway.envoy.address;
    let answer = legacy("1", "ping", "{}").send(to).await;
    assert_eq!(answer.json()["result"], json!({}));
    for method in [
        "notifications/cancelled",
        "notifications/initialized",
        "no/such",
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{{META}}}}}"#);
        let answer = modern("1", method).body(body).send(to).await;
        assert_eq!((answer.status, answer.body.len()), (202, 0), "{answer:?}");
        assert_eq!(answer.header("x-envoy-upstream-service-time"), None);
    }
}

#[tokio::test]
async fn what_the_gateway_does_not_serve_is_told_in_the_clients_own_protocol() {
    let gateway = gateway();
    let to = gateway.envoy.address;
    for method in ["TOOLS/LIST", "no/such", "subscriptions/listen", "ping", ""] {
        let answer = modern("1", method).send(to).await;
        assert_eq!(answer.status, 404, "{method}: {answer:?}");
        let error = &answer.json()["error"];
        assert_eq!(error["code"], -32601);
        assert_eq!(error["message"], format!("Method not found: {method}"));
    }
    let session = initialize().send(to).await;
    let session = session
        .header("mcp-session-id")
        .expect("a session")
        .to_owned();
    let response = Request::post(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    let list = legacy("1", "tools/list", "{}").header("mcp-protocol-version", "2025-11-25");
    for (request, status, code) in [
        // Only `initialize` and `ping` need no session.
        (list.clone(), 400, -32600),
        (response.clone(), 400, -32600),
        (list.header("mcp-session-id", "1"), 404, -32001),
        // No server has sent a request with this id.
        (response.header("mcp-session-id", &session), 400, -32600),
    ] {
        let answer = request.send(to).await;
        let told: Value = answer.json()["error"]["code"].clone();
        assert_eq!((answer.status, told), (status, json!(code)), "{answer:?}");
    }
    for method in [
        "TOOLS/LIST",
        "no/such",
        "server/discover",
        "subscriptions/listen",
        "",
    ] {
        let request = legacy("1", method, "{}").header("mcp-session-id", &session);
        let answer = request.send(to).await;
        assert_eq!(answer.status, 200, "{method}: {answer:?}");
        let error = &answer.json()["error"];
        assert_eq!(error["code"], -32601);
        assert_eq!(error["message"], format!("Method not found: {method}"));
    }
}
