//! `envoy/rate_limit.yaml`: Envoy limits the rate of calls, but not that of lists.

use crate::example::example;
use crate::harness::envoy::Envoy;
use crate::harness::message::{call, legacy, modern};
use crate::harness::server::Server;

const BERLIN: &str = r#"{"city":"Berlin"}"#;

#[tokio::test]
async fn the_fourth_call_is_too_much_and_a_list_never_is() {
    let weather = Server::start("weather");
    // The bucket must not fill up again during the test, even if the test is slow.
    let bootstrap = example("rate_limit.yaml", weather.address)
        .replace("fill_interval: 60s", "fill_interval: 604800s");
    let envoy = Envoy::start("rate_limit", &bootstrap);
    let list = modern("1", "tools/list");
    // The client claims in a header that its call is a list. Envoy must count it as a call.
    let forged =
        legacy("1", "tools/call", r#"{"name":"list_cities"}"#).header("x-mcp-method", "tools/list");
    for (request, status) in [
        (&list, 200),
        (&list, 200),
        (&list, 200),
        (&list, 200),
        (&call("1", "get_weather", BERLIN), 200),
        (&call("1", "list_cities", "{}"), 200),
        (&list, 200),
        (&call("1", "get_weather", BERLIN), 200),
        (&call("1", "get_weather", BERLIN), 429),
        (&call("1", "list_cities", "{}"), 429),
        (&forged, 429),
        (&list, 200),
        (&modern("1", "server/discover"), 200),
    ] {
        let answer = request.send(envoy.address).await;
        assert_eq!(answer.status, status, "{request:?}: {answer:?}");
        if status == 429 {
            let expected =
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":429,"message":"local_rate_limited"}}"#;
            assert_eq!(answer.json_text(), expected, "{answer:?}");
        }
    }
}
