//! A server refuses credentials. If they were the gateway's own, the client gets an error of the
//! gateway. If they were the caller's, the caller gets the server's status.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::{Capture, Recorded};
use crate::harness::challenge::bearer;
use crate::harness::envoy::Envoy;
use crate::harness::fake;
use crate::harness::http::{Answer, Request};
use crate::harness::message::call;
use crate::harness::session::{Session, initialize};

/// Refuses calls. The name of the tool is the status.
fn refusing(request: &Recorded) -> Response {
    let message = request.json();
    if message["method"] != "tools/call" {
        return fake::answer(request, r#"{"tools":{}}"#, &[]);
    }
    let status = message["params"]["name"]
        .as_str()
        .and_then(|it| it.parse().ok());
    let status = StatusCode::from_u16(status.expect("a number")).expect("a status");
    let fields = [
        (
            "www-authenticate",
            r#"Bearer realm="theirs", resource_metadata="https://theirs.example.com""#,
        ),
        ("set-cookie", "a=theirs"),
    ];
    (status, fields, "theirs").into_response()
}

fn assert_said(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert!(
        !format!("{answer:?}").contains("theirs"),
        "{what}: {answer:?}"
    );
    let message = answer.json();
    assert_eq!(message["id"], 7, "{what}: {answer:?}");
    assert!(message["error"]["code"].is_number(), "{what}: {answer:?}");
}

#[tokio::test]
async fn the_status_stays_where_the_callers_own_credentials_were_refused() {
    let server = Capture::start(refusing).await;
    let config = r#"{"oauth":{},"servers":[
        {"name":"own","headers":[{"name":"authorization","value":"Bearer gateway"}]},
        {"name":"token","allowCredentialHeaders":true,"passthroughHeaders":[{"name":"x-token","as":"authorization"}]},
        {"name":"cookie","allowCredentialHeaders":true,"passthroughHeaders":["cookie"]},
        {"name":"key","passthroughHeaders":["x-token"]}
    ]}"#;
    let config: String = config.lines().map(str::trim).collect();
    let names = ["own", "token", "cookie", "key"];
    let clusters = names.map(|name| (name, server.address));
    let envoy = Envoy::start(
        "headers_credentials",
        &Bootstrap::servers(&config, &clusters),
    );
    let with = |request: Request| {
        request
            .header("x-token", "Bearer caller")
            .header("cookie", "a=caller")
    };
    let session = Session::begun(&with(initialize()).send(envoy.address).await);
    for (name, is_callers) in [
        ("own", false),
        ("token", true),
        ("cookie", true),
        ("key", false),
    ] {
        for status in [401, 403] {
            let tool = format!("{name}__{status}");
            // A failed call must not end the session of a legacy client, so its status is 200.
            for (request, failed) in [
                (call("7", &tool, "{}"), 502),
                (session.call("7", &tool, "{}"), 200),
            ] {
                let answer = with(request).send(envoy.address).await;
                if !is_callers {
                    assert_said(&answer, failed, &tool);
                    assert_eq!(answer.header("www-authenticate"), None);
                    let told = format!("server {name} refused the gateway's credentials");
                    assert_eq!(answer.json()["error"]["message"], told);
                    continue;
                }
                assert_said(&answer, status, &tool);
                if status == 401 {
                    let field = answer.header("www-authenticate").expect("a challenge");
                    let (params, _) = bearer(field);
                    let metadata = format!(
                        "http://{}/.well-known/oauth-protected-resource/mcp",
                        envoy.address
                    );
                    let expected = ("resource_metadata".to_owned(), metadata);
                    assert!(params.contains(&expected), "{field}");
                }
            }
        }
    }
}
