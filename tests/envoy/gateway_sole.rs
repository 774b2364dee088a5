//! How the gateway describes itself: as all of its servers together, or as its only server.

use serde_json::{Value, json};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::http::Request;
use crate::harness::message::{META, about, modern, request};
use crate::harness::wire::{self, Act};
use crate::harness::{fake, port};

#[rustfmt::skip]
const FIRST: fake::Answers = &[("server/discover", r#"{"resultType":"complete","supportedVersions":["2025-11-25","2026-07-28"],"capabilities":{"tools":{"listChanged":true},"logging":{},"experimental":{"x":{}},"extensions":{"io.modelcontextprotocol/ui":{}}},"instructions":"Use \"a\".","serverInfo":{"name":"first","version":"1"},"ttlMs":9000,"cacheScope":"public"}"#)];
#[rustfmt::skip]
const SECOND: fake::Answers = &[("server/discover", r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"resources":{"subscribe":true,"listChanged":true},"prompts":{"listChanged":true},"completions":{}},"ttlMs":5000,"cacheScope":"public"}"#)];
#[rustfmt::skip]
const THIRD: fake::Answers = &[("server/discover", r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{},"instructions":"Use c.\nOr not."}"#)];

async fn discovered(envoy: &Envoy) -> Value {
    let answer = modern("1.50", "server/discover").send(envoy.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer
            .text()
            .starts_with(r#"{"jsonrpc":"2.0","id":1.50,"result":{"#),
        "{answer:?}"
    );
    answer.json()["result"].clone()
}

#[tokio::test]
async fn several_servers_are_discovered_as_one() {
    let (a, b, c) = (
        fake::start("", FIRST).await,
        fake::start("", SECOND).await,
        fake::start("", THIRD).await,
    );
    let (_reserved, nobody) = port::reserved();
    let clusters = [
        ("a", a.address),
        ("b", b.address),
        ("c", c.address),
        ("gone", nobody),
    ];
    let info = r#""serverInfo":{"name":"gw","version":"9"}"#;
    for (at, (servers, capabilities, instructions, ttl, scope)) in [
        (
            r#"{"name":"a"},{"name":"b"}"#,
            json!({"tools": {}, "prompts": {}, "resources": {}, "completions": {}, "logging": {}}),
            Some("a: Use \"a\"."),
            5000,
            "public",
        ),
        // The instructions are in the order of the configuration. The result is fresh for no longer
        // than each server's own.
        (
            r#"{"name":"c"},{"name":"a"}"#,
            json!({"tools": {}, "logging": {}}),
            Some("c: Use c.\nOr not.\n\na: Use \"a\"."),
            0,
            "private",
        ),
        // A client that kept this result would not see when the other server is back.
        (
            r#"{"name":"gone"},{"name":"b"}"#,
            json!({"prompts": {}, "resources": {}, "completions": {}}),
            None,
            0,
            "private",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let config = format!(r#"{{"servers":[{servers}],{info}}}"#);
        let envoy = Envoy::with_workers(
            1,
            &format!("discover_{at}"),
            &Bootstrap::servers(&config, &clusters),
        );
        let result = discovered(&envoy).await;
        assert_eq!(result["resultType"], "complete");
        assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
        assert_eq!(result["capabilities"], capabilities, "{servers}");
        let told = result.get("instructions").and_then(Value::as_str);
        if at == 0 {
            // One of the two servers has instructions. The gateway may write the server's name
            // before them, or not.
            assert!(
                told.is_some_and(|told| told.ends_with("Use \"a\".")),
                "{told:?}"
            );
        } else {
            assert_eq!(told, instructions, "{servers}");
        }
        assert_eq!(
            (&result["ttlMs"], &result["cacheScope"]),
            (&json!(ttl), &json!(scope)),
            "{servers}"
        );
        let own = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert_eq!(*own, json!({"name": "gw", "version": "9"}));
    }
    let config = r#"{"servers":[{"name":"b"},{"name":"gone"}],"failureMode":"FAIL"}"#;
    let strict = Envoy::start("discover_strict", &Bootstrap::servers(config, &clusters));
    let answer = modern("1", "server/discover").send(strict.address).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (502, &json!(-32603)),
        "{answer:?}"
    );
}

/// A subscription to a resource and to changes of tools. The gateway forwards it only if it has one
/// server.
fn listen(uri: &str) -> Request {
    let params = format!(
        r#""notifications":{{"toolsListChanged":true,"resourceSubscriptions":["{uri}"]}},"#
    );
    request(r#""s""#, "subscriptions/listen", &params)
}

#[tokio::test]
async fn of_several_servers_none_is_meant_by_a_subscription() {
    let (a, b) = (fake::start("", FIRST).await, fake::start("", SECOND).await);
    let clusters = [("a", a.address), ("b", b.address)];
    let config = r#"{"servers":[{"name":"a"},{"name":"b"}]}"#;
    let envoy = Envoy::start("sole_several", &Bootstrap::servers(config, &clusters));
    for (request, method) in [
        (listen("a+file:///x"), "subscriptions/listen"),
        (modern(r#""s""#, "vendor/method"), "vendor/method"),
    ] {
        let answer = request.send(envoy.address).await;
        assert_eq!(answer.status, 404, "{answer:?}");
        let answer = answer.json();
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&json!("s"), &json!(-32601))
        );
        assert_eq!(
            answer["error"]["message"],
            format!("Method not found: {method}")
        );
    }
    assert_eq!(a.take().len() + b.take().len(), 0);
}

const STREAM: &str = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{\"notifications\":{\"resourceSubscriptions\":[\"@file:///x\"]}}}\n\n: alive\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{\"uri\":\"@file:///x\"}}\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"s\",\"result\":{\"resultType\":\"complete\"}}\n\n";

#[tokio::test]
async fn a_sole_server_is_all_that_it_says_and_everything_passes_to_it() {
    #[rustfmt::skip]
    const ANSWERS: fake::Answers = &[SECOND[0], ("vendor/method", r#"{"x":1.10,"uri":"file:///x"}"#), ("prompts/get", r#"{"messages":[]}"#)];
    let server = fake::start("", ANSWERS).await;

    let events = wire::serve(|request| {
        let asked = request.json();
        if asked["method"] == "server/discover" {
            let (_, discovered) = SECOND[0];
            return wire::json(&format!(
                r#"{{"jsonrpc":"2.0","id":{},"result":{discovered}}}"#,
                asked["id"]
            ));
        }
        vec![Act::Write(
            wire::head("200 OK", "text/event-stream") + &STREAM.replace('@', ""),
        )]
    })
    .await;
    for (mode, prefix) in [("CONDITIONAL", ""), ("ALWAYS", "a+")] {
        let config = format!(
            r#"{{"servers":[{{"name":"a"}},{{"name":"b","enabled":false}}],"prefixMode":"{mode}"}}"#
        );
        let bootstrap = |address| Bootstrap::servers(&config, &[("a", address)]);
        let envoy = Envoy::with_workers(1, "sole", &bootstrap(server.address));
        let capabilities = json!({"resources": {"subscribe": true, "listChanged": true}, "prompts": {"listChanged": true}, "completions": {}});
        assert_eq!(
            discovered(&envoy).await["capabilities"],
            capabilities,
            "{mode}"
        );
        server.take();

        // The gateway does not know this method, and forwards it.
        let params = r#""deep":{"x":1.10,"uri":"a+file:///x"},"#;
        let answer = request("1", "vendor/method", params)
            .header("mcp-param-x", "1")
            .send(envoy.address)
            .await;
        assert_eq!(
            answer.text(),
            r#"{"jsonrpc":"2.0","id":1,"result":{"x":1.10,"uri":"file:///x"}}"#
        );
        let seen = server.take_one();
        assert_eq!(
            seen.body,
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"vendor/method","params":{{{params}{META}}}}}"#
            )
        );
        for (name, value) in [
            ("mcp-method", "vendor/method"),
            ("mcp-param-x", "1"),
            ("mcp-protocol-version", "2026-07-28"),
        ] {
            assert_eq!(seen.header(name), Some(value), "{name}");
        }
        // The server does not know this method either. The client gets the server's own error.
        let answer = modern("1", "no/such").send(envoy.address).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (404, &json!(-32601)),
            "{answer:?}"
        );
        assert_eq!(server.take().len(), 1);
        let name = format!("{}p", if prefix.is_empty() { "" } else { "a__" });
        let answer = about("1", "prompts/get", &name).send(envoy.address).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(server.take_one().header("mcp-name"), Some("p"));

        // The gateway removes the prefix from the URIs of a subscription.
        let answer = listen(&format!("{prefix}file:///x"))
            .send(envoy.address)
            .await;
        assert_eq!(answer.status, 404, "the server has none: {answer:?}");
        assert_eq!(
            server.take_one().body.as_bytes(),
            listen("file:///x").sent_body(),
            "{mode}"
        );
        let envoy = Envoy::with_workers(1, "sole_listen", &bootstrap(events));
        let answer = listen(&format!("{prefix}file:///x"))
            .send(envoy.address)
            .await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("text/event-stream"))
        );
        assert_eq!(answer.text(), STREAM.replace('@', prefix), "{mode}");
    }
}
