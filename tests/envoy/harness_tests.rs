//! Tests of the harness itself: it must notice failures in Envoy's log.

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::{Envoy, is_failure};
use crate::harness::http::Request;
use crate::harness::setup;

/// A filter that crashes: its `proxy_on_request_headers` is `unreachable`.
#[rustfmt::skip]
const CRASHING: &[&[u8]] = &[
    b"\0asm\x01\0\0\0",
    // The types of the three functions.
    b"\x01\x10\x03\x60\0\0\x60\x01\x7f\x01\x7f\x60\x03\x7f\x7f\x7f\x01\x7f",
    // The functions, and a memory of one page.
    b"\x03\x04\x03\0\x01\x02",
    b"\x05\x03\x01\0\x01",
    // The names of the exports.
    b"\x07\x48\x04",
    b"\x06memory\x02\0",
    b"\x17proxy_abi_version_0_2_1\0\0",
    b"\x06malloc\0\x01",
    b"\x18proxy_on_request_headers\0\x02",
    // The code of the functions: the first does nothing, the second returns the address 1024, the
    // third is `unreachable`.
    b"\x0a\x0e\x03\x02\0\x0b\x05\0\x41\x80\x08\x0b\x03\0\0\x0b",
];

#[tokio::test]
async fn a_filter_that_crashes_is_noticed() {
    let filter = setup::files().join("crashing.wasm");
    std::fs::write(&filter, CRASHING.concat()).expect("a file");
    let nobody = "127.0.0.1:9".parse().expect("an address");
    let bootstrap = Bootstrap::policy(nobody).replace(
        setup::filter().to_str().expect("UTF-8"),
        filter.to_str().expect("UTF-8"),
    );
    let mut envoy = Envoy::start("crashing", &bootstrap);
    assert_eq!(envoy.failures(), [""; 0]);
    let answer = Request::new("GET", "/mcp").send(envoy.address).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    let failures = envoy.failures();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].contains("Function: proxy_on_request_headers failed"));
    envoy.failures_are_expected();
}

#[test]
fn failures_are_told_from_other_lines() {
    for (line, expected) in [
        (
            "[2026-11-21 03:03:00.481][30799][error][wasm] [source/extensions/common/wasm/wasm_vm.cc:38] Function: proxy_on_request_headers failed: Uncaught RuntimeError: unreachable",
            true,
        ),
        (
            "[2026-11-21 03:03:00.481][30799][critical][wasm] [source/extensions/common/wasm/context.cc:1218] wasm log mcp-gateway: panicked at src/lib.rs:1:1:",
            true,
        ),
        (
            "[2026-11-21 03:02:57.545][30792][warning][main] [source/server/server.cc:1059] There is no configured limit",
            false,
        ),
        (
            "[2026-11-21 03:02:57.545][30792][info][wasm] [x.cc:1] wasm log [error] [critical]",
            false,
        ),
    ] {
        assert_eq!(is_failure(line), expected, "{line}");
    }
}
