//! The control plane's statuses of the objects that the controller has written.

use serde_json::Value;

use super::conditions::ConditionVerdict;
use super::deployment::{self, DeploymentPods};
use crate::controller::difference::is_as_wanted;
use crate::controller::name::{ObjectName, items, text};
use crate::controller::snapshot::Snapshot;

/// The conditions of an object that must not be false. `BackendsAvailable` is a condition of Envoy
/// Gateway: if no endpoint is ready, it makes no cluster, and the filter has none.
const CONDITIONS: &[&str] = &[
    "Accepted",
    "ResolvedRefs",
    "Programmed",
    "BackendsAvailable",
];

/// Kinds whose status shows whether they are in use.
const WITH_STATUS: &[&str] = &[
    "BackendTLSPolicy",
    "BackendTrafficPolicy",
    "ClientTrafficPolicy",
    "EnvoyExtensionPolicy",
    "EnvoyPatchPolicy",
    "HTTPRoute",
    "SecurityPolicy",
];

/// Messages of a control plane about a feature that is off, and how to switch the feature on.
const FIXES: &[(&str, &str, &str)] = &[
    (
        "EnvoyPatchPolicy",
        "Disabled",
        "EnvoyPatchPolicy is off, and without it no request gets an answer: set extensionApis.enableEnvoyPatchPolicy: true in the configuration of Envoy Gateway, and restart it",
    ),
    (
        "Backend",
        "",
        "set extensionApis.enableBackend: true in the configuration of Envoy Gateway, and restart it",
    ),
];

/// Whether the control plane has accepted all of `objects`.
pub(super) fn verdict(snapshot: &Snapshot, objects: &[&Value]) -> ConditionVerdict {
    let mut pending = None;
    for object in objects {
        match of(snapshot, object) {
            State::Programmed => {}
            State::Pending(message) => pending = pending.or(Some(message)),
            State::Refused(message) => return ConditionVerdict::no("NotProgrammed", message),
        }
    }
    match pending {
        Some(message) => ConditionVerdict::unknown("Pending", message),
        None => ConditionVerdict::yes("Programmed"),
    }
}

/// The state of an object.
enum State {
    Programmed,
    Pending(String),
    Refused(String),
}

fn of(snapshot: &Snapshot, object: &Value) -> State {
    let name = ObjectName::of(object);
    let kind = text(object, "/kind");
    if let Some(reason) = snapshot.refused.get(&(kind.to_owned(), name.clone())) {
        return State::Refused(format!("{kind} {name} cannot be written: {reason}"));
    }
    let Some(live) = snapshot.get(kind, &name) else {
        return State::Pending(format!("{kind} {name} is not there yet"));
    };
    if kind == "Deployment" {
        return of_deployment(live, object);
    }
    if !WITH_STATUS.contains(&kind) {
        return State::Programmed;
    }
    let generation = live.pointer("/metadata/generation").cloned();
    let parents = items(live, "/status/ancestors")
        .iter()
        .chain(items(live, "/status/parents"));
    let conditions: Vec<&Value> = parents.flat_map(|it| items(it, "/conditions")).collect();
    let is_current = |it: &&&Value| it.get("observedGeneration") == generation.as_ref();
    let mut current = conditions.iter().filter(is_current).peekable();
    if current.peek().is_none() {
        return State::Pending(format!(
            "the control plane has not said anything about {kind} {name} yet"
        ));
    }
    let refusing = current
        .find(|it| CONDITIONS.contains(&text(it, "/type")) && text(it, "/status") == "False");
    match refusing {
        None => State::Programmed,
        Some(condition) => {
            let reason = text(condition, "/reason");
            let message = match fix(kind, reason, text(condition, "/message")) {
                Some(fix) => fix.to_owned(),
                None => format!("{reason}: {}", text(condition, "/message")),
            };
            State::Refused(format!("{kind} {name}: {message}"))
        }
    }
}

/// The state of the pods of `live`, which should be as `wanted`.
fn of_deployment(live: &Value, wanted: &Value) -> State {
    let pods = DeploymentPods::of(live);
    let title = deployment::title(live);
    if let Some(failure) = deployment::failure(live) {
        return State::Refused(format!("{title}: {failure}"));
    }
    if is_as_wanted(live, wanted) && pods.are_up() {
        return State::Programmed;
    }
    State::Pending(format!("{title}: {}", pods.availability()))
}

/// How to switch on a feature that is off.
fn fix(kind: &str, reason: &str, message: &str) -> Option<&'static str> {
    let of_kind = |wanted: &str| match wanted {
        "Backend" => message.contains("Backend") && message.contains("disabled"),
        _ => wanted == kind,
    };
    let found = FIXES
        .iter()
        .find(|(wanted, is, _)| of_kind(wanted) && (is.is_empty() || *is == reason));
    found.map(|(_, _, fix)| *fix)
}

/// The reason in the status of a Gateway that works, but has no address outside of the cluster.
const NO_ADDRESS: &str = "AddressNotAssigned";

/// The control plane's status of the Gateway itself.
pub(super) fn of_gateway(gateway: &Value) -> ConditionVerdict {
    let conditions = items(gateway, "/status/conditions");
    let refusing = conditions.iter().find(|it| {
        let is_meant = ["Accepted", "Programmed"].contains(&text(it, "/type"));
        is_meant && text(it, "/status") == "False" && text(it, "/reason") != NO_ADDRESS
    });
    match refusing {
        None => ConditionVerdict::yes("Programmed"),
        Some(condition) => {
            let message = format!(
                "Gateway {}: {}: {}",
                ObjectName::of(gateway),
                text(condition, "/reason"),
                text(condition, "/message")
            );
            ConditionVerdict::no("GatewayNotProgrammed", message)
        }
    }
}
