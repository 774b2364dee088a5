//! The paths of files and programs. If one is missing, the error says how to build it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use super::process::run;

/// The first run also downloads Envoy.
const INSTALLED_WITHIN: Duration = Duration::from_secs(600);
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Cargo's target directory, also if it is not in the repository.
pub(crate) fn target() -> &'static Path {
    let inside = Path::new(env!("CARGO_TARGET_TMPDIR"));
    inside.parent().expect("a directory inside of target")
}

/// The directory for the files of this run, in `target/tmp/envoy`. It stays there for a day, since
/// the logs tell why a test failed.
pub(crate) fn files() -> &'static Path {
    static FILES: LazyLock<PathBuf> = LazyLock::new(|| {
        let all = target().join("tmp/envoy");
        let others = fs::read_dir(&all).into_iter().flatten().flatten();
        let is_old = |entry: &fs::DirEntry| {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            modified.is_ok_and(|then| then.elapsed().is_ok_and(|age| age > A_DAY))
        };
        for old in others.filter(is_old) {
            let _ = fs::remove_dir_all(old.path());
        }
        let files = all.join(process::id().to_string());
        // An earlier process may have had the same id.
        let _ = fs::remove_dir_all(&files);
        fs::create_dir_all(&files).expect("a directory for the files of this run");
        files
    });
    &FILES
}

/// The release build of the filter, as an absolute path.
pub(crate) fn filter() -> PathBuf {
    let path = env::var_os("MCP_GATEWAY_WASM").map_or_else(
        || target().join("wasm32-wasip1/release/mcp_gateway.wasm"),
        PathBuf::from,
    );
    path.canonicalize().unwrap_or_else(|error| {
        panic!(
            "no filter at {}: {error}\nbuild it: cargo build --release --lib --target wasm32-wasip1",
            path.display()
        )
    })
}

/// The path of an example of this package. `cargo test` builds the examples,
/// `cargo test --test envoy` does not.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = env::current_exe().expect("the path of this program");
    let profile = test.parent().and_then(Path::parent).expect("…/deps/test");
    let path = profile.join("examples").join(name);
    assert!(
        path.is_file(),
        "no example server at {}\nbuild it: cargo build --examples",
        path.display()
    );
    path
}

/// The path of Envoy: `$ENVOY`, or the version `$ENVOY_VERSION`, or the default version.
pub(crate) fn envoy() -> &'static Path {
    static ENVOY: OnceLock<PathBuf> = OnceLock::new();
    ENVOY.get_or_init(|| {
        let mut script = Command::new(repository().join("scripts/envoy"));
        script.args(env::var_os("ENVOY_VERSION").filter(|version| !version.is_empty()));
        let output = run(&mut script, INSTALLED_WITHIN);
        assert!(output.success, "scripts/envoy failed:\n{}", output.stderr);
        PathBuf::from(output.stdout.trim())
    })
}
