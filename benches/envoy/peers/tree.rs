//! The processes that a process has started.

use std::collections::BTreeSet;
use std::fs;

use crate::Result;

/// The process and all its descendants that are alive.
pub(crate) fn of(root: u32) -> Result<BTreeSet<u32>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // The process may have ended since the directory was listed.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        all.extend(parent(&stat).map(|parent| (pid, parent)));
    }
    Ok(below(root, &all))
}

/// The parent is the second value after the name of the command, which may have spaces and
/// parentheses.
pub(crate) fn parent(stat: &str) -> Option<u32> {
    let (_, values) = stat.rsplit_once(')')?;
    values.split_whitespace().nth(1)?.parse().ok()
}

/// The root and its descendants, from pairs of a process and its parent in any order.
pub(crate) fn below(root: u32, all: &[(u32, u32)]) -> BTreeSet<u32> {
    let mut found = BTreeSet::from([root]);
    loop {
        let before = found.len();
        let children = all.iter().filter(|(_, parent)| found.contains(parent));
        let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        found.extend(children);
        if found.len() == before {
            return found;
        }
    }
}
