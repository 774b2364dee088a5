//! A 401 tells a client where it gets tokens, whether a filter or the server sends it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::challenge::bearer;
use crate::harness::envoy::Envoy;
use crate::harness::http::{ANSWERED_WITHIN, Answer, Request};
use crate::harness::message::modern;
use crate::sources::{Told, chain, from, server};

const CONFIGURATION: &str = r#"{"paths": ["/mcp", "/a/b"], "oauth": {"scopesSupported": ["weather:read", "weather:admin"]}}"#;
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
const OURS: [&str; 4] = ["error", "error_description", "resource_metadata", "scope"];

/// The parameters of the Bearer challenge of a 401, and the other challenges after it.
fn challenge(answer: &Answer) -> (Vec<(String, String)>, &str) {
    assert_eq!(answer.status, 401, "{answer:?}");
    bearer(answer.header("www-authenticate").expect("a challenge"))
}

fn server_says(challenges: &[&str]) -> Request {
    challenges
        .iter()
        .fold(from("server").told_status(401), |request, challenge| {
            request.told("www-authenticate", challenge)
        })
}

#[tokio::test]
async fn what_is_missing_is_added_and_what_is_there_stays() {
    let server = server().await;
    let envoy = Envoy::start("challenges", &chain(&server, CONFIGURATION));
    let endpoint = envoy.url();
    let authorizer = from("authorizer").told_status(401);
    let basic = r#"Basic realm="x", charset="UTF-8""#;
    let elsewhere = "https://login.example.com/metadata";
    for (request, kept, others) in [
        (authorizer.clone(), &[][..], ""),
        (
            authorizer.clone().told("www-authenticate", basic),
            &[],
            basic,
        ),
        (server_says(&[]), &[], ""),
        (server_says(&["Bearer"]), &[], ""),
        (server_says(&["Negotiate"]), &[], "Negotiate"),
        (server_says(&[basic]), &[], basic),
        (from("jwt_authn"), &[("realm", &*endpoint)], ""),
        (
            from("jwt_authn").header("authorization", "Bearer a.b.c"),
            &[("realm", &*endpoint), ("error", "invalid_token")],
            "",
        ),
        (
            server_says(&[r#"Bearer realm="x", error="invalid_request""#]),
            &[("realm", "x"), ("error", "invalid_request")],
            "",
        ),
        (
            server_says(&[r#"Bearer scope="other", error_description="why, you ask?""#]),
            &[("scope", "other"), ("error_description", "why, you ask?")],
            "",
        ),
        (
            server_says(&[&format!(r#"Bearer resource_metadata="{elsewhere}""#)]),
            &[("resource_metadata", elsewhere)],
            "",
        ),
        (
            server_says(&[basic, r#"Bearer realm="y""#]),
            &[("realm", "y")],
            basic,
        ),
        (
            server_says(&[&format!(r#"{basic}, Bearer realm="y", error="e""#)]),
            &[("realm", "y"), ("error", "e")],
            basic,
        ),
    ] {
        for answer in [
            request.send(envoy.address).await,
            request.send_http2(envoy.address).await,
        ] {
            let (params, rest) = challenge(&answer);
            assert_eq!(rest, others, "{request:?}: {answer:?}");
            let kept_names = kept.iter().map(|(name, _)| *name);
            let added = OURS
                .iter()
                .filter(|name| kept.iter().all(|(kept, _)| kept != *name));
            let names: Vec<&str> = kept_names.chain(added.copied()).collect();
            let all: Vec<&str> = params.iter().map(|(name, _)| &**name).collect();
            assert_eq!(all, names, "{request:?}: {answer:?}");
            for (name, value) in &params {
                let metadata = format!("http://{}{WELL_KNOWN}/mcp", envoy.address);
                let ours = match &**name {
                    "error" => "invalid_token",
                    "resource_metadata" => &metadata,
                    "scope" => "weather:read weather:admin",
                    "error_description" => value,
                    _ => "",
                };
                assert_ne!(value, "", "{name}: {answer:?}");
                let kept = kept.iter().find(|(kept, _)| kept == name);
                assert_eq!(
                    value,
                    kept.map_or(ours, |(_, value)| value),
                    "{name}: {answer:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_metadata_is_where_the_client_asked() {
    let server = server().await;
    let envoy = Envoy::start("challenges_where", &chain(&server, CONFIGURATION));
    let here = format!("http://{}", envoy.address);
    let denied = from("authorizer").told_status(401);
    let at = |path| denied.clone().target(path);
    let host = |host: &str| at("/mcp").header("host", host);
    let https = ("x-forwarded-proto", "https");
    for (request, base, path) in [
        (at("/mcp"), &*here, "/mcp"),
        (at("/mcp/"), &here, "/mcp"),
        (at("/mcp?a=/b"), &here, "/mcp"),
        (at("/a/b?a"), &here, "/a/b"),
        (host("mcp.example.com"), "http://mcp.example.com", "/mcp"),
        (
            host("mcp.example.com:8443").header(https.0, https.1),
            "https://mcp.example.com:8443",
            "/mcp",
        ),
        (host("[::1]:80"), "http://[::1]:80", "/mcp"),
    ] {
        let answer = request.send(envoy.address).await;
        let (params, _) = challenge(&answer);
        let location = params.iter().find(|(name, _)| name == "resource_metadata");
        let location = location.map(|(_, value)| &**value);
        let expected = format!("{base}{WELL_KNOWN}{path}");
        assert_eq!(location, Some(&*expected), "{request:?}");
    }
    // The metadata at this location has the endpoint as its resource.
    for path in ["/mcp", "/a/b"] {
        let answer = at(path).send(envoy.address).await;
        let (params, _) = challenge(&answer);
        let location = &params
            .iter()
            .find(|(name, _)| name == OURS[2])
            .expect(OURS[2])
            .1;
        let location = location.strip_prefix(&here).expect("this host");
        let document = Request::new("GET", location)
            .send(envoy.address)
            .await
            .json();
        assert_eq!(document["resource"], format!("{here}{path}"));
        assert_eq!(
            document["scopes_supported"].as_array().map(Vec::len),
            Some(2)
        );
    }
}

/// A client can write anything into its host and its path. This must not end the quoted strings of
/// the challenge.
#[tokio::test]
async fn no_client_puts_words_into_the_challenge() {
    let server = server().await;
    let every = chain(&server, r#"{"oauth": {}}"#);
    let envoy = Envoy::start("challenges_quotes", &every);
    let mut told = 0;
    for (path, host) in [
        ("/mcp", "h"),
        ("/mcp", r#"h", scope="x"#),
        ("/mcp", r#"h"x"#),
        ("/mcp", r"h\x"),
        ("/mcp", r#"h,x="y"#),
        ("/mcp", "h\u{e4}"),
        (r#"/a"x"#, "h"),
        (r"/a\x", "h"),
        ("/a%22x", "h"),
        ("/a\u{e4}", "h"),
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nx-from: authorizer\r\nx-status: 401\r\n\
             content-length: 0\r\nconnection: close\r\n\r\n"
        );
        let mut stream = TcpStream::connect(envoy.address).await.expect("Envoy");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("a reader");
        let mut answer = String::new();
        let read = timeout(ANSWERED_WITHIN, stream.read_to_string(&mut answer));
        read.await.expect("an answer in time").expect("UTF-8");
        // Envoy itself refuses some of these requests.
        if answer.starts_with("HTTP/1.1 400 ") {
            continue;
        }
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        let mut fields = answer
            .lines()
            .filter_map(|line| line.strip_prefix("www-authenticate: "));
        let (params, others) = bearer(fields.next().expect("a challenge"));
        assert_eq!((fields.next(), others), (None, ""), "{answer}");
        let names = params.iter().map(|(name, _)| &**name);
        // If the host or the path cannot be used, the challenge must have no location instead of a
        // wrong one.
        let known = OURS.into_iter().filter(|name| *name != OURS[2]);
        assert!(names.clone().eq(OURS) || names.eq(known), "{answer}");
        let scope = params.iter().find(|(name, _)| name == "scope");
        assert_eq!(scope.map(|(_, value)| &**value), Some("basic"), "{answer}");
        told += 1;
    }
    assert!(told > 1, "Envoy itself refused all of these requests");
}

#[tokio::test]
async fn a_401_that_says_nothing_says_that_the_client_is_unauthorized() {
    let server = server().await;
    let envoy = Envoy::start("challenges_empty", &chain(&server, CONFIGURATION));
    let events = Request::new("GET", "/mcp")
        .header("accept", "text/event-stream")
        .header("x-from", "authorizer");
    for request in [
        from("authorizer"),
        from("server"),
        from("server").told("content-type", "text/plain"),
        from("server").told("www-authenticate", "Negotiate"),
        events,
    ] {
        let request = request.told_status(401);
        for answer in [
            request.send(envoy.address).await,
            request.send_http2(envoy.address).await,
        ] {
            challenge(&answer);
            let body = answer.json();
            assert_eq!(body["jsonrpc"], "2.0", "{request:?}: {answer:?}");
            let message = body["error"]["message"].as_str().expect("a message");
            assert!(message.contains("Unauthorized"), "{message}");
            assert!(body["error"]["code"].is_i64(), "{answer:?}");
            if let Some(length) = answer.header("content-length") {
                assert_eq!(length, answer.body.len().to_string());
            }
        }
    }
    // A 401 with a body keeps its body.
    for (kind, text) in [("text/plain", "not you"), ("application/json", "{}")] {
        let request = from("server").told_status(401).told_text(kind, text);
        let answer = request.send(envoy.address).await;
        challenge(&answer);
        assert_eq!(answer.header("content-type"), Some(kind));
        assert_eq!(answer.text(), text);
    }
    let answer = from("jwt_authn").send(envoy.address).await;
    assert_eq!(answer.text(), "Jwt is missing");
}

#[tokio::test]
async fn what_is_no_401_is_left_alone() {
    let server = server().await;
    let envoy = Envoy::start("challenges_other", &chain(&server, CONFIGURATION));
    let scope = r#"Bearer error="insufficient_scope", scope="x""#;
    for status in [200, 400, 403, 407, 500] {
        for source in ["authorizer", "server"] {
            let request = from(source).told_status(status);
            // With 200 the authorizer allows the request, and 500 is a failure of the authorizer.
            // In both cases Envoy does not use its response.
            if source == "authorizer" && matches!(status, 200 | 500) {
                continue;
            }
            let answer = request.send(envoy.address).await;
            assert_eq!(answer.status, status, "{answer:?}");
            assert_eq!(answer.header("www-authenticate"), None);
            assert_eq!(answer.text(), "");
            let told = request.clone().told("www-authenticate", scope);
            let answer = told.send(envoy.address).await;
            // A 403 that asks for a scope gets the location of the metadata, whoever sends it.
            let metadata = format!(
                r#"{scope}, resource_metadata="http://{}{WELL_KNOWN}/mcp""#,
                envoy.address
            );
            let expected = if status == 403 { &metadata } else { scope };
            assert_eq!(answer.header("www-authenticate"), Some(expected));
            let told = request.told("www-authenticate", r#"Bearer error="x""#);
            let answer = told.send(envoy.address).await;
            let same = Some(r#"Bearer error="x""#);
            assert_eq!(answer.header("www-authenticate"), same);
        }
    }
    let without = chain(&server, r#"{"paths": ["/mcp"], "cors": {}}"#);
    let envoy = Envoy::start("challenges_off", &without);
    let answer = from("authorizer")
        .told_status(401)
        .send(envoy.address)
        .await;
    assert_eq!(answer.header("www-authenticate"), None);
    assert_eq!(answer.text(), "");
    let answer = Request::new("GET", WELL_KNOWN).send(envoy.address).await;
    assert_eq!(
        answer.status, 404,
        "metadata without `oauth` in the configuration"
    );
}

#[tokio::test]
async fn without_scopes_none_are_asked_for() {
    let server = server().await;
    let no_scopes = r#"{"paths": ["/mcp"], "oauth": {"scopesSupported": []}}"#;
    let envoy = Envoy::start("challenges_no_scopes", &chain(&server, no_scopes));
    let answer = from("jwt_authn").send(envoy.address).await;
    let (params, _) = challenge(&answer);
    let names = params.iter().map(|(name, _)| &**name);
    assert!(names.eq(["realm", OURS[0], OURS[1], OURS[2]]), "{answer:?}");
}

#[tokio::test]
async fn a_request_without_a_token_gets_its_challenge_here() {
    let server = server().await;
    for (name, hold) in [("held", true), ("not_held", false)] {
        let filter = format!(
            r#"{{"paths": ["/mcp"], "holdRequestHeaders": {hold}, "cors": {{}}, "oauth": {{"requireToken": true}}}}"#
        );
        let envoy = Envoy::start(
            &format!("challenges_require_{name}"),
            &chain(&server, &filter),
        );
        let request = || modern("7", "tools/list").header("origin", "https://a.example");
        for answer in [
            request().send(envoy.address).await,
            request().send_http2(envoy.address).await,
        ] {
            let (params, rest) = challenge(&answer);
            let names: Vec<&str> = params.iter().map(|(name, _)| &**name).collect();
            assert_eq!((names, rest), (OURS.to_vec(), ""), "{answer:?}");
            let message = answer.json();
            assert_eq!(message["error"]["code"], 401, "{answer:?}");
            assert_eq!(message["id"].is_null(), !hold, "{answer:?}");
            let origin = answer.header("access-control-allow-origin");
            assert_eq!(origin, Some("*"), "{answer:?}");
        }
        let with_token = request().header("authorization", "Bearer x");
        assert_ne!(with_token.send(envoy.address).await.status, 401);
        let metadata = Request::new("GET", WELL_KNOWN).send(envoy.address).await;
        assert_eq!(metadata.status, 200, "{metadata:?}");
    }
}

/// `jwt_authn` as Istio configures it: a request without a token passes.
const ALLOW_MISSING: &str = "requires: { requires_any: { requirements: [{ provider_name: login }, { allow_missing: {} }] } }";

#[tokio::test]
async fn what_authentication_takes_for_no_token_is_none_here() {
    let server = server().await;
    let lax = |oauth: &str| {
        let filter = format!(r#"{{"paths": ["/mcp"], "oauth": {oauth}}}"#);
        chain(&server, &filter)
            .replace("requires: { provider_name: login }", ALLOW_MISSING)
            // Only authentication may refuse a request here.
            .replace("regex: \"authorizer|server\"", "regex: \"jwt_authn\"")
            .replace_block(
                "          - name: envoy.filters.http.ext_authz",
                "          - name: envoy.filters.http.router",
                "",
            )
    };
    let without = Envoy::start("challenges_anonymous", &lax("{}"));
    let with = Envoy::start("challenges_token", &lax(r#"{"requireToken": true}"#));
    let request = |values: &[&str]| {
        values.iter().fold(from("jwt_authn"), |request, value| {
            request.header("authorization", value)
        })
    };
    // The values of `Authorization`, and whether authentication takes them for no token and lets
    // the request pass.
    for (values, is_anonymous) in [
        (&[][..], true),
        (&["Bearer"], true),
        (&["Bearer "], true),
        (&["bearer a.b.c"], true),
        (&["BEARER a.b.c"], true),
        (&["Bearer\ta.b.c"], true),
        (&["Basic YTpi"], true),
        (&["Basic YTpi", "bearer a.b.c"], true),
        (&["Bearer x"], false),
        (&["Bearer ,"], false),
        (&["Bearer \u{e9}"], false),
        (&["Basic Bearer a.b.c"], false),
        (&["Bearer a.b.c", "Bearer a.b.c"], false),
        (&["bearer a.b.c", "Bearer a.b.c"], false),
    ] {
        let request = request(values);
        let answer = request.send(without.address).await;
        assert_eq!(answer.status == 200, is_anonymous, "{values:?}: {answer:?}");
        assert_eq!(server.take().len(), usize::from(is_anonymous), "{values:?}");
        let answer = request.send(with.address).await;
        let (params, _) = challenge(&answer);
        let resource = params.iter().find(|(name, _)| name == OURS[2]);
        assert!(resource.is_some(), "{values:?}: {answer:?}");
        assert_eq!(server.take().len(), 0, "{values:?}");
    }
    let in_query = from("jwt_authn").target("/mcp?access_token=a.b.c");
    assert_eq!(in_query.send(with.address).await.status, 401);
}
