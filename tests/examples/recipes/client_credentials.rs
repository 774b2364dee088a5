//! `client_credentials.yaml`: the server gets every request with the gateway's own token,
//! and no request without it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::harness::capture::Capture;
use crate::harness::envoy::Envoy;
use crate::harness::message::{call, initialize, modern};
use crate::login::{Login, SECRET};
use crate::recipes::{recipe, weather};
use crate::token::{Key, access};

const NAME: &str = "client_credentials.yaml";
const RESOURCE: &str = "http://127.0.0.1:9001/mcp";
const TOLD_WITHIN: Duration = Duration::from_secs(60);

fn address(login: &Login) -> SocketAddr {
    let (_, address) = login.issuer.split_once("//").expect("a URL");
    address.parse().expect("an address")
}

/// Checks that each request of the server has this token and no other.
fn all_have(weather: &Capture, token: &str) {
    let seen = weather.take();
    assert!(!seen.is_empty());
    for request in seen {
        let sent = request.header("authorization");
        assert_eq!(sent, Some(&*format!("Bearer {token}")), "{request:?}");
    }
}

#[tokio::test]
async fn the_server_gets_the_token_of_the_gateway() {
    let (weather, login) = (weather().await, Login::start(Key::new(1)).await);
    let ports = [(9001, weather.address), (9003, address(&login))];
    let Some(bootstrap) = recipe(NAME, &ports) else {
        return;
    };
    // One worker: each worker gets the token at a time of its own.
    let mut envoy = Envoy::with_workers(1, "client_credentials", &bootstrap);
    // Envoy logs errors until it has got the first token.
    envoy.failures_are_expected();
    let list = modern("1", "tools/list");
    let first = async {
        while list.send(envoy.address).await.status != 200 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(TOLD_WITHIN, first).await.expect("a token in time");
    let token = Key::new(1).sign(&access(&login.issuer, RESOURCE, "weather:read"));
    all_have(&weather, &token);
    let own = format!("Bearer {}", Key::new(2).sign(&access("x", RESOURCE, "")));
    for request in [
        call("1", "weather__get_weather", "{}"),
        modern("1", "tools/list"),
        initialize(),
    ] {
        let request = request.header("authorization", &own);
        let answer = request.send(envoy.address).await;
        assert_eq!(answer.status, 200, "{request:?}: {answer:?}");
        assert!(!answer.text().contains(&token), "{answer:?}");
        all_have(&weather, &token);
    }
}

#[tokio::test]
async fn nothing_reaches_the_server_without_a_token() {
    let (weather, login) = (weather().await, Login::start(Key::new(1)).await);
    let ports = [(9001, weather.address), (9003, address(&login))];
    let Some(bootstrap) = recipe(NAME, &ports) else {
        return;
    };
    let secret = format!("inline_string: {SECRET}");
    let bootstrap = bootstrap.replace(&secret, "inline_string: another");
    let mut envoy = Envoy::start("client_credentials_wrong", &bootstrap);
    envoy.failures_are_expected();
    for request in [
        modern("1", "tools/list"),
        call("1", "weather__get_weather", "{}"),
        initialize(),
    ] {
        let request = request.header("authorization", "Bearer own");
        let answer = request.send(envoy.address).await;
        assert_eq!(answer.status, 502, "{request:?}: {answer:?}");
        assert_eq!(answer.json()["error"]["code"], -32603);
    }
    assert!(weather.take().is_empty());
}
