//! Supervises a running Envoy: reloads the file when it changes, and shows the user which servers
//! are up.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::RunEvent;
use super::gateway::{LocalGateway, Reloaded};
use super::probe::{Prober, ServerStatus};
use super::table;
use crate::ExitError;
use crate::config_file;
use crate::output::{eprintln, println};
use crate::problem::{self, Severity};

/// How long to wait after the first change of the file: editors save in several steps.
const SETTLE_TIME: Duration = Duration::from_millis(40);
/// How long the file may be away, as while an editor saves it, before the user is told.
const AWAY_TIME: Duration = Duration::from_secs(1);
/// How often to check Envoy and the timers.
const TICK: Duration = Duration::from_millis(200);

/// The supervisor of a running gateway.
pub(super) struct Supervisor<'a> {
    file: &'a Path,
    gateway: LocalGateway,
    events: Receiver<RunEvent>,
    /// The sender for `events`.
    sender: Sender<RunEvent>,
    /// The number of earlier configurations.
    generation: usize,
    /// Asks the servers of the configuration.
    prober: Option<Prober>,
    /// The table that the user saw last.
    shown: String,
    reload_at: Option<Instant>,
    /// Since when the file cannot be read.
    away_since: Option<Instant>,
    /// Whether the user has been told that the file cannot be read.
    is_told: bool,
}

impl<'a> Supervisor<'a> {
    /// Supervises `gateway`, which serves `file`. `sender` is the sender for `events`.
    pub(super) fn new(
        file: &'a Path,
        gateway: LocalGateway,
        events: Receiver<RunEvent>,
        sender: Sender<RunEvent>,
    ) -> Self {
        Self {
            file,
            gateway,
            events,
            sender,
            generation: 0,
            prober: None,
            shown: String::new(),
            reload_at: None,
            away_since: None,
            is_told: false,
        }
    }

    /// Runs until the user stops the program.
    ///
    /// # Errors
    /// Envoy ended, or its files cannot be written.
    pub(super) fn run(mut self) -> Result<(), ExitError> {
        self.probe_servers();
        loop {
            match self.events.recv_timeout(self.time_to_wait()) {
                Ok(RunEvent::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    println!("Stopping.");
                    if let Some(prober) = self.prober.take() {
                        prober.end();
                    }
                    return Ok(());
                }
                Ok(RunEvent::FileChanged) => {
                    let at = Instant::now() + SETTLE_TIME;
                    self.reload_at = Some(self.reload_at.map_or(at, |it| it.min(at)));
                }
                Ok(RunEvent::Probed {
                    generation,
                    statuses,
                }) => self.show_statuses(generation, &statuses),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.gateway.envoy.check()?;
            self.gateway.log.keep_short();
            self.gateway
                .reloader
                .remove_old_clusters()
                .map_err(|error| cannot_write(&error))?;
            if is_due(&mut self.reload_at) {
                self.reload()?;
            }
        }
    }

    fn time_to_wait(&self) -> Duration {
        let until_reload = self
            .reload_at
            .map(|at| at.saturating_duration_since(Instant::now()));
        until_reload.map_or(TICK, |duration| duration.min(TICK))
    }

    /// Reads the file again, and gives Envoy the new configuration. A file with errors changes
    /// nothing.
    fn reload(&mut self) -> Result<(), ExitError> {
        let text = match config_file::text(self.file) {
            Ok(text) => text,
            Err(error) => {
                self.tell_of_unreadable_file(&error);
                return Ok(());
            }
        };
        (self.away_since, self.is_told) = (None, false);
        if text == self.gateway.text {
            return Ok(());
        }
        let started = Instant::now();
        let reloaded = self.gateway.reload(text);
        match reloaded.map_err(|error| cannot_write(&error))? {
            Reloaded::Applied(warnings) => {
                problem::print(self.file, &warnings, Severity::Warning);
                println!("Reloaded in {} ms.", started.elapsed().as_millis());
                self.generation += 1;
                self.shown = String::new();
                self.probe_servers();
            }
            Reloaded::Invalid(problems) => {
                problem::print(self.file, &problems, Severity::Error);
                eprintln!("The gateway keeps the last valid configuration.");
            }
            Reloaded::Refused => eprintln!(
                "Envoy refused the new configuration. The gateway keeps the last valid one. The end of Envoy's log:\n{}",
                self.gateway.envoy.end_of_log()
            ),
        }
        if self.gateway.reloader.needs_restart() {
            eprintln!(
                "Restart mcp-gateway: maxRequestBodySize has changed, and Envoy reads its own limit only when it starts."
            );
        }
        Ok(())
    }

    /// An editor may have moved the file away, and then its next step causes another event. So the
    /// user is told once, and only if the file stays away.
    fn tell_of_unreadable_file(&mut self, error: &io::Error) {
        let until = *self.away_since.get_or_insert_with(Instant::now) + AWAY_TIME;
        if self.is_told {
            return;
        }
        if Instant::now() < until {
            self.reload_at = Some(until);
            return;
        }
        self.is_told = true;
        eprintln!(
            "{}: {error}\nThe gateway keeps the last valid configuration.",
            self.file.display()
        );
    }

    /// From now on, asks the servers of the current configuration. Their answers arrive as
    /// [`RunEvent::Probed`].
    fn probe_servers(&mut self) {
        let gateway = self.gateway.config.gateway.as_ref();
        let servers = gateway.map_or_else(Vec::new, |gateway| gateway.servers.clone());
        let socket = self.gateway.work_dir().direct_socket().into();
        let (generation, sender) = (self.generation, self.sender.clone());
        self.prober = Some(Prober::start(socket, servers, move |statuses| {
            let _ = sender.send(RunEvent::Probed {
                generation,
                statuses,
            });
        }));
    }

    /// Shows `statuses` if they belong to the current configuration and have changed.
    fn show_statuses(&mut self, generation: usize, statuses: &[ServerStatus]) {
        if generation != self.generation {
            return;
        }
        let statuses = self.gateway.with_hints(statuses);
        let table = table::table(&self.gateway.config, &statuses);
        if table != self.shown {
            println!("{table}");
            self.shown = table;
        }
    }
}

/// Whether the time `at` has passed. Then `at` becomes `None`.
fn is_due(at: &mut Option<Instant>) -> bool {
    at.take_if(|at| Instant::now() >= *at).is_some()
}

fn cannot_write(error: &io::Error) -> ExitError {
    format!("cannot write Envoy's configuration: {error}").into()
}
