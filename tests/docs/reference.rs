//! The reference pages are complete: they name every command, header, metric, version and
//! layer of the tests.

use std::fs;
use std::process::Command;

use mcp_gateway::mcp::version;
use mcp_gateway::metrics::Metrics;
use mcp_gateway::policy::Status;
use mcp_gateway::policy::export::{HEADERS, STATE};

use crate::harness::setup::repository;

fn page(name: &str) -> String {
    let path = repository().join("docs/reference").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// The page shows the output of `--help` word for word.
#[test]
fn the_command_line_is_described_as_it_is() {
    let page = page("command-line.md");
    for arguments in [
        &["--help"][..],
        &["check", "--help"],
        &["render", "--help"],
        &["migrate", "--help"],
        &["run", "--help"],
        &["tools", "--help"],
        &["call", "--help"],
        &["prompts", "--help"],
        &["resources", "--help"],
        &["pin", "--help"],
        &["client", "--help"],
        &["completions", "--help"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"))
            .args(arguments)
            // The length of the lines must not depend on the terminal in which the test
            // runs.
            .env("COLUMNS", "100")
            .output()
            .expect("mcp-gateway");
        let help = String::from_utf8(output.stdout).expect("UTF-8");
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        let help = help.join("\n");
        assert!(
            page.contains(help.trim()),
            "docs/reference/command-line.md does not show what `mcp-gateway {}` prints:\n{help}",
            arguments.join(" ")
        );
    }
}

#[test]
fn the_command_line_has_no_commands_but_those() {
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"))
        .arg("--help")
        .output()
        .expect("mcp-gateway");
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    let (_, rest) = help.split_once("Commands:\n").expect("commands");
    let commands = rest.lines().map_while(|line| line.strip_prefix("  "));
    let names: Vec<&str> = commands.filter_map(|line| line.split(' ').next()).collect();
    let expected = [
        "check",
        "render",
        "migrate",
        "run",
        "tools",
        "call",
        "prompts",
        "resources",
        "pin",
        "client",
        "schema",
        "completions",
        "help",
    ];
    assert_eq!(names, expected);
}

#[test]
fn what_filters_see_is_described_by_its_names() {
    let page = page("what-filters-see.md");
    for header in HEADERS {
        assert!(page.contains(&format!("`{header}`")), "{header}");
    }
    for key in STATE {
        assert!(page.contains(&format!("`wasm.{key}`")), "wasm.{key}");
    }
    for status in Status::REFUSED {
        let status = status.as_str();
        assert!(page.contains(&format!("`{status}`")), "{status}");
    }
}

#[test]
fn every_metric_is_described_by_its_name() {
    let page = fs::read_to_string(repository().join("docs/operate/metrics.md")).expect("a page");
    let metrics = Metrics::new(["GROUP"].into_iter(), ["NAME"].into_iter());
    for (_, name) in metrics.names() {
        // One row describes the metrics of all refusals.
        let row = match name.strip_prefix("mcp.rejected.") {
            Some(_) => "mcp.rejected.STATUS",
            None => name,
        };
        assert!(page.contains(&format!("`{row}`")), "{row}");
    }
}

#[test]
fn the_versions_of_mcp_are_those_that_are_spoken() {
    let page = page("versions.md");
    for version in version::MODERN.iter().chain(version::LEGACY) {
        assert!(page.contains(version), "{version}");
    }
}

/// The words of the list `name` in `scripts/test`.
fn listed(name: &str) -> Vec<String> {
    let script = fs::read_to_string(repository().join("scripts/test")).expect("scripts/test");
    let start = format!("{name}=(");
    let line = script.lines().find_map(|line| line.strip_prefix(&*start));
    let words = line.expect("a list").trim_end_matches(')');
    words.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_versions_of_envoy_are_those_that_are_tested() {
    let page = page("versions.md");
    for version in listed("versions") {
        assert!(page.contains(&version), "{version}");
    }
}

#[test]
fn every_layer_of_the_tests_is_described() {
    let help = Command::new(repository().join("scripts/test"))
        .arg("--help")
        .output()
        .expect("scripts/test");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    let page = fs::read_to_string(repository().join("CONTRIBUTING.md")).expect("CONTRIBUTING.md");
    for layer in [listed("layers"), listed("also")].concat() {
        let start = format!("{layer} ");
        let described = help.lines().any(|line| line.starts_with(&start));
        assert!(described, "scripts/test --help: {layer}");
        assert!(
            page.contains(&format!("| `{layer}` |")),
            "CONTRIBUTING.md: {layer}"
        );
    }
}
