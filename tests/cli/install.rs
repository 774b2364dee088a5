//! The first `run` on a machine, which downloads Envoy.

use std::fs;
use std::time::Duration;

use crate::harness::process::run;
use crate::program::{folder, program};

const ENDED_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn where_envoy_cannot_be_downloaded_the_error_says_what_to_do() {
    let folder = folder();
    let file = folder.join("servers.yaml");
    let servers = "servers: [{ name: weather, url: 'http://127.0.0.1:9/mcp' }]\n";
    fs::write(&file, servers).expect("a file");
    let mut program = program();
    program
        .args(["run", "--port", "0"])
        .arg(&file)
        .env_remove("ENVOY")
        .env("XDG_CACHE_HOME", folder.join("cache"))
        // Nothing listens at this port.
        .env("MCP_GATEWAY_ENVOY_URL", "http://127.0.0.1:9/envoy.whl");
    let output = run(&mut program, ENDED_WITHIN);
    assert!(!output.success);
    let said = &output.stderr;
    for part in [
        "cannot install Envoy: cannot download http://127.0.0.1:9/envoy.whl",
        "Connection refused",
        "HTTPS_PROXY",
        "set --envoy or $ENVOY to the path of an Envoy",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}
