//! The metrics of the controller, for Prometheus.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::plan::Plan;

/// The upper bounds of the histogram of durations, in seconds.
const DURATIONS: [f64; 8] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0];

/// All metrics.
pub(super) struct ControllerMetrics {
    registry: Registry,
    reconciles: Counter,
    errors: Counter,
    duration: Histogram,
    writes: Family<WriteLabels, Counter>,
    watch_errors: Family<KindLabels, Counter>,
    objects: Family<ObjectLabels, Gauge>,
    leader: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    kind: String,
    verb: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabels {
    kind: &'static str,
    condition: String,
    status: String,
}

impl ControllerMetrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("mcp_gateway_controller");
        let metrics = Self {
            reconciles: Counter::default(),
            errors: Counter::default(),
            duration: Histogram::new(DURATIONS),
            writes: Family::default(),
            watch_errors: Family::default(),
            objects: Family::default(),
            leader: Gauge::default(),
            registry: Registry::default(),
        };
        let reconciles = metrics.reconciles.clone();
        registry.register(
            "reconciles",
            "Comparisons of the cluster with what is wanted",
            reconciles,
        );
        let errors = metrics.errors.clone();
        registry.register(
            "errors",
            "Comparisons after which something is still to be done",
            errors,
        );
        let duration = metrics.duration.clone();
        registry.register(
            "reconcile_duration_seconds",
            "How long a comparison and its writes take",
            duration,
        );
        let writes = metrics.writes.clone();
        registry.register("writes", "Objects and statuses that were written", writes);
        let watch_errors = metrics.watch_errors.clone();
        registry.register("watch_errors", "Watches that failed", watch_errors);
        let objects = metrics.objects.clone();
        registry.register("objects", "Objects by the status of a condition", objects);
        let leader = metrics.leader.clone();
        registry.register("leader", "Whether this replica writes", leader);
        Self {
            registry,
            ..metrics
        }
    }

    /// The text that Prometheus reads.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    pub(super) fn reconciled(&self, duration: Duration, is_done: bool) {
        self.reconciles.inc();
        if !is_done {
            self.errors.inc();
        }
        self.duration.observe(duration.as_secs_f64());
    }

    pub(super) fn wrote(&self, kind: &str, verb: &'static str) {
        let kind = kind.to_owned();
        self.writes.get_or_create(&WriteLabels { kind, verb }).inc();
    }

    pub(super) fn watch_failed(&self, kind: &'static str) {
        self.watch_errors.get_or_create(&KindLabels { kind }).inc();
    }

    pub(super) fn set_leader(&self, is_leader: bool) {
        self.leader.set(i64::from(is_leader));
    }

    /// Counts the objects of `plan` by their conditions.
    pub(super) fn count(&self, plan: &Plan) {
        self.objects.clear();
        for status in plan.servers.values() {
            self.count_conditions("MCPServer", &status.conditions);
        }
        for status in plan.gateways.values() {
            self.count_conditions("MCPGateway", &status.conditions);
        }
    }

    fn count_conditions(&self, kind: &'static str, conditions: &[Condition]) {
        for condition in conditions {
            let labels = ObjectLabels {
                kind,
                condition: condition.type_.clone(),
                status: condition.status.clone(),
            };
            self.objects.get_or_create(&labels).inc();
        }
    }
}
