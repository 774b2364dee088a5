//! The environment variables of a proxy with secret values, in one Secret in the namespace of its
//! pods.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::PlanSettings;
use crate::controller::name::ObjectName;
use crate::kubernetes::model::{Platform, ProxyVariable};
use crate::kubernetes::names;

/// The number of characters of a digest.
const DIGEST_LENGTH: usize = 16;

/// A variable with its value. It is not `Debug`, since the value is secret.
#[derive(Clone)]
pub(super) struct SecretVariable {
    pub(super) name: String,
    pub(super) value: String,
    /// The version of the Secret that contains the value.
    pub(super) version: String,
}

/// The Secret with the variables of the proxy of `gateway`. Envoy Gateway runs proxies in a
/// namespace of its own.
pub(super) fn secret_name(
    settings: &PlanSettings,
    platform: Platform,
    gateway: &ObjectName,
) -> ObjectName {
    let name = names::gateway(&gateway.name);
    let elsewhere = &settings.proxy_namespace;
    let is_elsewhere = !elsewhere.is_empty() && *elsewhere != gateway.namespace;
    if platform == Platform::EnvoyGateway && is_elsewhere {
        let name = format!("{name}-{}-variables", digest([&*gateway.namespace]));
        ObjectName::new(elsewhere, &name)
    } else {
        ObjectName::new(&gateway.namespace, &format!("{name}-variables"))
    }
}

/// The Secret `name` with `variables`, without an owner.
pub(super) fn secret(name: &ObjectName, labels: &Value, variables: &[SecretVariable]) -> Value {
    let data: BTreeMap<&str, String> = variables
        .iter()
        .map(|it| (&*it.name, STANDARD.encode(&it.value)))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name.name, "namespace": name.namespace, "labels": labels},
        "type": "Opaque",
        "data": data,
    })
}

/// References to `variables` in the Secret `secret`.
///
/// `is_told` decides which of them the filter may see.
pub(super) fn references(
    secret: &ObjectName,
    variables: &[SecretVariable],
    is_told: impl Fn(&str) -> bool,
) -> Vec<ProxyVariable> {
    let reference = |it: &SecretVariable| ProxyVariable {
        name: it.name.clone(),
        secret: secret.name.clone(),
        key: it.name.clone(),
        is_told: is_told(&it.name),
    };
    variables.iter().map(reference).collect()
}

/// A version that changes with the values of `variables`, but does not reveal them.
pub(super) fn version(variables: &[SecretVariable]) -> String {
    digest(variables.iter().flat_map(|it| [&*it.name, &*it.version]))
}

/// A short digest of `parts`.
pub(super) fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    let digest = hasher.finalize();
    let hex = digest.iter().map(|byte| format!("{byte:02x}"));
    let hex = hex.collect::<String>();
    hex.chars().take(DIGEST_LENGTH).collect()
}
