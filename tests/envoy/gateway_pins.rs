//! Pinned tools in real Envoy: a tool that has changed cannot be called, and all workers together
//! count it once.

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::fake;
use crate::harness::message::{call, modern};

#[rustfmt::skip]
const TOOLS: fake::Answers = &[
    ("tools/list", r#"{"tools":[{"name":"x"},{"name":"y","description":"poisoned"},{"name":"new"}],"ttlMs":0,"cacheScope":"private"}"#),
    ("tools/call", r#"{"content":[],"isError":false}"#),
];

/// The digests that `printf %s '{"name":"x"}' | sha256sum` gives, and the same for `y`.
const X: &str = "sha256:0229d37e33daae149bf40543a5ce1db4459d10f830d5139279aa2bfd5f6485a1";
const Y: &str = "sha256:bcd9b688fc62b8bffa1c4fa86ab183fb1e3b0a42793d631470462e6e54f5ddd7";

#[tokio::test]
async fn a_tool_that_has_changed_is_denied_by_each_worker_and_counted_once() {
    let server = fake::start(r#"{"tools":{}}"#, TOOLS).await;
    let config = format!(
        r#"{{"servers":[{{"name":"a"}}],"pins":{{"policy":"DENY","servers":{{"a":{{"tools":{{"x":"{X}","y":"{Y}"}}}}}}}}}}"#
    );
    let bootstrap = Bootstrap::servers(&config, &[("a", server.address)]);
    let envoy = Envoy::with_workers(2, "pins", &bootstrap);

    // No list has been read before this call.
    let good = call("1", "a__x", "{}").send(envoy.address).await;
    assert_eq!(good.json()["result"]["isError"], false, "{good:?}");
    assert_eq!(server.asked(), ["tools/list", "tools/call"]);
    for _ in 0..20 {
        for tool in ["a__y", "a__new"] {
            let denied = call("1", tool, "{}").send(envoy.address).await;
            assert_eq!(denied.status, 403, "{denied:?}");
            let error = &denied.json()["error"];
            assert_eq!(error["code"], 403);
            assert_eq!(error["message"], "tool definition changed");
        }
        let unknown = call("1", "a__nothing", "{}").send(envoy.address).await;
        assert_eq!(unknown.json()["error"]["code"], -32602);
    }
    let asked = server.asked();
    assert!(asked.len() < 2, "each worker asks once: {asked:?}");
    assert!(!asked.contains(&"tools/call".to_owned()), "{asked:?}");
    let list = modern("1", "tools/list").send(envoy.address).await.json();
    let tools = list["result"]["tools"].as_array().expect("a list");
    assert_eq!(tools.len(), 3);
    assert_eq!(envoy.stat("wasmcustom.mcp.pins.changed"), 2);
    for line in [
        "server a: the tool \"y\" has a different definition",
        "server a: the tool \"new\" has no pin",
    ] {
        let logged = envoy.log();
        let with_it = logged.iter().filter(|logged| logged.contains(line));
        assert_eq!(with_it.count(), 1, "{line}");
    }
}
