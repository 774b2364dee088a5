//! Which headers of a client reach the servers, with every request that the gateway sends to them;
//! and that no header of one caller reaches another.

use std::collections::BTreeSet;

use axum::response::Response;
use serde_json::Value;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::{Capture, Recorded};
use crate::harness::envoy::{self, Envoy};
use crate::harness::fake;
use crate::harness::http::{Answer, Request};
use crate::harness::legacy::Legacy;
use crate::harness::message::{call, modern};
use crate::harness::session::{Events, Session, initialize};

const TOOLS: &str = r#"{"tools":{}}"#;
const ANSWERS: fake::Answers = &[
    ("tools/list", r#"{"tools":[{"name":"t"}]}"#),
    ("tools/call", r#"{"content":[]}"#),
];

/// All forms of an entry, for a legacy server (`old`) and a modern one (`new`). A third server gets
/// only the headers that all servers get.
#[rustfmt::skip]
const CONFIG: &str = r#"{"passthroughHeaders":["X-Global"],"servers":[
    {"name":"old","allowCredentialHeaders":true,"passthroughHeaders":OWN,"headers":STATIC},
    {"name":"new","allowCredentialHeaders":true,"passthroughHeaders":OWN,"headers":STATIC},
    {"name":"bare"}
]}"#;
const OWN: &str = r#"["x-tenant",{"name":"X-User-Token","as":"Authorization","required":true},{"name":"x-several"},{"name":"x-old","as":"x-new"},"cookie","user-agent"]"#;
const STATIC: &str =
    r#"[{"name":"X-Static","value":"a b; c=\"d\""},{"name":"x-env","valueFromEnv":"SERVER_KEY"}]"#;

/// What the client sends. No value with `secret` may reach a server.
const SENT: &[(&str, &[u8])] = &[
    ("x-global", b"all"),
    ("x-tenant", "t=\"1\"; \u{fc},".as_bytes()),
    ("x-user-token", b"Bearer user"),
    ("x-several", b"1"),
    ("x-several", b"2, 3"),
    ("x-several", b"1"),
    ("x-several", b""),
    ("x-old", b"o"),
    ("x-old", b"p"),
    ("cookie", b"a=1"),
    ("cookie", b"b=2"),
    ("user-agent", b"u/1"),
    ("x-new", b"secret"),
    ("authorization", b"Bearer secret"),
    ("x-static", b"secret"),
    ("x-env", b"secret"),
    ("x-other", b"secret"),
    ("origin", b"https://secret.example.com"),
    ("referer", b"https://secret.example.com/"),
    ("x-forwarded-for", b"203.0.113.7"),
    ("x-forwarded-host", b"secret"),
    ("forwarded", b"for=secret"),
    ("x-real-ip", b"secret"),
    ("proxy-authorization", b"Basic secret"),
    ("x-envoy-original-path", b"/secret"),
    ("x-envoy-decorator-operation", b"secret"),
    ("x-mcp-servername", b"secret"),
];

/// The headers that reach `old` and `new`: forwarded headers of the client, and headers from the
/// configuration.
const FORWARDED: &[(&str, &[u8])] = &[
    ("authorization", b"Bearer user"),
    ("cookie", b"a=1"),
    ("cookie", b"b=2"),
    ("user-agent", b"u/1"),
    ("x-env", b"from the environment"),
    ("x-global", b"all"),
    ("x-new", b"o"),
    ("x-new", b"p"),
    ("x-several", b"1"),
    ("x-several", b"2, 3"),
    ("x-several", b"1"),
    ("x-several", b""),
    ("x-static", b"a b; c=\"d\""),
    ("x-tenant", "t=\"1\"; \u{fc},".as_bytes()),
];

/// Further headers in requests, which HTTP, MCP or Envoy's own calls need.
const NEEDED: &[&str] = &[
    "accept",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "transfer-encoding",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-internal",
    "x-request-id",
];

fn with(request: Request) -> Request {
    let fields = SENT.iter();
    fields.fold(request, |request, (name, value)| {
        request.header(name, value)
    })
}

fn one_line(config: &str) -> String {
    config.lines().map(str::trim).collect()
}

/// The three servers of [`CONFIG`].
struct Three {
    old: Legacy,
    new: Capture,
    bare: Capture,
    envoy: Envoy,
}

impl Three {
    async fn start(name: &str) -> Self {
        let old = Legacy::start("old").await;
        let modern = || Capture::start(|request| fake::answer(request, TOOLS, ANSWERS));
        let (new, bare) = (modern().await, modern().await);
        let config = one_line(CONFIG)
            .replace("OWN", OWN)
            .replace("STATIC", STATIC);
        let clusters = [
            ("old", old.address),
            ("new", new.address),
            ("bare", bare.address),
        ];
        let bootstrap = Bootstrap::servers(&config, &clusters)
            .environment(&[("SERVER_KEY", "from the environment")]);
        Self {
            old,
            new,
            bare,
            envoy: Envoy::start(name, &bootstrap),
        }
    }

    /// The requests that have reached each of the servers since the last call of this function.
    fn take(&self) -> Vec<(&'static str, Recorded)> {
        let named = |name: &'static str, all: Vec<Recorded>| {
            all.into_iter().map(move |request| (name, request))
        };
        named("old", self.old.take())
            .chain(named("new", self.new.take()))
            .chain(named("bare", self.bare.take()))
            .collect()
    }

    async fn send(&self, request: &Request) -> Answer {
        request.send(self.envoy.address).await
    }
}

/// The headers of `request` that HTTP and MCP do not need, sorted by name.
fn others(request: &Recorded) -> Vec<(&str, &[u8])> {
    let all = request.headers.iter();
    let all = all.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let mut others: Vec<_> = all.filter(|(name, _)| !NEEDED.contains(name)).collect();
    // Several values of one name stay in their order.
    others.sort_by_key(|(name, _)| *name);
    others
}

/// For example `POST tools/list` or `DELETE`.
fn kind(request: &Recorded) -> String {
    let message: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let method = message["method"].as_str().unwrap_or_default();
    format!("{} {method}", request.method).trim().to_owned()
}

#[tokio::test]
async fn what_is_configured_reaches_each_server_byte_for_byte_and_nothing_else_does() {
    let three = Three::start("forwarded").await;
    for request in [
        modern("1", "server/discover"),
        modern("1", "tools/list"),
        call("1", "new__t", "{}"),
        call("1", "bare__t", "{}"),
        // For this call, the gateway uses a session of its own.
        call("1", "old__t", "{}"),
    ] {
        let answer = three.send(&with(request)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.json()["result"].is_object(), "{answer:?}");
    }
    let to = three.envoy.address;
    let session = Session::begun(&three.send(&with(initialize())).await);
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    for (request, status) in [
        (session.list(), 200),
        (session.call("1", "old__t", "{}"), 200),
        (session.call("1", "new__t", "{}"), 200),
        (
            session.request("1", "logging/setLevel", r#"{"level":"info"}"#),
            200,
        ),
        (session.post(changed), 202),
    ] {
        let answer = three.send(&with(request)).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    // The client gets the answer to this call with a GET.
    let mut events = Events::open(to, &with(session.call("7", "old__early", "{}"))).await;
    let event = events.next().await.expect("an event");
    let id = event.lines().find_map(|line| line.strip_prefix("id: "));
    let get = with(session.get()).header("last-event-id", id.expect("an id"));
    let mut events = Events::open(to, &get).await;
    assert!(events.message().await.contains(r#""id":7"#));
    // The client cancels this call.
    let mut events = Events::open(to, &with(session.call("8", "old__wait", "{}"))).await;
    events.next().await.expect("a comment");
    let cancelled =
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":8}}"#;
    assert_eq!(three.send(&with(session.post(cancelled))).await.status, 202);
    // During this call the server sends the client a request, and the client answers it.
    let mut events = Events::open(to, &with(session.call("9", "old__ask", r#"{"id":"5"}"#))).await;
    let asked: Value = serde_json::from_str(&events.message().await).expect("JSON");
    let response = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, asked["id"]);
    assert_eq!(three.send(&with(session.post(&response))).await.status, 202);
    assert!(events.message().await.contains(r#""id":9"#));
    assert_eq!(three.send(&with(session.delete())).await.status, 200);
    let is_over = |old: &Legacy| old.sessions().1 == 0;
    three.old.until("both sessions are over", is_over).await;

    let mut seen = BTreeSet::new();
    for (server, request) in three.take() {
        let expected = match server {
            "bare" => &[("x-global", &b"all"[..])][..],
            _ => FORWARDED,
        };
        let kind = format!("{server} {}", kind(&request));
        assert_eq!(others(&request), expected, "{kind}: {request:?}");
        assert!(!format!("{request:?}").contains("secret"), "{request:?}");
        seen.insert(kind);
    }
    let expected = [
        "bare POST server/discover",
        "bare POST tools/call",
        "bare POST tools/list",
        "new POST server/discover",
        "new POST tools/call",
        "new POST tools/list",
        "old DELETE",
        "old GET",
        "old POST",
        "old POST initialize",
        "old POST logging/setLevel",
        "old POST notifications/cancelled",
        "old POST notifications/initialized",
        "old POST notifications/roots/list_changed",
        "old POST server/discover",
        "old POST tools/call",
        "old POST tools/list",
    ];
    let missing: Vec<_> = expected
        .iter()
        .filter(|kind| !seen.contains(**kind))
        .collect();
    assert!(missing.is_empty(), "{missing:?} of {seen:?}");
}

/// Envoy joins several values into one in some headers that it uses itself.
#[tokio::test]
async fn several_values_of_a_known_header_reach_a_server_as_envoy_joins_them() {
    let server = Capture::start(|request| fake::answer(request, TOOLS, ANSWERS)).await;
    let config = r#"{"servers":[{"name":"a","allowCredentialHeaders":true,"passthroughHeaders":["authorization","user-agent","cache-control","x-a",{"name":"via","as":"x-via"}]}]}"#;
    let bootstrap = Bootstrap::servers(config, &[("a", server.address)]);
    let envoy = Envoy::start("forwarded_known", &bootstrap);
    for request in [modern("1", "tools/list"), call("1", "a__t", "{}")] {
        let names = ["authorization", "user-agent", "cache-control", "x-a", "via"];
        let request = names.iter().fold(request, |request, name| {
            request.header(name, "1").header(name, "2")
        });
        for answer in [
            request.send(envoy.address).await,
            request.send_http2(envoy.address).await,
        ] {
            assert_eq!(answer.status, 200, "{answer:?}");
            for seen in server.take() {
                let expected: &[(&str, &[u8])] = &[
                    ("authorization", b"1,2"),
                    ("cache-control", b"1,2"),
                    ("user-agent", b"1,2"),
                    ("x-a", b"1"),
                    ("x-a", b"2"),
                    ("x-via", b"1,2"),
                ];
                assert_eq!(others(&seen), expected, "{seen:?}");
            }
        }
    }
}

fn assert_refused(answer: &Answer, status: u16, message: &str, what: &str) {
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    let error = &answer.json()["error"];
    assert_eq!(error["code"], -32600, "{what}: {answer:?}");
    assert_eq!(error["message"], message, "{what}");
}

#[tokio::test]
async fn without_a_required_header_no_server_hears_of_the_request() {
    let three = Three::start("forwarded_required").await;
    let session = Session::begun(&three.send(&with(initialize())).await);
    three.take();
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    let missing = "the header x-user-token is missing";
    for (what, request) in [
        ("discover", modern("1", "server/discover")),
        ("a list", modern("1", "tools/list")),
        ("a call", call("1", "new__t", "{}")),
        ("a bridged call", call("1", "old__t", "{}")),
        ("initialize", initialize()),
        ("a list in a session", session.list()),
        ("a call in a session", session.call("1", "old__t", "{}")),
        (
            "setLevel",
            session.request("1", "logging/setLevel", r#"{"level":"info"}"#),
        ),
        ("a notification", session.post(changed)),
        ("the end", session.delete()),
    ] {
        // The error must not end the session of a legacy client, so its status is 200.
        let is_in_session = ["a list in a session", "a call in a session", "setLevel"];
        let status = if is_in_session.contains(&what) {
            200
        } else {
            400
        };
        assert_refused(&three.send(&request).await, status, missing, what);
        let named = with(request.clone()).without("x-user-token");
        assert_refused(&three.send(&named).await, status, missing, what);
        // If `Connection` names the header, the header is for one connection only. It counts as
        // missing.
        let hop = with(request.clone()).header("connection", "X-User-Token");
        assert_refused(&three.send(&hop).await, status, missing, what);
        let invalid = with(request).with("x-tenant", b"t\xff");
        let told = "the value of the header x-tenant is not valid: it must be UTF-8 without control characters";
        assert_refused(&three.send(&invalid).await, 400, told, what);
    }
    assert_eq!(three.take().len(), 0);
    // A request needs the header only if it goes to a server that gets the header.
    for request in [
        call("1", "bare__t", "{}"),
        session.request("1", "ping", "{}"),
    ] {
        let answer = three.send(&request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_absent_or_for_one_connection_is_not_sent() {
    let three = Three::start("forwarded_absent").await;
    let user = |request: Request| request.header("x-user-token", "Bearer user");
    let hop = |request: Request| {
        let listed = "x-tenant, X-Old,x-several";
        with(request).header("connection", listed)
    };
    let own: &[(&str, &[u8])] = &[
        ("authorization", b"Bearer user"),
        ("x-env", b"from the environment"),
        ("x-static", b"a b; c=\"d\""),
    ];
    let listed = ["x-tenant", "x-new", "x-several"];
    let mut rest = FORWARDED.to_vec();
    rest.retain(|(name, _)| !listed.contains(name));
    for request in [
        modern("1", "tools/list"),
        call("1", "new__t", "{}"),
        call("1", "old__t", "{}"),
    ] {
        for (request, expected) in [(user(request.clone()), own), (hop(request), &rest)] {
            assert_eq!(three.send(&request).await.status, 200);
            for (server, seen) in three.take() {
                // The gateway may still end a session of the request before.
                if server != "bare" && seen.method != "DELETE" {
                    assert_eq!(others(&seen), expected, "{server}: {seen:?}");
                }
            }
        }
    }
}

/// Each caller gets a tool with the name of its key. The list allows caches to keep it for all
/// callers.
fn by_key(request: &Recorded) -> Response {
    let message = request.json();
    let key = request.header("x-key").unwrap_or("nobody");
    match message["method"].as_str() {
        Some("tools/list") => request.result(&format!(
            r#"{{"resultType":"complete","tools":[{{"name":"{key}","inputSchema":{{}}}}],"ttlMs":60000,"cacheScope":"public"}}"#
        )),
        _ => fake::answer(request, TOOLS, &[]),
    }
}

#[tokio::test]
async fn callers_with_different_keys_never_see_each_others_lists() {
    let (server, other) = (Capture::start(by_key).await, Capture::start(by_key).await);
    let config = r#"{"servers":[{"name":"a","passthroughHeaders":["x-key"]},{"name":"b"}]}"#;
    let clusters = [("a", server.address), ("b", other.address)];
    let envoy = Envoy::start("forwarded_keys", &Bootstrap::servers(config, &clusters));
    let list = |key: &str| modern("1", "tools/list").header("x-key", key);
    let shown = |answer: &Answer| {
        assert_eq!(answer.status, 200, "{answer:?}");
        let result = &answer.json()["result"];
        assert_ne!(result["cacheScope"], "public", "{answer:?}");
        result["tools"][0]["name"]
            .as_str()
            .expect("a name")
            .to_owned()
    };
    for key in ["one", "two", "one"] {
        let answer = list(key).send(envoy.address).await;
        assert_eq!(shown(&answer), format!("a__{key}"));
        assert_eq!(server.asked(), ["tools/list"], "{key}");
    }
    // All callers ask at the same time. The gateway must ask the server for each of them.
    let mut all = tokio::task::JoinSet::new();
    for n in 0..40 {
        let (key, to) = (format!("k{}", n % 8), envoy.address);
        let request = list(&key);
        all.spawn(async move { (key, request.send(to).await) });
    }
    while let Some(done) = all.join_next().await {
        let (key, answer) = done.expect("an answer");
        assert_eq!(shown(&answer), format!("a__{key}"));
    }
    assert_eq!(server.asked().len(), 40);
    // `b` gets no header of the callers, so the gateway keeps its list.
    assert!(other.asked().len() <= 2);
}

#[tokio::test]
async fn a_list_that_depends_on_the_caller_is_not_kept_by_configuration() {
    let server = Capture::start(by_key).await;
    for (n, (global, own, at)) in [
        ("[]", r#"["x-key"]"#, "servers[0].listTtl"),
        (r#"["x-key"]"#, "[]", "servers[0].listTtl"),
    ]
    .into_iter()
    .enumerate()
    {
        let config = format!(
            r#"{{"passthroughHeaders":{global},"servers":[{{"name":"a","listTtl":"60s","passthroughHeaders":{own}}}]}}"#
        );
        let bootstrap = Bootstrap::servers(&config, &[("a", server.address)]);
        let log = envoy::refused(&format!("forwarded_ttl_{n}"), &bootstrap);
        let expected =
            format!("configuration refused: {at}: cannot be used with passthroughHeaders");
        assert!(log.iter().any(|line| line.contains(&expected)), "{log:?}");
    }
}

/// A pooled session belongs to one caller with one set of forwarded values.
#[tokio::test]
async fn sessions_of_the_gateways_own_are_kept_apart_by_what_is_forwarded() {
    let server = Legacy::start("a").await;
    let config = r#"{"servers":[{"name":"a","passthroughHeaders":["x-key"]}],"session":{"identity":{"header":"x-user"}}}"#;
    let bootstrap = Bootstrap::servers(config, &[("a", server.address)]);
    let envoy = Envoy::with_workers(1, "forwarded_pool", &bootstrap);
    let mut sessions = BTreeSet::new();
    for (user, key, begun) in [
        ("u", Some("one"), 1),
        ("u", Some("one"), 1),
        ("u", Some("two"), 2),
        ("v", Some("one"), 3),
        ("u", None, 4),
        ("u", Some("two"), 4),
        ("u", Some(""), 5),
        ("u", Some("one"), 5),
    ] {
        let request = call("1", "a__t", "{}").header("x-user", user);
        let request = match key {
            Some(key) => request.header("x-key", key),
            None => request,
        };
        let answer = request.send(envoy.address).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(server.sessions().0, begun, "{user} {key:?}");
        for seen in server.take() {
            let expected: Vec<_> = key
                .map(|key| ("x-key", key.as_bytes()))
                .into_iter()
                .collect();
            assert_eq!(others(&seen), expected, "{seen:?}");
            if let Some(session) = seen.header("mcp-session-id") {
                sessions.insert((session.to_owned(), user, key));
            }
        }
    }
    // No session was used for two users or for two keys.
    assert_eq!(sessions.len(), 5, "{sessions:?}");
}
