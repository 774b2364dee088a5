//! Watches a file for changes.

use std::path::Path;
use std::sync::mpsc::Sender;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::RunEvent;

/// Sends [`RunEvent::FileChanged`] whenever a file in the directory of `file` changes, as long as
/// the watcher exists. Watching only the file is not enough: editors move another file to its path,
/// and Kubernetes replaces a link to its directory. So the event may be about another file.
///
/// # Errors
/// The directory cannot be watched.
pub(super) fn watch(file: &Path, sender: Sender<RunEvent>) -> Result<RecommendedWatcher, String> {
    let failed = |error: notify::Error| format!("{}: cannot be watched: {error}", file.display());
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = sender.send(RunEvent::FileChanged);
        }
    })
    .map_err(failed)?;
    let absolute = file.canonicalize().map_err(|error| failed(error.into()))?;
    let directory = absolute.parent().unwrap_or(Path::new("/"));
    watcher
        .watch(directory, RecursiveMode::NonRecursive)
        .map_err(failed)?;
    Ok(watcher)
}
