//! A running gateway: Envoy, and the servers that this program starts.

use std::fs::Permissions;
use std::io::{self, IsTerminal as _};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_gateway::config::{Config, Endpoints};
use tempfile::TempDir;

use super::envoy::{Envoy, LogDetail, Startup};
use super::host_check;
use super::install;
use super::log::RunLog;
use super::parts::RunParts;
use super::prepare::Preparation;
use super::probe::ServerStatus;
use super::reload::{ReloadResult, Reloader};
use super::stdio::StdioServers;
use super::stop::StopSignal;
use super::watchdog::Watchdog;
use super::work_dir::WorkDir;
use crate::ExitError;
use crate::config_file::servers_file::UnprefixedTools;
use crate::config_file::{self, ReadOptions};
use crate::output::eprintln;
use crate::problem::{self, Problem, Severity};
use crate::render::envoy::EnvoyOptions;
use crate::running;
use crate::variables::placeholder::Placeholders;

/// How long the start of the endpoint waits for the servers that this program starts. A client that
/// lists tools earlier would not see the tools of these servers.
const START_TIME_LIMIT: Duration = Duration::from_secs(30);

/// How long the user waits for these servers without a message.
const SILENT_TIME: Duration = Duration::from_secs(1);

/// The options for starting a gateway.
pub(crate) struct RunOptions {
    /// The file with the servers.
    pub(crate) file: PathBuf,
    /// The names of tools if the file has no prefix.
    pub(crate) unprefixed: UnprefixedTools,
    /// The address and the port of the endpoint. For port 0, the system chooses one.
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    /// The paths of Envoy and the filter, if they are not the usual ones.
    pub(crate) envoy: Option<PathBuf>,
    pub(crate) wasm: Option<PathBuf>,
    /// The certificates of the authorities to trust, if not those of the system.
    pub(crate) ca_file: Option<PathBuf>,
    /// Origins of web pages that may call, in addition to those of this machine.
    pub(crate) allow_origins: Vec<String>,
    /// The port of Envoy's admin interface, if it has one.
    pub(crate) admin_port: Option<u16>,
    /// The file for the log. Without it, the log is in a directory that is removed at the end.
    pub(crate) log: Option<PathBuf>,
    /// Whether the filter logs each request, and the log is copied to stderr.
    pub(crate) verbose: bool,
}

impl RunOptions {
    /// The options for `file`, with the defaults of the command line, on a port that the system
    /// chooses.
    pub(crate) fn on_free_port(file: PathBuf) -> Self {
        Self {
            file,
            unprefixed: UnprefixedTools::ServerName,
            address: IpAddr::from([127, 0, 0, 1]),
            port: 0,
            envoy: None,
            wasm: None,
            ca_file: None,
            allow_origins: Vec::new(),
            admin_port: None,
            log: None,
            verbose: false,
        }
    }
}

/// A running gateway. Dropping it ends its processes.
pub(super) struct LocalGateway {
    // The fields are in the order in which the processes end.
    pub(super) envoy: Envoy,
    stdio: StdioServers,
    pub(super) reloader: Reloader,
    preparation: Preparation,
    /// The configuration that Envoy uses.
    pub(super) config: Config,
    pub(super) log: RunLog,
    /// The text of the file.
    pub(super) text: String,
    address: SocketAddr,
    _watchdog: Watchdog,
    _directory: TempDir,
}

/// The result of reloading a text.
pub(super) enum Reloaded {
    /// Envoy uses it. It has these warnings.
    Applied(Vec<Problem>),
    /// It has these errors.
    Invalid(Vec<Problem>),
    /// Envoy refused the configuration.
    Refused,
}

impl LocalGateway {
    /// Starts a gateway. `None` if `stop` was set first.
    ///
    /// # Errors
    /// The file is wrong, or Envoy cannot be started.
    pub(super) fn start(
        options: &RunOptions,
        stop: &StopSignal,
    ) -> Result<Option<Self>, ExitError> {
        let file = &options.file;
        let text = read(file)?;
        // Envoy's files contain secrets, such as the headers of servers.
        let directory = tempfile::Builder::new()
            .prefix("mcp-gateway-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|error| format!("cannot create a temporary directory: {error}"))?;
        let work_dir = WorkDir::new(directory.path())?;
        let log_file = options.log.clone().unwrap_or_else(|| work_dir.log());
        let log = RunLog::open(&log_file).map_err(|error| {
            format!("{}: {error}; set --log to another file", log_file.display())
        })?;
        let failed = |error: io::Error| format!("cannot start a process: {error}");
        let watchdog = Watchdog::start(directory.path()).map_err(failed)?;
        let stdio = StdioServers::start(log.clone(), watchdog.clone()).map_err(failed)?;
        let preparation = preparation(options, directory.path(), &work_dir)?;
        let prepared = preparation.prepare(&text, &stdio).map_err(|problems| {
            problem::print(file, &problems, Severity::Error);
            ExitError::InvalidFile
        })?;
        problem::print(file, &prepared.warnings, Severity::Warning);
        check_port(options.address, options.port, "--port")?;
        if let Some(port) = options.admin_port {
            check_port(IpAddr::from([127, 0, 0, 1]), port, "--admin-port")?;
        }
        let program = install::envoy(options.envoy.as_deref())?;
        if options.verbose {
            log.follow().map_err(failed)?;
        }
        let detail = if options.verbose {
            LogDetail::FilterDebug
        } else {
            LogDetail::Warnings
        };
        stdio.add(&prepared.stdio);
        wait_for(&stdio, stop);
        let failed = |error: io::Error| format!("cannot start {}: {error}", program.display());
        let reloader = Reloader::start(&work_dir, prepared.parts).map_err(failed)?;
        let mut envoy =
            Envoy::start(&program, &work_dir, &log, detail, &watchdog).map_err(failed)?;
        let Startup::Ready(address) = envoy.wait_until_ready(stop)? else {
            return Ok(None);
        };
        Reloader::check_start(&envoy)?;
        Ok(Some(Self {
            envoy,
            stdio,
            reloader,
            preparation,
            config: prepared.config,
            log,
            text,
            address,
            _watchdog: watchdog,
            _directory: directory,
        }))
    }

    /// The URL of the endpoint.
    pub(super) fn url(&self) -> String {
        let paths = self.config.endpoints.paths();
        let path = paths.map_or("/", |paths| paths.first().copied().unwrap_or_default());
        format!("http://{}{path}", self.address)
    }

    /// A line for each of `endpoints`: its name, its URL, and its servers.
    pub(super) fn endpoints(&self) -> Vec<String> {
        let (Endpoints::Named(endpoints), Some(gateway)) =
            (&self.config.endpoints, &self.config.gateway)
        else {
            return Vec::new();
        };
        let views = endpoints.iter().zip(&gateway.views);
        let lines = views.map(|(endpoint, view)| {
            let servers: Vec<&str> = view.servers.iter().map(|it| &*it.name).collect();
            let hosts = match endpoint.hosts.as_slice() {
                [] => String::new(),
                hosts => format!(", for {}", hosts.join(", ")),
            };
            let url = format!("http://{}{}", self.address, endpoint.path);
            format!(
                "  {} at {url}{hosts}: {}",
                endpoint.name,
                servers.join(", ")
            )
        });
        lines.collect()
    }

    /// `statuses` of the servers, with the place to look at if a program does not answer.
    pub(super) fn with_hints(&self, statuses: &[ServerStatus]) -> Vec<ServerStatus> {
        let servers = self.config.gateway.iter().flat_map(|it| &it.servers);
        servers
            .zip(statuses)
            .map(|(server, status)| status.clone().with_hint(self.stdio.has(&server.name)))
            .collect()
    }

    pub(super) fn work_dir(&self) -> &WorkDir {
        &self.preparation.run_parts.work_dir
    }

    /// From now on, serves the servers in `text`.
    ///
    /// # Errors
    /// Envoy's files cannot be written.
    pub(super) fn reload(&mut self, text: String) -> io::Result<Reloaded> {
        self.text = text;
        let prepared = match self.preparation.prepare(&self.text, &self.stdio) {
            Ok(prepared) => prepared,
            Err(problems) => return Ok(Reloaded::Invalid(problems)),
        };
        self.stdio.add(&prepared.stdio);
        match self.reloader.apply(prepared.parts, &self.envoy)? {
            ReloadResult::Applied => {
                self.stdio.retain(&prepared.stdio);
                self.config = prepared.config;
                Ok(Reloaded::Applied(prepared.warnings))
            }
            ReloadResult::Refused => Ok(Reloaded::Refused),
        }
    }
}

/// Waits for the servers that this program starts. If it takes long, tells the user which servers
/// are missing.
fn wait_for(stdio: &StdioServers, stop: &StopSignal) {
    stdio.wait_until_started(SILENT_TIME, stop);
    let starting = stdio.starting();
    if !starting.is_empty() && io::stderr().is_terminal() && !stop.is_set() {
        eprintln!("Waiting for {} to start …", starting.join(", "));
    }
    stdio.wait_until_started(START_TIME_LIMIT.saturating_sub(SILENT_TIME), stop);
    let late = stdio.starting().join(", ");
    if !late.is_empty() && !stop.is_set() {
        let seconds = START_TIME_LIMIT.as_secs();
        eprintln!("Not started within {seconds} s: {late}. Clients see their tools later.");
    }
}

fn preparation(
    options: &RunOptions,
    directory: &Path,
    work_dir: &WorkDir,
) -> Result<Preparation, String> {
    let wasm = install::filter(options.wasm.as_deref(), directory)?;
    let ca_file = install::ca_file(options.ca_file.as_deref())?;
    Ok(Preparation {
        own: SocketAddr::new(options.address, options.port),
        running: running::endpoint_of(&options.file),
        read_options: ReadOptions::new(&options.file, Placeholders::Resolve)
            .with_unprefixed(options.unprefixed),
        envoy_options: EnvoyOptions {
            address: options.address.to_string(),
            allow_origins: options.allow_origins.clone(),
            port: options.port,
            // The admin interface gets a socket in the work directory instead.
            admin_port: 0,
            wasm: wasm.display().to_string(),
            ca_file: ca_file.display().to_string(),
        },
        run_parts: RunParts {
            work_dir: work_dir.clone(),
            hosts: host_check::hosts(options.address, &options.allow_origins),
            admin_port: options.admin_port,
        },
    })
}

/// Checks that Envoy can listen at this address and port; port 0 is always free.
/// `option` gives another port.
fn check_port(address: IpAddr, port: u16, option: &str) -> Result<(), String> {
    match TcpListener::bind((address, port)) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(format!(
            "port {port} of {address} is in use, perhaps by another `mcp-gateway run`: stop that program, or name another port with {option}"
        )),
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Err(format!(
            "this machine does not have the address {address}: name one of its addresses with --address"
        )),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(format!(
            "only the administrator may use port {port}: name one from 1024 with {option}"
        )),
        // Envoy reports other errors.
        _ => Ok(()),
    }
}

/// The text of `file`, which must be a file: stdin cannot be reloaded.
fn read(file: &Path) -> Result<String, String> {
    if file.as_os_str() == "-" {
        return Err(
            "run reloads the file when it changes, so the file cannot be stdin: name a file"
                .to_owned(),
        );
    }
    config_file::text(file).map_err(|error| format!("{}: {error}", file.display()))
}
