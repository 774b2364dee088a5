//! What is counted, under names that are fixed when the configuration is read:
//! no name comes from traffic.

use crate::policy::Status;

/// A metric, by its place in [`Metrics::names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric(pub usize);

/// How a metric adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// Envoy keeps its distribution.
    Histogram,
}

/// All metrics of a plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    names: Vec<(Kind, String)>,
    requests: Vec<(String, Metric)>,
    rejected: Vec<(Status, Metric)>,
    servers: Vec<ServerMetrics>,
    single: Option<Single>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Single {
    preflight: Metric,
    collisions: Metric,
    fanout: Metric,
}

/// The metrics of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerMetrics {
    /// Calls of the gateway's to it.
    pub calls: Metric,
    /// Questions that it failed.
    pub failures: Metric,
    /// Those of them for lack of time.
    pub timeouts: Metric,
}

impl Metrics {
    /// The metrics for messages of these groups and these servers.
    pub fn new<'a>(
        groups: impl Iterator<Item = &'a str>,
        servers: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut metrics = Self::default();
        for group in groups {
            if metrics.requests(group).is_none() {
                let metric = metrics.counter(format!("mcp.requests.{group}"));
                metrics.requests.push((group.to_owned(), metric));
            }
        }
        for status in Status::REFUSED {
            let name = status.as_str();
            let metric = metrics.counter(format!(
                "mcp.rejected.{}",
                name.strip_prefix("mcp_").unwrap_or(name)
            ));
            metrics.rejected.push((*status, metric));
        }
        for server in servers {
            let [calls, failures, timeouts] = ["calls", "failures", "timeouts"]
                .map(|what| metrics.counter(format!("mcp.server.{server}.{what}")));
            metrics.servers.push(ServerMetrics {
                calls,
                failures,
                timeouts,
            });
        }
        metrics.single = Some(Single {
            preflight: metrics.counter("mcp.preflight".to_owned()),
            collisions: metrics.counter("mcp.list.collisions".to_owned()),
            fanout: metrics.define(Kind::Histogram, "mcp.fanout.duration_ms".to_owned()),
        });
        metrics
    }

    fn counter(&mut self, name: String) -> Metric {
        self.define(Kind::Counter, name)
    }

    fn define(&mut self, kind: Kind, name: String) -> Metric {
        self.names.push((kind, name));
        Metric(self.names.len().saturating_sub(1))
    }

    /// All of them, for the host to define in this order.
    pub fn names(&self) -> &[(Kind, String)] {
        &self.names
    }

    /// Messages of a group that were understood.
    pub fn requests(&self, group: &str) -> Option<Metric> {
        self.requests
            .iter()
            .find(|(name, _)| name == group)
            .map(|(_, metric)| *metric)
    }

    /// Requests that were refused.
    pub fn rejected(&self, status: Status) -> Option<Metric> {
        self.rejected
            .iter()
            .find(|(have, _)| *have == status)
            .map(|(_, metric)| *metric)
    }

    /// The metrics of the server at this place of the configuration.
    pub fn server(&self, at: usize) -> Option<ServerMetrics> {
        self.servers.get(at).copied()
    }

    /// Preflights that were answered.
    pub fn preflight(&self) -> Option<Metric> {
        self.single.map(|single| single.preflight)
    }

    /// Entries that were left out of lists, their names being taken.
    pub fn collisions(&self) -> Option<Metric> {
        self.single.map(|single| single.collisions)
    }

    /// How long questions to all servers take, in milliseconds.
    pub fn fanout(&self) -> Option<Metric> {
        self.single.map(|single| single.fanout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn names_are_fixed_and_each_stands_once() {
        let metrics = Metrics::new(["tool", "mine", "tool"].into_iter(), ["a"].into_iter());
        let mut names: Vec<&str> = metrics
            .names()
            .iter()
            .map(|(_, name)| name.as_str())
            .collect();
        for name in [
            "mcp.requests.tool",
            "mcp.requests.mine",
            "mcp.rejected.parse_error",
            "mcp.rejected.origin",
            "mcp.server.a.calls",
            "mcp.server.a.failures",
            "mcp.server.a.timeouts",
            "mcp.preflight",
            "mcp.list.collisions",
            "mcp.fanout.duration_ms",
        ] {
            assert!(names.contains(&name), "{name}");
        }
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        let Metric(at) = metrics.requests("mine").unwrap();
        assert_eq!(metrics.names()[at].1, "mcp.requests.mine");
        assert_eq!(metrics.requests("other"), None);
    }
}
