//! A client that uses the Python SDK.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use super::{process, setup};

/// The client itself stops after 20 s.
const TALKED_WITHIN: Duration = Duration::from_secs(180);
const INSTALLED_WITHIN: Duration = Duration::from_secs(600);

/// Runs `tests/clients/python_client.py` with `url` and these arguments. Returns what the client
/// prints, or the error that it reports.
pub(crate) fn talk(url: &str, mode: &str, args: &[&str]) -> Result<Value, String> {
    let script = setup::repository().join("tests/clients/python_client.py");
    let mut client = Command::new(python());
    client.arg(script).args([url, "--mode", mode]).args(args);
    // The client must connect to loopback directly, without a proxy.
    client.env("NO_PROXY", "127.0.0.1");
    let output = process::run(&mut client, TALKED_WITHIN);
    let answer: Value = serde_json::from_str(output.stdout.trim()).unwrap_or_else(|error| {
        panic!(
            "the Python client printed no JSON: {error}\n{}{}",
            output.stdout, output.stderr
        )
    });
    match answer["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(answer),
    }
}

/// The Python interpreter, in `target/clients`, with the SDK installed.
pub(crate) fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let venv = setup::target().join("clients");
        let python = venv.join("bin/python");
        let requirements = setup::repository().join("tests/clients/requirements.txt");
        let wanted = fs::read_to_string(&requirements).expect("requirements.txt");
        // This file is written last. If an installation was interrupted, the file is missing, and
        // the next run installs everything again.
        let stamp = venv.join("installed.txt");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return python;
        }
        let mut make = Command::new("python3");
        install(make.args(["-m", "venv", "--clear"]).arg(&venv));
        let mut fill = Command::new(&python);
        install(
            fill.args(["-m", "pip", "install", "--quiet", "--requirement"])
                .arg(&requirements),
        );
        fs::write(stamp, wanted).expect("a note of what is installed");
        python
    })
}

fn install(command: &mut Command) {
    let output = process::run(command, INSTALLED_WITHIN);
    assert!(
        output.success,
        "{command:?} failed; the Python client needs python3 with venv (Debian: apt install \
         python3-venv) and a package index:\n{}{}",
        output.stdout, output.stderr
    );
}
