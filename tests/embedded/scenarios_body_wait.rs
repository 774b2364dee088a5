//! Requests whose headers wait for a body that does not come.

use std::time::Duration;

use crate::host::{Host, Level, Outcome, Plugin, Request, Stream};

const POLICY: &str = r#"{"paths":["/mcp"]}"#;
const GATEWAY: &str = r#"{"servers":[{"name":"a"}]}"#;
const NOT_HELD: &str = "Envoy does not hold requests for this filter: set allow_on_headers_stop_iteration (Envoy 1.36)";

fn plugin(config: &str, hold: bool) -> Plugin {
    let host = Host::new().cluster("a").hold(hold);
    host.configure(config).expect("a configuration")
}

fn post() -> Request {
    Request::post("/mcp")
        .header("accept", "application/json, text/event-stream")
        .json(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)
}

/// A request whose headers have arrived and whose body has not.
fn opened(plugin: &Plugin) -> Stream {
    let mut stream = plugin.stream();
    stream.open(post());
    stream
}

/// Lets so many seconds pass, and fires the timer once a second.
fn pass(plugin: &Plugin, seconds: u64) {
    for _ in 0..seconds {
        plugin.advance(Duration::from_secs(1));
        plugin.tick();
    }
}

fn assert_refused(stream: &Stream, status: u16, code: i64, message: &str, state: &str) {
    let reply = stream.expect_reply(status);
    let body = reply.json();
    assert_eq!(body["error"]["code"], code, "{body}");
    assert_eq!(body["error"]["message"], message, "{body}");
    assert!(body["id"].is_null(), "{body}");
    assert_eq!(stream.state("wasm.mcp.status").as_deref(), Some(state));
}

fn errors(plugin: &Plugin) -> Vec<String> {
    let mut log = plugin.log();
    log.retain(|line| line.level == Level::Error);
    log.into_iter().map(|line| line.text).collect()
}

#[test]
fn an_envoy_that_does_not_hold_is_named_to_clients_and_once_in_the_log() {
    for config in [POLICY, GATEWAY] {
        let plugin = plugin(config, false);
        for _ in 0..2 {
            let mut stream = plugin.stream();
            assert_eq!(stream.request(post()), Outcome::Hung);
            pass(&plugin, 9);
            assert_eq!(stream.outcome(), Outcome::Hung);
            pass(&plugin, 2);
            assert_refused(&stream, 503, -32603, NOT_HELD, "mcp_not_held");
        }
        assert_eq!(errors(&plugin), [NOT_HELD]);
        assert_eq!(plugin.metric("mcp.rejected.not_held"), Some(2));
        assert_eq!(plugin.open_streams(), 0);
    }
}

#[test]
fn a_client_that_sends_no_body_is_told_so_and_nobody_else() {
    for config in [POLICY, GATEWAY] {
        let plugin = plugin(config, true);
        // This body shows the filter that Envoy holds requests.
        plugin.stream().request(post());
        let slow = opened(&plugin);
        let mut started = opened(&plugin);
        started.send(r#"{"jsonrpc":"#);
        pass(&plugin, 5);
        let later = opened(&plugin);
        pass(&plugin, 6);
        let message = "the body did not start within 10 s";
        assert_refused(&slow, 408, -32600, message, "mcp_body_timeout");
        assert!(started.reply().is_none() && later.reply().is_none());
        pass(&plugin, 60);
        assert_refused(&later, 408, -32600, message, "mcp_body_timeout");
        // A body that has begun may take any time.
        assert_eq!(started.outcome(), Outcome::Open);
        started.send(r#""2.0","id":1,"method":"ping"}"#);
        assert_ne!(started.finish(), Outcome::Open);
        assert_eq!(errors(&plugin), [""; 0]);
        assert_eq!(plugin.metric("mcp.rejected.body_timeout"), Some(2));
    }
}

#[test]
fn the_timer_runs_only_while_something_waits() {
    for (config, idle) in [(POLICY, 0), (GATEWAY, 10_000)] {
        let plugin = plugin(config, true);
        assert_eq!(plugin.tick_period(), idle);
        let mut stream = opened(&plugin);
        assert_eq!(plugin.tick_period(), 1000);
        pass(&plugin, 1);
        assert_eq!(plugin.tick_period(), 1000);
        stream.client_gone();
        pass(&plugin, 1);
        assert_eq!(plugin.tick_period(), idle);
        // A request without a body has nothing to wait for.
        plugin.stream().request(Request::get("/mcp"));
        assert_eq!(plugin.tick_period(), idle);
    }
}

#[test]
fn thousands_that_wait_are_refused_in_several_ticks() {
    let plugin = plugin(POLICY, true);
    plugin.stream().request(post());
    let streams: Vec<Stream> = (0..1100).map(|_| opened(&plugin)).collect();
    let refused = || streams.iter().filter(|it| it.reply().is_some()).count();
    for (seconds, expected) in [(11, 1000), (1, 1100)] {
        pass(&plugin, seconds);
        assert_eq!(refused(), expected);
    }
    // Only the first stream is open. It waits for its server.
    assert_eq!(plugin.open_streams(), 1);
}
