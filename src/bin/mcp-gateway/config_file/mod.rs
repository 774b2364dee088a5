//! Reads a file of any accepted kind as a configuration of the filter.

mod advice;
pub(crate) mod check;
mod client_file;
mod foreign_file;
pub(crate) mod kubernetes;
pub(crate) mod older_gateway;
mod other_names;
mod server_names;
mod server_shape;
mod server_values;
pub(crate) mod servers_file;
pub(crate) mod stdio_schema;
pub(crate) mod stdio_server;

use std::fs;
use std::io;
use std::path::{self, Path, PathBuf};

use mcp_gateway::config::{Config, Endpoints};
use serde_json::Value;

pub(crate) use self::advice::nearest;
use self::servers_file::{ConfigOrigin, UnprefixedTools};
use self::stdio_server::StdioServer;
use crate::problem::{Findings, Problem};
use crate::syntax::fragment::Language;
use crate::syntax::tree::{self, Node, NodeKind};
use crate::variables::inputs::{Answers, Inputs};
use crate::variables::placeholder::{Placeholders, Variables};

/// A configuration that the filter accepts.
pub(crate) struct ConfigFile {
    /// The configuration as it is written, with the lines of the file.
    pub(crate) tree: Node,
    /// The configuration as the filter reads it.
    pub(crate) config: Config,
    /// Warnings about parts that the filter accepts, but that the user may not mean.
    pub(crate) warnings: Vec<Problem>,
    /// Notes about names in the file that are different here.
    pub(crate) notes: Vec<Problem>,
    /// The enabled servers that need a bridge. Until `run` sets their URLs, each has a URL at which
    /// no server listens.
    pub(crate) stdio: Vec<StdioServer>,
    /// The language of the file.
    pub(crate) language: Language,
}

impl ConfigFile {
    /// This file with a tree that `change` has changed.
    ///
    /// # Errors
    /// Everything that the filter refuses in the new tree.
    pub(crate) fn changed(mut self, change: impl FnOnce(&mut Self)) -> Result<Self, Vec<Problem>> {
        change(&mut self);
        (self.config, _) = check::check(&self.tree)?;
        Ok(self)
    }

    /// A summary of the file, such as `2 servers (a, b), 1 of them started by run`.
    pub(crate) fn summary(&self) -> String {
        let Some(gateway) = &self.config.gateway else {
            return "a policy without servers".to_owned();
        };
        let names: Vec<&str> = gateway.servers.iter().map(|server| &*server.name).collect();
        let plural = if names.len() == 1 { "" } else { "s" };
        let started = match self.stdio.len() {
            0 => String::new(),
            1 if names.len() == 1 => ", started by run".to_owned(),
            count if count == names.len() => ", all of them started by run".to_owned(),
            count => format!(", {count} of them started by run"),
        };
        let at = match &self.config.endpoints {
            Endpoints::Named(endpoints) => {
                let plural = if endpoints.len() == 1 { "" } else { "s" };
                let names: Vec<&str> = endpoints.iter().map(|it| &*it.name).collect();
                format!(
                    " at {} endpoint{plural} ({})",
                    names.len(),
                    names.join(", ")
                )
            }
            Endpoints::All | Endpoints::Listed(_) => String::new(),
        };
        format!(
            "{} server{plural} ({}){started}{at}",
            names.len(),
            names.join(", ")
        )
    }
}

/// The options for reading a file.
#[derive(Clone)]
pub(crate) struct ReadOptions {
    /// What happens to variables in the file of a client.
    placeholders: Placeholders,
    /// The folder for relative paths in the file.
    folder: PathBuf,
    unprefixed: UnprefixedTools,
    answers: Answers,
}

impl ReadOptions {
    /// The options for `file`, which is `-` for stdin.
    pub(crate) fn new(file: &Path, placeholders: Placeholders) -> Self {
        let absolute = path::absolute(file).unwrap_or_default();
        let folder = absolute.parent().unwrap_or(Path::new("/"));
        Self {
            placeholders,
            folder: folder.to_owned(),
            unprefixed: UnprefixedTools::default(),
            answers: Answers::default(),
        }
    }

    /// These options, with `unprefixed` as the names of tools without a prefix.
    pub(crate) fn with_unprefixed(mut self, unprefixed: UnprefixedTools) -> Self {
        self.unprefixed = unprefixed;
        self
    }

    /// The folder that the editor has open: the one that contains `.vscode` or `.cursor`.
    fn workspace(&self) -> &Path {
        let is_of_editor = self
            .folder
            .file_name()
            .is_some_and(|name| [".vscode", ".cursor"].iter().any(|it| name == *it));
        let parent = self.folder.parent().filter(|_| is_of_editor);
        parent.unwrap_or(&self.folder)
    }
}

/// The text of `file`, or of stdin if `file` is `-`.
///
/// # Errors
/// It cannot be read, or is not text.
pub(crate) fn text(file: &Path) -> io::Result<String> {
    let text = if file.as_os_str() == "-" {
        io::read_to_string(io::stdin())
    } else {
        fs::read_to_string(file)
    };
    text.map_err(|error| match error.kind() {
        io::ErrorKind::IsADirectory => {
            io::Error::other("is a directory: name the file with the servers in it")
        }
        io::ErrorKind::NotFound if file.to_string_lossy().contains("://") => io::Error::other(
            "no such file: name a file with the servers; `mcp-gateway tools URL` asks one server",
        ),
        io::ErrorKind::NotFound => io::Error::other("no such file"),
        io::ErrorKind::InvalidData => {
            io::Error::other("is not a text in UTF-8: name the file with the servers")
        }
        _ => error,
    })
}

/// Reads YAML, JSON or TOML: the configuration of the filter, the file of an MCP client, the
/// `servers:` file of an older MCP gateway, or Kubernetes documents.
///
/// # Errors
/// Everything that is wrong in `text`.
pub(crate) fn read(text: &str, options: &ReadOptions) -> Result<ConfigFile, Vec<Problem>> {
    let language = Language::of(text);
    let fixed = |problems: Vec<Problem>| -> Vec<Problem> {
        let problems = problems.into_iter();
        problems.map(|it| it.in_language(language)).collect()
    };
    let file = read_documents(documents(text)?, options).map_err(fixed)?;
    Ok(ConfigFile {
        warnings: fixed(file.warnings),
        language,
        ..file
    })
}

/// The documents in `text` that are not empty.
///
/// # Errors
/// `text` is not YAML, JSON or TOML.
pub(crate) fn documents(text: &str) -> Result<Vec<Node>, Vec<Problem>> {
    let mut documents =
        tree::documents(text).map_err(|error| vec![syntax_problem(error.line, error.reason)])?;
    documents.retain(|document| !matches!(document.kind, NodeKind::Scalar(Value::Null)));
    Ok(documents)
}

/// The problem of a text that cannot be read, with a fix for the words of the YAML reader.
fn syntax_problem(line: usize, reason: String) -> Problem {
    let fixes = [
        ("tabs disallowed", "indent with spaces, not with tabs"),
        ("found a tab", "indent with spaces, not with tabs"),
        (
            "did not find expected key",
            "indent all fields of an object with the same number of spaces",
        ),
        (
            "mapping values are not allowed",
            "indent all fields of an object with the same number of spaces, and put a text with `: ` in quotes",
        ),
        ("scanning a quoted scalar", "close the quotes of the text"),
        (
            "simple key expect",
            "write `: ` after the name of the field, and put a text with several lines in quotes",
        ),
        (
            "unexpected character",
            "put a text that starts with @, ` or % in quotes",
        ),
    ];
    let fix = fixes.into_iter().find(|(words, _)| reason.contains(words));
    let problem = Problem::new(line, "", reason);
    match fix {
        Some((_, fix)) => problem.fix(fix),
        None => problem,
    }
}

/// Reads the `documents` of a file as [`read`] does.
///
/// # Errors
/// Everything that is wrong in them.
pub(crate) fn read_documents(
    documents: Vec<Node>,
    options: &ReadOptions,
) -> Result<ConfigFile, Vec<Problem>> {
    let mut findings = Findings::default();
    let (mut tree, inputs) = configuration(documents, options, &mut findings)?;
    let workspace = options.workspace();
    let variables = Variables {
        placeholders: options.placeholders,
        workspace,
        inputs: &inputs,
    };
    let urls = server_values::resolve(&mut tree, &variables, &mut findings);
    server_names::fit(&mut tree, &mut findings);
    let stdio = stdio_server::take(&mut tree, workspace, &variables, &mut findings);
    let checked = check::check(&tree);
    let hidden = |problem: Problem| urls.iter().fold(problem, |it, url| url.hidden_in(it));
    let (config, findings) = findings
        .into_result(checked)
        .map_err(|errors| errors.into_iter().map(hidden).collect::<Vec<_>>())?;
    Ok(ConfigFile {
        tree,
        config,
        warnings: findings.warnings,
        notes: findings.notes,
        stdio,
        language: Language::default(),
    })
}

/// The configuration in `documents`, and the questions for the user in them.
///
/// # Errors
/// They contain no configuration.
fn configuration(
    documents: Vec<Node>,
    options: &ReadOptions,
    findings: &mut Findings,
) -> Result<(Node, Inputs), Vec<Problem>> {
    if kubernetes::is_kubernetes(&documents) {
        let mut tree = kubernetes::read(&kubernetes::without_lists(documents), findings);
        let origin = ConfigOrigin::OlderGateway;
        servers_file::translate(&mut tree, origin, options.unprefixed, findings);
        return Ok((tree, Inputs::default()));
    }
    let mut tree = only(documents)?;
    if let Some(problem) = server_shape::single_server(&tree) {
        return Err(vec![problem]);
    }
    if client_file::is_client_file(&tree) {
        let inputs = Inputs::read(&tree, &options.answers);
        let config = client_file::read(&tree, findings);
        client_file::tell_if_disabled(&config, findings);
        return Ok((config, inputs));
    }
    if let Some(problem) = foreign_file::tell(&tree) {
        return Err(vec![problem]);
    }
    server_shape::name_servers(&mut tree, findings);
    let origin = ConfigOrigin::Unknown;
    servers_file::translate(&mut tree, origin, options.unprefixed, findings);
    Ok((tree, Inputs::default()))
}

/// The only document of a file.
fn only(mut documents: Vec<Node>) -> Result<Node, Vec<Problem>> {
    let problem = match documents.get(1) {
        Some(second) => {
            let reason = "the file has a second YAML document, but a configuration is one";
            Problem::new(second.line, "", reason).fix("remove the `---` before it, or all of it")
        }
        None => Problem::new(0, "", "the file is empty")
            .fix("servers: [{ name: weather, url: http://127.0.0.1:9001/mcp }]"),
    };
    let first = documents.pop();
    first.filter(|_| documents.is_empty()).ok_or(vec![problem])
}
