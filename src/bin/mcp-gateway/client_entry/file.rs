//! The configuration file of a client, which has the entry or gets it.

use crate::output::eprintln;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use reqwest::Url;

use super::entry::{EntryName, FoundEntry};
use super::form::FileForm;
use super::place::UserFolders;
use super::save;

/// The file of a client.
pub(super) struct EntryFile {
    pub(super) path: PathBuf,
    form: &'static FileForm,
}

impl EntryFile {
    /// The user's file of the client.
    pub(super) fn of_user(form: &'static FileForm, folders: &UserFolders) -> Self {
        let path = folders.file(form);
        Self { path, form }
    }

    /// The file of the client in the project in `folder`, if the client has project files.
    pub(super) fn of_project(form: &'static FileForm, folder: &Path) -> Option<Self> {
        let path = folder.join(form.project_file?);
        Some(Self { path, form })
    }

    /// The text of the file; `None` if it is not there.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn text(&self) -> Result<Option<String>, String> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", self.path.display())),
        }
    }

    /// The entry `name` in the `text` of the file.
    ///
    /// # Errors
    /// The text is not valid, or has another value in the place of the servers.
    pub(super) fn find(&self, text: &str, name: &EntryName) -> Result<Option<FoundEntry>, String> {
        self.form.syntax.find(text, self.form.list, name)
    }

    /// Prints a file that has only the entry on stdout, and instructions on stderr.
    ///
    /// # Errors
    /// It cannot be printed.
    pub(super) fn show(&self, title: &str, name: &EntryName, url: &Url) -> Result<(), String> {
        let form = self.form;
        let text = form.syntax.put("", form.list, name, &(form.members)(url))?;
        let file = self.path.display();
        eprintln!("{title} reads its servers from {file}. Add this to it, or use --write:\n");
        crate::print(&text)?;
        eprintln!("\n{}", form.next_step);
        Ok(())
    }

    /// Writes the entry into the file, and tells the user what has changed.
    ///
    /// # Errors
    /// The file cannot be read or written, or is not valid. Then it is not changed.
    pub(super) fn write(&self, name: &EntryName, url: &Url) -> Result<(), String> {
        let (file, form) = (self.path.display(), self.form);
        let unchanged = |reason| format!("{file}: {reason}\nThe file has not been changed.");
        let text = self.text()?.unwrap_or_default();
        let old = self.find(&text, name).map_err(unchanged)?;
        let members = (form.members)(url);
        if old.as_ref().is_some_and(|old| old.has(&members)) {
            return crate::print(&format!("{file} has {name} already: {url}\n"));
        }
        let new = form.syntax.put(&text, form.list, name, &members);
        save::save(&self.path, &new.map_err(unchanged)?)?;
        let mut said = match &old {
            None => format!("{file}: added {name}: {url}\n"),
            Some(old) => format!("{file}: replaced {name}: {} → {url}\n", old.target()),
        };
        let others = old.iter().flat_map(|old| old.others(&members));
        let others: Vec<&str> = others.collect();
        if !others.is_empty() {
            let others = others.join(", ");
            said.push_str(&format!(
                "The old entry also had: {others}. Add again what you need.\n"
            ));
        }
        crate::print(&format!("{said}{}\n", form.next_step))
    }
}
