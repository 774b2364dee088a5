//! `run`: Envoy with a file's servers, and with what the file says whenever it
//! is saved.

mod envoy;
pub(crate) mod files;
mod http;
pub(crate) mod install;
mod probe;
mod reload;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anstream::{eprintln, println};
use mcp_gateway::config::Config;
use notify::{RecursiveMode, Watcher as _};
use tempfile::TempDir;

use self::envoy::Envoy;
use self::files::{Folder, Parts};
use self::probe::ServerStatus;
use self::reload::Reload;
use crate::place::places;
use crate::problem::{Problem, Severity};
use crate::render::envoy::{Options, render};
use crate::source::{self, Source};
use crate::tree;

/// Editors save in several steps.
const SETTLED: Duration = Duration::from_millis(40);
/// How often Envoy and what is to be done later are looked after.
const TICK: Duration = Duration::from_millis(200);
/// How often servers that were down are asked again.
const AGAIN: Duration = Duration::from_secs(5);

/// What `run` was asked.
pub(crate) struct Run {
    pub(crate) file: PathBuf,
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) envoy: Option<PathBuf>,
    pub(crate) wasm: Option<PathBuf>,
}

/// What the loop waits for.
enum Event {
    /// Something in the file's folder is another.
    Changed,
    /// The states of the servers, for the configuration of this number.
    Probed(usize, Vec<ServerStatus>),
    Stop,
}

/// Why `run` ends with an error.
pub(crate) enum Failure {
    /// The file, which was shown already.
    Shown,
    Other(String),
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Other(text)
    }
}

/// A configuration, ready for Envoy.
struct Made {
    config: Config,
    parts: Parts,
    warnings: Vec<Problem>,
}

/// Runs until it is told to end.
///
/// # Errors
/// What keeps it from starting, or Envoy from going on.
pub(crate) fn run(asked: &Run) -> Result<(), Failure> {
    if asked.file.as_os_str() == "-" {
        return Err("run follows a file: stdin is none".to_owned().into());
    }
    let work = TempDir::with_prefix("mcp-gateway-").map_err(|error| error.to_string())?;
    let folder = Folder(work.path().to_owned());
    let options = Options {
        address: asked.address.clone(),
        port: asked.port,
        admin_port: 0,
        wasm: files::shown(&install::filter(asked.wasm.as_deref(), work.path())?),
        ca_file: install::authorities().to_owned(),
    };
    let mut text = source::text(&asked.file)
        .map_err(|error| format!("{}: {error}", files::shown(&asked.file)))?;
    let made = make(&text, &folder, &options).map_err(|problems| {
        show(&asked.file, &problems, Severity::Error);
        Failure::Shown
    })?;
    show(&asked.file, &made.warnings, Severity::Warning);
    let program = install::envoy(asked.envoy.as_deref())?;

    let (sender, events) = mpsc::channel();
    let stopping = sender.clone();
    ctrlc::set_handler(move || {
        let _ = stopping.send(Event::Stop);
    })
    .map_err(|error| error.to_string())?;
    let _watcher = watch(&asked.file, sender.clone())?;

    let io = |error: std::io::Error| format!("cannot start Envoy: {error}");
    folder.write_bootstrap(&made.parts.bootstrap).map_err(io)?;
    let mut reload = Reload::start(&folder, made.parts).map_err(io)?;
    let mut envoy = Envoy::start(&program, &folder).map_err(io)?;
    let mut stopped = false;
    let ready = {
        let stop = || match events.try_recv() {
            Ok(Event::Stop) => true,
            Ok(Event::Changed) => {
                let _ = sender.send(Event::Changed);
                false
            }
            _ => false,
        };
        envoy.ready(&stop)
    };
    let address = match ready {
        Ok(address) => address,
        Err(why) if why == "stopped" => return Ok(()),
        Err(why) => return Err(why.into()),
    };
    let endpoint = endpoint(&made.config);
    println!(
        "{} is served at http://{address}{endpoint}",
        files::shown(&asked.file)
    );
    println!(
        "Envoy's log is in {}. Ctrl-C ends it all.",
        files::shown(&folder.log())
    );

    let mut config = made.config;
    let (mut number, mut states) = (0, Vec::new());
    let mut again = None;
    ask(number, &config, &folder, &sender);
    while !stopped {
        if let Some(status) = envoy.ended() {
            return Err(format!("Envoy ended ({status}):\n{}", envoy.end_of_log()).into());
        }
        reload.tidy().map_err(|error| error.to_string())?;
        if again.is_some_and(|at| Instant::now() >= at) {
            again = None;
            ask(number, &config, &folder, &sender);
        }
        match events.recv_timeout(TICK) {
            Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => stopped = true,
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Event::Probed(of, new)) if of == number => {
                if new != states {
                    println!("{}", table::table(&config, &new));
                }
                let down = new
                    .iter()
                    .any(|state| matches!(state, ServerStatus::Down(_)));
                again = down.then(|| Instant::now() + AGAIN);
                states = new;
            }
            Ok(Event::Probed(..)) => {}
            Ok(Event::Changed) => {
                thread::sleep(SETTLED);
                // One reload for all that came together; what else came is kept.
                let (changes, others): (Vec<_>, Vec<_>) = events
                    .try_iter()
                    .partition(|event| matches!(event, Event::Changed));
                drop(changes);
                for event in others {
                    let _ = sender.send(event);
                }
                let Ok(new) = fs::read_to_string(&asked.file) else {
                    continue;
                };
                if new == text {
                    continue;
                }
                text = new;
                let started = Instant::now();
                match make(&text, &folder, &options) {
                    Err(problems) => {
                        show(&asked.file, &problems, Severity::Error);
                        eprintln!("nothing has changed: the last good configuration goes on");
                    }
                    Ok(made) => {
                        show(&asked.file, &made.warnings, Severity::Warning);
                        match reload
                            .apply(made.parts, &envoy)
                            .map_err(|error| error.to_string())?
                        {
                            reload::Outcome::Applied => {
                                println!("reloaded in {} ms", started.elapsed().as_millis());
                                config = made.config;
                                number += 1;
                                states = Vec::new();
                                ask(number, &config, &folder, &sender);
                            }
                            reload::Outcome::Refused => {
                                eprintln!(
                                    "Envoy refuses it, the last good configuration goes on:\n{}",
                                    envoy.end_of_log()
                                );
                            }
                        }
                        if reload.needs_restart() {
                            eprintln!(
                                "maxRequestBodySize has grown: Envoy's own limit follows with the next start"
                            );
                        }
                    }
                }
            }
        }
    }
    println!("ending");
    Ok(())
}

fn make(text: &str, folder: &Folder, options: &Options) -> Result<Made, Vec<Problem>> {
    let source: Source = source::read(text)?;
    let places = places(&source)?;
    let bug = |why: String| vec![Problem::new(0, "", why)];
    let text = render(&source, &places, options).map_err(bug)?;
    let whole = tree::documents(&text).map_err(|error| bug(error.reason))?;
    let whole = whole.first().map(tree::Node::value).unwrap_or_default();
    let parts = folder
        .parts(whole)
        .ok_or_else(|| bug("the template has another shape".to_owned()))?;
    Ok(Made {
        config: source.config,
        parts,
        warnings: source.warnings,
    })
}

/// Shows what is wrong, or odd, in `file`.
pub(crate) fn show(file: &Path, problems: &[Problem], severity: Severity) {
    for problem in problems {
        eprintln!("{}", problem.show(&files::shown(file), severity));
    }
}

fn endpoint(config: &Config) -> String {
    match &config.endpoints {
        mcp_gateway::config::Endpoints::Listed(paths) => paths.first().cloned().unwrap_or_default(),
        mcp_gateway::config::Endpoints::All => "/".to_owned(),
    }
}

/// Tells of everything in the file's folder: editors save by moving another file
/// there, Kubernetes by a link two steps away. The text says whether it matters.
fn watch(file: &Path, sender: Sender<Event>) -> Result<notify::RecommendedWatcher, String> {
    let failed = |error: notify::Error| format!("cannot watch {}: {error}", files::shown(file));
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = sender.send(Event::Changed);
        }
    })
    .map_err(failed)?;
    let file = file.canonicalize().map_err(|error| error.to_string())?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    watcher
        .watch(folder, RecursiveMode::NonRecursive)
        .map_err(failed)?;
    Ok(watcher)
}

/// Asks the servers how they are, all at once and beside everything else.
fn ask(number: usize, config: &Config, folder: &Folder, sender: &Sender<Event>) {
    let servers = config
        .gateway
        .as_ref()
        .map(|gateway| gateway.servers.clone())
        .unwrap_or_default();
    let (socket, sender) = (folder.direct(), sender.clone());
    thread::spawn(move || {
        let asked: Vec<_> = servers
            .into_iter()
            .map(|server| {
                let socket = socket.clone();
                thread::spawn(move || probe::probe(&socket, &server))
            })
            .collect();
        let lost = |_| ServerStatus::Down("was not asked".to_owned());
        let states = asked
            .into_iter()
            .map(|asked| asked.join().unwrap_or_else(lost))
            .collect();
        let _ = sender.send(Event::Probed(number, states));
    });
}
