//! `forward_proxy.yaml`: the host of the request selects the server. Only the hosts of a
//! list are allowed.

use crate::harness::envoy::Envoy;
use crate::harness::http::Request;
use crate::harness::message::{call, initialize, legacy, modern};
use crate::recipes::{recipe, weather};

const NAME: &str = "forward_proxy.yaml";

#[tokio::test]
async fn only_listed_hosts_are_reached_and_only_as_listed() {
    let (weather, calendar, other) = (weather().await, weather().await, weather().await);
    let host = |port: u16| format!("localhost:{port}");
    let (first, second) = (host(weather.address.port()), host(calendar.address.port()));
    let bootstrap = recipe(NAME, &[])
        .expect("a recipe for every Envoy")
        .replace(r#"exact: "localhost:9001""#, &format!("exact: {first:?}"))
        .replace(r#"exact: "localhost:9002""#, &format!("exact: {second:?}"));
    let envoy = Envoy::start("forward_proxy", &bootstrap);
    let to = |request: Request, host: &str| request.header("host", host);
    let get = || call("1", "get_weather", "{}");
    let forecast = || call("1", "get_forecast", "{}");
    let forged = legacy("1", "tools/call", r#"{"name":"get_forecast"}"#)
        .header("x-mcp-method", "tools/list");
    for (request, server) in [
        (to(get(), &first), Some(&weather)),
        (to(modern("1", "tools/list"), &first), Some(&weather)),
        (to(initialize(), &first), Some(&weather)),
        (to(forecast(), &first), None),
        (to(forged, &first), None),
        (to(modern("1", "prompts/list"), &first), None),
        (to(get(), &second), Some(&calendar)),
        (to(forecast(), &second), Some(&calendar)),
    ] {
        let answer = request.send(envoy.address).await;
        let reached = [&weather, &calendar].map(|it| !it.take().is_empty());
        let wanted = [&weather, &calendar]
            .map(|it| server.is_some_and(|server| server.address == it.address));
        assert_eq!(reached, wanted, "{request:?}: {answer:?}");
        assert_eq!(answer.status == 403, server.is_none(), "{answer:?}");
    }
    // Other names of the same machine, another server on this machine, and hosts that look
    // similar.
    let port = weather.address.port();
    let addresses = ["127.0.0.1", "LOCALHOST", "localhost.", "[::1]", "0.0.0.0"];
    let addresses = addresses.map(|name| format!("{name}:{port}"));
    let others = [
        host(other.address.port()),
        "localhost".to_owned(),
        "example.com".to_owned(),
        format!("{first}.example.com"),
        format!("user@{first}"),
    ];
    for name in addresses.iter().chain(&others) {
        let answer = to(get(), name).send(envoy.address).await;
        assert!(matches!(answer.status, 400 | 403), "{name}: {answer:?}");
    }
    for server in [&weather, &calendar, &other] {
        assert!(server.take().is_empty());
    }
    // A body that the filter cannot read is not forwarded, since no policy could check it.
    let answer = to(Request::post("{"), &second).send(envoy.address).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let elsewhere = to(get(), &second).target("/other");
    let answer = elsewhere.send(envoy.address).await;
    assert!(matches!(answer.status, 403 | 404), "{answer:?}");
    assert!(calendar.take().is_empty());
}
