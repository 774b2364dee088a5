//! Only `src/edge/envoy` calls the host, Envoy. So no other folder uses `proxy_wasm` or `unsafe`.

use crate::source::lines_with;

#[test]
fn only_the_edge_for_envoy_names_the_host() {
    for folder in [
        "src/bin",
        "src/config",
        "src/edge/abi",
        "src/gateway",
        "src/http",
        "src/mcp",
        "src/memory.rs",
        "src/metrics.rs",
        "src/policy",
        "src/seal.rs",
        "src/stream",
    ] {
        assert_eq!(lines_with(folder, &["proxy_wasm", "unsafe"]), [""; 0]);
    }
}
