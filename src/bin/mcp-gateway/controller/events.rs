//! Kubernetes events about changes.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use serde_json::Value;
use tracing::warn;

use super::name::{ObjectName, text};
use super::plan::{Notice, Plan, WAITING_FOR_PROXIES};
use super::snapshot::Snapshot;

/// The longest note of an event.
const LONGEST_NOTE: usize = 1000;

/// Publishes events about changes.
pub(super) struct Events {
    recorder: Recorder,
    /// The notices that were published and are still valid.
    told: BTreeSet<Notice>,
}

impl Events {
    pub(super) fn new(client: Client, identity: String) -> Self {
        let reporter = Reporter {
            controller: "mcp-gateway".to_owned(),
            instance: Some(identity),
        };
        Self {
            recorder: Recorder::new(client, reporter),
            told: BTreeSet::new(),
        }
    }

    /// Publishes what has changed between the statuses in `snapshot` and those of `plan`, and the
    /// notices of `plan`.
    pub(super) async fn tell(&mut self, snapshot: &Snapshot, plan: &Plan) {
        let servers = plan
            .servers
            .iter()
            .map(|(name, it)| ("MCPServer", name, &it.conditions));
        let gateways = plan
            .gateways
            .iter()
            .map(|(name, it)| ("MCPGateway", name, &it.conditions));
        for (kind, name, conditions) in servers.chain(gateways) {
            if let Some(object) = snapshot.get(kind, name) {
                for notice in changes(object, name, conditions) {
                    self.publish(&notice).await;
                }
            }
        }
        let notices: BTreeSet<Notice> = plan.notices.iter().cloned().collect();
        for notice in notices.difference(&self.told) {
            self.publish(notice).await;
        }
        self.told = notices;
    }

    async fn publish(&self, notice: &Notice) {
        let event = Event {
            type_: if notice.is_warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: notice.reason.clone(),
            note: Some(notice.message.chars().take(LONGEST_NOTE).collect()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let regarding = ObjectReference {
            api_version: Some(notice.api_version.clone()),
            kind: Some(notice.kind.clone()),
            namespace: Some(notice.namespace.clone()),
            name: Some(notice.name.clone()),
            uid: Some(notice.uid.clone()),
            ..ObjectReference::default()
        };
        // An event that cannot be published does no harm.
        if let Err(error) = self.recorder.publish(&event, &regarding).await {
            warn!(%error, "an event cannot be written");
        }
    }
}

/// The conditions of `object` that become true or false, or stay false for another reason.
fn changes(object: &Value, name: &ObjectName, conditions: &[Condition]) -> Vec<Notice> {
    let before = object.pointer("/status/conditions").cloned();
    let before: Vec<Condition> = before
        .and_then(|it| serde_json::from_value(it).ok())
        .unwrap_or_default();
    let is_new = |it: &&Condition| {
        let known = before.iter().find(|known| known.type_ == it.type_);
        let is_same =
            known.is_some_and(|known| known.status == it.status && known.reason == it.reason);
        !is_same && it.status != "Unknown"
    };
    // A fault needs only one event: the first condition that is not true.
    let mut faults = conditions
        .iter()
        .filter(is_new)
        .filter(|it| it.status == "False");
    let fault = faults.next();
    let ready = conditions
        .iter()
        .filter(is_new)
        .find(|it| it.type_ == "Ready" && it.status == "True");
    fault
        .or(ready)
        .map(|it| Notice {
            api_version: text(object, "/apiVersion").to_owned(),
            kind: text(object, "/kind").to_owned(),
            namespace: name.namespace.clone(),
            name: name.name.clone(),
            uid: text(object, "/metadata/uid").to_owned(),
            // To replace pods is normal, so this is no warning.
            is_warning: it.status == "False" && it.reason != WAITING_FOR_PROXIES,
            reason: if it.status == "True" {
                it.type_.clone()
            } else {
                it.reason.clone()
            },
            message: it.message.clone(),
        })
        .into_iter()
        .collect()
}
