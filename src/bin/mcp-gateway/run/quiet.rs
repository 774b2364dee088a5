//! A gateway for one question. It prints no messages, and does not reload its file.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mcp_gateway::config::Server;
use serde_json::Value;

use super::RunOptions;
use super::gateway::LocalGateway;
use super::probe::{self, Prober, ServerStatus};
use super::stop::StopSignal;
use crate::ExitError;

/// How often to check whether the user has stopped the program.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long to wait for the reasons why servers are down.
const REASON_TIME_LIMIT: Duration = Duration::from_secs(3);

/// A running gateway. Dropping it ends the gateway.
pub(crate) struct QuietGateway {
    url: String,
    stop: Arc<StopSignal>,
    gateway: LocalGateway,
}

/// Starts a gateway as `run` does, but prints only the errors in the file.
///
/// # Errors
/// The file has errors, Envoy cannot be started, or the user stops the program.
pub(crate) fn start_quietly(options: &RunOptions) -> Result<QuietGateway, ExitError> {
    let stop = StopSignal::on_signals(|| ())?;
    match LocalGateway::start(options, &stop)? {
        Some(gateway) => Ok(QuietGateway {
            url: gateway.url(),
            stop,
            gateway,
        }),
        None => Err(ExitError::Stopped),
    }
}

impl QuietGateway {
    /// The endpoint.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The enabled servers, in the order of the file.
    pub(crate) fn servers(&self) -> &[Server] {
        let gateway = self.gateway.config.gateway.as_ref();
        gateway.map_or(&[][..], |gateway| &gateway.servers)
    }

    /// The tools of the servers that `is_asked` selects, as each server lists them to a client
    /// without capabilities; or the reason why it does not.
    pub(crate) fn tools(
        &self,
        is_asked: impl Fn(&Server) -> bool,
    ) -> Vec<(Server, Result<Vec<Value>, String>)> {
        let servers = self.servers().iter().filter(|server| is_asked(server));
        let servers: Vec<Server> = servers.cloned().collect();
        let socket: PathBuf = self.gateway.work_dir().direct_socket().into();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let listed = match runtime {
            Ok(runtime) => runtime.block_on(async {
                let asked = servers.iter().map(|server| probe::tools(&socket, server));
                tokio::select! {
                    listed = join_all(asked) => listed,
                    () = self.stopped() => Vec::new(),
                }
            }),
            Err(_) => Vec::new(),
        };
        let not_asked = || Err("was not asked".to_owned());
        let listed = listed.into_iter().chain(std::iter::repeat_with(not_asked));
        servers.into_iter().zip(listed).collect()
    }

    /// The reasons why servers that `is_asked` selects are down: a line for each.
    pub(crate) fn reasons(&self, is_asked: impl Fn(&Server) -> bool) -> Vec<String> {
        let all = self.servers().iter();
        let servers: Vec<Server> = all.filter(|it| is_asked(it)).cloned().collect();
        if servers.is_empty() {
            return Vec::new();
        }
        let names: Vec<String> = servers.iter().map(|server| server.name.clone()).collect();
        let (sender, reports) = mpsc::channel();
        let socket = self.gateway.work_dir().direct_socket().into();
        let prober = Prober::start(socket, servers, move |statuses| {
            let _ = sender.send(statuses);
        });
        let deadline = Instant::now() + REASON_TIME_LIMIT;
        let mut statuses = vec![ServerStatus::Asked; names.len()];
        while statuses.contains(&ServerStatus::Asked) && !self.stop.is_set() {
            let rest = deadline.saturating_duration_since(Instant::now());
            match reports.recv_timeout(rest) {
                Ok(report) => statuses = report,
                Err(_) => break,
            }
        }
        prober.end();
        let lines = names.iter().zip(statuses);
        lines
            .filter_map(|(name, status)| match status {
                ServerStatus::Up { .. } => None,
                ServerStatus::Asked => Some(format!("{name} is down: no answer yet")),
                ServerStatus::Down(reason) => Some(format!("{name} is down: {reason}")),
            })
            .collect()
    }

    /// Waits until the user stops the program. Then the caller has to drop this, so that Envoy ends
    /// with the program.
    pub(crate) async fn stopped(&self) {
        while !self.stop.is_set() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
