//! What browsers on other origins see of every answer, whoever sends it.

use std::net::SocketAddr;

use crate::harness::envoy::Envoy;
use crate::harness::http::{Answer, Request};
use crate::sources::{Told, chain, from, server};

const ORIGIN: &str = "https://app.example.com";
const EXPOSED: &str = "Mcp-Session-Id, WWW-Authenticate, Mcp-Protocol-Version";
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
const JSON: Option<&str> = Some("application/json");
const TEXT: Option<&str> = Some("text/plain");
const EVENTS: Option<&str> = Some("text/event-stream");

fn preflight(path: &str) -> Request {
    Request::new("OPTIONS", path)
        .header("origin", ORIGIN)
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "mcp-protocol-version")
}

/// A request to an endpoint, and the status and the type of the answer.
type Case = (Request, u16, Option<&'static str>);

/// Answers of the filter itself.
fn own() -> Vec<Case> {
    let metadata = |method| Request::new(method, WELL_KNOWN);
    let suffixed = |method| Request::new(method, &format!("{WELL_KNOWN}/mcp"));
    vec![
        (Request::post("{"), 400, JSON),
        (Request::new("PUT", "/mcp"), 405, JSON),
        (metadata("GET"), 200, JSON),
        (metadata("HEAD"), 200, JSON),
        (metadata("POST"), 405, JSON),
        (metadata("PUT"), 405, JSON),
        (metadata("DELETE"), 405, JSON),
        (suffixed("GET"), 200, JSON),
        (suffixed("HEAD"), 200, JSON),
        (suffixed("POST"), 405, JSON),
    ]
}

/// Answers of the server, of later filters and of Envoy. RBAC's answer is JSON-RPC if the filter
/// has already read the message.
fn others(rbac: Option<&'static str>) -> Vec<Case> {
    let server = |status| from("server").told_status(status);
    let says_much_of_origins = server(200)
        .told("access-control-allow-origin", "https://other.example.com")
        .told("access-control-allow-credentials", "maybe")
        .told("access-control-expose-headers", "x-secret")
        .told("vary", "accept");
    vec![
        (from("rbac"), 403, rbac),
        (from("jwt_authn"), 401, TEXT),
        (from("authorizer").told_status(401), 401, JSON),
        (from("authorizer").told_status(403), 403, None),
        (from("down"), 503, TEXT),
        (from("nobody"), 404, None),
        (server(200).told_text("application/json", "{}"), 200, JSON),
        (
            server(200).told_text("text/event-stream", "data: {}"),
            200,
            EVENTS,
        ),
        (server(202), 202, None),
        (server(404).told_text("text/plain", "not here"), 404, TEXT),
        (
            server(401)
                .told("www-authenticate", r#"Bearer realm="server""#)
                .told_text("text/plain", "not you"),
            401,
            TEXT,
        ),
        (says_much_of_origins, 200, None),
    ]
}

/// Sends the request in both versions of HTTP with this origin, and checks the status and the
/// content type of the answers.
async fn ask(to: SocketAddr, case: &Case, origin: Option<&str>) -> [Answer; 2] {
    let (request, status, kind) = case;
    let mut request = request.clone();
    if let Some(origin) = origin {
        request = request.with("origin", origin);
    }
    let answers = [request.send(to).await, request.send_http2(to).await];
    for answer in &answers {
        assert_eq!(answer.status, *status, "{request:?}: {answer:?}");
        assert_eq!(
            answer.header("content-type"),
            *kind,
            "{request:?}: {answer:?}"
        );
        let challenges = answer.headers.get_all("www-authenticate").iter().count();
        assert_eq!(challenges, usize::from(*status == 401), "{answer:?}");
    }
    answers
}

/// What the answer allows to pages on other origins: which origin may read it, which headers the
/// page may read, and whether it may send credentials.
fn shared(answer: &Answer) -> [Option<&str>; 3] {
    [
        answer.header("access-control-allow-origin"),
        answer.header("access-control-expose-headers"),
        answer.header("access-control-allow-credentials"),
    ]
}

/// `Vary` must contain `origin`, so that no cache gives the answer to another origin.
fn assert_varies(answer: &Answer) {
    let fields = answer.headers.get_all("vary").iter();
    let names: Vec<&str> = fields
        .flat_map(|field| field.to_str().expect("visible ASCII").split(','))
        .map(str::trim)
        .collect();
    let origins = names
        .iter()
        .filter(|name| name.eq_ignore_ascii_case("origin"));
    assert_eq!(origins.count(), 1, "{answer:?}");
}

#[tokio::test]
async fn any_origin_may_read_every_answer() {
    let server = server().await;
    let bootstrap = chain(
        &server,
        r#"{"paths": ["/mcp"], "trafficMode": "REJECT_NO_MCP", "cors": {}, "oauth": {}}"#,
    );
    let envoy = Envoy::start("browsers", &bootstrap);
    for case in [own(), others(JSON)].concat() {
        for origin in [Some(ORIGIN), Some("null"), None] {
            for answer in ask(envoy.address, &case, origin).await {
                let expected = [Some("*"), Some(EXPOSED), None];
                assert_eq!(shared(&answer), expected, "{case:?}: {answer:?}");
                assert_varies(&answer);
            }
        }
    }
    for path in ["/mcp", WELL_KNOWN, &format!("{WELL_KNOWN}/mcp")] {
        let case = (preflight(path), 204, None);
        for answer in ask(envoy.address, &case, Some(ORIGIN)).await {
            assert_eq!(shared(&answer)[0], Some("*"), "{path}");
            assert_varies(&answer);
        }
    }
    assert_eq!(
        envoy.stat("wasmcustom.mcp.preflight"),
        6,
        "each preflight is counted"
    );
}

/// Without hold, the headers do not wait for the body. So a later filter or the server may answer
/// before the filter has read the body.
#[tokio::test]
async fn any_origin_may_read_every_answer_without_hold() {
    let server = server().await;
    let json = r#"{"paths": ["/mcp"], "trafficMode": "REJECT_NO_MCP", "holdRequestHeaders": false, "cors": {}, "oauth": {}}"#;
    let flag = "                allow_on_headers_stop_iteration: true\n";
    let bootstrap = chain(&server, json).replace(flag, "");
    let envoy = Envoy::start("browsers_without_hold", &bootstrap);
    for case in [
        others(TEXT),
        own().split_off(1),
        vec![(from("server").body("{"), 400, JSON)],
    ]
    .concat()
    {
        for answer in ask(envoy.address, &case, Some(ORIGIN)).await {
            let expected = [Some("*"), Some(EXPOSED), None];
            assert_eq!(shared(&answer), expected, "{case:?}: {answer:?}");
            assert_varies(&answer);
        }
    }
}

#[tokio::test]
async fn with_a_list_no_other_origin_may_have_any_answer() {
    let server = server().await;
    let bootstrap = chain(
        &server,
        r#"{"paths": ["/mcp"], "trafficMode": "REJECT_NO_MCP", "cors": {"allowOrigins": ["https://app.example.com", "https://*.example.org"], "allowCredentials": true, "exposeHeaders": ["x-a"]}, "oauth": {}}"#,
    );
    let envoy = Envoy::start("browsers_listed", &bootstrap);
    let to = envoy.address;
    for case in [own(), others(JSON)].concat() {
        for origin in [ORIGIN, "https://a-1.example.org"] {
            for answer in ask(to, &case, Some(origin)).await {
                let expected = [Some(origin), Some("x-a"), Some("true")];
                assert_eq!(shared(&answer), expected, "{case:?}");
                assert_varies(&answer);
            }
        }
        for answer in ask(to, &case, None).await {
            assert_eq!(shared(&answer), [None; 3], "{case:?}");
            assert_varies(&answer);
        }
        server.take();
        let refused = (case.0, 403, JSON);
        for origin in [
            "https://evil.example.com",
            "https://a.b.example.org",
            "null",
        ] {
            for answer in ask(to, &refused, Some(origin)).await {
                assert_eq!(shared(&answer), [None; 3], "{refused:?}");
                assert_varies(&answer);
                if !answer.body.is_empty() {
                    assert_eq!(answer.json()["error"]["code"], -32600);
                }
            }
        }
        assert_eq!(server.take().len(), 0, "nobody behind the filter was asked");
    }
    for path in ["/mcp", WELL_KNOWN, &format!("{WELL_KNOWN}/mcp")] {
        for answer in ask(to, &(preflight(path), 204, None), Some(ORIGIN)).await {
            assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
            assert_varies(&answer);
        }
        let evil = Some("https://evil.example.com");
        for answer in ask(to, &(preflight(path), 403, JSON), evil).await {
            assert_eq!(shared(&answer), [None; 3], "{path}");
        }
    }
}

#[tokio::test]
async fn without_cors_only_the_metadata_is_for_browsers() {
    let server = server().await;
    let json = r#"{"paths": ["/mcp"], "trafficMode": "REJECT_NO_MCP", "oauth": {}}"#;
    let envoy = Envoy::start("browsers_metadata", &chain(&server, json));
    for path in [WELL_KNOWN, &format!("{WELL_KNOWN}/mcp")] {
        for (method, status) in [("GET", 200), ("HEAD", 200), ("PUT", 405)] {
            let case = (Request::new(method, path), status, JSON);
            for origin in [Some(ORIGIN), Some("null"), None] {
                for answer in ask(envoy.address, &case, origin).await {
                    assert_eq!(shared(&answer)[0], Some("*"), "{case:?}");
                    assert_eq!(shared(&answer)[2], None, "{case:?}");
                }
            }
        }
        for answer in ask(envoy.address, &(preflight(path), 204, None), Some(ORIGIN)).await {
            let list = |name| answer.header(name).unwrap_or_default().to_ascii_lowercase();
            assert_eq!(shared(&answer)[0], Some("*"));
            assert!(list("access-control-allow-methods").contains("get"));
            // The SDKs for browsers ask for this header.
            assert!(list("access-control-allow-headers").contains("mcp-protocol-version"));
        }
    }
    let mut cases = others(JSON);
    let (says_much_of_origins, ..) = cases.pop().expect("the last");
    for case in cases {
        for answer in ask(envoy.address, &case, Some(ORIGIN)).await {
            assert_eq!(shared(&answer), [None; 3], "{case:?}");
            assert_eq!(answer.header("vary"), None, "{case:?}");
        }
    }
    let answer = says_much_of_origins.send(envoy.address).await;
    assert_eq!(
        shared(&answer),
        [
            Some("https://other.example.com"),
            Some("x-secret"),
            Some("maybe")
        ]
    );
    assert_eq!(answer.header("vary"), Some("accept"));
    let answer = preflight("/mcp").send(envoy.address).await;
    assert_eq!((answer.status, shared(&answer)), (405, [None; 3]));
    assert_eq!(answer.header("allow"), Some("GET, POST, DELETE"));
}

#[tokio::test]
async fn nothing_is_said_for_other_paths() {
    let server = server().await;
    for (name, cors) in [
        ("elsewhere", "{}"),
        (
            "elsewhere_listed",
            r#"{"allowOrigins": ["https://app.example.com"]}"#,
        ),
    ] {
        let json = format!(r#"{{"paths": ["/mcp"], "cors": {cors}, "oauth": {{}}}}"#);
        let envoy = Envoy::start(name, &chain(&server, &json));
        let realm = format!(r#"Bearer realm="http://{}/other""#, envoy.address);
        let basic = r#"Basic realm="server""#;
        let server_says = |status| from("server").told_status(status).told("vary", "accept");
        for (request, status, challenge, vary, text) in [
            (from("rbac"), 403, None, None, "RBAC: access denied"),
            (
                from("jwt_authn"),
                401,
                Some(&*realm),
                None,
                "Jwt is missing",
            ),
            (from("authorizer").told_status(401), 401, None, None, ""),
            (from("nobody"), 404, None, None, ""),
            (from("down"), 503, None, None, "no healthy upstream"),
            (server_says(200), 200, None, Some("accept"), ""),
            (server_says(401), 401, None, Some("accept"), ""),
            (
                server_says(401).told("www-authenticate", basic),
                401,
                Some(basic),
                Some("accept"),
                "",
            ),
        ] {
            let request = request
                .target("/other")
                .header("origin", "https://evil.example.com");
            for answer in [
                request.send(envoy.address).await,
                request.send_http2(envoy.address).await,
            ] {
                assert_eq!(answer.status, status, "{request:?}: {answer:?}");
                assert_eq!(answer.header("www-authenticate"), challenge, "{answer:?}");
                assert_eq!(answer.header("vary"), vary, "{answer:?}");
                assert_eq!(shared(&answer), [None; 3], "{answer:?}");
                assert_eq!(answer.text(), text);
            }
        }
        // A preflight to another path is for the server.
        server.take();
        let preflight = preflight("/other")
            .header("x-from", "server")
            .told_status(200);
        let answer = preflight.send(envoy.address).await;
        assert_eq!((answer.status, shared(&answer)), (200, [None; 3]));
        let seen = server.take().pop().expect("a request");
        assert_eq!((&*seen.method, &*seen.target), ("OPTIONS", "/other"));
    }
}
