//! The metadata of an OAuth protected resource, at its well-known locations.

use serde_json::{Value, json};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::http::{Answer, Request};
use crate::sources::{Told, chain, from, server};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

fn at(path: &str) -> Request {
    Request::new("GET", &format!("{WELL_KNOWN}{path}"))
}

fn assert_document(answer: &Answer, expected: &str) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-envoy-upstream-service-time"), None);
    assert_eq!(answer.text(), expected);
}

/// The metadata that the filter returns with this configuration. There is no server.
async fn document(name: &str, bootstrap: &Bootstrap) -> String {
    let envoy = Envoy::start(name, bootstrap);
    let request = at("").header("host", "mcp.example.com");
    let answer = request.send(envoy.address).await;
    assert_document(&answer, answer.text());
    answer.text().to_owned()
}

fn nobody() -> Bootstrap {
    Bootstrap::policy("127.0.0.1:9".parse().expect("an address"))
}

const DEFAULTS: &str = r#"{"resource_name":"MCP Server","resource":"http://mcp.example.com/mcp","authorization_servers":[],"bearer_methods_supported":["header"],"scopes_supported":["basic"]}"#;

const VARIABLES: [(&str, &str); 5] = [
    ("OAUTH_RESOURCE_NAME", "From the \"environment\""),
    ("OAUTH_RESOURCE", "/from/there"),
    (
        "OAUTH_AUTHORIZATION_SERVERS",
        "https://a.example.com, https://b.example.com/b ",
    ),
    ("OAUTH_BEARER_METHODS_SUPPORTED", "header,body"),
    ("OAUTH_SCOPES_SUPPORTED", " a:b , c"),
];

const FROM_VARIABLES: &str = r#"{"resource_name":"From the \"environment\"","resource":"http://mcp.example.com/from/there","authorization_servers":["https://a.example.com","https://b.example.com/b"],"bearer_methods_supported":["header","body"],"scopes_supported":["a:b","c"]}"#;

#[tokio::test]
async fn the_configuration_comes_before_the_environment_and_that_before_the_defaults() {
    let [name, resource, lists @ ..] = VARIABLES.map(|(name, _)| name);
    let empty = [
        &[(name, ""), (resource, " ")][..],
        &lists.map(|name| (name, " , ")),
    ]
    .concat();
    let all = r#"{"paths": ["/mcp"], "oauth": {"resourceName": "Ours", "resource": "https://x.example.com/x", "authorizationServers": ["https://y.example.com"], "bearerMethodsSupported": ["header"], "scopesSupported": ["s"]}}"#;
    let some =
        r#"{"paths": ["/mcp"], "oauth": {"resource_name": "Ours", "scopes_supported": ["s"]}}"#;
    for (name, json, variables, expected) in [
        ("metadata_defaults", r#"{"oauth": {}}"#, &[][..], DEFAULTS),
        ("metadata_empty", "{}", &empty, DEFAULTS),
        ("metadata_variables", "{}", &VARIABLES, FROM_VARIABLES),
        (
            "metadata_one_variable",
            "{}",
            &[("OAUTH_SCOPES_SUPPORTED", "basic")],
            DEFAULTS,
        ),
        (
            "metadata_no_scopes",
            r#"{"oauth": {"scopesSupported": []}}"#,
            &[],
            &DEFAULTS.replace(r#""basic""#, ""),
        ),
        (
            "metadata_both",
            some,
            &VARIABLES,
            &FROM_VARIABLES
                .replace(r#"From the \"environment\""#, "Ours")
                .replace(r#""a:b","c""#, r#""s""#),
        ),
        (
            "metadata_configured",
            all,
            &VARIABLES,
            r#"{"resource_name":"Ours","resource":"https://x.example.com/x","authorization_servers":["https://y.example.com"],"bearer_methods_supported":["header"],"scopes_supported":["s"]}"#,
        ),
    ] {
        let mut bootstrap = nobody().configured(json);
        if !variables.is_empty() {
            bootstrap = bootstrap.environment(variables);
        }
        assert_eq!(document(name, &bootstrap).await, expected, "{name}");
    }
}

#[tokio::test]
async fn other_fields_of_rfc_9728_follow() {
    let json = r#"{"oauth": {
        "jwksUri": "https://x.example.com/jwks",
        "resourceSigningAlgValuesSupported": ["ES256"],
        "resourceDocumentation": "https://x.example.com/docs",
        "resourcePolicyUri": "https://x.example.com/policy",
        "resourceTosUri": "https://x.example.com/tos",
        "tlsClientCertificateBoundAccessTokens": true,
        "authorizationDetailsTypesSupported": ["payment"],
        "dpopSigningAlgValuesSupported": ["ES256", "RS256"],
        "dpopBoundAccessTokensRequired": false,
        "resourceName": "Weather", "scopesSupported": ["a"]
    }}"#
    .replace("\n        ", " ")
    .replace("\n    ", " ");
    let text = document("metadata_others", &nobody().configured(&json)).await;
    let start = r#"{"resource_name":"Weather","resource":"http://mcp.example.com/mcp","authorization_servers":[],"bearer_methods_supported":["header"],"scopes_supported":["a"],"#;
    let others = text.strip_prefix(start).unwrap_or_else(|| panic!("{text}"));
    let others: Value = serde_json::from_str(&format!("{{{others}")).expect("JSON");
    assert_eq!(
        others,
        json!({
            "jwks_uri": "https://x.example.com/jwks",
            "resource_signing_alg_values_supported": ["ES256"],
            "resource_documentation": "https://x.example.com/docs",
            "resource_policy_uri": "https://x.example.com/policy",
            "resource_tos_uri": "https://x.example.com/tos",
            "tls_client_certificate_bound_access_tokens": true,
            "authorization_details_types_supported": ["payment"],
            "dpop_signing_alg_values_supported": ["ES256", "RS256"],
            "dpop_bound_access_tokens_required": false,
        })
    );
}

fn naming(resource: &str) -> String {
    DEFAULTS.replace("http://mcp.example.com/mcp", resource)
}

#[tokio::test]
async fn a_relative_resource_is_completed_as_the_client_asked() {
    let server = server().await;
    let json = r#"{"paths": ["/mcp"], "oauth": {}}"#;
    let envoy = Envoy::start("metadata_relative", &chain(&server, json));
    let here = format!("http://{}/mcp", envoy.address);
    for path in ["", "/mcp", "?a=/b", "/mcp?a=/b"] {
        for (request, resource) in [
            (at(path), &*here),
            (
                at(path).header("host", "h.example.com"),
                "http://h.example.com/mcp",
            ),
            (
                at(path)
                    .header("host", "h.example.com:8443")
                    .header("x-forwarded-proto", "https"),
                "https://h.example.com:8443/mcp",
            ),
        ] {
            let answer = request.send(envoy.address).await;
            assert_document(&answer, &naming(resource));
        }
        let answer = at(path).send_http2(envoy.address).await;
        assert_document(&answer, &naming(&here));
    }
    assert_eq!(server.take().len(), 0);
}

#[tokio::test]
async fn each_of_several_endpoints_has_metadata_of_its_own() {
    let server = server().await;
    let several = r#"{"paths": ["/a", "/b/mcp"], "oauth": {}}"#;
    let every = r#"{"paths": ["*"], "oauth": {}}"#;
    let absolute = r#"{"paths": ["/a", "/b/mcp"], "oauth": {"resource": "https://x.example.com"}}"#;
    for (name, json, paths) in [
        (
            "metadata_several",
            several,
            &[
                // Not `/mcp`, which is not an endpoint here.
                ("", "http://h/a"),
                ("/a", "http://h/a"),
                ("/b/mcp", "http://h/b/mcp"),
                ("/b/mcp?x=/a", "http://h/b/mcp"),
            ][..],
        ),
        (
            "metadata_every",
            every,
            &[
                ("", "http://h/mcp"),
                ("/mcp", "http://h/mcp"),
                ("/any/thing", "http://h/any/thing"),
                ("/any/thing?x", "http://h/any/thing"),
            ],
        ),
        (
            "metadata_absolute",
            absolute,
            &[
                ("", "https://x.example.com"),
                ("/a", "https://x.example.com"),
                ("/b/mcp", "https://x.example.com"),
            ],
        ),
    ] {
        let envoy = Envoy::start(name, &chain(&server, json));
        for (path, resource) in paths {
            let answer = at(path).header("host", "h").send(envoy.address).await;
            assert_document(&answer, &naming(resource));
        }
    }
    assert_eq!(server.take().len(), 0);
}

#[tokio::test]
async fn what_is_no_get_gets_no_document() {
    let server = server().await;
    let json = r#"{"paths": ["/mcp"], "cors": {}, "oauth": {}}"#;
    let envoy = Envoy::start("metadata_methods", &chain(&server, json));
    for path in ["", "/mcp"] {
        let whole = at(path).send(envoy.address).await;
        let head = Request::new("HEAD", &format!("{WELL_KNOWN}{path}"));
        for answer in [
            head.send(envoy.address).await,
            head.send_http2(envoy.address).await,
        ] {
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.text(), "");
            for name in ["content-type", "content-length"] {
                assert!(whole.header(name).is_some(), "{name}");
                assert_eq!(answer.header(name), whole.header(name), "{name}");
            }
        }
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let request = Request::new(method, &format!("{WELL_KNOWN}{path}"));
            for request in [
                request.clone(),
                request
                    .clone()
                    .header("content-type", "application/json")
                    .body("{}"),
                request.body("x".repeat(100_000)).chunked(1000),
            ] {
                let answer = request.send(envoy.address).await;
                assert_eq!(answer.status, 405, "{method}: {answer:?}");
                assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
                assert_eq!(answer.json()["error"]["code"], -32600, "{method}");
            }
        }
    }
    assert_eq!(server.take().len(), 0);
}

#[tokio::test]
async fn other_locations_are_not_the_filters() {
    let server = server().await;
    let json = r#"{"paths": ["/mcp"], "trafficMode": "REJECT_NO_MCP", "cors": {}, "oauth": {}}"#;
    let envoy = Envoy::start("metadata_elsewhere", &chain(&server, json));
    for path in [
        "/.well-known/oauth-protected-resource/other",
        "/.well-known/oauth-protected-resource/mcp/other",
        "/.well-known/oauth-protected-resource/MCP",
        "/.well-known/oauth-protected-resources",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/mcp/.well-known/oauth-protected-resource",
    ] {
        for method in ["GET", "PUT"] {
            let request = Request::new(method, path)
                .header("x-from", "server")
                .told_text("text/plain", "the server's");
            let answer = request.send(envoy.address).await;
            assert_eq!((answer.status, answer.text()), (200, "the server's"));
            assert_eq!(answer.header("access-control-allow-origin"), None);
            let seen = server.take().pop().expect("a request");
            assert_eq!((&*seen.method, &*seen.target), (method, path));
        }
    }
    // A request to one of these paths changes nothing for the endpoint: RBAC still denies there.
    let answer = from("rbac").target("/mcp").send(envoy.address).await;
    assert_eq!(answer.status, 403);
}
