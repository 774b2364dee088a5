//! `toolSearch` in real Envoy: later filters and servers see the tool that `call_tool`
//! calls, and never `call_tool`.

use serde_json::{Value, json};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::fake;
use crate::harness::message::{call, modern};

const TOOLS: &str = r#"{"tools":{}}"#;

#[rustfmt::skip]
const ANSWERS: fake::Answers = &[
    ("tools/list", r#"{"tools":[{"name":"read_file","description":"Show a file"},{"name":"delete_file","description":"Delete a file"}]}"#),
    ("tools/call", r#"{"content":[]}"#),
];
#[rustfmt::skip]
const OTHERS: fake::Answers = &[
    ("tools/list", r#"{"tools":[{"name":"send","description":"Send a message"}]}"#),
    ("tools/call", r#"{"content":[]}"#),
];

/// A policy that denies `a__delete_file` by the filter state, and `call_tool` by the headers.
const RBAC: &str = r#"          - name: envoy.filters.http.rbac
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
              rules:
                action: DENY
                policies:
                  by-state:
                    permissions: [{ any: true }]
                    principals: [{ filter_state: { key: wasm.mcp.name, string_match: { exact: a__delete_file } } }]
                  by-header:
                    permissions: [{ header: { name: x-mcp-toolname, string_match: { exact: call_tool } } }]
                    principals: [{ any: true }]
                  by-standard-header:
                    permissions: [{ header: { name: mcp-name, string_match: { exact: call_tool } } }]
                    principals: [{ any: true }]
"#;

#[tokio::test]
async fn rbac_sees_the_inner_tool_and_the_server_gets_a_plain_call() {
    let (a, b) = (
        fake::start(TOOLS, ANSWERS).await,
        fake::start(TOOLS, OTHERS).await,
    );
    let clusters = [("a", a.address), ("b", b.address)];
    let config = r#"{"servers":[{"name":"a"},{"name":"b"}],"toolSearch":{"threshold":2}}"#;
    let bootstrap = Bootstrap::servers(config, &clusters).filter_behind(RBAC);
    let envoy = Envoy::with_workers(1, "tool_search", &bootstrap);
    let to = envoy.address;

    let list = modern("1", "tools/list").send(to).await.json();
    let names = |list: &Value| -> Vec<String> {
        let tools = list.as_array().expect("tools").iter();
        tools
            .map(|it| it["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names(&list["result"]["tools"]),
        ["search_tools", "call_tool"]
    );

    let question = r#"{"query":"remove a file"}"#;
    let found = call("2", "search_tools", question).send(to).await.json();
    let found = &found["result"]["structuredContent"];
    assert_eq!(names(&found["tools"]), ["a__delete_file", "a__read_file"]);
    assert_eq!(found["total"], 2);
    a.take();

    let allowed = call(
        "3",
        "call_tool",
        r#"{"name":"a__read_file","arguments":{"path":"x"}}"#,
    );
    let answer = allowed.send(to).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["result"]["content"], json!([]));
    let got = a.take();
    let [_, got] = got.as_slice() else {
        panic!("a list and a call: {got:?}");
    };
    assert_eq!(got.header("mcp-name"), Some("read_file"));
    let params = &got.json()["params"];
    assert_eq!(params["name"], "read_file");
    assert_eq!(params["arguments"], json!({"path": "x"}));
    let length = got.header("content-length").map(str::to_owned);
    assert_eq!(length, Some(got.body.len().to_string()));

    let denied = call("4", "call_tool", r#"{"name":"a__delete_file"}"#);
    let answer = denied.send(to).await;
    assert_eq!((answer.status, answer.text()), (403, "RBAC: access denied"));
    assert_eq!(a.asked(), ["tools/list"]);
}

/// Lists of 2,000 tools, with 50 on each page.
fn many_tools() -> fake::Answers {
    let mut answers = vec![("tools/call", r#"{"content":[]}"#)];
    for page in 0..40 {
        let tool = |at: u32| {
            let number = page * 50 + at;
            json!({
                "name": format!("list_items_of_kind_{number}"),
                "description": format!("List the items of kind {number} in a project, with their owner, their state and the time of the last change. Filter by label or by owner, sort by any field, and ask for the next page with its cursor."),
                "inputSchema": {"type": "object", "properties": {
                    "project": {"type": "string", "description": "The key of the project"},
                    "label": {"type": "string", "description": "Only items with this label"},
                    "owner": {"type": "string", "description": "Only items of this owner"},
                    "cursor": {"type": "string", "description": "Where the page starts"},
                }, "required": ["project"]},
            })
        };
        let tools: Vec<Value> = (0..50).map(tool).collect();
        let mut list = json!({"tools": tools, "ttlMs": 600_000, "cacheScope": "public"});
        if page < 39 {
            list["nextCursor"] = json!((page + 1).to_string());
        }
        let method = match page {
            0 => "tools/list".to_owned(),
            page => format!("tools/list#{page}"),
        };
        answers.push((method.leak(), list.to_string().leak()));
    }
    answers.leak()
}

#[tokio::test]
async fn two_thousand_tools_are_searched() {
    let server = fake::start(TOOLS, many_tools()).await;
    let config = r#"{"servers":[{"name":"a"}],"toolSearch":{}}"#;
    let bootstrap = Bootstrap::servers(config, &[("a", server.address)]);
    let envoy = Envoy::with_workers(1, "tool_search_many", &bootstrap);
    let question = r#"{"query":"show items of kind 1234 with a label"}"#;
    let search = call("1", "search_tools", question);
    let inner = call("1", "call_tool", r#"{"name":"a__list_items_of_kind_7"}"#);
    let plain = call("1", "a__list_items_of_kind_7", "{}");
    for (what, request) in [
        ("tools/list", modern("1", "tools/list")),
        ("search_tools", search),
        ("call_tool", inner),
        ("a call by the tool's own name", plain),
    ] {
        // The first request fills the cache.
        let mut answer = request.send(envoy.address).await;
        let mut times = Vec::new();
        for _ in 0..15 {
            let since = std::time::Instant::now();
            answer = request.send(envoy.address).await;
            times.push(since.elapsed());
        }
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        if what == "search_tools" {
            let found = &answer.json()["result"]["structuredContent"];
            assert_eq!(found["tools"][0]["name"], "a__list_items_of_kind_1234");
            assert_eq!(found["total"], 2000);
        }
        times.sort();
        println!(
            "2000 tools, {what}: {:?} at best, {:?} mostly",
            times[0], times[7]
        );
    }
    let lists = server
        .asked()
        .iter()
        .filter(|it| it.starts_with("tools/list"))
        .count();
    assert_eq!(lists, 40, "the pages are kept");
}
