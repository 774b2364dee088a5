//! Checks the configurations, the files of servers and the files of MCP clients that the
//! pages show.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use mcp_gateway::config::Config;

use crate::block::Kind;
use crate::harness::setup::repository;
use crate::page::{Block, pages_with_blocks};
use crate::sdk::ENDPOINT;

/// The environment variables that the pages name, with values.
pub(crate) const VARIABLES: &[(&str, &str)] = &[
    (
        "MCP_SESSION_KEYS",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    ),
    ("CALENDAR_KEY", "a key"),
];
/// The programs that a `console` block may start. The tests do not run them.
const PROGRAMS: &[&str] = &[
    "./scripts/cluster",
    "cargo",
    "claude",
    "code",
    "codex",
    "cosign",
    "gemini",
    "curl",
    "docker",
    "helm",
    "kubectl",
    "mcp-gateway",
    "npm",
    "npx",
    "pip",
    "rm",
    "skopeo",
];

/// Runs `check` on every block of this kind. There must be at least `least` blocks.
fn each(kind: Kind, least: usize, check: impl Fn(&Block)) {
    let pages = pages_with_blocks();
    let blocks: Vec<_> = pages.iter().flat_map(|page| page.blocks()).collect();
    let of_kind = blocks.iter().filter(|block| block.kind() == kind);
    assert!(of_kind.clone().count() >= least, "too few of {kind:?}");
    of_kind.for_each(|block| check(block));
}

#[test]
fn the_filter_takes_every_configuration_without_a_warning() {
    let variables: BTreeMap<_, _> = VARIABLES.iter().copied().collect();
    let variable = |name: &str| variables.get(name).map(|&value| value.to_owned());
    each(Kind::Configuration, 10, |block| {
        let config = Config::parse_with(block.text.as_bytes(), &variable)
            .unwrap_or_else(|error| panic!("{}: {error}\n{}", block.place, block.text));
        assert_eq!(config.warnings, [""; 0], "{}", block.place);
    });
}

#[test]
fn the_program_takes_every_servers_file_without_a_warning() {
    each(Kind::Servers, 3, |block| {
        let mut check = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"))
            .args(["check", "-"])
            .envs(VARIABLES.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("mcp-gateway");
        let mut input = check.stdin.take().expect("its input");
        input.write_all(block.text.as_bytes()).expect("a pipe");
        drop(input);
        let output = check.wait_with_output().expect("its output");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", block.place);
        assert_eq!(said, "", "{}", block.place);
    });
}

/// What `mcp-gateway client` prints for each MCP client, and whether this is a command.
fn entries_of_clients() -> Vec<(String, bool)> {
    let clients = [
        (&["claude-code"][..], true),
        (&["claude-code", "--project", "."], false),
        (&["claude-desktop"], false),
        (&["cursor"], false),
        (&["vscode"], false),
        (&["windsurf"], false),
        (&["codex"], false),
        (&["gemini"], false),
        (&["inspector"], true),
    ];
    let entry = |(arguments, is_command): &(&[&str], bool)| {
        let output = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"))
            .arg("client")
            .args(*arguments)
            .output()
            .expect("mcp-gateway");
        assert!(output.status.success(), "{arguments:?}");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        (text.trim().to_owned(), *is_command)
    };
    clients.iter().map(entry).collect()
}

#[test]
fn the_pages_show_for_each_client_what_the_program_writes() {
    let mut missing = entries_of_clients();
    let entries = missing.clone();
    for page in pages_with_blocks() {
        for block in page.blocks() {
            let text = block.text.trim();
            let kind = block.kind();
            let entry = (text.to_owned(), kind == Kind::Console);
            if kind == Kind::Client {
                assert!(
                    text.contains(ENDPOINT),
                    "{}: its URL is not {ENDPOINT}",
                    block.place
                );
                assert!(
                    entries.contains(&entry),
                    "{}: `mcp-gateway client` does not print this for any client",
                    block.place
                );
            }
            missing.retain(|missing| *missing != entry);
        }
    }
    assert!(missing.is_empty(), "no page shows: {missing:#?}");
}

#[test]
fn commands_for_other_programs_are_commands_and_name_files_that_are_there() {
    each(Kind::Console, 4, |block| {
        let parsed = Command::new("bash")
            .args(["-nc", &block.text])
            .status()
            .expect("bash");
        assert!(parsed.success(), "{}", block.place);
        for line in block.text.replace("\\\n", " ").lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let program = words.first().copied().unwrap_or_default();
            assert!(PROGRAMS.contains(&program), "{}: {line}", block.place);
            for word in words {
                let manifests = word.starts_with("deploy/");
                let path = repository().join(word);
                let there = path.is_file() || path.join("kustomization.yaml").is_file();
                assert!(!manifests || there, "{}: no {word}", block.place);
                let local = word.starts_with("http://127.0.0.1:10000");
                assert!(!local || word == ENDPOINT, "{}: {word}", block.place);
                let version = env!("CARGO_PKG_VERSION");
                for image in [
                    "mcp-gateway:",
                    "mcp-gateway-controller:",
                    "mcp-gateway-run:",
                ] {
                    let tagged = word.rsplit_once(image);
                    let newest = tagged.is_none_or(|(_, tag)| tag == version);
                    assert!(newest, "{}: {word} is not {version}", block.place);
                }
            }
        }
    });
}
