//! Envoy accepts every configuration of `envoy/`.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::example::{has_tag_values, shipped};
use crate::harness::process::run;
use crate::harness::setup;
use crate::recipes;
use crate::token::Key;

const VALIDATED_WITHIN: Duration = Duration::from_secs(180);

/// The names of the configurations in `folder`.
fn names(folder: &str) -> Vec<String> {
    let folder = setup::repository().join(folder);
    let entries = fs::read_dir(folder).expect("configurations");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.into_string().expect("UTF-8"));
    names.filter(|name| name.ends_with(".yaml")).collect()
}

#[test]
fn envoy_takes_every_shipped_configuration() {
    let jwks = Key::new(1).jwks("validate-jwks.json");
    let (examples, recipes) = (names("envoy"), names("envoy/recipes"));
    assert!(examples.len() > 2, "{examples:?}");
    assert!(!recipes.is_empty());
    let recipes = recipes
        .iter()
        .filter(|name| recipes::is_supported(name))
        .map(|name| (name, recipes::text(name)));
    let is_supported = |name: &&String| *name != "observability.yaml" || has_tag_values();
    let examples = examples.iter().filter(is_supported);
    let all = examples.map(|name| (name, shipped(name)));
    for (name, text) in all.chain(recipes) {
        let text = text.replace("envoy/jwks.json", jwks.to_str().expect("UTF-8"));
        let file = setup::files().join(format!("validate-{name}"));
        fs::write(&file, text).expect("a configuration");
        let mut envoy = Command::new(setup::envoy());
        envoy.args(["--mode", "validate", "-l", "warn", "-c"]);
        let output = run(envoy.arg(&file), VALIDATED_WITHIN);
        assert!(output.success, "{name}:\n{}", output.stderr);
        let told = output
            .stderr
            .lines()
            .filter(|line| line.contains("[warning]"));
        let others: Vec<_> = told.filter(|line| !is_known(line)).collect();
        assert!(others.is_empty(), "{name}:\n{others:?}");
    }
}

/// A test in `tests/envoy` shows what this part of `gateway.yaml` does.
#[test]
fn each_gateway_makes_json_rpc_of_envoys_own_errors() {
    let is_gateway = |text: &str| text.lines().any(|line| line.trim_start() == "servers:");
    let replies = |text: &str| {
        let (_, replies) = text.split_once("\n          local_reply_config:\n")?;
        let (replies, _) = replies.split_once("\n          http_filters:\n")?;
        Some(replies.to_owned())
    };
    let expected = replies(&shipped("gateway.yaml"));
    assert!(expected.is_some());
    let recipes = names("envoy/recipes").into_iter();
    let recipes = recipes.map(|name| format!("recipes/{name}"));
    let mut seen = 0;
    for name in names("envoy").into_iter().chain(recipes) {
        let text = shipped(&name);
        if is_gateway(&text) {
            assert_eq!(replies(&text), expected, "{name}");
            seen += 1;
        }
    }
    assert!(seen > 4, "{seen} gateways");
}

/// Whether a warning is expected. The shipped configurations have no session keys, because
/// each operator must make their own. Some recipes use filters that Envoy calls work in
/// progress, or settings about which the gateway warns. The comments of these recipes say
/// so.
fn is_known(line: &str) -> bool {
    [
        "session.keys",
        "work-in-progress",
        "gets its callers' authorization",
    ]
    .iter()
    .any(|known| line.contains(known))
}
