//! What ARCHITECTURE.md promises of the house, held by a test where no lint can.

#![cfg(not(target_family = "wasm"))]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of Rust below `folder`, or that one, with its text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    if folder.ends_with(".rs") {
        let path = root().join(folder);
        let text = fs::read_to_string(&path).expect("a file of Rust");
        return vec![(path, text)];
    }
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a file of Rust");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "no sources below {folder}");
    found
}

/// The lines of code (comments left out) below `folder` that contain one of `words`.
fn lines_with(folder: &str, words: &[&str]) -> Vec<String> {
    let code = |line: &&str| !line.trim_start().starts_with("//");
    sources(folder)
        .iter()
        .flat_map(|(path, text)| {
            let lines = text
                .lines()
                .filter(code)
                .filter(|line| words.iter().any(|word| line.contains(word)));
            lines
                .map(|line| format!("{}: {}", path.display(), line.trim()))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn only_the_edge_for_envoy_names_the_host() {
    for folder in [
        "src/bin",
        "src/config",
        "src/edge/abi",
        "src/gateway",
        "src/http",
        "src/mcp",
        "src/metrics.rs",
        "src/policy",
        "src/seal.rs",
        "src/stream",
    ] {
        assert_eq!(lines_with(folder, &["proxy_wasm", "unsafe"]), [""; 0]);
    }
}

#[test]
fn each_room_knows_only_the_rooms_below_it() {
    for (folder, strangers) in [
        (
            "src/http",
            &[
                "crate::mcp",
                "crate::policy",
                "crate::config",
                "crate::gateway",
                "crate::stream",
                "crate::edge",
            ][..],
        ),
        (
            "src/mcp",
            &[
                "crate::policy",
                "crate::config",
                "crate::gateway",
                "crate::stream",
                "crate::edge",
            ],
        ),
        (
            "src/policy",
            &[
                "crate::config",
                "crate::gateway",
                "crate::stream",
                "crate::edge",
            ],
        ),
        ("src/seal.rs", &["crate::"]),
        (
            "src/metrics.rs",
            &[
                "crate::config",
                "crate::gateway",
                "crate::stream",
                "crate::edge",
            ],
        ),
        (
            "src/config",
            &["crate::gateway", "crate::stream", "crate::edge"],
        ),
        (
            "src/edge/abi",
            &[
                "crate::mcp",
                "crate::config",
                "crate::gateway",
                "crate::stream",
                "crate::edge::envoy",
            ],
        ),
        ("src/gateway", &["crate::stream", "crate::edge"]),
        ("src/stream", &["crate::edge"]),
    ] {
        assert_eq!(outside_tests(folder, strangers), [""; 0], "{folder}");
    }
}

/// The folders of a group in their order: each names only those before it.
const LAYERS: &[(&str, &[&str])] = &[(
    "src/gateway",
    &[
        "routing",
        "upstream",
        "session",
        "worker",
        "translate",
        "fanout",
    ],
)];

#[test]
fn each_folder_of_a_group_knows_only_the_folders_before_it() {
    for (group, folders) in LAYERS {
        let module = group.trim_start_matches("src/").replace('/', "::");
        for (at, folder) in folders.iter().enumerate() {
            let later = folders.iter().skip(at + 1);
            let strangers: Vec<String> = later.map(|it| format!("crate::{module}::{it}")).collect();
            let strangers: Vec<&str> = strangers.iter().map(String::as_str).collect();
            let path = format!("{group}/{folder}");
            assert_eq!(outside_tests(&path, &strangers), [""; 0], "{path}");
        }
    }
}

/// As [`lines_with`], up to where a file's own tests start.
fn outside_tests(folder: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources(folder) {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        found.extend(
            code.lines()
                .filter(|line| words.iter().any(|word| line.contains(word)))
                .map(|line| format!("{}: {line}", path.display())),
        );
    }
    found
}

#[test]
fn the_lints_that_keep_panics_out_are_on() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    for lint in [
        "unwrap_used",
        "expect_used",
        "panic",
        "unreachable",
        "indexing_slicing",
        "string_slice",
        "arithmetic_side_effects",
        "as_conversions",
    ] {
        assert!(lib.contains(&format!("clippy::{lint},")), "{lint}");
    }
    let allowed = lines_with("src", &["allow(clippy::", "expect(clippy::"]);
    assert_eq!(allowed, [""; 0], "a lint is switched off");
}

/// What the .wasm links, beside procedural macros, which run at build time only.
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

#[test]
fn files_hold_one_idea_each() {
    let long: Vec<_> = sources("src")
        .into_iter()
        .map(|(path, text)| {
            (
                path,
                text.split("#[cfg(test)]")
                    .next()
                    .unwrap_or_default()
                    .lines()
                    .count(),
            )
        })
        .filter(|(path, lines)| *lines > 400 && !path.ends_with("tests.rs"))
        .collect();
    assert_eq!(long, [], "over 400 lines without tests: two rooms in one?");
}

#[test]
fn every_page_is_there_and_names_no_machine() {
    for page in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE"] {
        let text =
            fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(!text.trim().is_empty(), "{page} is empty");
        let home = std::env::var("HOME").unwrap_or_default();
        for path in [env!("CARGO_MANIFEST_DIR"), &home] {
            assert!(
                path.len() < 2 || !text.contains(path),
                "{page} names {path}"
            );
        }
    }
}
