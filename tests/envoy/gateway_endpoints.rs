//! Several endpoints with the same servers, in real Envoy. The path and the host of a request
//! choose the endpoint, and each endpoint has its own sessions.

use serde_json::json;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::http::Request;
use crate::harness::legacy::Legacy;
use crate::harness::message::{call, modern};
use crate::harness::session::{Session, initialize};
use crate::harness::{capture::Capture, fake};
use crate::sessions::{FIRST, assert_refused};

#[rustfmt::skip]
const A: fake::Answers = &[
    ("tools/list", r#"{"tools":[{"name":"t"},{"name":"drop"}],"ttlMs":60000,"cacheScope":"public"}"#),
    ("tools/call", r#"{"resultType":"complete","content":[{"type":"text","text":"a"}]}"#),
];

/// The names of the tools that `request` lists.
async fn tools(envoy: &Envoy, request: &Request) -> Vec<String> {
    let answer = request.send(envoy.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let tools = answer.json()["result"]["tools"].clone();
    let tools = tools.as_array().expect("tools").iter();
    tools
        .map(|tool| tool["name"].as_str().expect("a name").to_owned())
        .collect()
}

async fn servers() -> (Capture, Legacy) {
    (
        fake::start(r#"{"tools":{}}"#, A).await,
        Legacy::start("l").await,
    )
}

fn envoy(name: &str, (a, l): &(Capture, Legacy)) -> Envoy {
    let config = json!({
        "servers": [{"name": "a"}, {"name": "l"}],
        "prefixMode": "CONDITIONAL",
        "session": {"keys": [FIRST]},
        "cors": {"allowOrigins": ["https://app.example"]},
        "oauth": {"authorizationServers": ["https://as.example"]},
        "endpoints": [
            {"name": "dev", "path": "/dev", "tools": {"exclude": ["drop"]}},
            {"name": "all", "path": "/all"},
            {"name": "team", "path": "/dev", "hosts": ["team.example"], "servers": ["l"]},
        ],
        "authorization": {"defaultAction": "ALLOW", "rules": [
            {"action": "DENY", "endpoints": ["all"], "tools": ["a__t"],
             "when": "!('x-admin' in request.headers)"},
        ]},
    });
    let clusters = [("a", a.address), ("l", l.address)];
    Envoy::with_workers(2, name, &Bootstrap::servers(&config.to_string(), &clusters))
}

#[tokio::test]
async fn each_endpoint_has_its_lists_and_calls() {
    let servers = servers().await;
    let envoy = envoy("endpoints", &servers);
    let list = || modern("1", "tools/list");
    let admin = |request: Request| request.header("x-admin", "1");
    // Both workers share the kept pages, and all endpoints use them.
    for _ in 0..8 {
        let dev = tools(&envoy, &list().target("/dev/?x=1")).await;
        assert!(
            dev.contains(&"a__t".to_owned()) && !dev.contains(&"a__drop".to_owned()),
            "{dev:?}"
        );
        let all = tools(&envoy, &admin(list().target("/all"))).await;
        assert!(
            all.contains(&"a__t".to_owned()) && all.contains(&"a__drop".to_owned()),
            "{all:?}"
        );
        let team = tools(
            &envoy,
            &list().target("/dev").header("host", "Team.Example:8080"),
        )
        .await;
        assert!(team.contains(&"t".to_owned()), "{team:?}");
        assert!(team.iter().all(|name| !name.contains("__")), "{team:?}");
        let all = tools(&envoy, &list().target("/all")).await;
        assert!(
            !all.contains(&"a__t".to_owned()) && all.contains(&"l__t".to_owned()),
            "{all:?}"
        );
    }
    let lists = servers
        .0
        .asked()
        .into_iter()
        .filter(|it| it == "tools/list");
    assert_eq!(lists.count(), 1);
    for (request, status, code) in [
        (call("1", "a__t", "{}").target("/dev"), 200, None),
        (call("1", "a__drop", "{}").target("/dev"), 200, Some(-32602)),
        (call("1", "a__drop", "{}").target("/all"), 200, None),
        (call("1", "a__t", "{}").target("/all"), 403, Some(403)),
        (admin(call("1", "a__t", "{}").target("/all")), 200, None),
        // This endpoint has one server without a prefix, so this server gets every name.
        (
            call("1", "a__t", "{}")
                .target("/dev")
                .header("host", "team.example"),
            200,
            Some(-32600),
        ),
        (
            call("1", "t", "{}")
                .target("/dev")
                .header("host", "team.example"),
            200,
            None,
        ),
    ] {
        let answer = request.send(envoy.address).await;
        let error = answer.header("content-type") == Some("application/json");
        let error = error
            .then(|| answer.json()["error"]["code"].as_i64())
            .flatten();
        assert_eq!(
            (answer.status, error),
            (status, code),
            "{request:?} {answer:?}"
        );
    }
    envoy.check();
}

#[tokio::test]
async fn a_session_is_of_its_endpoint() {
    let servers = servers().await;
    let envoy = envoy("endpoints_sessions", &servers);
    let begin = |target: &'static str, host: Option<&'static str>| {
        let request = initialize().target(target);
        host.into_iter()
            .fold(request, |request, host| request.header("host", host))
    };
    let dev = Session::begun(&begin("/dev", None).send(envoy.address).await);
    let team = Session::begun(
        &begin("/dev", Some("team.example"))
            .send(envoy.address)
            .await,
    );
    assert!(
        tools(&envoy, &dev.list().target("/dev"))
            .await
            .contains(&"l__t".to_owned())
    );
    let hosted = team.list().target("/dev").header("host", "team.example:1");
    assert!(tools(&envoy, &hosted).await.contains(&"t".to_owned()));
    for request in [
        dev.list().target("/all"),
        dev.list().target("/dev").header("host", "team.example"),
        team.list().target("/dev"),
        dev.call("1", "l__t", "{}").target("/all"),
        team.get().target("/dev"),
        dev.delete().target("/all"),
    ] {
        let answer = request.send(envoy.address).await;
        if answer.status != 405 {
            assert_refused(&answer, 404, -32001, "of another endpoint");
        }
    }
    let answer = dev
        .call("1", "l__t", "{}")
        .target("/dev")
        .send(envoy.address)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let ended = dev.delete().target("/dev").send(envoy.address).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    envoy.check();
}

#[tokio::test]
async fn each_endpoint_answers_browsers_and_says_who_gives_tokens() {
    let servers = servers().await;
    let envoy = envoy("endpoints_browsers", &servers);
    for (target, host, status) in [
        ("/dev", "x.example", 204),
        ("/all/", "x.example", 204),
        ("/dev", "team.example", 204),
        ("/mcp", "x.example", 404),
    ] {
        let preflight = Request::new("OPTIONS", target)
            .header("host", host)
            .header("origin", "https://app.example")
            .header("access-control-request-method", "POST");
        let answer = preflight.send(envoy.address).await;
        assert_eq!(answer.status, status, "{target}: {answer:?}");
    }
    for (suffix, resource) in [
        ("/dev", Some("/dev")),
        ("/all", Some("/all")),
        ("/mcp", None),
    ] {
        let target = format!("/.well-known/oauth-protected-resource{suffix}");
        let answer = Request::new("GET", &target)
            .header("host", "x.example")
            .send(envoy.address)
            .await;
        match resource {
            Some(path) => assert_eq!(answer.json()["resource"], format!("http://x.example{path}")),
            None => assert_eq!(answer.status, 404, "{answer:?}"),
        }
    }
    envoy.check();
}
