//! Envoys with the shipped configurations that many tests share. They end with
//! the process of the tests.

use std::ops::Deref;
use std::sync::OnceLock;
use std::thread;

use super::bootstrap::Bootstrap;
use super::envoy::Envoy;
use super::server::Server;

/// `envoy/envoy.yaml` and its server.
pub(crate) struct Policy {
    pub(crate) weather: Server,
    pub(crate) envoy: Envoy,
}

/// `envoy/gateway.yaml` and its servers.
pub(crate) struct Gateway {
    pub(crate) weather: Server,
    pub(crate) calendar: Server,
    pub(crate) envoy: Envoy,
}

// If Envoy cannot start, a `OnceLock` tries again in each test, so each test reports the reason.
// With a `LazyLock`, only the first test would report it.

/// One test's use of a shared Envoy. At its end it checks Envoy's log.
pub(crate) struct Use<T: AsRef<Envoy> + 'static>(&'static T);

pub(crate) fn policy() -> Use<Policy> {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    Use(POLICY.get_or_init(|| {
        let weather = Server::start("weather");
        let bootstrap = Bootstrap::policy(weather.address);
        Policy {
            weather,
            envoy: Envoy::start("policy", &bootstrap),
        }
    }))
}

pub(crate) fn gateway() -> Use<Gateway> {
    static GATEWAY: OnceLock<Gateway> = OnceLock::new();
    Use(GATEWAY.get_or_init(|| {
        let weather = Server::start("weather");
        let calendar = Server::start("calendar");
        let bootstrap = Bootstrap::gateway(weather.address, calendar.address);
        Gateway {
            weather,
            calendar,
            envoy: Envoy::start("gateway", &bootstrap),
        }
    }))
}

impl AsRef<Envoy> for Policy {
    fn as_ref(&self) -> &Envoy {
        &self.envoy
    }
}

impl AsRef<Envoy> for Gateway {
    fn as_ref(&self) -> &Envoy {
        &self.envoy
    }
}

impl<T: AsRef<Envoy>> Deref for Use<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0
    }
}

impl<T: AsRef<Envoy>> Drop for Use<T> {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.0.as_ref().check();
        }
    }
}
