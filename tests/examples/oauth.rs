//! `envoy/oauth.yaml`: clients find the authorization server, get a token there, and may do
//! what its scopes allow.

#[path = "../clients/rmcp_client.rs"]
#[allow(dead_code, reason = "the tests in tests/envoy need more of it")]
mod rmcp_client;

use reqwest::Url;
use rmcp_client::{Mode, list_and_call_as};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::example::{example_on, is_denied_by_rbac};
use crate::harness::challenge::bearer;
use crate::harness::envoy::Envoy;
use crate::harness::http::{Answer, Request};
use crate::harness::message::{call, initialize, modern};
use crate::harness::server::Server;
use crate::harness::{port, python};
use crate::login::{Login, SECRET, basic};
use crate::token::{Key, access};

const BERLIN: &str = r#"{"city":"Berlin"}"#;
const FORECAST: &str = r#"{"city":"Berlin","days":2}"#;
const SCOPES: &str = "weather:read weather:admin";
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The origin that `envoy/oauth.yaml` allows.
const ORIGIN: &str = "https://app.example.com";

/// The same request, as a script of a page of this origin sends it.
fn from_page(request: Request) -> Request {
    request.with("origin", ORIGIN)
}

/// Envoy with the example configuration, its MCP server, and an authorization server.
struct Example {
    key: Key,
    login: Login,
    envoy: Envoy,
    _weather: Server,
    _reserved: TcpSocket,
}

impl Example {
    async fn start(name: &str) -> Self {
        let key = Key::new(1);
        let login = Login::start(Key::new(1)).await;
        let weather = Server::start("weather");
        let jwks = key.jwks(&format!("{name}.json"));
        // The audience contains the port of Envoy. So the port must be known before Envoy
        // starts.
        let (reserved, address) = port::reserved();
        let issuer = &login.issuer;
        let bootstrap = example_on(address.port(), "oauth.yaml", weather.address)
            .replace("envoy/jwks.json }", &format!("{} }}", jwks.display()))
            .replace(
                r#"["https://login.example.com"]"#,
                &format!(r#"["{issuer}"]"#),
            )
            .replace(
                "issuer: https://login.example.com",
                &format!("issuer: {issuer}"),
            )
            .replace("127.0.0.1:10000/mcp", &format!("{address}/mcp"));
        let envoy = Envoy::start(name, &bootstrap);
        assert_eq!(envoy.address, address);
        Self {
            key,
            login,
            envoy,
            _weather: weather,
            _reserved: reserved,
        }
    }

    /// An access token for this endpoint with these scopes.
    fn token(&self, scope: &str) -> String {
        self.key.sign(&self.claims(scope))
    }

    fn claims(&self, scope: &str) -> Value {
        access(&self.login.issuer, &self.envoy.url(), scope)
    }

    /// Expects the 401 that tells a client where to get a token. Returns the parameters of
    /// its challenge, and the other challenges.
    fn challenge<'a>(&self, answer: &'a Answer) -> (Vec<(String, String)>, &'a str) {
        assert_eq!(answer.status, 401, "{answer:?}");
        let field = answer.header("www-authenticate").expect("a challenge");
        let (params, others) = bearer(field);
        let one = |name: &str| {
            let mut values = params.iter().filter(|(other, _)| other == name);
            let value = values
                .next()
                .unwrap_or_else(|| panic!("no {name}: {field}"));
            assert_eq!(values.next(), None, "{field}");
            value.1.as_str()
        };
        assert_eq!(one("error"), "invalid_token", "{field}");
        assert_ne!(one("error_description"), "", "{field}");
        let metadata = format!("http://{}{WELL_KNOWN}/mcp", self.envoy.address);
        assert_eq!(one("resource_metadata"), metadata, "{field}");
        assert_eq!(one("scope"), SCOPES, "{field}");
        // Scripts in browsers may read this header.
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
        let exposed = answer.header("access-control-expose-headers");
        let exposed = exposed.unwrap_or_default().to_ascii_lowercase();
        assert!(exposed.contains("www-authenticate"), "{exposed}");
        (params, others)
    }
}

fn with_token(request: Request, token: &str) -> Request {
    request.header("authorization", format!("Bearer {token}"))
}

/// Sends a request to the host, the port and the path of this URL.
async fn send(url: &str, request: impl FnOnce(&str) -> Request) -> Answer {
    let url = Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    let addresses = url.socket_addrs(|| None).expect("a host and a port");
    request(url.path()).send(addresses[0]).await
}

async fn get(url: &str) -> Answer {
    send(url, |path| Request::new("GET", path)).await
}

#[tokio::test]
async fn a_client_without_a_token_finds_out_where_to_get_one() {
    let example = Example::start("oauth").await;
    let url = example.envoy.url();
    let list = modern("1", "tools/list");

    let answer = send(&url, |path| from_page(list.clone()).target(path)).await;
    let (params, _) = example.challenge(&answer);
    let param = |wanted: &str| {
        let found = params.iter().find(|(name, _)| name == wanted);
        &found.expect(wanted).1
    };

    let document = get(param("resource_metadata")).await;
    assert_eq!(document.status, 200, "{document:?}");
    assert_eq!(document.header("content-type"), Some("application/json"));
    assert_eq!(
        document.text(),
        format!(
            r#"{{"resource_name":"Weather","resource":"{url}","authorization_servers":["{}"],"bearer_methods_supported":["header"],"scopes_supported":["weather:read","weather:admin"]}}"#,
            example.login.issuer
        )
    );
    let document = document.json();
    let resource = document["resource"].as_str().expect("a URL");
    assert_eq!(
        resource, url,
        "clients accept only metadata about the URL that they have called"
    );

    let issuer = document["authorization_servers"][0].as_str();
    let issuer = issuer.expect("an authorization server");
    let metadata = get(&format!("{issuer}/.well-known/oauth-authorization-server")).await;
    let metadata = metadata.json();
    assert_eq!(metadata["issuer"], issuer);

    let endpoint = metadata["token_endpoint"].as_str().expect("a URL");
    let form = |resource: &str| {
        let fields = [
            ("grant_type", "client_credentials"),
            ("resource", resource),
            ("scope", param("scope")),
        ];
        let form = Url::parse_with_params("http://form/", fields).expect("a form");
        form.query().unwrap_or_default().to_owned()
    };
    for (asked, status) in [(resource, 200), ("http://example.com/mcp", 403)] {
        let granted = send(endpoint, |path| {
            Request::new("POST", path)
                .header("authorization", basic("reader"))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form(asked))
        })
        .await;
        assert_eq!(granted.status, 200, "{granted:?}");
        let granted = granted.json();
        let token = granted["access_token"].as_str().expect("a token");
        let answer = send(&url, |path| with_token(list.clone(), token).target(path)).await;
        assert_eq!(answer.status, status, "{asked}: {answer:?}");
    }
}

#[tokio::test]
async fn scope_and_tool_decide() {
    let example = Example::start("oauth_scopes").await;
    let tokens = ["", "weather:read", "weather:admin"];
    let also = [
        "openid",
        "openid weather:read offline",
        "weather:admin openid",
    ];
    let lookalikes = ["weather:rea", "weather:read,x", "xweather:admin"];
    let everyone = [true, true, true];
    for (request, allowed) in [
        (initialize(), everyone),
        (modern("1", "server/discover"), everyone),
        (modern("1", "tools/list"), everyone),
        (call("1", "get_weather", BERLIN), [false, true, true]),
        (call("1", "get_forecast", FORECAST), [false, false, true]),
        (call("1", "list_cities", "{}"), [false, false, true]),
    ] {
        example.challenge(&from_page(request.clone()).send(example.envoy.address).await);
        let none = [allowed[0]; 3];
        for (scopes, allowed) in [(tokens, allowed), (also, allowed), (lookalikes, none)] {
            for (scope, allowed) in scopes.into_iter().zip(allowed) {
                let request = with_token(request.clone(), &example.token(scope));
                let answer = from_page(request.clone()).send(example.envoy.address).await;
                assert_eq!(
                    (is_denied_by_rbac(&answer), answer.status),
                    if allowed { (false, 200) } else { (true, 403) },
                    "{scope:?}: {request:?}: {answer:?}"
                );
                assert_eq!(answer.header("www-authenticate"), None);
                assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_is_none_for_here_is_challenged() {
    let example = Example::start("oauth_tokens").await;
    let changed = |claim: &str, value: Value| {
        let mut claims = example.claims(SCOPES);
        claims[claim] = value;
        example.key.sign(&claims)
    };
    let valid = example.token(SCOPES);
    let (signed, signature) = valid.rsplit_once('.').expect("a signature");
    let broken: String = signature.chars().rev().collect();
    let list = modern("1", "tools/list");
    for token in [
        "",
        "a.b.c",
        &format!("{signed}."),
        &format!("{signed}.{broken}"),
        &Key::new(2).sign(&example.claims(SCOPES)),
        &changed("iss", json!("https://login.example.com")),
        &changed("exp", json!(1)),
    ] {
        let request = with_token(list.clone(), token);
        example.challenge(&from_page(request.clone()).send(example.envoy.address).await);
    }
    // For a token with another audience, Envoy's jwt_authn answers with 403. The filter
    // does not change this challenge.
    let other = changed("aud", json!("http://127.0.0.1:10000/other"));
    let answer = with_token(list.clone(), &other)
        .send(example.envoy.address)
        .await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let realm = example.envoy.url();
    let said = format!(r#"Bearer realm="{realm}", error="invalid_token""#);
    assert_eq!(answer.header("www-authenticate"), Some(&*said));

    // A client cannot change the URLs of the challenge with `x-forwarded-proto`.
    let https = list.clone().header("x-forwarded-proto", "https");
    example.challenge(&from_page(https).send(example.envoy.address).await);
    let answer = with_token(list, &valid).send(example.envoy.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn the_rust_sdk_calls_what_its_token_grants() {
    let example = Example::start("oauth_rust").await;
    let url = example.envoy.url();
    let args: Value = serde_json::from_str(BERLIN).expect("JSON");
    for mode in [Mode::Auto, Mode::Modern, Mode::Legacy] {
        for (scope, tool, allowed) in [
            ("weather:read", "get_weather", true),
            ("weather:read", "list_cities", false),
            ("weather:admin", "list_cities", true),
        ] {
            let token = example.token(scope);
            let outcome = list_and_call_as(Some(&token), &url, mode, tool, args.clone()).await;
            assert_eq!(outcome.is_ok(), allowed, "{mode:?} {tool}: {outcome:?}");
        }
        let outcome = list_and_call_as(Some("none"), &url, mode, "get_weather", args.clone());
        let error = outcome.await.expect_err("no token").to_string();
        assert!(error.contains("uth"), "{mode:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_python_sdk_gets_itself_a_token() {
    let example = Example::start("oauth_python").await;
    let (url, issuer) = (example.envoy.url(), example.login.issuer.clone());
    let talk = move || {
        for mode in ["auto", "2026-07-28", "legacy"] {
            for (client, allowed) in [("guest", false), ("reader", true), ("admin", true)] {
                let login = ["--login", &issuer, client, SECRET];
                let call = ["--list", "--call", "get_weather", BERLIN];
                let outcome = python::talk(&url, mode, &[&login[..], &call[..]].concat());
                assert_eq!(outcome.is_ok(), allowed, "{mode} {client}: {outcome:?}");
                if let Ok(outcome) = outcome {
                    assert_eq!(outcome["call"]["structured"]["celsius"], 14);
                    assert_eq!(outcome["tools"].as_array().map(Vec::len), Some(3));
                }
            }
        }
        let nobody = python::talk(&url, "auto", &["--list"]);
        nobody.expect_err("a client without a token");
    };
    tokio::task::spawn_blocking(talk).await.expect("talks");
}

/// A server may accept other spellings of its path, which are not endpoints of the filter.
/// Envoy must not forward them.
#[tokio::test]
async fn no_other_path_reaches_the_server() {
    let example = Example::start("oauth_paths").await;
    let token = example.token("nothing");
    for target in [
        "/MCP",
        "/mcp/",
        "/mcp/x",
        "/mcp;x",
        "/mcp%20",
        "/sse",
        "/.well-known/oauth-protected-resource/x",
    ] {
        let request = with_token(call("1", "get_forecast", FORECAST), &token).target(target);
        let answer = from_page(request.clone()).send(example.envoy.address).await;
        assert!(matches!(answer.status, 403 | 404), "{target}: {answer:?}");
        assert_eq!(answer.header("x-envoy-upstream-service-time"), None);
    }
}
