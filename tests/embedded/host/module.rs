//! Finds and compiles the filter, once for all tests of the process.

use std::path::PathBuf;
use std::sync::OnceLock;
use wasmi::{Engine, Module};

/// The command that builds the filter. The error shows it if the filter is missing.
const BUILD: &str = "cargo build --release --lib --target wasm32-wasip1";

/// The release build of the filter.
pub(super) fn filter() -> &'static (Engine, Module) {
    static FILTER: OnceLock<(Engine, Module)> = OnceLock::new();
    FILTER.get_or_init(|| {
        let path = filter_path();
        let bytes = std::fs::read(&path).unwrap_or_else(|error| {
            panic!(
                "no filter at {}: {error}\nbuild it: {BUILD}",
                path.display()
            )
        });
        compile(&bytes)
    })
}

/// Compiles another module: a guest of the host's own tests.
pub(super) fn compile(wasm: &[u8]) -> (Engine, Module) {
    let engine = Engine::default();
    let module =
        Module::new(&engine, wasm).unwrap_or_else(|error| panic!("no valid module: {error}"));
    (engine, module)
}

pub(crate) fn filter_path() -> PathBuf {
    if let Some(path) = std::env::var_os("MCP_GATEWAY_WASM") {
        return path.into();
    }
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    // Joining an absolute path gives that path.
    here.join(target)
        .join("wasm32-wasip1/release/mcp_gateway.wasm")
}
