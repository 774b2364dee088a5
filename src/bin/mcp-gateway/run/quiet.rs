//! A gateway for one question: it says nothing, and follows no file.

use std::sync::Arc;
use std::time::Duration;

use super::RunOptions;
use super::gateway::LocalGateway;
use super::stop::StopSignal;
use crate::ExitError;

/// How often to look whether the user has stopped the program.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A running gateway. Dropping it ends it.
pub(crate) struct QuietGateway {
    url: String,
    stop: Arc<StopSignal>,
    _gateway: LocalGateway,
}

/// Starts a gateway, as `run` does, and prints only what is wrong with the file.
///
/// # Errors
/// The file is wrong, or Envoy cannot be started, or the user stops the program.
pub(crate) fn start_quietly(options: &RunOptions) -> Result<QuietGateway, ExitError> {
    let stop = StopSignal::on_signals(|| ())?;
    match LocalGateway::start(options, &stop)? {
        Some(gateway) => Ok(QuietGateway {
            url: gateway.url(),
            stop,
            _gateway: gateway,
        }),
        None => Err(ExitError::Stopped),
    }
}

impl QuietGateway {
    /// The endpoint.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Waits until the user stops the program. Then this has to be dropped, so that Envoy
    /// ends with the program.
    pub(crate) async fn stopped(&self) {
        while !self.stop.is_set() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
