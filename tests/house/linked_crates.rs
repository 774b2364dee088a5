//! The .wasm links the crates of a list, and no other crate.

use std::process::Command;

use crate::source::root;

/// The crates that the .wasm links. Procedural macros are not in the list, since they run at build
/// time only. `scripts/lib/package_check.py` reads this list, too.
const LINKED: &[&str] = &[
    "aead",
    "allocator-api2",
    "base64",
    "block-buffer",
    "bytes",
    "cfg-if",
    "chacha20",
    "chacha20poly1305",
    "cipher",
    "cmov",
    "crypto-common",
    "ctutils",
    "digest",
    "equivalent",
    "foldhash",
    "hashbrown",
    "hmac",
    "hybrid-array",
    "inout",
    "itoa",
    "log",
    "mcp-gateway",
    "memchr",
    "poly1305",
    "prost",
    "prost-types",
    "proxy-wasm",
    "serde",
    "serde_core",
    "serde_json",
    "sha2",
    "simdutf8",
    "typenum",
    "universal-hash",
    "zmij",
];

#[test]
fn the_wasm_links_what_is_listed_and_nothing_else() {
    let arguments = [
        "tree",
        "--locked",
        "--target",
        "wasm32-wasip1",
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo tree");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).expect("text");
    let mut linked: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    linked.sort_unstable();
    linked.dedup();
    assert_eq!(linked, LINKED);
}
