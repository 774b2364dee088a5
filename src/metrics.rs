//! The metrics. Their names are fixed when the filter reads the configuration: no name comes from
//! traffic.

use crate::policy::Status;

/// A metric: its index in [`Metrics::names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric(pub usize);

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It only increases.
    Counter,
    /// It increases and decreases.
    Gauge,
    /// Envoy keeps the distribution of its values.
    Histogram,
}

/// All metrics of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    names: Vec<(MetricKind, String)>,
    requests: Vec<(String, Metric)>,
    rejected: Vec<(Status, Metric)>,
    servers: Vec<ServerMetrics>,
    /// Preflights that the filter answered.
    pub preflight: Metric,
    /// Entries that were left out of a list because an earlier entry has the same name.
    pub collisions: Metric,
    /// Entries that were left out of a list because they have no readable name.
    pub malformed: Metric,
    /// Names of tools in lists that some clients and models refuse.
    pub unfit_names: Metric,
    /// Pages of lists that were in the cache.
    pub cache_hits: Metric,
    /// Pages of lists that were not in the cache, although caching is on.
    pub cache_misses: Metric,
    /// How long a fan-out to all servers takes, in milliseconds.
    pub fanout: Metric,
    /// Sessions that the gateway gave to legacy clients.
    pub sessions_created: Metric,
    /// Session ids that were refused.
    pub sessions_rejected: Metric,
    /// Messages that `authorization` or `pins` denied.
    pub denied: Metric,
    /// Tools whose definitions are not the pinned ones.
    pub pins_changed: Metric,
    /// Bytes that the workers hold, see [`memory`](crate::memory).
    pub held_bytes: Metric,
}

/// The metrics of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerMetrics {
    /// Requests that went to it through Envoy's router.
    pub calls: Metric,
    /// Requests for its lists: one for each list, however many pages the list has.
    pub lists: Metric,
    /// Calls and lists that failed.
    pub failures: Metric,
    /// Calls and lists that failed because the server did not respond in time.
    pub timeouts: Metric,
    /// JSON-RPC errors with an HTTP status of success (2xx).
    pub errors: Metric,
    /// Results of tools with `isError: true`.
    pub tool_errors: Metric,
    /// How long its responses to calls took, in milliseconds.
    pub call_ms: Metric,
    /// Lists and new sessions without this server, since it failed a moment ago.
    pub left_out: Metric,
}

impl Metrics {
    /// The metrics for messages of these groups and these servers.
    pub fn new<'a>(
        groups: impl Iterator<Item = &'a str>,
        servers: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut names = Vec::new();
        let mut define = |kind, name: String| {
            names.push((kind, name));
            Metric(names.len().saturating_sub(1))
        };
        let mut requests: Vec<(String, Metric)> = Vec::new();
        for group in groups {
            if !requests.iter().any(|(have, _)| have == group) {
                requests.push((
                    group.to_owned(),
                    define(MetricKind::Counter, format!("mcp.requests.{group}")),
                ));
            }
        }
        let mut rejected = Vec::new();
        for status in Status::REFUSED {
            let name = status.as_str();
            let name = format!("mcp.rejected.{}", name.strip_prefix("mcp_").unwrap_or(name));
            rejected.push((*status, define(MetricKind::Counter, name)));
        }
        let mut of_servers = Vec::new();
        for server in servers {
            let mut define = |kind, what| define(kind, format!("mcp.server.{server}.{what}"));
            of_servers.push(ServerMetrics {
                calls: define(MetricKind::Counter, "calls"),
                lists: define(MetricKind::Counter, "lists"),
                failures: define(MetricKind::Counter, "failures"),
                timeouts: define(MetricKind::Counter, "timeouts"),
                errors: define(MetricKind::Counter, "errors"),
                tool_errors: define(MetricKind::Counter, "tool_errors"),
                call_ms: define(MetricKind::Histogram, "call_ms"),
                left_out: define(MetricKind::Counter, "left_out"),
            });
        }
        let preflight = define(MetricKind::Counter, "mcp.preflight".to_owned());
        let collisions = define(MetricKind::Counter, "mcp.list.collisions".to_owned());
        let malformed = define(MetricKind::Counter, "mcp.list.malformed".to_owned());
        let unfit_names = define(MetricKind::Counter, "mcp.names.unfit".to_owned());
        let cache_hits = define(MetricKind::Counter, "mcp.list.cache_hits".to_owned());
        let cache_misses = define(MetricKind::Counter, "mcp.list.cache_misses".to_owned());
        let fanout = define(MetricKind::Histogram, "mcp.fanout.duration_ms".to_owned());
        let sessions_created = define(MetricKind::Counter, "mcp.sessions.created".to_owned());
        let denied = define(MetricKind::Counter, "mcp.denied".to_owned());
        let sessions_rejected = define(MetricKind::Counter, "mcp.sessions.rejected".to_owned());
        let pins_changed = define(MetricKind::Counter, "mcp.pins.changed".to_owned());
        let held_bytes = define(MetricKind::Gauge, "mcp.memory.held_bytes".to_owned());
        Self {
            names,
            requests,
            rejected,
            servers: of_servers,
            preflight,
            collisions,
            malformed,
            unfit_names,
            cache_hits,
            cache_misses,
            fanout,
            sessions_created,
            sessions_rejected,
            denied,
            pins_changed,
            held_bytes,
        }
    }

    /// All metrics, in the order in which the host defines them.
    pub fn names(&self) -> &[(MetricKind, String)] {
        &self.names
    }

    /// The counter of understood messages of `group`.
    pub fn requests(&self, group: &str) -> Option<Metric> {
        self.requests
            .iter()
            .find(|(name, _)| name == group)
            .map(|(_, metric)| *metric)
    }

    /// The counter of requests that were refused with `status`.
    pub fn rejected(&self, status: Status) -> Option<Metric> {
        self.rejected
            .iter()
            .find(|(have, _)| *have == status)
            .map(|(_, metric)| *metric)
    }

    /// The metrics of the server with this index in the configuration, see
    /// [`Config::server_metrics`](crate::config::Config::server_metrics).
    pub fn server(&self, at: usize) -> Option<ServerMetrics> {
        self.servers.get(at).copied()
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
            "mcp.server.a.lists",
            "mcp.server.a.failures",
            "mcp.server.a.timeouts",
            "mcp.server.a.errors",
            "mcp.server.a.tool_errors",
            "mcp.server.a.call_ms",
            "mcp.server.a.left_out",
            "mcp.preflight",
            "mcp.list.collisions",
            "mcp.names.unfit",
            "mcp.list.cache_hits",
            "mcp.list.cache_misses",
            "mcp.fanout.duration_ms",
            "mcp.sessions.created",
            "mcp.sessions.rejected",
            "mcp.denied",
            "mcp.rejected.denied",
            "mcp.rejected.memory",
            "mcp.memory.held_bytes",
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
