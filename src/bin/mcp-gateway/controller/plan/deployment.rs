//! How far the pods of a Deployment are.

use serde_json::Value;

use crate::controller::name::{ObjectName, items, text};

/// The pods of a Deployment, as its status counts them.
pub(super) struct DeploymentPods {
    /// How many it is to have.
    wanted: u64,
    /// How many are made as its spec says now.
    updated: u64,
    /// How many are made as it said before, and still run or are about to end.
    old: u64,
    /// How many can be used.
    available: u64,
}

impl DeploymentPods {
    pub(super) fn of(deployment: &Value) -> Self {
        let count = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_u64);
        let status = |field: &str| count(&format!("/status/{field}")).unwrap_or_default();
        let wanted = count("/spec/replicas").unwrap_or(1);
        let is_seen = status("observedGeneration") >= count("/metadata/generation").unwrap_or(1);
        if !is_seen {
            // Nobody has looked at this spec yet, so the pods are as it said before.
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
            // Kubernetes counts those that are about to end since 1.35.
            old: running.saturating_add(status("terminatingReplicas")),
            available: status("availableReplicas"),
        }
    }

    /// Whether each pod that takes requests is as the spec says.
    pub(super) fn are_replaced(&self) -> bool {
        self.old == 0
    }

    /// Whether all pods are as the spec says, and can be used.
    pub(super) fn are_up(&self) -> bool {
        self.old == 0 && self.updated >= self.wanted && self.available >= self.wanted
    }

    /// How many of them are as the spec says, in words.
    pub(super) fn progress(&self) -> String {
        format!(
            "with it: {} of {}, without it: {}",
            self.updated, self.wanted, self.old
        )
    }

    /// The same where the spec does not say it yet.
    pub(super) fn no_progress(&self) -> String {
        format!("with it: 0 of {}", self.wanted)
    }

    /// How many can be used, in words.
    pub(super) fn availability(&self) -> String {
        let old = match self.old {
            0 => String::new(),
            old => format!(", and {old} older ones are left"),
        };
        let ready = self.available.min(self.updated);
        format!("{ready} of {} pods are up{old}", self.wanted)
    }
}

/// Why the pods of `deployment` cannot be made, if that is known.
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
