//! The log of a running gateway: what Envoy and the servers that it started write.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How many lines an error shows.
const END_LINES: usize = 12;
/// How often the log is read again.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);

/// A file to which several processes append lines.
#[derive(Debug, Clone)]
pub(super) struct RunLog {
    path: PathBuf,
    file: Arc<File>,
    /// How long the file was before this program began.
    start: u64,
}

impl RunLog {
    /// Opens the file at `path`, and begins at its end.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // Requests and what servers say are nobody else's business.
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

    /// The file for a process that appends to it by itself.
    ///
    /// # Errors
    /// The process has too many open files.
    pub(super) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Appends a line of the server `name`.
    pub(super) fn line(&self, name: &str, line: &str) {
        // One write: lines of several processes do not mix.
        let _ = (&*self.file).write_all(format!("[{name}] {line}\n").as_bytes());
    }

    /// The last lines that this program and its processes have written.
    pub(super) fn end(&self) -> String {
        let log = self.text().unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        let start = lines.len().saturating_sub(END_LINES);
        lines.get(start..).unwrap_or_default().join("\n")
    }

    fn text(&self) -> io::Result<String> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Copies to stderr what is appended from now on, until the program ends.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn follow(&self) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::End(0))?;
        thread::spawn(move || {
            let mut text = Vec::new();
            while file.read_to_end(&mut text).is_ok() {
                let _ = anstream::stderr().write_all(&text);
                text.clear();
                thread::sleep(FOLLOW_EVERY);
            }
        });
        Ok(())
    }
}
