//! Only `src/edge/envoy` calls the host, Envoy. So no other folder uses `proxy_wasm` or `unsafe`.

use crate::source::lines_with;

#[test]
fn only_the_edge_for_envoy_names_the_host() {
    let mut lines = lines_with("src", &["proxy_wasm", "unsafe"]);
    lines.retain(|line| !line.contains("/src/edge/envoy/"));
    assert_eq!(lines, [""; 0]);
}
