//! The gateways that run on this machine for this user. Each has a file with its endpoint, and
//! holds a lock on the file while it runs. The lock of a killed process is gone, even if another
//! process has its id now.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process;

use serde::{Deserialize, Serialize};

/// A running gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunningGateway {
    /// The id of its `mcp-gateway run`.
    pid: u32,
    /// The endpoint.
    pub(crate) url: String,
    /// The file with its servers.
    file: PathBuf,
}

/// The registration of a running gateway. It ends when it is dropped.
pub(crate) struct Registration {
    path: PathBuf,
    _lock: File,
}

/// Registers that this process serves `file` at `url`.
///
/// # Errors
/// The folder of the registrations cannot be used.
pub(crate) fn register(url: &str, file: &Path) -> Result<Registration, String> {
    let folder = folder()?;
    let gateway = RunningGateway {
        pid: process::id(),
        url: url.to_owned(),
        file: file.canonicalize().unwrap_or_else(|_| file.to_owned()),
    };
    write(&folder, &gateway).map_err(|error| format!("{}: {error}", folder.display()))
}

fn write(folder: &Path, gateway: &RunningGateway) -> io::Result<Registration> {
    let path = folder.join(format!("{}.json", gateway.pid));
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.lock()?;
    file.write_all(serde_json::to_string(gateway)?.as_bytes())?;
    // No other program sees the file before it is locked.
    fs::rename(new, &path)?;
    Ok(Registration { path, _lock: file })
}

impl Drop for Registration {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// All running gateways. Removes the files of gateways that do not run any more.
///
/// # Errors
/// The folder of the registrations cannot be used.
fn all() -> Result<Vec<RunningGateway>, String> {
    let folder = folder()?;
    let read = |error: io::Error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.extension().is_some_and(|it| it == "json") {
            found.extend(gateway(&path));
        }
    }
    found.sort_unstable_by_key(|gateway: &RunningGateway| gateway.pid);
    Ok(found)
}

/// The endpoint of the gateway that serves `file`, if one runs.
pub(crate) fn endpoint_of(file: &Path) -> Option<String> {
    let file = file.canonicalize().ok()?;
    let found = all().ok()?.into_iter().find(|gateway| gateway.file == file);
    found.map(|gateway| gateway.url)
}

/// The only running gateway; `None` if there is none.
///
/// # Errors
/// There are several, or the folder of the registrations cannot be used.
pub(crate) fn sole() -> Result<Option<RunningGateway>, String> {
    let mut gateways = all()?;
    if gateways.len() < 2 {
        return Ok(gateways.pop());
    }
    let lines = gateways.iter().map(|gateway| {
        let file = gateway.file.display();
        format!("\n  {} ({file}, process {})", gateway.url, gateway.pid)
    });
    let lines: String = lines.collect();
    Err(format!(
        "several gateways run on this machine; name the URL of one:{lines}"
    ))
}

/// The gateway of the file at `path`. Removes the file if the gateway is gone.
fn gateway(path: &Path) -> Option<RunningGateway> {
    let file = File::open(path).ok()?;
    if file.try_lock_shared().is_ok() {
        let _ = fs::remove_file(path);
        return None;
    }
    serde_json::from_reader(file).ok()
}

/// A folder that only this user can write to: a program that can write there decides which address
/// gets this user's requests.
fn folder() -> Result<PathBuf, String> {
    let user = rustix::process::geteuid().as_raw();
    let runtime = env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty());
    let folder = match runtime {
        Some(runtime) => Path::new(&runtime).join("mcp-gateway"),
        None => env::temp_dir().join(format!("mcp-gateway-{user}")),
    };
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    let found = fs::symlink_metadata(&folder).map_err(failed)?;
    if !found.is_dir() || found.uid() != user || found.mode() & 0o022 != 0 {
        return Err(format!(
            "{}: must be a folder of yours that nobody else can write; remove it, or set XDG_RUNTIME_DIR",
            folder.display()
        ));
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pid: u32) -> RunningGateway {
        RunningGateway {
            pid,
            url: "http://127.0.0.1:1/mcp".to_owned(),
            file: "/servers.yaml".into(),
        }
    }

    #[test]
    fn a_gateway_is_there_until_its_registration_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("7.json");
        let registration = write(folder.path(), &of(7)).unwrap();
        assert_eq!(gateway(&path), Some(of(7)));
        drop(registration);
        assert_eq!(gateway(&path), None);
        assert!(!path.exists());
    }

    #[test]
    fn the_file_of_a_gateway_that_was_killed_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("7.json");
        fs::write(&path, serde_json::to_string(&of(7)).unwrap()).unwrap();
        assert_eq!(gateway(&path), None);
        assert!(!path.exists());
    }
}
