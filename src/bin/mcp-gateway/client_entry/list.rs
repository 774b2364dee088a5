//! The clients, their files, and the gateway's entries in them.

use crate::output::eprintln;
use std::path::Path;

use clap::ValueEnum as _;
use comfy_table::{Table, presets};
use reqwest::Url;

use super::client::ClientProduct;
use super::entry::{DEFAULT_NAME, EntryName};
use super::file::EntryFile;
use super::place::UserFolders;
use crate::shell;

/// The text of an empty cell.
const NONE: &str = "–";

/// Prints a table with a line for each client. If a project is given, the table is about the
/// project's files. `url` is the endpoint that the user names.
///
/// # Errors
/// The table cannot be printed.
pub(super) fn print(
    folders: &UserFolders,
    project: Option<&Path>,
    name: &EntryName,
    url: Option<&Url>,
) -> Result<(), String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["client", "file", name.as_str()]);
    for client in ClientProduct::value_variants() {
        let form = client.form();
        let file = form.and_then(|form| match project {
            Some(folder) => EntryFile::of_project(form, folder),
            None => Some(EntryFile::of_user(form, folders)),
        });
        // The client gets the entry by a command of its own.
        let is_by_command = project.is_none() && form.is_none_or(|it| it.user_command.is_some());
        let command = command(*client, project, name, url, !is_by_command);
        let (file, state) = match file {
            Some(file) => (
                file.path.display().to_string(),
                state(&file, name, &command),
            ),
            None if form.is_some() => (NONE.to_owned(), "has no file for a project".to_owned()),
            None if project.is_some() => (NONE.to_owned(), NONE.to_owned()),
            None => (NONE.to_owned(), command),
        };
        table.add_row([client.id(), file, state]);
    }
    let lines = table.lines();
    let lines = lines.map(|line| format!("{}\n", line.trim()));
    crate::print(&lines.collect::<String>())?;
    eprintln!(
        "\nA client that is not connected has a command in its line. With --write, the command puts \
         the entry into the file, and creates the file if there is none. Without --write, it only \
         shows what to add or to run."
    );
    Ok(())
}

/// The command that connects `client`.
fn command(
    client: ClientProduct,
    project: Option<&Path>,
    name: &EntryName,
    url: Option<&Url>,
    writes: bool,
) -> String {
    let mut command = format!("mcp-gateway client {}", client.id());
    if let Some(project) = project {
        let folder = shell::word(&project.display().to_string());
        command.push_str(&format!(" --project {folder}"));
    }
    if name.as_str() != DEFAULT_NAME {
        command.push_str(&format!(" --name {name}"));
    }
    if let Some(url) = url {
        command.push_str(&format!(" --url {}", shell::word(url.as_str())));
    }
    if writes {
        command.push_str(" --write");
    }
    command
}

/// The state of the entry in the file. `command` connects the client.
fn state(file: &EntryFile, name: &EntryName, command: &str) -> String {
    let found = match file.text() {
        Ok(None) => return format!("not connected (no file yet): {command}"),
        Ok(Some(text)) => file.find(&text, name),
        Err(reason) => Err(reason),
    };
    match found {
        Ok(None) => format!("not connected: {command}"),
        Ok(Some(entry)) => entry.target(),
        Err(reason) => {
            let reason = reason.lines().next().unwrap_or_default();
            format!("cannot be read, repair it first: {reason}")
        }
    }
}
