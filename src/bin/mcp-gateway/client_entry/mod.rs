//! `mcp-gateway client`: the gateway's entry in the configuration of MCP clients.

mod client;
mod command;
mod entry;
mod file;
mod form;
mod json;
mod list;
mod place;
pub(crate) mod save;
mod syntax;
mod toml;

use std::env;
use std::path::{Path, PathBuf};

use reqwest::Url;

use self::client::ClientProduct;
use self::entry::EntryName;
use self::file::EntryFile;
use self::place::UserFolders;
use crate::output::eprintln;
use crate::running;

#[derive(clap::Args)]
pub(crate) struct ClientArguments {
    /// The client; without it, all clients and their files are listed
    #[arg(value_name = "NAME")]
    client: Option<ClientProduct>,
    /// The endpoint of the gateway [default: that of the gateway that runs here, or
    /// http://127.0.0.1:10000/mcp]
    #[arg(long, value_parser = entry::endpoint)]
    url: Option<Url>,
    /// The name of the entry
    #[arg(long, value_name = "ENTRY", default_value = entry::DEFAULT_NAME)]
    name: EntryName,
    /// Puts the entry into the client's file, and keeps everything else in it
    #[arg(long, requires = "client")]
    write: bool,
    /// The folder of a project: its file for the client is used, in place of the user's file
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

/// The endpoint for clients if the user names none: that of the gateway that runs, or else the
/// default of `mcp-gateway run`.
fn default_url() -> Result<Url, String> {
    match running::sole()? {
        Some(gateway) => entry::endpoint(&gateway.url),
        None => entry::endpoint("http://127.0.0.1:10000/mcp"),
    }
}

/// Lists the clients, or shows or writes the entry of one client.
///
/// # Errors
/// The client has no such file, or its file cannot be read or written. Then it is not changed.
pub(crate) fn client(arguments: ClientArguments) -> Result<(), String> {
    let project = arguments.project.as_deref();
    if let Some(folder) = project.filter(|folder| !folder.is_dir()) {
        let reason = "--project must name a folder that exists: create it or name another";
        return Err(format!("{}: {reason}", folder.display()));
    }
    let variable = |name: &str| {
        let value = env::var_os(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    let folders = UserFolders::new(variable, cfg!(target_os = "macos"))?;
    let Some(client) = arguments.client else {
        return list::print(&folders, project, &arguments.name, arguments.url.as_ref());
    };
    let url = arguments.url.map_or_else(default_url, Ok)?;
    let way = way(client, project, &folders, &arguments.name, &url)?;
    let title = client.title();
    match (way, arguments.write) {
        (EntryWay::Command(command), false) => show_command(client, &command),
        (EntryWay::Command(command), true) => Err(refusal(client, &command)),
        (EntryWay::File(file), false) => file.show(title, &arguments.name, &url),
        (EntryWay::File(file), true) => file.write(&arguments.name, &url),
    }
}

/// How a client gets the entry.
enum EntryWay {
    /// The user runs a command of the product.
    Command(String),
    File(EntryFile),
}

fn way(
    client: ClientProduct,
    project: Option<&Path>,
    folders: &UserFolders,
    name: &EntryName,
    url: &Url,
) -> Result<EntryWay, String> {
    let form = client.form();
    if let Some(folder) = project {
        let file = form.and_then(|form| EntryFile::of_project(form, folder));
        return file.map(EntryWay::File).ok_or_else(|| {
            let title = client.title();
            format!("{title} has no file for a project: leave out --project")
        });
    }
    Ok(match form {
        None => EntryWay::Command(command::inspector(url)),
        Some(form) => match form.user_command {
            Some(command) => EntryWay::Command(command(name, url)),
            None => EntryWay::File(EntryFile::of_user(form, folders)),
        },
    })
}

/// The name of the file that a project may have for the client.
fn project_file(client: ClientProduct) -> Option<&'static str> {
    client.form().and_then(|form| form.project_file)
}

fn show_command(client: ClientProduct, command: &str) -> Result<(), String> {
    eprintln!("Run this command to connect {}:\n", client.title());
    crate::print(&format!("{command}\n"))?;
    if let Some(file) = project_file(client) {
        eprintln!("\nFor everyone who works on a project, use its {file}: add --project DIR.");
    }
    Ok(())
}

/// Why `--write` is not possible, and what to do instead.
fn refusal(client: ClientProduct, command: &str) -> String {
    let title = client.title();
    let project = match project_file(client) {
        Some(file) => format!(", or add --project DIR to write the file {file} of a project"),
        None => String::new(),
    };
    format!("{title} gets the gateway by a command and not by --write: run `{command}`{project}")
}
