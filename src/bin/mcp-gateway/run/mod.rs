//! `run`: starts Envoy with the servers of a file, and reloads the file when it changes.

mod envoy;
mod gateway;
mod host_check;
mod http;
mod install;
mod local_file;
mod log;
mod parts;
mod prepare;
mod probe;
mod quiet;
mod reason;
mod reload;
mod stdio;
mod stop;
mod supervisor;
mod table;
mod watch;
pub(crate) mod watchdog;
mod work_dir;

use std::sync::mpsc;

use self::gateway::LocalGateway;
pub(crate) use self::gateway::RunOptions;
use self::probe::ServerStatus;
pub(crate) use self::quiet::{QuietGateway, start_quietly};
use self::stop::StopSignal;
use self::supervisor::Supervisor;
use crate::ExitError;
use crate::output::{eprintln, println};
use crate::running;

/// An event while Envoy runs.
enum RunEvent {
    /// A file in the directory of the file has changed.
    FileChanged,
    /// The servers of a configuration have new statuses.
    Probed {
        /// The number of the configuration, counted from 0.
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
/// The file has errors, Envoy cannot be started, or Envoy ends.
pub(crate) fn run(options: &RunOptions) -> Result<(), ExitError> {
    let file = &options.file;
    let (sender, events) = mpsc::channel();
    let stopped = sender.clone();
    let stop = StopSignal::on_signals(move || {
        let _ = stopped.send(RunEvent::Stop);
    })?;
    let Some(gateway) = LocalGateway::start(options, &stop)? else {
        return Ok(());
    };
    let _watcher = watch::watch(file, sender.clone())?;
    println!("{} is served at {}", file.display(), gateway.url());
    for endpoint in gateway.endpoints() {
        println!("{endpoint}");
    }
    let _registration = running::register(&gateway.url(), file)
        .inspect_err(|error| eprintln!("Other commands do not find this gateway: {error}"));
    if !options.address.is_loopback() {
        let address = options.address;
        println!(
            "Other machines can reach the gateway at {address}, and it requires no authentication."
        );
    }
    let admin = match options.admin_port {
        Some(port) => format!("http://127.0.0.1:{port}"),
        None => format!(
            "curl --unix-socket {} http://localhost/stats",
            gateway.work_dir().admin_socket()
        ),
    };
    println!("Envoy's admin interface: {admin}");
    println!(
        "The log is {}. Press Ctrl-C to stop.",
        gateway.log.path().display()
    );
    Supervisor::new(file, gateway, events, sender).run()
}
