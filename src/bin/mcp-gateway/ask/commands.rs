//! The arguments of the commands that ask an endpoint.

use std::path::Path;

use mcp_gateway::mcp::list::ListKind;
use serde_json::{Map, Value};

use super::arguments::NamedValue;
use super::{AskOptions, EndpointRequest, GivenArguments, ask};
use crate::ExitError;

/// What the first argument of the commands means.
const TARGET: &str = "URL|FILE";

#[derive(clap::Args)]
pub(crate) struct ToolsArguments {
    /// An MCP endpoint, or a file with servers [default: the gateway that runs here]
    #[arg(value_name = TARGET)]
    target: Option<String>,
    #[command(flatten)]
    options: AskOptions,
}

#[derive(clap::Args)]
#[command(override_usage = "mcp-gateway call [OPTIONS] [URL|FILE] <NAME>")]
pub(crate) struct CallArguments {
    /// The name of the tool. An MCP endpoint, or a file with servers, can come before it
    /// [default: the gateway that runs here]
    #[arg(value_name = "NAME", num_args = 1.., required = true)]
    words: Vec<String>,
    #[command(flatten)]
    arguments: ArgumentOptions,
    #[command(flatten)]
    options: AskOptions,
}

#[derive(clap::Args)]
pub(crate) struct PromptsArguments {
    /// An MCP endpoint, or a file with servers [default: the gateway that runs here]
    #[arg(value_name = TARGET)]
    target: Option<String>,
    /// Gets the prompt with this name, instead of the list
    #[arg(long, value_name = "NAME")]
    get: Option<String>,
    #[command(flatten)]
    arguments: ArgumentOptions,
    #[command(flatten)]
    options: AskOptions,
}

#[derive(clap::Args)]
pub(crate) struct ResourcesArguments {
    /// An MCP endpoint, or a file with servers [default: the gateway that runs here]
    #[arg(value_name = TARGET)]
    target: Option<String>,
    /// Reads the resource with this URI, instead of the list
    #[arg(long, value_name = "URI")]
    read: Option<String>,
    #[command(flatten)]
    options: AskOptions,
}

#[derive(clap::Args)]
struct ArgumentOptions {
    /// An argument; can be repeated
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "args")]
    arg: Vec<NamedValue>,
    /// All arguments, as a JSON object
    #[arg(long, value_name = "JSON", value_parser = object)]
    args: Option<Map<String, Value>>,
}

impl ArgumentOptions {
    fn given(self) -> GivenArguments {
        match self.args {
            Some(object) => GivenArguments::Json(object),
            None => GivenArguments::Named(self.arg),
        }
    }
}

/// A JSON object of the command line.
fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("must be a JSON object: {error}"))
}

impl ToolsArguments {
    /// Lists the tools.
    pub(crate) fn run(self) -> Result<(), ExitError> {
        let request = EndpointRequest::List(ListKind::Tools);
        ask(self.target.as_deref(), self.options, &request)
    }
}

impl CallArguments {
    /// Calls a tool.
    pub(crate) fn run(self) -> Result<(), ExitError> {
        let (target, words) = match self.words.as_slice() {
            [first, rest @ ..] if !rest.is_empty() && is_target(first) => (Some(&**first), rest),
            words => (None, words),
        };
        let (name, rest) = words.split_first().unzip();
        // clap makes sure that there is at least one word.
        let name = name.cloned().unwrap_or_default();
        if target.is_none() && is_no_tool(&name) {
            let place = crate::shell::word(&name);
            return Err(ExitError::Other(format!(
                "the name of the tool is missing: write it after {place}; `mcp-gateway tools {place}` lists the tools"
            )));
        }
        if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
            return Err(ExitError::Other(misplaced(&name, rest, target.is_some())));
        }
        let arguments = self.arguments.given();
        let request = EndpointRequest::Call { name, arguments };
        ask(target, self.options, &request)
    }
}

/// Whether `word` is a URL or a file, and not the name of a tool.
fn is_target(word: &str) -> bool {
    word.contains(['/', ':']) || Path::new(word).exists()
}

/// Whether `word` is surely a URL or a file.
fn is_no_tool(word: &str) -> bool {
    let path = Path::new(word);
    word.contains("://") || path.extension().is_some() && path.is_file()
}

/// What the user should write in place of `words`, which come after the name of the tool.
fn misplaced(name: &str, words: &[String], has_target: bool) -> String {
    let mut options = Vec::new();
    for word in words {
        if word.starts_with('{') {
            options.push(format!("--args '{word}'"));
        } else if word.parse::<NamedValue>().is_ok() {
            options.push(format!("--arg '{word}'"));
        } else if has_target {
            return format!("{word:?}: arguments of a tool are given as --arg NAME=VALUE");
        } else {
            return format!(
                "{name}: no such file; arguments of a tool are given as --arg NAME=VALUE"
            );
        }
    }
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    let are = match words.as_slice() {
        [_] => "is an argument",
        _ => "are arguments",
    };
    format!("{} {are}: write {}", words.join(", "), options.join(" "))
}

impl PromptsArguments {
    /// Lists the prompts, or gets one.
    pub(crate) fn run(self) -> Result<(), ExitError> {
        let request = match self.get {
            None => EndpointRequest::List(ListKind::Prompts),
            Some(name) => EndpointRequest::Prompt {
                name,
                arguments: self.arguments.given(),
            },
        };
        ask(self.target.as_deref(), self.options, &request)
    }
}

impl ResourcesArguments {
    /// Lists the resources, or reads one.
    pub(crate) fn run(self) -> Result<(), ExitError> {
        let request = self
            .read
            .map_or(EndpointRequest::Resources, EndpointRequest::Read);
        ask(self.target.as_deref(), self.options, &request)
    }
}
