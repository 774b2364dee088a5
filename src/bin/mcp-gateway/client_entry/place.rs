//! The folders of the user in which clients keep their files.

use std::path::PathBuf;

use super::form::FileForm;

/// A folder of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UserFolder {
    Home,
    /// The folder in which Electron apps keep their files.
    Apps,
    Claude,
    Codex,
    Gemini,
}

/// The paths of these folders on this machine.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UserFolders {
    home: PathBuf,
    apps: PathBuf,
    claude: PathBuf,
    codex: PathBuf,
    gemini: PathBuf,
}

impl UserFolders {
    /// The folders, found in the same way as the clients find them. `variable` reads an environment
    /// variable.
    ///
    /// # Errors
    /// `HOME` is not set.
    pub(super) fn new(
        variable: impl Fn(&str) -> Option<PathBuf>,
        is_macos: bool,
    ) -> Result<Self, String> {
        let home = variable("HOME").ok_or("$HOME is not set: set it to your home folder")?;
        let apps = if is_macos {
            home.join("Library/Application Support")
        } else {
            // The XDG specification ignores relative paths.
            let config = variable("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
            config.unwrap_or_else(|| home.join(".config"))
        };
        Ok(Self {
            apps,
            claude: variable("CLAUDE_CONFIG_DIR").unwrap_or_else(|| home.clone()),
            codex: variable("CODEX_HOME").unwrap_or_else(|| home.join(".codex")),
            gemini: variable("GEMINI_CLI_HOME").unwrap_or_else(|| home.clone()),
            home,
        })
    }

    /// The file of the user for a client of this form.
    pub(super) fn file(&self, form: &FileForm) -> PathBuf {
        let (folder, file) = form.user_file;
        let folder = match folder {
            UserFolder::Home => &self.home,
            UserFolder::Apps => &self.apps,
            UserFolder::Claude => &self.claude,
            UserFolder::Codex => &self.codex,
            UserFolder::Gemini => &self.gemini,
        };
        folder.join(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_entry::client::ClientProduct;
    use clap::ValueEnum as _;

    fn files(variables: &[(&str, &str)], is_macos: bool) -> Vec<String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| PathBuf::from(value))
        };
        let folders = UserFolders::new(variable, is_macos).unwrap();
        let clients = ClientProduct::value_variants().iter();
        let files = clients.filter_map(|client| Some(folders.file(client.form()?)));
        files.map(|file| file.display().to_string()).collect()
    }

    #[test]
    fn each_client_has_its_file_on_each_system() {
        assert_eq!(
            files(
                &[("HOME", "/h"), ("XDG_CONFIG_HOME", "not/absolute")],
                false
            ),
            [
                "/h/.claude.json",
                "/h/.config/Claude/claude_desktop_config.json",
                "/h/.cursor/mcp.json",
                "/h/.config/Code/User/mcp.json",
                "/h/.codeium/windsurf/mcp_config.json",
                "/h/.codex/config.toml",
                "/h/.gemini/settings.json",
            ]
        );
        let mac = files(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")], true);
        let support = "/h/Library/Application Support";
        let expected = ["Claude/claude_desktop_config.json", "Code/User/mcp.json"];
        for file in expected {
            assert!(mac.contains(&format!("{support}/{file}")), "{mac:?}");
        }
    }

    #[test]
    fn the_variables_of_the_clients_move_their_files() {
        let variables = [
            ("HOME", "/h"),
            ("XDG_CONFIG_HOME", "/x"),
            ("CLAUDE_CONFIG_DIR", "/c"),
            ("CODEX_HOME", "/o"),
            ("GEMINI_CLI_HOME", "/g"),
        ];
        assert_eq!(
            files(&variables, false),
            [
                "/c/.claude.json",
                "/x/Claude/claude_desktop_config.json",
                "/h/.cursor/mcp.json",
                "/x/Code/User/mcp.json",
                "/h/.codeium/windsurf/mcp_config.json",
                "/o/config.toml",
                "/g/.gemini/settings.json",
            ]
        );
        let error = UserFolders::new(|_| None, false).unwrap_err();
        assert!(error.contains("$HOME"), "{error}");
    }
}
