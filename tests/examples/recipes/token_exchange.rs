//! `token_exchange.yaml`: Envoy exchanges the caller's token for one that is valid for the
//! server. The server gets no request without such a token.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use crate::harness::capture::Capture;
use crate::harness::envoy::Envoy;
use crate::harness::http::Request;
use crate::harness::message::{call, initialize, modern};
use crate::harness::server::Server;
use crate::harness::setup;
use crate::login::{Login, SECRET, STRANGER, exchanged};
use crate::recipes::{recipe, weather};
use crate::token::{Key, access};

const NAME: &str = "token_exchange.yaml";
const ISSUER: &str = "https://login.example.com";
const GATEWAY: &str = "http://127.0.0.1:10000/mcp";
const RESOURCE: &str = "http://127.0.0.1:9001/mcp";

struct Example {
    weather: Capture,
    login: Login,
    envoy: Envoy,
    _exchange: Server,
}

impl Example {
    async fn start(name: &str, secret: &str) -> Self {
        let (weather, login) = (weather().await, Login::start(Key::new(1)).await);
        let exchange = exchange(&login, secret);
        let ports = [(9001, weather.address), (9004, exchange.address)];
        let jwks = Key::new(1).jwks(&format!("{name}.json"));
        let bootstrap = recipe(NAME, &ports).expect("a recipe for every Envoy");
        let bootstrap = bootstrap.replace("envoy/jwks.json }", &format!("{} }}", jwks.display()));
        let envoy = Envoy::start(name, &bootstrap);
        Self {
            weather,
            login,
            envoy,
            _exchange: exchange,
        }
    }
}

/// Starts `examples/token_exchange.py` as a client of this authorization server.
fn exchange(login: &Login, secret: &str) -> Server {
    let script = setup::repository().join("examples/token_exchange.py");
    let args = [
        format!("EXCHANGE_CLIENT_SECRET={secret}"),
        "NO_PROXY=127.0.0.1".to_owned(),
        "python3".to_owned(),
        script.to_str().expect("UTF-8").to_owned(),
        "--port=0".to_owned(),
        format!("--token-endpoint={}/token", login.issuer),
        "--client-id=mcp-gateway".to_owned(),
    ];
    Server::program("token_exchange.py", Path::new("env"), &args)
}

fn claims(subject: &str) -> Value {
    let mut claims = access(ISSUER, GATEWAY, "weather:read");
    claims["sub"] = subject.into();
    claims
}

fn with(request: Request, claims: &Value) -> Request {
    let token = Key::new(1).sign(claims);
    request.header("authorization", format!("Bearer {token}"))
}

fn requests() -> [Request; 3] {
    [
        modern("1", "tools/list"),
        call("1", "weather__get_weather", "{}"),
        initialize(),
    ]
}

#[tokio::test]
async fn lists_and_calls_have_the_callers_token_for_the_server() {
    let example = Example::start("token_exchange", SECRET).await;
    for subject in ["alice", "bob", "alice"] {
        let claims = claims(subject);
        let wanted = Key::new(1).sign(&exchanged(&example.login.issuer, RESOURCE, &claims));
        for request in requests() {
            let answer = with(request.clone(), &claims)
                .send(example.envoy.address)
                .await;
            assert_eq!(answer.status, 200, "{request:?}: {answer:?}");
            let seen = example.weather.take();
            assert!(!seen.is_empty(), "{request:?}");
            for seen in seen {
                let sent = seen.header("authorization");
                assert_eq!(sent, Some(&*format!("Bearer {wanted}")), "{seen:?}");
                assert_eq!(seen.header("x-caller-token"), None, "{seen:?}");
            }
        }
    }
}

#[tokio::test]
async fn who_gets_no_token_for_the_server_does_not_reach_it() {
    let example = Example::start("token_exchange_refused", SECRET).await;
    let to = example.envoy.address;
    for request in requests() {
        let answer = request.send(to).await;
        assert_eq!(answer.status, 401, "{request:?}: {answer:?}");
        // A client cannot replace its token with the header `x-caller-token`, which Envoy
        // uses internally.
        let forged = Key::new(1).sign(&claims("alice"));
        let forged = request.header("x-caller-token", format!("Bearer {forged}"));
        let answer = forged.clone().send(to).await;
        assert_eq!(answer.status, 401, "{forged:?}: {answer:?}");
        let answer = with(forged, &claims(STRANGER)).send(to).await;
        assert_ne!(answer.status, 200, "{answer:?}");
    }
    assert!(example.weather.take().is_empty());
    // After this list, the gateway knows the server's versions. So the refused call below
    // ends with the answer to the call itself.
    let known = with(modern("1", "tools/list"), &claims("alice"));
    assert_eq!(known.send(to).await.status, 200);
    assert!(!example.weather.take().is_empty());
    let refused = with(call("1", "weather__get_weather", "{}"), &claims(STRANGER));
    let answer = refused.send(to).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(answer.json()["error"].is_object(), "{answer:?}");
    assert!(example.weather.take().is_empty());
}

#[tokio::test]
async fn an_exchange_that_fails_is_a_no() {
    let mut example = Example::start("token_exchange_fails", "another").await;
    example.envoy.failures_are_expected();
    for request in requests() {
        let answer = with(request, &claims("alice"))
            .send(example.envoy.address)
            .await;
        assert_eq!(answer.status, 502, "{answer:?}");
    }
    assert!(example.weather.take().is_empty());
}

/// The test keeps the port of the exchange reserved, so that no program listens there.
#[tokio::test]
async fn an_exchange_that_is_away_is_a_no() {
    let weather = weather().await;
    let (_reserved, nobody): (_, SocketAddr) = crate::harness::port::reserved();
    let jwks = Key::new(1).jwks("token_exchange_away.json");
    let ports = [(9001, weather.address), (9004, nobody)];
    let bootstrap = recipe(NAME, &ports).expect("a recipe for every Envoy");
    let bootstrap = bootstrap.replace("envoy/jwks.json }", &format!("{} }}", jwks.display()));
    let envoy = Envoy::start("token_exchange_away", &bootstrap);
    for request in requests() {
        let answer = with(request, &claims("alice")).send(envoy.address).await;
        assert_eq!(answer.status, 502, "{answer:?}");
    }
    assert!(weather.take().is_empty());
}
