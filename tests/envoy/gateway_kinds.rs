//! Lists of every kind, merged from servers that have several pages, few capabilities, or names
//! that another entry has already.

use std::collections::HashMap;
use std::net::SocketAddr;

use serde_json::json;
use serde_json::value::RawValue;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::fake;
use crate::harness::http::Answer;
use crate::harness::message::{modern, request};

/// One kind of list.
struct Kind {
    method: &'static str,
    member: &'static str,
    /// What the names of the first server's entries begin with.
    prefix: &'static str,
}

const KINDS: [Kind; 4] = [
    kind("tools/list", "tools", "a__"),
    kind("prompts/list", "prompts", "a__"),
    kind("resources/list", "resources", "a+"),
    kind("resources/templates/list", "resourceTemplates", "a+"),
];

const fn kind(method: &'static str, member: &'static str, prefix: &'static str) -> Kind {
    Kind {
        method,
        member,
        prefix,
    }
}

/// The raw text of a member of an object.
fn member(text: &str, name: &str) -> String {
    let object: HashMap<String, Box<RawValue>> =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    object
        .get(name)
        .unwrap_or_else(|| panic!("no {name}: {text}"))
        .get()
        .to_owned()
}

/// The entries of a list, exactly as they are in the answer.
fn entries(answer: &Answer, kind: &Kind) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}: {answer:?}", kind.method);
    let list = member(&member(answer.json_text(), "result"), kind.member);
    let entries: Vec<Box<RawValue>> = serde_json::from_str(&list).expect("a list");
    entries.iter().map(|entry| entry.get().to_owned()).collect()
}

/// Entries whose text must stay as it is. `@` marks the place of the prefix.
#[rustfmt::skip]
const TOOLS: [&str; 3] = [
    r#"{ "title":"A  tool", "name":"@\u0061 b/ü", "description":null,"inputSchema":{"type":"object","properties":{"r":{"type":"string","x-mcp-header":"Region","default":1.10}}},"outputSchema":{"type":"object","n":12345678901234567890123,"e":1E+2}, "annotations":{"readOnlyHint":true},"icons":[{"src":"data:,x","sizes":["any"]}],"_meta":{"name":"a","x/y":[ 1,2 ]},"execution":{"taskSupport":"optional"},"unknown":{"deep":[[[]]]}}"#,
    r#"{"name":"@second","inputSchema":{}}"#,
    r#"{"inputSchema":{},"name":"@third"}"#,
];

const ALL: &str = r#"{"tools":{"listChanged":true},"prompts":{},"resources":{"subscribe":true},"completions":{}}"#;

/// Two pages of each kind.
#[rustfmt::skip]
const PAGED: fake::Answers = &[
    ("tools/list", r#"{"resultType":"complete","tools":[{ "title":"A  tool", "name":"\u0061 b/ü", "description":null,"inputSchema":{"type":"object","properties":{"r":{"type":"string","x-mcp-header":"Region","default":1.10}}},"outputSchema":{"type":"object","n":12345678901234567890123,"e":1E+2}, "annotations":{"readOnlyHint":true},"icons":[{"src":"data:,x","sizes":["any"]}],"_meta":{"name":"a","x/y":[ 1,2 ]},"execution":{"taskSupport":"optional"},"unknown":{"deep":[[[]]]}}, {"name":"second","inputSchema":{}}],"nextCursor":"zwei \" \u00e4","ttlMs":9000,"cacheScope":"private"}"#),
    ("tools/list#zwei \" ä", r#"{"resultType":"complete","tools":[{"inputSchema":{},"name":"third"}],"nextCursor":"","ttlMs":8000,"cacheScope":"private"}"#),
    ("tools/list#", r#"{"resultType":"complete","tools":[],"ttlMs":7000,"cacheScope":"private"}"#),
    ("prompts/list", r#"{"prompts":[{"name":"p","title":"P","arguments":[{"name":"p","required":true}]}],"nextCursor":"2"}"#),
    ("prompts/list#2", r#"{"prompts":[{"arguments":[],"name":"q","_meta":{"n":1.10}}]}"#),
    ("resources/list", r#"{"resources":[{"name":"n","uri":"file:///x","size":12345678901234567890123,"annotations":{"priority":0.10}}],"nextCursor":"2"}"#),
    ("resources/list#2", r#"{"resources":[{"uri":"x:\u0079","mimeType":"text/plain"}]}"#),
    ("resources/templates/list", r#"{"resourceTemplates":[{"uriTemplate":"file:///{path}","name":"file:///{path}"}],"nextCursor":"2"}"#),
    ("resources/templates/list#2", r#"{"resourceTemplates":[{"title":"{x}","uriTemplate":"db://{x}/{y}"}]}"#),
];

#[rustfmt::skip]
const OTHERS: [[&str; 2]; 3] = [
    [r#"{"name":"@p","title":"P","arguments":[{"name":"p","required":true}]}"#, r#"{"arguments":[],"name":"@q","_meta":{"n":1.10}}"#],
    [r#"{"name":"n","uri":"@file:///x","size":12345678901234567890123,"annotations":{"priority":0.10}}"#, r#"{"uri":"@x:y","mimeType":"text/plain"}"#],
    [r#"{"uriTemplate":"@file:///{path}","name":"file:///{path}"}"#, r#"{"title":"{x}","uriTemplate":"@db://{x}/{y}"}"#],
];

/// An entry in the form in which the test compares it: if the gateway adds a prefix, it may spell
/// the name in another way.
fn normal(entry: &str) -> String {
    entry.replace(r"\u0061", "a").replace(r"\u0079", "y")
}

#[tokio::test]
async fn every_kind_is_listed_page_by_page_in_the_order_of_the_configuration() {
    // Both servers have the same lists.
    let (a, b) = (fake::start(ALL, PAGED).await, fake::start(ALL, PAGED).await);
    let bare = fake::start(r#"{"logging":{}}"#, PAGED).await;
    let config = r#"{"servers":[{"name":"bare"},{"name":"b"},{"name":"a"}],"serverInfo":{"name":"gw","version":"9"}}"#;
    let clusters = [("a", a.address), ("b", b.address), ("bare", bare.address)];
    let envoy = Envoy::with_workers(1, "kinds", &Bootstrap::servers(config, &clusters));
    let [prompts, resources, templates] = OTHERS;
    let lists = [&TOOLS[..], &prompts, &resources, &templates];
    for (kind, list) in KINDS.iter().zip(lists) {
        let answer = modern(r#""\u0069d""#, kind.method)
            .send(envoy.address)
            .await;
        let prefixed = |prefix: &str| -> Vec<String> {
            list.iter()
                .map(|entry| normal(&entry.replace('@', prefix)))
                .collect()
        };
        let expected = [
            prefixed(&kind.prefix.replace('a', "b")),
            prefixed(kind.prefix),
        ]
        .concat();
        let got: Vec<String> = entries(&answer, kind)
            .iter()
            .map(|entry| normal(entry))
            .collect();
        assert_eq!(got, expected, "{}", kind.method);
        assert!(
            answer
                .text()
                .starts_with(r#"{"jsonrpc":"2.0","id":"\u0069d","result":{"#)
        );
        let result = &answer.json()["result"];
        assert_eq!(result["resultType"], "complete");
        assert_eq!(result.get("nextCursor"), None);
        let ttl = if kind.member == "tools" { 7000 } else { 0 };
        assert_eq!(
            (&result["ttlMs"], &result["cacheScope"]),
            (&json!(ttl), &json!("private"))
        );
        let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert_eq!(*info, json!({"name": "gw", "version": "9"}));

        let pages = if kind.member == "tools" { 3 } else { 2 };
        for server in [&a, &b] {
            let asked = server.asked();
            assert_eq!(asked.len(), pages, "{asked:?}");
            assert!(
                asked.iter().all(|asked| asked.starts_with(kind.method)),
                "{asked:?}"
            );
        }
        assert_eq!(bare.asked(), Vec::<String>::new(), "{}", kind.method);
    }
}

#[tokio::test]
async fn a_server_is_asked_for_what_it_has_and_what_nobody_has_is_an_empty_list() {
    let clusters = ["none", "tools", "prompts", "resources"];
    let mut servers = Vec::new();
    for capabilities in [
        r#"{"tools":null}"#,
        r#"{"tools":{}}"#,
        r#"{"prompts":{}}"#,
        r#"{"resources":{}}"#,
    ] {
        servers.push(fake::start(capabilities, PAGED).await);
    }
    let addresses: Vec<_> = clusters
        .into_iter()
        .zip(servers.iter().map(|server| server.address))
        .collect();
    let config = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        json!({ "servers": names }).to_string()
    };
    let all = Bootstrap::servers(&config(&clusters), &addresses);
    let all = Envoy::with_workers(1, "kinds_few", &all);
    let none = Bootstrap::servers(&config(&["none"]), &addresses);
    let none = Envoy::with_workers(1, "kinds_none", &none);
    for kind in &KINDS {
        let answer = modern("1", kind.method).send(all.address).await;
        assert!(entries(&answer, kind).len() >= 2, "{answer:?}");
        for (name, server) in clusters.iter().zip(&servers) {
            let has = kind.method.starts_with(name);
            assert_eq!(server.asked().is_empty(), !has, "{name} {}", kind.method);
        }
        let answer = modern("1", kind.method).send(none.address).await;
        assert_eq!(entries(&answer, kind), Vec::<String>::new());
        assert_eq!(servers[0].asked(), Vec::<String>::new());
    }
}

fn start(name: &str, config: &str, server: SocketAddr) -> Envoy {
    let clusters = [("a", server), ("b", server)];
    Envoy::with_workers(1, name, &Bootstrap::servers(config, &clusters))
}

#[tokio::test]
async fn a_cursor_that_the_gateway_never_gave_is_refused() {
    let server = fake::start(ALL, PAGED).await;
    let envoy = start(
        "kinds_cursor",
        r#"{"servers":[{"name":"a"}]}"#,
        server.address,
    );
    for kind in &KINDS {
        for cursor in [r#""2""#, r#""""#, "1"] {
            let answer = request("1", kind.method, &format!(r#""cursor":{cursor},"#))
                .send(envoy.address)
                .await;
            assert_eq!(
                answer.json()["error"]["code"],
                -32602,
                "{} {cursor}: {answer:?}",
                kind.method
            );
        }
        assert_eq!(server.asked(), Vec::<String>::new());
    }
}

#[rustfmt::skip]
const ENDLESS: fake::Answers = &[
    ("tools/list", r#"{"tools":[{"name":"t"}],"nextCursor":"1"}"#),
    ("tools/list#1", r#"{"tools":[{"name":"u"}],"nextCursor":"2"}"#),
    ("tools/list#2", r#"{"tools":[{"name":"v"}],"nextCursor":"3"}"#),
    ("tools/list#3", r#"{"tools":[{"name":"w"}],"nextCursor":"4"}"#),
    ("tools/list#4", r#"{"tools":[{"name":"x"}],"nextCursor":"5"}"#),
];
const LONG: fake::Answers = &[(
    "tools/list",
    r#"{"tools":[{"name":"t","x":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}]}"#,
)];
const SHORT: fake::Answers = &[("tools/list", r#"{"tools":[{"name":"t"}]}"#)];

#[tokio::test]
async fn a_list_is_whole_or_its_server_fails() {
    const TOOLS: &str = r#"{"tools":{}}"#;
    for (name, answers, limit, told) in [
        (
            "pages",
            ENDLESS,
            r#""maxListPages":5"#,
            "server b has more than 5 pages",
        ),
        (
            "bytes",
            LONG,
            r#""maxListBytes":100"#,
            "server b has too many entries",
        ),
        (
            "answer",
            LONG,
            r#""maxResponseBytes":300"#,
            "server b sent an answer of more than 300 bytes",
        ),
    ] {
        let (a, b) = (
            fake::start(TOOLS, SHORT).await,
            fake::start(TOOLS, answers).await,
        );
        let clusters = [("a", a.address), ("b", b.address)];
        for mode in ["BEST_EFFORT", "FAIL"] {
            let config = format!(
                r#"{{"servers":[{{"name":"a"}},{{"name":"b"}}],"failureMode":"{mode}",{limit}}}"#
            );
            let bootstrap = Bootstrap::servers(&config, &clusters);
            let envoy = Envoy::with_workers(1, &format!("kinds_{name}"), &bootstrap);
            let answer = modern("1", "tools/list").send(envoy.address).await;
            if mode == "FAIL" {
                assert_eq!(answer.status, 502, "{name}: {answer:?}");
                let message = answer.json()["error"]["message"].to_string();
                assert!(message.contains(told), "{name}: {message}");
            } else {
                assert_eq!(
                    entries(&answer, &KINDS[0]),
                    [r#"{"name":"a__t"}"#],
                    "{name}"
                );
                let log = envoy.logged("server b ");
                assert!(log.contains(told), "{name}: {log}");
            }
            assert_eq!(envoy.stat("wasmcustom.mcp.server.b.failures"), 1, "{name}");
            if name == "pages" {
                assert_eq!(b.asked().len(), 5);
            }
        }
    }
}

#[rustfmt::skip]
const TAKEN: fake::Answers = &[
    ("tools/list", r#"{"tools":[{"name":"t","n":1},{"name":"t","n":2},{"name":"u"}],"nextCursor":"2"}"#),
    ("tools/list#2", r#"{"tools":[{"name":"t","n":3},{"name":"b__x","n":4},{"name":"v"}]}"#),
    ("resources/list", r#"{"resources":[{"uri":"t:","n":1},{"uri":"b+t:","n":2},{"uri":"t:","n":3}]}"#),
];
#[rustfmt::skip]
const OWNER: fake::Answers = &[
    ("tools/list", r#"{"tools":[{"name":"x","n":5}]}"#),
    ("resources/list", r#"{"resources":[{"uri":"t:","n":4}]}"#),
];

#[tokio::test]
async fn of_one_name_the_first_stays_and_the_others_are_counted() {
    let (a, b) = (fake::start(ALL, TAKEN).await, fake::start(ALL, OWNER).await);
    let config = r#"{"servers":[{"name":"a","toolPrefix":""},{"name":"b"}]}"#;
    let clusters = [("a", a.address), ("b", b.address)];
    let envoy = Envoy::with_workers(1, "kinds_taken", &Bootstrap::servers(config, &clusters));
    let collisions = || envoy.stat("wasmcustom.mcp.list.collisions");
    let tools = entries(
        &modern("1", "tools/list").send(envoy.address).await,
        &KINDS[0],
    );
    // `a` comes first and has a tool `b__x` of its own, so the tool `x` of `b` is left out.
    let expected = [
        r#"{"name":"t","n":1}"#,
        r#"{"name":"u"}"#,
        r#"{"name":"b__x","n":4}"#,
        r#"{"name":"v"}"#,
    ];
    assert_eq!(tools, expected);
    assert_eq!(collisions(), 3);
    let resources = entries(
        &modern("1", "resources/list").send(envoy.address).await,
        &KINDS[2],
    );
    assert_eq!(
        resources,
        [r#"{"uri":"t:","n":1}"#, r#"{"uri":"b+t:","n":2}"#]
    );
    assert_eq!(collisions(), 5);
}
