//! The progress of the pods of a Deployment.

use serde_json::Value;

use crate::controller::name::{ObjectName, items, text};

/// The pods of a Deployment, as its status counts them.
pub(super) struct DeploymentPods {
    /// The number of pods that it should have.
    wanted: u64,
    /// The number of pods that have the current spec.
    updated: u64,
    /// The number of pods with an older spec that still run or are about to end.
    old: u64,
    /// The number of available pods.
    available: u64,
}

impl DeploymentPods {
    pub(super) fn of(deployment: &Value) -> Self {
        let count = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_u64);
        let status = |field: &str| count(&format!("/status/{field}")).unwrap_or_default();
        let wanted = count("/spec/replicas").unwrap_or(1);
        let is_seen = status("observedGeneration") >= count("/metadata/generation").unwrap_or(1);
        if !is_seen {
            // Kubernetes has not processed this spec yet, so all pods have the older spec.
            return Self {
                wanted,
                updated: 0,
                old: status("replicas"),
                available: 0,
            };
        }
        let updated = status("updatedReplicas");
        let running = status("replicas").saturating_sub(updated);
        Self {
            wanted,
            updated,
            // Since 1.35, Kubernetes counts pods that are about to end.
            old: running.saturating_add(status("terminatingReplicas")),
            available: status("availableReplicas"),
        }
    }

    /// Whether all pods that get requests have the current spec.
    pub(super) fn are_replaced(&self) -> bool {
        self.old == 0
    }

    /// Whether all pods have the current spec and are available.
    pub(super) fn are_up(&self) -> bool {
        self.old == 0 && self.updated >= self.wanted && self.available >= self.wanted
    }

    /// How many pods have the current spec, in words.
    pub(super) fn progress(&self) -> String {
        format!(
            "with it: {} of {}, without it: {}",
            self.updated, self.wanted, self.old
        )
    }

    /// The same text if the Deployment does not have the new spec yet.
    pub(super) fn no_progress(&self) -> String {
        format!("with it: 0 of {}", self.wanted)
    }

    /// How many pods are available, in words.
    pub(super) fn availability(&self) -> String {
        let old = match self.old {
            0 => String::new(),
            old => format!(", and {old} older ones are left"),
        };
        let ready = self.available.min(self.updated);
        format!("{ready} of {} pods are up{old}", self.wanted)
    }
}

/// The reason why the pods of `deployment` cannot be created, if it is known.
pub(super) fn failure(deployment: &Value) -> Option<String> {
    let conditions = items(deployment, "/status/conditions");
    let failed = conditions.iter().find(|it| {
        let is =
            |kind: &str, status: &str| text(it, "/type") == kind && text(it, "/status") == status;
        is("Progressing", "False") || is("ReplicaFailure", "True")
    })?;
    let (reason, message) = (text(failed, "/reason"), text(failed, "/message"));
    Some(format!("{reason}: {message}"))
}

/// `Deployment namespace/name`.
pub(super) fn title(deployment: &Value) -> String {
    format!("Deployment {}", ObjectName::of(deployment))
}
