//! `authorization` in front of several servers: lists show exactly what a caller may call.

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::{Capture, Recorded};
use crate::harness::envoy::{self, Envoy};
use crate::harness::fake;
use crate::harness::http::{Answer, Request};
use crate::harness::message::{about, completion, legacy, modern, request};
use crate::harness::session::Session;

pub(crate) const ALL: &str =
    r#"{"tools":{},"prompts":{},"resources":{"subscribe":true},"completions":{}}"#;

/// Lists that caches may keep for all callers, and a result for each method that uses their
/// entries.
#[rustfmt::skip]
pub(crate) const LISTS: fake::Answers = &[
    ("tools/list", r#"{"resultType":"complete","tools":[{"name":"read","inputSchema":{"type":"object"}},{"name":"delete","inputSchema":{"type":"object"}},{"name":"write","inputSchema":{"type":"object"}}],"ttlMs":60000,"cacheScope":"public"}"#),
    ("prompts/list", r#"{"resultType":"complete","prompts":[{"name":"p"},{"name":"q"}],"ttlMs":60000,"cacheScope":"public"}"#),
    ("resources/list", r#"{"resultType":"complete","resources":[{"name":"x","uri":"f:x"},{"name":"y","uri":"g:y"}],"ttlMs":60000,"cacheScope":"public"}"#),
    ("resources/templates/list", r#"{"resultType":"complete","resourceTemplates":[{"name":"x","uriTemplate":"f:{x}"},{"name":"y","uriTemplate":"g:{y}"}],"ttlMs":60000,"cacheScope":"public"}"#),
    ("tools/call", r#"{"resultType":"complete","content":[]}"#),
    ("prompts/get", r#"{"resultType":"complete","messages":[]}"#),
    ("resources/read", r#"{"resultType":"complete","contents":[],"ttlMs":0,"cacheScope":"private"}"#),
    ("completion/complete", r#"{"resultType":"complete","completion":{"values":[]}}"#),
];

fn in_json(request: &Recorded) -> Response {
    fake::answer(request, ALL, LISTS)
}

/// The same answer as an event, after an event with another message.
pub(crate) fn in_events(request: &Recorded) -> Response {
    let message = request.json();
    let method = message["method"].as_str().unwrap_or_default();
    let answer = LISTS.iter().find(|(known, _)| *known == method);
    let Some((_, result)) = answer else {
        return in_json(request);
    };
    let events = format!(
        ": hello\r\n\r\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{\"level\":\"info\",\"data\":{{\"tools\":[{{\"name\":\"delete\"}}]}}}}}}\r\n\r\nid: 1\r\ndata: {{\"jsonrpc\":\"2.0\",\"id\":{},\r\ndata: \"result\":{result}}}\r\n\r\n",
        message["id"]
    );
    ([("content-type", "text/event-stream")], events).into_response()
}

/// Two servers with the same entries. One answers in JSON, the other in events.
async fn servers() -> (Capture, Capture) {
    (
        Capture::start(in_json).await,
        Capture::start(in_events).await,
    )
}

fn gateway((a, b): &(Capture, Capture), authorization: &str) -> Bootstrap {
    let authorization: String = authorization.lines().map(str::trim).collect();
    let config =
        format!(r#"{{"servers":[{{"name":"a"}},{{"name":"b"}}],"authorization":{authorization}}}"#);
    Bootstrap::servers(&config, &[("a", a.address), ("b", b.address)])
}

/// The first rule that matches decides. Without `x-user`, the expressions of the second and the
/// third rule fail: so the second denies, and the third does not allow.
#[rustfmt::skip]
const RULES: &str = r#"{"rules":[
    {"action":"DENY","tools":["*__delete"]},
    {"action":"DENY","when":"request.headers['x-user'] == 'guest'","tools":["b__*"]},
    {"action":"ALLOW","when":"request.headers['x-user'] == 'admin'"},
    {"action":"ALLOW","tools":["a__*","b__read"],"prompts":["a__p"],"resources":["a+f:*"]}
]}"#;

/// A kind of list: its method, its member in the result, the member that names an entry, and the
/// method that uses an entry.
struct Kind {
    list: &'static str,
    member: &'static str,
    key: &'static str,
    asked: &'static str,
}

const KINDS: [Kind; 4] = [
    kind(["tools/list", "tools", "name", "tools/call"]),
    kind(["prompts/list", "prompts", "name", "prompts/get"]),
    kind(["resources/list", "resources", "uri", "resources/read"]),
    kind([
        "resources/templates/list",
        "resourceTemplates",
        "uriTemplate",
        "resources/read",
    ]),
];

const fn kind([list, member, key, asked]: [&'static str; 4]) -> Kind {
    Kind {
        list,
        member,
        key,
        asked,
    }
}

impl Kind {
    /// The names of the entries that the list shows.
    fn names(&self, answer: &Answer) -> Vec<String> {
        assert_eq!(answer.status, 200, "{}: {answer:?}", self.list);
        let list = &answer.json()["result"][self.member];
        let list = list.as_array().unwrap_or_else(|| panic!("{answer:?}"));
        let name = |entry: &Value| entry[self.key].as_str().expect("a name").to_owned();
        list.iter().map(name).collect()
    }
}

/// Fails unless the answer denies `what`.
pub(crate) fn assert_denied(answer: &Answer, id: &str, what: &str) {
    assert_eq!(answer.status, 403, "{what}: {answer:?}");
    assert_denial(answer, id, what);
}

/// The same in the session of a legacy client. Another status than 200 would end the session.
fn assert_denied_in_session(answer: &Answer, id: &str, what: &str) {
    assert_eq!(answer.status, 200, "{what}: {answer:?}");
    assert_denial(answer, id, what);
}

fn assert_denial(answer: &Answer, id: &str, what: &str) {
    let expected = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":403,"message":"Denied: {what}"}}}}"#
    );
    assert_eq!(answer.text(), expected);
    assert_eq!(answer.header("www-authenticate"), None);
}

/// The request with this user in `x-user`, or without a user.
fn from(request: Request, user: Option<&str>) -> Request {
    match user {
        Some(user) => request.header("x-user", user),
        None => request,
    }
}

/// What each user may use, by kind of list.
#[rustfmt::skip]
const SHOWN: [(Option<&str>, [&[&str]; 4]); 4] = [
    (None, [&["a__read", "a__write"], &["a__p"], &["a+f:x"], &["a+f:{x}"]]),
    (Some("guest"), [&["a__read", "a__write"], &["a__p"], &["a+f:x"], &["a+f:{x}"]]),
    (Some("user"), [&["a__read", "a__write", "b__read"], &["a__p"], &["a+f:x"], &["a+f:{x}"]]),
    (Some("admin"), [
        &["a__read", "a__write", "b__read", "b__write"],
        &["a__p", "a__q", "b__p", "b__q"],
        &["a+f:x", "a+g:y", "b+f:x", "b+g:y"],
        &["a+f:{x}", "a+g:{y}", "b+f:{x}", "b+g:{y}"],
    ]),
];

/// Everything that both servers have, by kind of list.
#[rustfmt::skip]
const EVERYTHING: [&[&str]; 4] = [
    &["a__read", "a__delete", "a__write", "b__read", "b__delete", "b__write"],
    &["a__p", "a__q", "b__p", "b__q"],
    &["a+f:x", "a+g:y", "b+f:x", "b+g:y"],
    &["a+f:{x}", "a+g:{y}", "b+f:{x}", "b+g:{y}"],
];

#[tokio::test]
async fn what_may_be_called_is_what_lists_show_in_either_era() {
    let servers = servers().await;
    let envoy = Envoy::start("authorization", &gateway(&servers, RULES));
    let to = envoy.address;
    let before = denied(&envoy);
    let mut expected = 0;
    for (user, shown) in SHOWN {
        let begun = from(crate::harness::session::initialize(), user);
        let session = Session::begun(&begun.send(to).await);
        for ((kind, shown), everything) in KINDS.iter().zip(shown).zip(EVERYTHING) {
            let modern = from(modern("1", kind.list), user);
            let legacy = from(session.request("1", kind.list, "{}"), user);
            for list in [&modern, &legacy, &modern] {
                let answer = list.send(to).await;
                assert_eq!(kind.names(&answer), shown, "{user:?}: {answer:?}");
                // Another caller may get another list, so no cache may keep this list for all.
                let scope = &answer.json()["result"]["cacheScope"];
                assert_ne!(*scope, "public", "{answer:?}");
            }
            for name in everything {
                let member = if kind.key == "name" { "name" } else { "uri" };
                // A template is read with its variables filled in.
                let asked = name.replace(['{', '}'], "");
                let params = format!(r#"{{"{member}":"{asked}"}}"#);
                let modern = about("1", kind.asked, &asked);
                let legacy = session.request("1", kind.asked, &params);
                let denial: [fn(&Answer, &str, &str); 2] =
                    [assert_denied, assert_denied_in_session];
                for (request, assert_denied) in [modern, legacy].into_iter().zip(denial) {
                    servers.0.take();
                    servers.1.take();
                    let answer = from(request, user).send(to).await;
                    if shown.contains(name) {
                        assert_eq!(answer.status, 200, "{user:?} {name}: {answer:?}");
                        assert!(
                            answer.text().contains(r#""result":{"#),
                            "{name}: {answer:?}"
                        );
                    } else {
                        expected += 1;
                        assert_denied(&answer, "1", &format!("{} {asked}", kind.asked));
                        assert!(servers.0.take().is_empty() && servers.1.take().is_empty());
                    }
                }
            }
        }
    }
    assert_eq!(denied(&envoy) - before, expected);
    assert!(expected > 20, "{expected}");
}

fn denied(envoy: &Envoy) -> u64 {
    let denied = envoy.stat("wasmcustom.mcp.denied");
    assert_eq!(denied, envoy.stat("wasmcustom.mcp.rejected.denied"));
    denied
}

#[tokio::test]
async fn what_is_denied_does_not_say_whether_it_is_there() {
    let servers = servers().await;
    let envoy = Envoy::with_workers(1, "authorization_names", &gateway(&servers, RULES));
    for (name, allowed) in [
        // The server is unknown, the tool is unknown, or the rules deny the tool: the denial is the
        // same.
        ("b__write", false),
        ("b__nothing", false),
        ("c__read", false),
        ("nothing", false),
        ("", false),
        ("a__delete", false),
        ("A__read", false),
        (" a__read", false),
        ("a__\\u0072ead", true),
        ("a__nothing", true),
    ] {
        let id = r#""\u0031""#;
        let params = format!(r#"{{"name":"{name}"}}"#);
        let answer = legacy(id, "tools/call", &params).send(envoy.address).await;
        if allowed {
            // The rules allow this call. It fails because it has no session.
            assert_eq!(answer.status, 400, "{name}: {answer:?}");
        } else {
            assert_denied_in_session(&answer, id, &format!("tools/call {name}"));
        }
    }
    assert!(servers.0.take().is_empty() && servers.1.take().is_empty());
    let once = legacy("1", "tools/call", r#"{"name":"x"}"#).target("/mcp?once");
    assert_denied_in_session(&once.send(envoy.address).await, "1", "tools/call x");
    envoy.access_with(&json!({
        "path": "/mcp?once",
        "code": 200,
        "details": "mcp_denied",
        "mcp_status": "mcp_denied",
        "mcp_method": "tools/call",
        "mcp_tool": "x",
    }));
}

#[tokio::test]
async fn completions_and_subscriptions_need_the_right_to_what_they_are_about() {
    let servers = servers().await;
    let envoy = Envoy::start("authorization_about", &gateway(&servers, RULES));
    let uri = |uri: &str| completion(&format!(r#"{{"type":"ref/resource","uri":"{uri}"}}"#));
    let prompt = |name: &str| completion(&format!(r#"{{"type":"ref/prompt","name":"{name}"}}"#));
    let listen = |uris: &str| {
        let params = format!(r#""notifications":{{"resourceSubscriptions":[{uris}]}},"#);
        request("1", "subscriptions/listen", &params)
    };
    for (asked, denied) in [
        (prompt("a__p"), None),
        (prompt("a__q"), Some("completion/complete a__q")),
        (uri("a+f:{x}"), None),
        (uri("a+g:{y}"), Some("completion/complete a+g:{y}")),
        // This reference has a prompt and a resource. The caller needs the right to both, whatever
        // `type` says.
        (
            completion(r#"{"type":"ref/prompt","name":"a__p","uri":"a+g:{y}"}"#),
            Some("completion/complete a+g:{y}"),
        ),
        (completion("{}"), Some("completion/complete")),
        (listen(r#""a+f:x""#), None),
        (
            listen(r#""a+f:x","a+g:y""#),
            Some("subscriptions/listen a+g:y"),
        ),
        (listen(""), Some("subscriptions/listen")),
    ] {
        let answer = asked.send(envoy.address).await;
        match denied {
            Some(what) => assert_denied(&answer, "1", what),
            None => assert_ne!(answer.status, 403, "{asked:?}: {answer:?}"),
        }
        let answer = asked.header("x-user", "admin").send(envoy.address).await;
        assert_ne!(answer.status, 403, "{answer:?}");
    }
    let session = Session::begin(envoy.address).await;
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        for (uri, allowed) in [("a+f:x", true), ("a+g:y", false)] {
            let request = session.request("1", method, &format!(r#"{{"uri":"{uri}"}}"#));
            let answer = request.send(envoy.address).await;
            if allowed {
                assert_ne!(answer.status, 403, "{answer:?}");
            } else {
                assert_denied_in_session(&answer, "1", &format!("{method} {uri}"));
            }
        }
    }
}

/// A caller without any rights can still get to know the endpoint, but sees nothing in its lists.
#[tokio::test]
async fn by_default_nobody_may_do_anything_but_ask_what_there_is() {
    let servers = servers().await;
    let envoy = Envoy::start("authorization_default", &gateway(&servers, "{}"));
    let to = envoy.address;
    let session = Session::begin(to).await;
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    for (request, status) in [
        (modern("1", "server/discover"), 200),
        (session.request("1", "ping", "{}"), 200),
        (session.post(notification), 202),
        (session.delete(), 200),
    ] {
        let answer = request.send(to).await;
        assert_eq!(answer.status, status, "{request:?}: {answer:?}");
    }
    for kind in &KINDS {
        let answer = modern("1", kind.list).send(to).await;
        assert_eq!(kind.names(&answer), [""; 0]);
    }
    let session = Session::begin(to).await;
    for method in ["logging/setLevel", "tools/call", "acme/run"] {
        let answer = session.request("1", method, "{}").send(to).await;
        assert_denied_in_session(&answer, "1", method);
    }
}

/// These methods are open to everybody, unless a rule names them.
#[tokio::test]
async fn a_rule_that_names_an_open_method_denies_it() {
    let servers = servers().await;
    let rules = r#"{"defaultAction":"ALLOW","rules":[
        {"action":"DENY","methods":["prompts/list","ping","notifications/roots/*"]},
        {"action":"DENY","methods":["initialize"],"when":"'x-user' in request.headers"}
    ]}"#;
    let envoy = Envoy::start("authorization_open", &gateway(&servers, rules));
    let to = envoy.address;
    let session = Session::begin(to).await;
    for (request, denied) in [
        (modern("1", "prompts/list"), Some("prompts/list")),
        (modern("1", "tools/list"), None),
        (session.request("1", "ping", "{}"), Some("ping")),
        (crate::harness::session::initialize(), None),
        (
            from(crate::harness::session::initialize(), Some("x")),
            Some("initialize"),
        ),
    ] {
        let answer = request.send(to).await;
        match denied {
            Some("ping") => assert_denied_in_session(&answer, "1", "ping"),
            Some(what) => assert_denied(&answer, "1", what),
            None => assert_eq!(answer.status, 200, "{answer:?}"),
        }
    }
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    let answer = session.post(changed).send(to).await;
    assert_denied(&answer, "null", "notifications/roots/list_changed");
}

#[tokio::test]
async fn an_expression_that_does_not_compile_is_told_with_its_place() {
    let servers = servers().await;
    for (n, (when, said)) in [
        (
            "request.headers[",
            "is not a CEL expression that Envoy can compile",
        ),
        (
            "nobody.knows.this(",
            "is not a CEL expression that Envoy can compile",
        ),
        (
            "filter_state['wasm.mcp.tool'] == 'x'",
            "is about the message",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let rules = format!(
            r#"{{"rules":[{{"action":"ALLOW","when":"true"}},{{"action":"ALLOW","when":"{when}"}}]}}"#
        );
        let log = envoy::refused(
            &format!("authorization_refused_{n}"),
            &gateway(&servers, &rules),
        );
        let told = log
            .iter()
            .find(|line| line.contains("configuration refused"));
        let told = told.unwrap_or_else(|| panic!("{log:?}"));
        let expected = "mcp-gateway configuration refused: authorization.rules[1].when: ";
        assert!(told.contains(expected) && told.contains(said), "{told}");
    }
}
