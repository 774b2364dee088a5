//! Envoy takes every configuration of `envoy/`.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::example::shipped;
use crate::harness::process::run;
use crate::harness::setup;
use crate::token::Key;

const VALIDATED_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn envoy_takes_every_shipped_configuration() {
    let jwks = Key::new(1).jwks("validate-jwks.json");
    let folder = setup::repository().join("envoy");
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("envoy/") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("UTF-8");
        if !name.ends_with(".yaml") {
            continue;
        }
        let text = shipped(name).replace("envoy/jwks.json", jwks.to_str().expect("UTF-8"));
        let file = setup::files().join(format!("validate-{name}"));
        fs::write(&file, text).expect("a configuration");
        let mut envoy = Command::new(setup::envoy());
        envoy.args(["--mode", "validate", "-l", "warn", "-c"]);
        let output = run(envoy.arg(&file), VALIDATED_WITHIN);
        assert!(output.success, "{name}:\n{}", output.stderr);
        // Keys are for the operator to make.
        let told = output
            .stderr
            .lines()
            .filter(|line| line.contains("[warning]"));
        let others: Vec<_> = told.filter(|line| !line.contains("session.keys")).collect();
        assert!(others.is_empty(), "{name}:\n{others:?}");
        seen += 1;
    }
    assert!(seen > 2, "{seen} configurations");
}
