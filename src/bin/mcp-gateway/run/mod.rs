//! `run`: starts Envoy with the servers of a file, and follows the file.

mod envoy;
mod http;
mod install;
mod parts;
mod prepare;
mod probe;
mod reload;
mod supervisor;
mod table;
mod watch;
mod work_dir;

use std::io;
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};

use anstream::println;
use mcp_gateway::config::{Config, Endpoints};
use tempfile::TempDir;

use self::envoy::{Envoy, Startup};
use self::prepare::prepare;
use self::probe::ServerStatus;
use self::reload::Reloader;
use self::supervisor::Supervisor;
use self::work_dir::WorkDir;
use crate::ExitError;
use crate::config_file::{self, ReadOptions};
use crate::placeholder::Placeholders;
use crate::problem::{self, Severity};
use crate::render::envoy::EnvoyOptions;

/// What `run` is asked for on the command line.
pub(crate) struct RunOptions {
    /// The file with the servers.
    pub(crate) file: PathBuf,
    /// The address and the port of the endpoint. For port 0, the system chooses one.
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    /// Where Envoy and the filter are, if not at the usual places.
    pub(crate) envoy: Option<PathBuf>,
    pub(crate) wasm: Option<PathBuf>,
}

/// What happens while Envoy runs.
enum RunEvent {
    /// Something has changed in the directory of the file.
    FileChanged,
    /// The servers of a configuration were asked for their status.
    Probed {
        /// Which configuration: they are counted from 0.
        generation: usize,
        /// In the order of the configuration's servers.
        statuses: Vec<ServerStatus>,
    },
    /// The user stops the program.
    Stop,
}

/// Runs Envoy until the user stops the program.
///
/// # Errors
/// The file is wrong, or Envoy cannot be started, or it ends.
pub(crate) fn run(options: &RunOptions) -> Result<(), ExitError> {
    let file = &options.file;
    let directory = TempDir::with_prefix("mcp-gateway-")
        .map_err(|error| format!("cannot create a temporary directory: {error}"))?;
    let work_dir = WorkDir::new(directory.path())?;
    let envoy_options = envoy_options(options, directory.path())?;
    let text = read(file)?;
    let read_options = ReadOptions::new(file, Placeholders::Resolve);
    let prepared =
        prepare(&text, &read_options, &work_dir, &envoy_options).map_err(|problems| {
            problem::print(file, &problems, Severity::Error);
            ExitError::InvalidFile
        })?;
    problem::print(file, &prepared.warnings, Severity::Warning);
    check_port(options.address, options.port)?;
    let program = install::envoy(options.envoy.as_deref())?;

    let (sender, events) = mpsc::channel();
    let stop = stop_on_signals(sender.clone())?;
    let _watcher = watch::watch(file, sender.clone())?;
    let failed = |error: io::Error| format!("cannot start {}: {error}", program.display());
    let reloader = Reloader::start(&work_dir, prepared.parts).map_err(failed)?;
    let mut envoy = Envoy::start(&program, &work_dir).map_err(failed)?;
    let Startup::Ready(address) = envoy.wait_until_ready(&stop)? else {
        return Ok(());
    };
    let path = endpoint_path(&prepared.config);
    println!("{} is served at http://{address}{path}", file.display());
    let log = work_dir.log();
    println!("Envoy's log is {}. Press Ctrl-C to stop.", log.display());
    let supervisor = Supervisor {
        file,
        work_dir: &work_dir,
        envoy_options: &envoy_options,
        read_options: &read_options,
        events,
        sender,
        envoy,
        reloader,
        text,
        config: prepared.config,
        generation: 0,
        statuses: Vec::new(),
        reload_at: None,
        probe_at: None,
    };
    supervisor.run()
}

/// Checks that nobody else listens at this address and port; port 0 is always free.
fn check_port(address: IpAddr, port: u16) -> Result<(), String> {
    match TcpListener::bind((address, port)) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(format!(
            "port {port} of {address} is in use, perhaps by another `mcp-gateway run`: stop that program, or name another port with --port"
        )),
        // Envoy says what else is wrong.
        _ => Ok(()),
    }
}

/// The text of `file`, which has to be a file: stdin does not change.
fn read(file: &Path) -> Result<String, String> {
    if file.as_os_str() == "-" {
        return Err("run follows a file, so it cannot read stdin: name a file".to_owned());
    }
    config_file::text(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn envoy_options(options: &RunOptions, directory: &Path) -> Result<EnvoyOptions, String> {
    let wasm = install::filter(options.wasm.as_deref(), directory)?;
    Ok(EnvoyOptions {
        address: options.address.to_string(),
        is_on_own_machine: true,
        port: options.port,
        // The admin interface gets a socket in the work directory instead.
        admin_port: 0,
        wasm: wasm.display().to_string(),
        ca_file: install::ca_file().to_owned(),
    })
}

/// A flag that is set when the user stops the program, which then sends
/// [`RunEvent::Stop`], too.
fn stop_on_signals(sender: Sender<RunEvent>) -> Result<Arc<AtomicBool>, String> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        flag.store(true, Ordering::Relaxed);
        let _ = sender.send(RunEvent::Stop);
    })
    .map_err(|error| format!("cannot wait for signals: {error}"))?;
    Ok(stop)
}

/// A path at which the gateway answers.
fn endpoint_path(config: &Config) -> &str {
    match &config.endpoints {
        Endpoints::Listed(paths) => paths.first().map_or("", String::as_str),
        Endpoints::All => "/",
    }
}
