//! The files to migrate.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::ptr;

use crate::ExitError;
use crate::config_file::{self, kubernetes};
use crate::problem::{self, Problem, Severity};
use crate::syntax::tree::Node;

/// The input of a migration.
pub(super) enum MigrationInput {
    ServersFile(SourceFile),
    Objects(SourceObjects),
}

/// A file and its content.
pub(super) struct SourceFile {
    pub(super) path: PathBuf,
    pub(super) documents: Vec<Node>,
}

/// The Kubernetes objects of all files.
#[derive(Default)]
pub(super) struct SourceObjects {
    pub(super) objects: Vec<Node>,
    /// The file of each object.
    files: Vec<PathBuf>,
}

impl SourceObjects {
    /// The file of `object`.
    pub(super) fn file(&self, object: &Node) -> &Path {
        let place = self.objects.iter().position(|it| ptr::eq(it, object));
        let file = place.and_then(|place| self.files.get(place));
        file.map_or(Path::new("-"), |file| file)
    }
}

/// Reads `paths`: files, folders, or `-` for stdin.
///
/// # Errors
/// A path cannot be read, or is neither a `servers:` file nor Kubernetes objects.
pub(super) fn read(paths: &[PathBuf]) -> Result<MigrationInput, ExitError> {
    let mut files = Vec::new();
    for path in paths {
        for path in within(path)? {
            files.push(read_file(path)?);
        }
    }
    let is_of_objects = |file: &SourceFile| kubernetes::is_kubernetes(&file.documents);
    if files.iter().all(is_of_objects) && !files.is_empty() {
        let mut all = SourceObjects::default();
        for SourceFile { path, documents } in files {
            for object in kubernetes::without_lists(documents) {
                all.objects.push(object);
                all.files.push(path.clone());
            }
        }
        return Ok(MigrationInput::Objects(all));
    }
    let other = files.iter().position(|file| !is_of_objects(file));
    match other {
        Some(0) if files.len() == 1 => Ok(MigrationInput::ServersFile(files.remove(0))),
        Some(other) => {
            let path = files.get(other).map(|file| file.path.display().to_string());
            Err(ExitError::Other(format!(
                "{}: is no file with Kubernetes objects: a `servers:` file is migrated alone",
                path.unwrap_or_default()
            )))
        }
        None => {
            let reason = "the folder has no .yaml, .yml or .json files";
            Err(ExitError::Other(reason.to_owned()))
        }
    }
}

/// The files of `path`: the file itself, or the files in the folder.
fn within(path: &Path) -> Result<Vec<PathBuf>, ExitError> {
    if path.as_os_str() == "-" || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let extension = file.extension().and_then(|it| it.to_str());
        if extension.is_some_and(|it| ["yaml", "yml", "json"].contains(&it)) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(path: PathBuf) -> Result<SourceFile, ExitError> {
    let text = config_file::text(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    match config_file::documents(&text) {
        Ok(documents) => Ok(SourceFile { path, documents }),
        Err(problems) => Err(invalid(&path, &problems)),
    }
}

/// Shows the `problems` of `file` to the user.
pub(super) fn invalid(file: &Path, problems: &[Problem]) -> ExitError {
    problem::print(file, problems, Severity::Error);
    ExitError::InvalidFile
}
