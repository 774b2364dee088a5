//! The clients, their files, and the gateway's entries in them.

use crate::output::eprintln;
use std::path::Path;

use clap::ValueEnum as _;
use comfy_table::{Table, presets};

use super::client::ClientProduct;
use super::entry::EntryName;
use super::file::EntryFile;
use super::place::UserFolders;

/// The text of an empty cell.
const NONE: &str = "–";

/// Prints a table with a line for each client. If a project is given, the table is about the
/// project's files.
///
/// # Errors
/// The table cannot be printed.
pub(super) fn print(
    folders: &UserFolders,
    project: Option<&Path>,
    name: &EntryName,
) -> Result<(), String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["client", "file", name.as_str()]);
    for client in ClientProduct::value_variants() {
        let file = client.form().and_then(|form| match project {
            Some(folder) => EntryFile::of_project(form, folder),
            None => Some(EntryFile::of_user(form, folders)),
        });
        let (file, state) = match file {
            Some(file) => (file.path.display().to_string(), state(&file, name)),
            None => (NONE.to_owned(), NONE.to_owned()),
        };
        table.add_row([client.id(), file, state]);
    }
    let lines = table.lines();
    let lines = lines.map(|line| format!("{}\n", line.trim_end()));
    crate::print(&lines.collect::<String>())?;
    eprintln!("\nmcp-gateway client NAME shows what to add for a client; --write adds it.");
    Ok(())
}

/// The state of the entry in the file.
fn state(file: &EntryFile, name: &EntryName) -> String {
    let found = match file.text() {
        Ok(None) => return "no file".to_owned(),
        Ok(Some(text)) => file.find(&text, name),
        Err(reason) => Err(reason),
    };
    match found {
        Ok(None) => "not in the file".to_owned(),
        Ok(Some(entry)) => entry.target(),
        Err(reason) => {
            let reason = reason.lines().next().unwrap_or_default();
            format!("cannot be read: {reason}")
        }
    }
}
