//! The files that a benchmark needs on the machine, and the place of its results.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use serde_json::{Value, json};

use crate::{Result, envoy};

const BUILD: &str = "cargo build --release --lib --target wasm32-wasip1";

/// The Envoy binary.
pub(crate) fn envoy_binary() -> Result<PathBuf> {
    variable("ENVOY").map(PathBuf::from).ok_or_else(|| {
        "ENVOY is not set; run ./scripts/bench, or set ENVOY to the Envoy binary".into()
    })
}

/// The absolute path of the filter.
pub(crate) fn filter() -> Result<PathBuf> {
    let (path, hint) = match variable("MCP_GATEWAY_WASM") {
        Some(path) => (PathBuf::from(path), "correct MCP_GATEWAY_WASM".to_owned()),
        None => {
            let built = "wasm32-wasip1/release/mcp_gateway.wasm";
            (
                target_directory()?.join(built),
                format!("build it with `{BUILD}`"),
            )
        }
    };
    fs::canonicalize(&path)
        .map_err(|error| format!("no filter at {} ({error}); {hint}", path.display()).into())
}

/// The program `mcp-gateway`.
pub(crate) fn program() -> Result<PathBuf> {
    let path = match variable("MCP_GATEWAY") {
        Some(path) => PathBuf::from(path),
        None => target_directory()?.join("debug/mcp-gateway"),
    };
    fs::canonicalize(&path).map_err(|error| {
        let path = path.display();
        format!("no program at {path} ({error}); build it with `cargo build --features cli`").into()
    })
}

/// Writes `target/bench/NAME.json` and returns its path.
pub(crate) fn write_json(name: &str, value: &Value) -> Result<PathBuf> {
    let directory = target_directory()?.join("bench");
    fs::create_dir_all(&directory)?;
    let path = directory.join(format!("{name}.json"));
    fs::write(&path, format!("{value:#}\n"))?;
    Ok(path)
}

/// The properties of the machine and the builds that the numbers depend on.
pub(crate) async fn machine(envoy: &Path, filter: &Path) -> Result<Value> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map(|model| model.trim_start_matches([' ', '\t', ':']));
    Ok(json!({
        "cpu": model,
        "cores": available_parallelism()?,
        "envoy": envoy::version(envoy).await?,
        "filter_bytes": fs::metadata(filter)?.len(),
    }))
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The target directory of cargo, which may have been moved.
fn target_directory() -> Result<&'static Path> {
    let inside = Path::new(env!("CARGO_TARGET_TMPDIR"));
    inside
        .parent()
        .ok_or_else(|| format!("{} has no parent", inside.display()).into())
}
