//! The filter's configuration of a gateway that is in the cluster.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::controller::name::{ObjectName, items, text};
use crate::controller::snapshot::Snapshot;
use crate::kubernetes::model::Platform;
use crate::kubernetes::names;
use crate::kubernetes::object::Object;

/// The configuration of a filter that is in the cluster.
#[derive(Default)]
pub(super) struct WrittenConfig {
    /// The variables that the filter may see, so that its configuration may name them.
    pub(super) variables: BTreeSet<String>,
    /// The sections of the enabled servers, by their names.
    pub(super) servers: BTreeMap<String, Map<String, Value>>,
}

/// The kind of the object with the configuration. `None` for Envoy without a control plane: it
/// restarts with each configuration, so its earlier configuration does not matter.
fn kind(platform: Platform) -> Option<&'static str> {
    match platform {
        Platform::EnvoyGateway => Some("EnvoyExtensionPolicy"),
        Platform::Istio => Some("EnvoyFilter"),
        Platform::Standalone => None,
    }
}

/// The configuration of the gateway `name` in the cluster; `None` if there is none.
pub(super) fn config(
    snapshot: &Snapshot,
    platform: Platform,
    name: &ObjectName,
) -> Option<WrittenConfig> {
    let object = ObjectName::new(&name.namespace, &names::gateway(&name.name));
    read(platform, snapshot.get(kind(platform)?, &object)?)
}

/// The configuration among `objects`, which belong to one gateway.
pub(super) fn among(platform: Platform, objects: &[Object]) -> Option<WrittenConfig> {
    let kind = kind(platform)?;
    let mut values = objects.iter().map(Object::value);
    read(platform, values.find(|it| text(it, "/kind") == kind)?)
}

fn read(platform: Platform, object: &Value) -> Option<WrittenConfig> {
    if platform == Platform::EnvoyGateway {
        let wasm = object.pointer("/spec/wasm/0")?;
        let config = wasm.get("config").unwrap_or(&Value::Null);
        return Some(WrittenConfig::new(config, items(wasm, "/env/hostKeys")));
    }
    let patches = items(object, "/spec/configPatches").iter();
    let mut extensions = patches.filter_map(|patch| {
        let extension = patch.pointer("/patch/value/typed_config/config")?;
        let text = text(extension, "/configuration/value");
        let config: Value = serde_json::from_str(text).ok()?;
        // The filter before authentication has no servers.
        config.get("servers")?;
        let at = "/vm_config/environment_variables/host_env_keys";
        Some(WrittenConfig::new(&config, items(extension, at)))
    });
    extensions.next()
}

impl WrittenConfig {
    fn new(config: &Value, variables: &[Value]) -> Self {
        let texts = variables.iter().filter_map(Value::as_str);
        let servers = items(config, "/servers").iter();
        let servers = servers.filter_map(Value::as_object).filter(|section| {
            let enabled = section.get("enabled");
            enabled != Some(&Value::Bool(false))
        });
        let named = servers.filter_map(|section| {
            let name = section.get("name")?.as_str()?;
            Some((name.to_owned(), section.clone()))
        });
        Self {
            variables: texts.map(str::to_owned).collect(),
            servers: named.collect(),
        }
    }
}

/// The variables that the headers of a server's section name.
pub(super) fn variables_of(section: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let headers = section.get("headers").and_then(Value::as_array);
    let headers = headers.into_iter().flatten();
    headers.filter_map(|it| it.get("valueFromEnv")?.as_str())
}
