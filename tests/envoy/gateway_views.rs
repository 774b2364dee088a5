//! Tools that clients see with other names than their servers give them, and with fewer parameters.

use serde_json::{Value, json};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::{Capture, Recorded};
use crate::harness::envoy::Envoy;
use crate::harness::fake;
use crate::harness::message::{call, modern};

#[rustfmt::skip]
const ANSWERS: fake::Answers = &[
    ("tools/list", r#"{"tools":[{"name":"find","inputSchema":{"type":"object","properties":{"q":{"type":"string"},"region":{"type":"string","x-mcp-header":"Region"},"raw":{"type":"boolean"}},"required":["q","region"]}},{"name":"issue.create"}]}"#),
    ("tools/call", r#"{"content":[]}"#),
];

/// The one `tools/call` that has reached the server.
fn called(server: &Capture) -> Recorded {
    let calls = server.take().into_iter();
    let mut calls = calls.filter(|request| request.json()["method"] == "tools/call");
    let one = calls.next().expect("a call");
    assert!(calls.next().is_none());
    one
}

#[tokio::test]
async fn clients_see_and_call_what_the_configuration_says() {
    let server = fake::start(r#"{"tools":{}}"#, ANSWERS).await;
    let config = r#"{"names":{"action":"SHORTEN"},"servers":[{"name":"a","tools":{"override":{"find":{"name":"search","hide":["raw"],"set":{"region":"eu"}}}}}]}"#;
    let clusters = [("a", server.address)];
    let bootstrap = Bootstrap::servers(config, &clusters);
    let envoy = Envoy::with_workers(1, "views", &bootstrap);

    // The first call of the tool comes before any list.
    let first = call("1", "a__search", r#"{"q":"x","raw":true,"region":"us"}"#)
        .header("mcp-param-region", "us");
    let answer = first.send(envoy.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = called(&server);
    assert_eq!(seen.header("mcp-name"), Some("find"));
    assert_eq!(seen.header("mcp-param-region"), Some("eu"));
    let params = &seen.json()["params"];
    let arguments = json!({"region": "eu", "q": "x"});
    assert_eq!(
        (&params["name"], &params["arguments"]),
        (&json!("find"), &arguments)
    );

    let answer = modern("2", "tools/list").send(envoy.address).await;
    let tools = &answer.json()["result"]["tools"];
    let names = tools.as_array().expect("tools").iter();
    let names: Vec<_> = names
        .map(|tool| tool["name"].as_str().expect("a name"))
        .collect();
    let [search, short] = names.as_slice() else {
        panic!("{names:?}");
    };
    assert_eq!(*search, "a__search");
    assert!(short.starts_with("a__issuecreate_"), "{short}");
    let schema =
        json!({"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]});
    assert_eq!(tools[0]["inputSchema"], schema);

    for (name, own) in [
        (*short, "issue.create"),
        ("a__issue.create", "issue.create"),
    ] {
        let answer = call("3", name, "{}").send(envoy.address).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = called(&server);
        assert_eq!(seen.header("mcp-name"), Some(own));
        assert_eq!(seen.json()["params"]["name"], own);
    }
    let answer = call("4", "a__find", "{}").send(envoy.address).await;
    assert_eq!(
        answer.json()["error"]["code"],
        Value::from(-32602),
        "{answer:?}"
    );
}
