//! What a server gets of a routed request: the whole request, with the server's own names in it.

use serde_json::json;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::fake;
use crate::harness::message::{META, about, completion, request};

const ANSWERS: fake::Answers = &[
    ("tools/call", r#"{"content":[]}"#),
    ("prompts/get", r#"{"messages":[]}"#),
    ("resources/read", r#"{"contents":[]}"#),
    ("completion/complete", r#"{"completion":{"values":["x"]}}"#),
];

#[tokio::test]
async fn a_routed_request_says_the_servers_own_name_in_body_and_headers() {
    let (a, b) = (
        fake::start("{}", ANSWERS).await,
        fake::start("{}", ANSWERS).await,
    );
    let clusters = [("a", a.address), ("b", b.address)];
    let config = r#"{"servers":[{"name":"a"},{"name":"b"}]}"#;
    let envoy = Envoy::start("requests", &Bootstrap::servers(config, &clusters));
    for (method, name, own, header) in [
        ("prompts/get", "b__only", "only", "only"),
        (
            "resources/read",
            "b+file:///only?q=1#f",
            "file:///only?q=1#f",
            "file:///only?q=1#f",
        ),
        ("tools/call", "b__größe", "größe", "=?base64?Z3LDtsOfZQ==?="),
        ("prompts/get", "b__日本", "日本", "=?base64?5pel5pys?="),
    ] {
        let encoded = match name {
            "b__größe" => "=?base64?Yl9fZ3LDtsOfZQ==?=",
            "b__日本" => "=?base64?Yl9f5pel5pys?=",
            plain => plain,
        };
        let request = about("1", method, name)
            .with("mcp-name", encoded)
            .header("mcp-param-region", "=?base64?w6Q=?=")
            .header("mcp-param-x", "1");
        let answer = request.send(envoy.address).await;
        assert_eq!(answer.status, 200, "{method}: {answer:?}");
        let seen = b.take_one();
        for (field, value) in [
            ("mcp-method", method),
            ("mcp-name", header),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-param-region", "=?base64?w6Q=?="),
            ("mcp-param-x", "1"),
        ] {
            assert_eq!(seen.header(field), Some(value), "{method} {name}: {field}");
        }
        let member = if method == "resources/read" {
            "uri"
        } else {
            "name"
        };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"{member}":"{own}",{META}}}}}"#
        );
        assert_eq!(seen.body, body);
        assert_eq!(
            seen.header("content-length"),
            Some(body.len().to_string().as_str())
        );
    }
    for (reference, server, own) in [
        (
            r#"{"type":"ref/prompt", "name":"b__x","y":1.10}"#,
            "b",
            r#"{"type":"ref/prompt", "name":"x","y":1.10}"#,
        ),
        (
            r#"{"uri":"a+file:///{x}","type":"ref\/resource"}"#,
            "a",
            r#"{"uri":"file:///{x}","type":"ref\/resource"}"#,
        ),
    ] {
        let answer = completion(reference).send(envoy.address).await;
        assert_eq!(
            answer.json()["result"]["completion"],
            json!({"values": ["x"]})
        );
        let seen = if server == "a" {
            a.take_one()
        } else {
            b.take_one()
        };
        let sent = completion(own);
        assert_eq!(seen.body.as_bytes(), sent.sent_body(), "{reference}");
        assert_eq!(seen.header("mcp-name"), None);
    }
    for params in [
        "",
        r#""ref":{},"#,
        r#""ref":{"type":"ref/other","name":"a__x"},"#,
        r#""ref":{"type":"ref/prompt","uri":"a__x"},"#,
    ] {
        let answer = request("1", "completion/complete", params)
            .send(envoy.address)
            .await;
        assert_eq!(
            answer.json()["error"]["code"],
            -32602,
            "{params}: {answer:?}"
        );
    }
    let unknown = completion(r#"{"type":"ref/prompt","name":"x"}"#);
    let error = unknown.send(envoy.address).await.json()["error"].clone();
    assert_eq!(error["message"], "Unknown prompt: x");
}
