//! What `authorization` learns from Envoy about the caller: the metadata that `jwt_authn` writes,
//! and expressions, which can fail.

use serde_json::{Value, json};

use crate::authorization::{ALL, LISTS, assert_denied};
use crate::harness::bootstrap::Bootstrap;
use crate::harness::capture::Capture;
use crate::harness::envoy::Envoy;
use crate::harness::fake;
use crate::harness::http::{Answer, Request};
use crate::harness::message::{call, modern};
use crate::token::{Key, access};

const ISSUER: &str = "https://login.example.com";

/// `jwt_authn` writes the payload of a valid token into metadata. Requests without a token pass
/// too.
const TOKENS: &str = r#"          - name: envoy.filters.http.jwt_authn
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
              providers:
                login:
                  issuer: https://login.example.com
                  audiences: [mcp]
                  local_jwks: { filename: JWKS }
                  payload_in_metadata: jwt
              rules:
              - match: { prefix: / }
                requires:
                  requires_any:
                    requirements: [{ provider_name: login }, { allow_missing: {} }]
"#;

/// A server `a` with these rules of `authorization`. `jwt_authn` accepts tokens of `key`.
fn behind(name: &str, key: &Key, server: &Capture, authorization: &str) -> Envoy {
    let authorization: String = authorization.lines().map(str::trim).collect();
    let config = format!(
        r#"{{"servers":[{{"name":"a"}}],"prefixMode":"NEVER","authorization":{authorization}}}"#
    );
    let jwks = key.jwks(&format!("{name}.json"));
    let tokens = TOKENS.replace("JWKS", jwks.to_str().expect("UTF-8"));
    let filter = "          - name: mcp-gateway\n";
    let bootstrap = Bootstrap::servers(&config, &[("a", server.address)])
        .replace(filter, &format!("{tokens}{filter}"));
    Envoy::start(name, &bootstrap)
}

async fn server() -> Capture {
    Capture::start(|request| fake::answer(request, ALL, LISTS)).await
}

/// The request with a token that has these claims in addition to the usual ones, of which `scope`
/// is left out.
fn with(request: Request, key: &Key, members: &Value) -> Request {
    let mut claims = access(ISSUER, "mcp", "");
    let members = members.as_object().expect("an object");
    let claims_object = claims.as_object_mut().expect("an object");
    claims_object.remove("scope");
    claims_object.extend(members.clone());
    request.header("authorization", format!("Bearer {}", key.sign(&claims)))
}

fn assert_lacks_scopes(answer: &Answer, scopes: &str, what: &str) {
    assert_eq!(answer.status, 403, "{what}: {answer:?}");
    assert_eq!(answer.json()["error"]["code"], 403, "{what}");
    let challenge = answer.header("www-authenticate").expect("a challenge");
    let expected = format!(
        r#"Bearer error="insufficient_scope", error_description="The access token lacks a scope that this request needs", scope="{scopes}""#
    );
    assert_eq!(challenge, expected, "{what}");
}

fn assert_called(answer: &Answer, claims: &Value) {
    assert_eq!(answer.status, 200, "{claims}: {answer:?}");
    assert!(answer.json()["result"].is_object(), "{claims}: {answer:?}");
}

fn tools(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let list = answer.json();
    let list = list["result"]["tools"].as_array().expect("a list");
    let name = |entry: &Value| entry["name"].as_str().expect("a name").to_owned();
    list.iter().map(name).collect()
}

/// Envoy does not tell the filter which type a value of the metadata has.
#[tokio::test]
async fn scopes_are_a_string_or_a_list_of_strings_and_nothing_else() {
    let (key, server) = (Key::new(1), server().await);
    let rules = r#"{"scopesFrom":{"namespace":"envoy.filters.http.jwt_authn","path":["jwt","scope"]},"rules":[
        {"action":"ALLOW","tools":["read"],"requiredScopes":["a:read","b"]},
        {"action":"ALLOW","tools":["write"],"requiredScopes":["w"],"scopesFrom":{"namespace":"envoy.filters.http.jwt_authn","path":["jwt","realm","roles"]}}
    ]}"#;
    let envoy = behind("authorization_scopes", &key, &server, rules);
    for (claims, reads, writes) in [
        (json!({ "scope": "a:read b" }), true, false),
        (json!({ "scope": "x  b a:read" }), true, false),
        (json!({ "scope": ["b", "x", "a:read"] }), true, false),
        (
            json!({ "scope": ["b", "x", "a:read"], "realm": { "roles": ["w"] } }),
            true,
            true,
        ),
        (json!({ "realm": { "roles": ["x", "w", ""] } }), false, true),
        (json!({ "realm": { "roles": "v w" } }), false, true),
        (json!({ "scope": "w", "realm": "w" }), false, false),
        (json!({ "realm": ["w"], "roles": ["w"] }), false, false),
        (json!({}), false, false),
        (json!({ "scope": "" }), false, false),
        (json!({ "scope": [] }), false, false),
        (json!({ "scope": "a:read" }), false, false),
        (json!({ "scope": "a:read,b" }), false, false),
        (json!({ "scope": "A:READ b" }), false, false),
        (json!({ "scope": ["a:read b"] }), false, false),
        (json!({ "scope": ["a:read", ["b"]] }), false, false),
        (json!({ "scope": ["a:read", "b", 1] }), false, false),
        (json!({ "scope": ["a:read", "b", true] }), false, false),
        (json!({ "scope": ["a:read", "b", null] }), false, false),
        (
            json!({ "scope": { "a:read": "x", "b": "y" } }),
            false,
            false,
        ),
        (
            json!({ "scope": { "a:read": true, "b": true } }),
            false,
            false,
        ),
        (json!({ "scope": 1 }), false, false),
        (json!({ "scope": true }), false, false),
        (json!({ "scope": null }), false, false),
    ] {
        for (tool, has, scopes) in [("read", reads, "a:read b"), ("write", writes, "w")] {
            let request = with(call("1", tool, "{}"), &key, &claims);
            let answer = request.send(envoy.address).await;
            if has {
                assert_called(&answer, &claims);
            } else {
                assert_lacks_scopes(&answer, scopes, &format!("{tool} {claims}"));
            }
        }
        let list = with(modern("1", "tools/list"), &key, &claims);
        let shown = [reads.then_some("read"), writes.then_some("write")];
        let shown: Vec<&str> = shown.into_iter().flatten().collect();
        assert_eq!(tools(&list.send(envoy.address).await), shown, "{claims}");
    }
    // A request without a token has no scopes.
    let answer = call("1", "read", "{}").send(envoy.address).await;
    assert_lacks_scopes(&answer, "a:read b", "no token");
}

#[tokio::test]
async fn groups_decide_and_what_fails_allows_nothing() {
    let (key, server) = (Key::new(1), server().await);
    let rules = r#"{"rules":[
        {"action":"DENY","tools":["delete"],"when":"metadata.filter_metadata['envoy.filters.http.jwt_authn']['jwt']['suspended']"},
        {"action":"ALLOW","when":"metadata.filter_metadata['envoy.filters.http.jwt_authn']['jwt']['groups'].exists(g, g == 'weather')","tools":["read","delete"]},
        {"action":"ALLOW","when":"metadata.filter_metadata['envoy.filters.http.jwt_authn']['jwt']['level']","tools":["write"]}
    ]}"#;
    let envoy = behind("authorization_groups", &key, &server, rules);
    for (claims, expected) in [
        (
            json!({ "groups": ["weather"], "suspended": false }),
            &["read", "delete"][..],
        ),
        (
            json!({ "groups": ["x", "weather"], "suspended": true }),
            &["read"],
        ),
        // If an expression fails or its value is no boolean, a DENY rule denies and an ALLOW rule
        // does not allow.
        (json!({ "groups": ["weather"] }), &["read"]),
        (
            json!({ "groups": ["weather"], "suspended": "false" }),
            &["read"],
        ),
        (json!({ "groups": ["weather"], "suspended": 0 }), &["read"]),
        (json!({ "groups": ["Weather", "weather "] }), &[]),
        (json!({ "groups": [] }), &[]),
        (json!({ "groups": "weather" }), &[]),
        (json!({ "groups": { "weather": true } }), &["read"]),
        (json!({ "level": true }), &["write"]),
        (json!({ "level": false }), &[]),
        (json!({ "level": "true" }), &[]),
        (json!({ "level": 1 }), &[]),
        (json!({}), &[]),
    ] {
        let list = with(modern("1", "tools/list"), &key, &claims);
        assert_eq!(tools(&list.send(envoy.address).await), expected, "{claims}");
        for tool in ["read", "delete", "write"] {
            let request = with(call("1", tool, "{}"), &key, &claims);
            let answer = request.send(envoy.address).await;
            if expected.contains(&tool) {
                assert_called(&answer, &claims);
            } else {
                assert_denied(&answer, "1", &format!("tools/call {tool}"));
            }
        }
    }
    let list = modern("1", "tools/list");
    assert_eq!(tools(&list.send(envoy.address).await), [""; 0]);
}
