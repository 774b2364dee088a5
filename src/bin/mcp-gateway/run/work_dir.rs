//! The directory of a running Envoy: the files that it reads, its log, and its sockets.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// A directory, and the paths in it. Their texts go into Envoy's configuration.
#[derive(Debug, Clone)]
pub(super) struct WorkDir {
    path: String,
}

impl WorkDir {
    /// # Errors
    /// The path is not UTF-8, as Envoy's configuration must be.
    pub(super) fn new(path: &Path) -> Result<Self, String> {
        let path = path.to_str().ok_or_else(|| {
            let path = path.display();
            format!("{path}: the path is not UTF-8; set TMPDIR to a directory whose path is")
        })?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    pub(super) fn bootstrap(&self) -> String {
        self.file("envoy.json")
    }

    pub(super) fn filter(&self) -> String {
        self.file("filter.json")
    }

    pub(super) fn clusters(&self) -> String {
        self.file("clusters.json")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.file("envoy.log").into()
    }

    /// The socket of Envoy's admin interface.
    pub(super) fn admin_socket(&self) -> String {
        self.file("admin.sock")
    }

    /// The socket of a listener that forwards to each server and bypasses the filter.
    pub(super) fn direct_socket(&self) -> String {
        self.file("direct.sock")
    }

    fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    pub(super) fn write_bootstrap(&self, bootstrap: &Value) -> io::Result<()> {
        fs::write(self.bootstrap(), bootstrap.to_string())
    }

    pub(super) fn write_filter(&self, filter: &Value) -> io::Result<()> {
        replace(&self.filter(), &json!({"resources": [filter]}))
    }

    pub(super) fn write_clusters(&self, clusters: &[Value]) -> io::Result<()> {
        replace(&self.clusters(), &json!({"resources": clusters}))
    }
}

/// Replaces a file of Envoy. Envoy reads the file again when another file is moved to its path, so
/// it never reads a part of a file.
fn replace(path: &str, content: &Value) -> io::Result<()> {
    let new = format!("{path}.new");
    fs::write(&new, content.to_string())?;
    fs::rename(new, path)
}
