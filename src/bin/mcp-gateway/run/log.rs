//! The log of a running gateway: what Envoy and the servers that it started write.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// The most lines of the log in an error.
const END_LINES: usize = 12;
/// The longest log before a new one starts. The output of servers has no limit.
const MAX_LENGTH: u64 = 16 << 20;
/// How often the log is read again.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);

/// A file to which several processes append lines.
#[derive(Debug, Clone)]
pub(super) struct RunLog {
    path: PathBuf,
    file: Arc<File>,
    /// The length of the file before this program started.
    start: u64,
}

impl RunLog {
    /// Opens the file at `path`, to append to it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // Only this user may read requests and the output of servers.
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(path)?;
        Ok(Self {
            path: path.to_owned(),
            start: file.metadata()?.len(),
            file: Arc::new(file),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file for a process that appends to it itself.
    ///
    /// # Errors
    /// The process has too many open files.
    pub(super) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Appends a line of the server `name`.
    pub(super) fn line(&self, name: &str, line: &str) {
        // It is one write, so that the lines of several processes do not mix.
        let _ = (&*self.file).write_all(format!("[{name}] {line}\n").as_bytes());
    }

    /// The last lines that this program and its processes have written.
    pub(super) fn end(&self) -> String {
        let log = self.text().unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        let start = lines.len().saturating_sub(END_LINES);
        lines.get(start..).unwrap_or_default().join("\n")
    }

    /// If the log is too long, moves its content to a file next to it, which replaces the one
    /// before. Processes that append to the file continue.
    pub(super) fn keep_short(&self) {
        self.keep_within(MAX_LENGTH);
    }

    fn keep_within(&self, max_length: u64) {
        if self.length() <= max_length {
            return;
        }
        let mut old = self.path.clone().into_os_string();
        old.push(".old");
        // If the old file were a link, the copy would overwrite another file.
        let _ = fs::remove_file(&old);
        if fs::copy(&self.path, &old).is_ok() {
            let _ = self.file.set_len(0);
        }
    }

    fn length(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    fn text(&self) -> io::Result<String> {
        let mut file = File::open(&self.path)?;
        let start = Some(self.start).filter(|start| *start <= self.length());
        file.seek(SeekFrom::Start(start.unwrap_or_default()))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Copies new text of the log to stderr, until the program ends.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn follow(&self) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        let mut position = file.seek(SeekFrom::End(0))?;
        let log = self.clone();
        thread::spawn(move || {
            let mut text = Vec::new();
            loop {
                if log.length() < position {
                    position = 0;
                }
                if file.seek(SeekFrom::Start(position)).is_err() {
                    return;
                }
                let Ok(read) = (&mut file).take(MAX_LENGTH).read_to_end(&mut text) else {
                    return;
                };
                position += u64::try_from(read).unwrap_or_default();
                let _ = anstream::stderr().write_all(&text);
                text.clear();
                thread::sleep(FOLLOW_EVERY);
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_begins_anew_and_what_it_had_is_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "earlier\n").unwrap();
        let log = RunLog::open(&path).unwrap();
        let other = log.file().unwrap();
        log.line("a", "one");
        log.keep_within(100);
        assert_eq!(log.end(), "[a] one");
        log.keep_within(10);
        assert_eq!(log.end(), "");
        (&other).write_all(b"two\n").unwrap();
        assert_eq!(log.end(), "two");
        let old = fs::read_to_string(folder.path().join("log.old")).unwrap();
        assert_eq!(old, "earlier\n[a] one\n");
    }
}
