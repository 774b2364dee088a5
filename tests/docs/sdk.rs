//! Runs the programs of the `python` and `js` blocks with the MCP SDKs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::block::Kind;
use crate::harness::process::run;
use crate::harness::{python, setup};

/// The endpoint of the demo and of `mcp-gateway run`.
pub(crate) const ENDPOINT: &str = "http://127.0.0.1:10000/mcp";
/// The SDK of the `js` blocks. Its version is the one of `tests/sdk`.
const CLIENT: &str = "@modelcontextprotocol/client";
const INSTALLED_WITHIN: Duration = Duration::from_secs(600);

/// A command that runs the text of a `python` or `js` block.
pub(crate) fn program(kind: Kind, text: &str) -> Command {
    let (name, mut program) = match kind {
        Kind::Python => ("block.py", Command::new(python::python())),
        _ => ("block.mjs", Command::new("node")),
    };
    // Node.js looks for packages in the folder of the file.
    let folder = match kind {
        Kind::Python => setup::files(),
        _ => node(),
    };
    let file = folder.join(name);
    fs::write(&file, text).expect("a program");
    // The client must not use a proxy to reach the loopback address.
    program.arg(file).env("NO_PROXY", "127.0.0.1");
    program
}

/// A folder with the TypeScript SDK, in `target/docs`.
fn node() -> &'static Path {
    static NODE: OnceLock<PathBuf> = OnceLock::new();
    NODE.get_or_init(|| {
        let versions = setup::repository().join("tests/sdk/package.json");
        let versions = fs::read_to_string(versions).expect("package.json");
        let versions: Value = serde_json::from_str(&versions).expect("JSON");
        let version = versions["dependencies"][CLIENT]
            .as_str()
            .expect("a version");
        let folder = setup::target().join("docs").join(version);
        fs::create_dir_all(&folder).expect("a folder");
        if !folder.join("node_modules").join(CLIENT).is_dir() {
            let mut install = Command::new("npm");
            install
                .args([
                    "install",
                    "--no-save",
                    "--no-audit",
                    "--no-fund",
                    "--prefix",
                ])
                .arg(&folder)
                .arg(format!("{CLIENT}@{version}"));
            let output = run(&mut install, INSTALLED_WITHIN);
            assert!(output.success, "npm:\n{}{}", output.stdout, output.stderr);
        }
        folder
    })
}
