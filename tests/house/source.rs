//! Finds the files of the project, and reads those of Rust.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the project.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below `folder`, with their texts. `folder` can also be one Rust file.
pub(crate) fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let paths = match folder.ends_with(".rs") {
        true => vec![root().join(folder)],
        false => files(folder, "rs"),
    };
    assert!(!paths.is_empty(), "no sources below {folder}");
    let with_text = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a file of Rust");
        (path, text)
    };
    paths.into_iter().map(with_text).collect()
}

/// The paths of the files below `folder` whose names end with this `extension`.
pub(crate) fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == extension) {
                found.push(path);
            }
        }
    }
    found
}

/// The lines of code below `folder` that contain one of `words`. Comments do not count.
pub(crate) fn lines_with(folder: &str, words: &[&str]) -> Vec<String> {
    let code = |line: &&str| !line.trim_start().starts_with("//");
    sources(folder)
        .iter()
        .flat_map(|(path, text)| {
            let lines = text
                .lines()
                .filter(code)
                .filter(|line| words.iter().any(|word| line.contains(word)));
            lines
                .map(|line| format!("{}: {}", path.display(), line.trim()))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The part of a file before the module `tests`. Most rules hold for this part only.
pub(crate) fn before_tests(text: &str) -> &str {
    let starts = ["mod tests {", "pub(crate) mod tests {"];
    let is_start = |(at, start): (usize, &str)| {
        starts
            .iter()
            .any(|it| text[at + start.len()..].starts_with(it))
    };
    let start = text
        .match_indices("#[cfg(test)]\n")
        .find(|it| is_start(*it));
    &text[..start.map_or(text.len(), |(at, _)| at)]
}

/// The identifier at the start of `code`.
pub(crate) fn first_word(code: &str) -> &str {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.split(|c| !is_part(c)).next().unwrap_or_default()
}
