//! The CustomResourceDefinitions of both kinds.

use kube::CustomResourceExt as _;
use serde_json::{Map, Value, json};

use super::structural;
use super::{MCPGateway, MCPServer};

/// The place of the schema of `spec` in a definition.
const SPEC: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";

/// The fields of a server in the filter's configuration that an `MCPServer` does not have: its
/// address, its name, and its headers, whose values may come from a Secret.
const NOT_OF_A_SERVER: &[&str] = &["name", "cluster", "url", "headers"];
/// The fields of the filter's configuration that the controller itself sets.
const NOT_OF_A_GATEWAY: &[&str] = &["servers", "paths"];

/// The name of the file in `deploy/crds`, and the definition.
///
/// # Errors
/// A type cannot be written as JSON, which is a bug.
pub(crate) fn crds() -> Result<[(&'static str, Value); 2], serde_json::Error> {
    let mut server = serde_json::to_value(MCPServer::crd())?;
    let settings = structural::properties("/$defs/ServerSpec", NOT_OF_A_SERVER);
    add(&mut server, settings);
    let mut gateway = serde_json::to_value(MCPGateway::crd())?;
    let mut config = structural::properties("", NOT_OF_A_GATEWAY);
    let session = config
        .get_mut("session")
        .and_then(|it| it.get_mut("properties"));
    if let Some(Value::Object(session)) = session {
        // Everyone who may read the MCPGateway would see the keys.
        session.remove("keys");
    }
    let config = json!({
        "type": "object",
        "description": "The filter's configuration, without `servers`, `paths` and `session.keys`.",
        "properties": config,
    });
    add(
        &mut gateway,
        Map::from_iter([("config".to_owned(), config)]),
    );
    for crd in [&mut server, &mut gateway] {
        remove_formats(crd);
    }
    Ok([("mcpgateways.yaml", gateway), ("mcpservers.yaml", server)])
}

/// Adds `properties` to those of `spec`.
fn add(crd: &mut Value, properties: Map<String, Value>) {
    if let Some(Value::Object(known)) = crd.pointer_mut(SPEC) {
        known.extend(properties);
    }
}

/// Removes formats that only Rust knows, such as `uint16`. The limits stay.
fn remove_formats(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let format = members.get("format").and_then(Value::as_str);
            if format.is_some_and(|format| format.starts_with("uint")) {
                members.remove("format");
            }
            members.values_mut().for_each(remove_formats);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_formats),
        _ => {}
    }
}

/// `value` as a YAML document.
///
/// # Errors
/// It cannot be written as YAML, which is a bug.
pub(crate) fn yaml(value: &Value) -> Result<String, String> {
    serde_saphyr::to_string(value).map_err(|error| error.to_string())
}
