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
    #[arg(value_name = "NAME", num_args = 1..=2, required = true)]
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
    pub(crate) fn run(mut self) -> Result<(), ExitError> {
        // clap makes sure that there are one or two words.
        let name = self.words.pop().unwrap_or_default();
        if let Some(tool) = self.words.first()
            && let Some(fix) = misplaced(tool, &name)
        {
            return Err(ExitError::Other(fix));
        }
        let arguments = self.arguments.given();
        let request = EndpointRequest::Call { name, arguments };
        ask(
            self.words.first().map(String::as_str),
            self.options,
            &request,
        )
    }
}

/// What the user should write, if `tool`, in the place of a URL or a file, is the name of a tool,
/// and `word` is an argument.
fn misplaced(tool: &str, word: &str) -> Option<String> {
    if tool.contains(['/', ':']) || Path::new(tool).exists() {
        return None;
    }
    let option = if word.starts_with('{') {
        format!("--args '{word}'")
    } else if word.parse::<NamedValue>().is_ok() {
        format!("--arg '{word}'")
    } else {
        return Some(format!(
            "{tool}: no such file; arguments of a tool are given as --arg NAME=VALUE"
        ));
    };
    Some(format!("{word:?} is an argument: write {option}"))
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
