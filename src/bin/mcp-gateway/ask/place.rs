//! Finds the endpoint that the user means.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use super::AskOptions;
use crate::ExitError;
use crate::output::eprintln;
use crate::run::{self, QuietGateway, RunOptions};
use crate::running;

/// The endpoint to ask.
pub(super) enum AskedEndpoint {
    /// An endpoint that runs already.
    Url(String),
    /// The endpoint of the `mcp-gateway run` on this machine.
    OfRun(String),
    /// A gateway that was started for this request.
    Started(Box<QuietGateway>),
}

impl AskedEndpoint {
    pub(super) fn url(&self) -> &str {
        match self {
            Self::Url(url) | Self::OfRun(url) => url,
            Self::Started(gateway) => gateway.url(),
        }
    }
}

/// The endpoint that `target` names: a URL, or a file, for which a gateway is started. Without a
/// target, it is the gateway that runs on this machine.
///
/// # Errors
/// There is no such gateway, there are several, or it does not start.
pub(super) fn find(target: Option<&str>, options: &AskOptions) -> Result<AskedEndpoint, ExitError> {
    match target {
        None => Ok(AskedEndpoint::OfRun(running_url()?)),
        Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
            Ok(AskedEndpoint::Url(url.to_owned()))
        }
        Some(file) => {
            check_file(file)?;
            if io::stderr().is_terminal() {
                eprintln!("Starting a gateway for {file} …");
            }
            let gateway = run::start_quietly(&RunOptions {
                unprefixed: options.naming.unprefixed(),
                envoy: options.envoy.clone(),
                wasm: options.wasm.clone(),
                ca_file: options.ca_file.clone(),
                ..RunOptions::on_free_port(file.into())
            })?;
            Ok(AskedEndpoint::Started(Box::new(gateway)))
        }
    }
}

fn check_file(file: &str) -> Result<(), String> {
    if Path::new(file).exists() {
        return Ok(());
    }
    if file == "-" {
        return Err("the gateway reloads its file when it changes, so the file cannot be stdin: name a file".to_owned());
    }
    let fix = if file.contains("://") {
        "; if it is an address, it must begin with http:// or https://".to_owned()
    } else if file.contains(':') || file.contains('/') {
        format!("; if it is an address, write http://{file}")
    } else {
        String::new()
    };
    Err(format!("{file}: no such file{fix}"))
}

/// The endpoint of the gateway that runs on this machine.
fn running_url() -> Result<String, String> {
    let gateway = running::sole()?.ok_or(
        "no gateway runs on this machine: start one with `mcp-gateway run FILE`, or name a URL or a file",
    )?;
    Ok(gateway.url)
}
