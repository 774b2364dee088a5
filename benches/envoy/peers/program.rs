//! Another gateway as a child process.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::{Error, Result};

/// How long a program may take to end its own children.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
const LOG_LINES_SHOWN: usize = 20;

/// How a program is started.
pub(crate) struct Start<'a> {
    pub(crate) name: &'static str,
    pub(crate) path: &'a Path,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, OsString)>,
}

/// A running program; dropping it kills the program and all processes that it has started.
pub(crate) struct Program {
    name: &'static str,
    child: Child,
    pid: u32,
    files: TempDir,
}

impl Program {
    /// Starts the program in the folder `files`, in which its configuration is.
    pub(crate) fn start(start: Start<'_>, files: TempDir) -> Result<Self> {
        let Start {
            name,
            path,
            arguments,
            environment,
        } = start;
        let log = File::create(files.path().join("log"))?;
        let child = Command::new(path)
            .args(arguments)
            .envs(environment)
            .current_dir(files.path())
            // So that it can be killed together with the processes that it starts.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot run {name} at {} ({error})", path.display()))?;
        let pid = child.id().ok_or_else(|| format!("{name} ended at once"))?;
        Ok(Self {
            name,
            child,
            pid,
            files,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The error with which the program has ended, if it has.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => Err(self.failure(&format!("has ended ({status})"))),
            None => Ok(()),
        }
    }

    /// The error, and the last lines of the program's log.
    pub(crate) fn failure(&self, what: &str) -> Error {
        let log = fs::read(self.files.path().join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let shown = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n  ");
        format!("{} {what}; its log:\n  {shown}", self.name).into()
    }

    /// Asks the program to end, since it may have to end children, and then kills what is left.
    pub(crate) async fn stop(mut self) -> Result<()> {
        if let Some(pid) = id(self.pid) {
            // The program may have ended already.
            let _ = kill_process(pid, Signal::TERM);
        }
        // An error here means that the time is over.
        let _ = timeout(ENDS_WITHIN, self.child.wait()).await;
        self.kill_all();
        Ok(())
    }

    /// Kills all processes of the program's group, which it leads.
    fn kill_all(&self) {
        if let Some(pid) = id(self.pid) {
            // All may have ended already.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // If the program has been waited for, `stop` has killed its group.
        if self.child.id().is_some() {
            self.kill_all();
        }
    }
}

fn id(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// A new folder with this file in it; gives the path of the file, too.
pub(crate) fn folder_with(name: &str, text: &str) -> Result<(TempDir, PathBuf)> {
    let folder = tempfile::Builder::new()
        .prefix("mcp-gateway-bench-")
        .tempdir()?;
    let path = folder.path().join(name);
    fs::write(&path, text)?;
    Ok((folder, path))
}

/// The first line that the program prints with these arguments.
pub(crate) async fn first_line(path: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(path).args(arguments).output().await.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.to_owned())
}

/// The version of the module from which Go has built the program, if Go is here to read it.
pub(crate) async fn go_module_version(path: &Path) -> Option<String> {
    let output = Command::new("go")
        .args(["version", "-m"])
        .arg(path)
        .output();
    let output = output.await.ok()?;
    module_version(&String::from_utf8_lossy(&output.stdout))
}

/// The version in a line such as `mod  github.com/someone/program  v1.2.3  h1:…`.
pub(crate) fn module_version(text: &str) -> Option<String> {
    let lines = text.lines().map(str::split_whitespace);
    let mut module = lines
        .map(|words| words.collect::<Vec<_>>())
        .find(|words| words.first() == Some(&"mod"))?
        .into_iter();
    module.nth(2).map(str::to_owned)
}
