//! The names that clients use: which server each name means, and under which name the request
//! reaches the server.

use serde_json::{Value, json};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::Capture;
use crate::harness::envoy::Envoy;
use crate::harness::fake;
use crate::harness::http::{Answer, Request};
use crate::harness::message::{about, completion, modern};

const ALL: &str = r#"{"tools":{},"prompts":{},"resources":{},"completions":{}}"#;

#[rustfmt::skip]
const ANSWERS: fake::Answers = &[
    ("tools/list", r#"{"tools":[{"name":"x","of":1},{"name":"get_y"}],"nextCursor":"2"}"#),
    ("tools/list#2", r#"{"tools":[{"name":"get_secret"}]}"#),
    ("prompts/list", r#"{"prompts":[{"name":"x"},{"name":"hidden"}]}"#),
    ("resources/list", r#"{"resources":[{"uri":"file:///x"},{"uri":"file:///etc/passwd"}]}"#),
    ("resources/templates/list", r#"{"resourceTemplates":[{"uriTemplate":"file:///{x}"},{"uriTemplate":"file:///etc/{x}"}]}"#),
    ("tools/call", r#"{"content":[]}"#),
    ("prompts/get", r#"{"messages":[]}"#),
    ("resources/read", r#"{"contents":[]}"#),
    ("completion/complete", r#"{"completion":{"values":["x"]}}"#),
];
#[rustfmt::skip]
const SECOND: fake::Answers = &[
    ("tools/list", r#"{"tools":[{"name":"x","of":2},{"name":"only"}]}"#),
    ("prompts/list", r#"{"prompts":[{"name":"x"},{"name":"only"}]}"#),
    ("resources/list", r#"{"resources":[{"uri":"file:///x"},{"uri":"file:///only"}]}"#),
    ("resources/templates/list", r#"{"resourceTemplates":[{"uriTemplate":"db://{x}"}]}"#),
    ("tools/call", r#"{"content":[]}"#),
    ("prompts/get", r#"{"messages":[]}"#),
    ("resources/read", r#"{"contents":[]}"#),
    ("completion/complete", r#"{"completion":{"values":["x"]}}"#),
];

/// Two servers, `a` and `b`, behind one gateway.
struct Two {
    a: Capture,
    b: Capture,
    envoy: Envoy,
}

async fn two(name: &str, config: &str) -> Two {
    let (a, b) = (
        fake::start(ALL, ANSWERS).await,
        fake::start(ALL, SECOND).await,
    );
    let clusters = [("a", a.address), ("b", b.address)];
    let envoy = Envoy::with_workers(1, name, &Bootstrap::servers(config, &clusters));
    Two { a, b, envoy }
}

impl Two {
    async fn names(&self, method: &str) -> Vec<String> {
        let answer = modern("1", method).send(self.envoy.address).await;
        assert_eq!(answer.status, 200, "{method}: {answer:?}");
        let result = answer.json()["result"].clone();
        let member = ["tools", "prompts", "resources", "resourceTemplates"];
        let list = member.iter().find_map(|member| result[member].as_array());
        let name = |entry: &Value| {
            let name = ["uri", "uriTemplate", "name"]
                .iter()
                .find_map(|key| entry[key].as_str());
            name.expect("a name").to_owned()
        };
        list.expect("a list").iter().map(name).collect()
    }

    /// Sends the request. Returns the answer, and which server got the request, with which
    /// parameters and which `Mcp-Name`.
    async fn reached(
        &self,
        request: &Request,
    ) -> (Answer, Option<(&'static str, Value, Option<String>)>) {
        let answer = request.send(self.envoy.address).await;
        let both = [("a", self.a.take()), ("b", self.b.take())];
        let mut routed = both
            .into_iter()
            .flat_map(|(server, all)| all.into_iter().map(move |one| (server, one)));
        let is_routed = |method: &Value| {
            ![
                "server/discover",
                "tools/list",
                "prompts/list",
                "resources/list",
                "resources/templates/list",
            ]
            .iter()
            .any(|list| method == list)
        };
        let one = routed.find(|(_, request)| is_routed(&request.json()["method"]));
        assert!(!routed.any(|(_, request)| is_routed(&request.json()["method"])));
        let one = one.map(|(server, request)| {
            let header = request.header("mcp-name").map(str::to_owned);
            (server, request.json()["params"].clone(), header)
        });
        (answer, one)
    }

    /// Fails unless `request` reaches `server` with the server's own name.
    async fn assert_reaches(&self, request: &Request, server: &str, member: &str, own: &str) {
        let (answer, reached) = self.reached(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let (at, params, _) = reached.unwrap_or_else(|| panic!("{answer:?} to {request:?}"));
        let name = params.pointer(member).and_then(Value::as_str);
        assert_eq!((at, name), (server, Some(own)), "{request:?}");
    }

    /// Fails unless `request` reaches no server and the client gets this error.
    async fn assert_unknown(&self, request: &Request, message: &str) {
        let (answer, reached) = self.reached(request).await;
        assert!(reached.is_none(), "{request:?}: {reached:?}");
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["code"], error["message"].as_str()),
            (200, &json!(-32602), Some(message)),
            "{request:?}"
        );
    }
}

#[tokio::test]
async fn prefixes_apply_as_the_mode_says() {
    for (at, (config, first, second)) in [
        (
            r#"{"servers":[{"name":"a"},{"name":"b"}]}"#,
            Some("a__x"),
            Some("b__x"),
        ),
        (r#"{"servers":[{"name":"a"}]}"#, Some("a__x"), None),
        (
            r#"{"servers":[{"name":"a"},{"name":"b"}],"prefixMode":"ALWAYS"}"#,
            Some("a__x"),
            Some("b__x"),
        ),
        (
            r#"{"servers":[{"name":"a"},{"name":"b"}],"prefixMode":"CONDITIONAL"}"#,
            Some("a__x"),
            Some("b__x"),
        ),
        (
            r#"{"servers":[{"name":"a"},{"name":"b","enabled":false}],"prefixMode":"CONDITIONAL"}"#,
            Some("x"),
            None,
        ),
        (
            r#"{"servers":[{"name":"a","toolPrefix":"my-"},{"name":"b"}],"prefixMode":"NEVER"}"#,
            Some("my-x"),
            Some("x"),
        ),
        (
            r#"{"servers":[{"name":"a","toolPrefix":""},{"name":"b"}]}"#,
            Some("x"),
            Some("b__x"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let two = two(&format!("names_mode_{at}"), config).await;
        let names = two.names("tools/list").await;
        for (server, name) in [("a", first), ("b", second)] {
            let Some(name) = name else { continue };
            assert!(
                names.iter().any(|listed| listed == name),
                "{config}: {names:?}"
            );
            let call = about("1", "tools/call", name);
            two.assert_reaches(&call, server, "/name", "x").await;
        }
        assert_eq!(
            names.iter().any(|name| name.starts_with('b')),
            second == Some("b__x"),
            "{config}: {names:?}"
        );
    }
}

#[tokio::test]
async fn of_servers_that_share_a_prefix_the_first_that_has_it_is_meant() {
    let two = two(
        "names_never",
        r#"{"servers":[{"name":"a"},{"name":"b"}],"prefixMode":"NEVER"}"#,
    )
    .await;
    assert_eq!(
        two.names("tools/list").await,
        ["x", "get_y", "get_secret", "only"]
    );
    assert_eq!(two.names("prompts/list").await, ["x", "hidden", "only"]);
    assert_eq!(
        two.names("resources/list").await,
        ["file:///x", "file:///etc/passwd", "file:///only"]
    );
    let tools = modern("1", "tools/list").send(two.envoy.address).await;
    assert_eq!(
        tools.json()["result"]["tools"][0],
        json!({"name": "x", "of": 1})
    );
    two.a.take();
    two.b.take();
    for (method, name, server) in [
        ("tools/call", "x", "a"),
        ("tools/call", "get_secret", "a"),
        ("tools/call", "only", "b"),
        ("prompts/get", "x", "a"),
        ("prompts/get", "only", "b"),
        ("resources/read", "file:///x", "a"),
        ("resources/read", "file:///only", "b"),
        // These URIs match a server's template. They are in no list.
        ("resources/read", "file:///made", "a"),
        ("resources/read", "db://made", "b"),
    ] {
        let member = if method == "resources/read" {
            "/uri"
        } else {
            "/name"
        };
        two.assert_reaches(&about("1", method, name), server, member, name)
            .await;
    }
    for (reference, server, member, own) in [
        (
            r#"{"type":"ref/prompt","name":"only"}"#,
            "b",
            "/ref/name",
            "only",
        ),
        (r#"{"type":"ref/prompt","name":"x"}"#, "a", "/ref/name", "x"),
        (
            r#"{"type":"ref/resource","uri":"db://{x}"}"#,
            "b",
            "/ref/uri",
            "db://{x}",
        ),
        (
            r#"{"type":"ref/resource","uri":"file:///{x}"}"#,
            "a",
            "/ref/uri",
            "file:///{x}",
        ),
    ] {
        two.assert_reaches(&completion(reference), server, member, own)
            .await;
    }
    for (method, name, told) in [
        ("tools/call", "a__x", "Unknown tool: a__x"),
        ("tools/call", "", "Unknown tool: "),
        ("prompts/get", "none", "Unknown prompt: none"),
        (
            "resources/read",
            "http://none/",
            "Unknown resource: http://none/",
        ),
    ] {
        two.assert_unknown(&about("1", method, name), told).await;
    }
}

#[tokio::test]
async fn the_longest_prefix_wins() {
    let two = two(
        "names_longest",
        r#"{"servers":[{"name":"a","toolPrefix":"g"},{"name":"b","toolPrefix":"get_"}]}"#,
    )
    .await;
    for (name, server, own) in [
        ("get_x", "b", "x"),
        ("get_only", "b", "only"),
        ("gx", "a", "x"),
        ("gget_y", "a", "get_y"),
    ] {
        two.assert_reaches(&about("1", "tools/call", name), server, "/name", own)
            .await;
    }
    two.assert_unknown(&about("1", "tools/call", "x"), "Unknown tool: x")
        .await;
}

#[tokio::test]
async fn what_is_excluded_is_neither_listed_nor_called() {
    let config = r#"{"servers":[{"name":"a",
        "tools":{"include":["get_*"],"exclude":["*secret"]},
        "prompts":{"exclude":["hid*n"]},
        "resources":{"include":["file:*"],"exclude":["file:///etc/*"]}},{"name":"b"}]}"#;
    let two = two("names_excluded", config).await;
    for (method, expected) in [
        ("tools/list", &["a__get_y", "b__x", "b__only"][..]),
        ("prompts/list", &["a__x", "b__x", "b__only"]),
        (
            "resources/list",
            &["a+file:///x", "b+file:///x", "b+file:///only"],
        ),
        ("resources/templates/list", &["a+file:///{x}", "b+db://{x}"]),
    ] {
        assert_eq!(two.names(method).await, expected, "{method}");
    }
    two.a.take();
    two.b.take();
    for (method, name, told) in [
        ("tools/call", "a__x", "Unknown tool: a__x"),
        ("tools/call", "a__get_secret", "Unknown tool: a__get_secret"),
        ("prompts/get", "a__hidden", "Unknown prompt: a__hidden"),
        (
            "resources/read",
            "a+file:///etc/passwd",
            "Unknown resource: a+file:///etc/passwd",
        ),
        (
            "resources/read",
            "a+http://x/",
            "Unknown resource: a+http://x/",
        ),
    ] {
        two.assert_unknown(&about("1", method, name), told).await;
    }
    for reference in [
        r#"{"type":"ref/prompt","name":"a__hidden"}"#,
        r#"{"type":"ref/resource","uri":"a+file:///etc/{x}"}"#,
    ] {
        let (answer, reached) = two.reached(&completion(reference)).await;
        assert!(reached.is_none(), "{reference}: {reached:?}");
        assert_eq!(answer.json()["error"]["code"], -32602, "{answer:?}");
    }
    // This name is neither listed nor excluded. The gateway forwards it, and the server must
    // decide.
    two.assert_reaches(&about("1", "tools/call", "a__get_z"), "a", "/name", "get_z")
        .await;
    two.assert_reaches(
        &about("1", "resources/read", "a+file:///z"),
        "a",
        "/uri",
        "file:///z",
    )
    .await;
}
