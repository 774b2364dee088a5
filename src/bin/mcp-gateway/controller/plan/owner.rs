//! The owners of the objects that the controller writes.

use serde_json::{Value, json};

use super::source::{REGISTRATION, ServerSource};
use crate::controller::kinds::{GROUP, MCPGateway};
use crate::controller::name::ObjectName;
use crate::kubernetes::names::{self, GATEWAY_LABEL, NAMESPACE_LABEL};

/// The label that names the program that has written an object.
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`].
pub(crate) const MANAGER: &str = "mcp-gateway";

/// The annotation of objects for one server. It names the object that asks for the server.
const SERVER: &str = "mcp.kagenti.com/server";

/// The labels of Secrets for the gateway `name`.
pub(super) fn labels(name: &ObjectName) -> Value {
    json!({
        (MANAGED_BY): MANAGER,
        (GATEWAY_LABEL): names::gateway(&name.name),
        (NAMESPACE_LABEL): name.namespace,
    })
}

/// The name of the gateway `name` in labels.
pub(super) fn label(name: &ObjectName) -> ObjectName {
    ObjectName::new(&name.namespace, &names::gateway(&name.name))
}

/// The gateway that `object` was written for, as its labels name it.
pub(crate) fn gateway_of(object: &Value) -> Option<ObjectName> {
    let labels = object.pointer("/metadata/labels")?;
    let name = labels.get(GATEWAY_LABEL)?.as_str()?;
    let namespace = labels.get(NAMESPACE_LABEL)?.as_str()?;
    Some(ObjectName::new(namespace, name))
}

/// `object`, which is for the server of the object `title`.
pub(super) fn for_server(mut object: Value, title: &str) -> Value {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Value::Object(annotations) = annotations {
            annotations.insert(SERVER.to_owned(), Value::from(title));
        }
    }
    object
}

/// The object that asks for the server that `object` was written for.
pub(super) fn server_of(object: &Value) -> Option<&str> {
    let annotations = object.pointer("/metadata/annotations")?;
    annotations.get(SERVER)?.as_str()
}

/// Whether this controller has written `object`: an object of one of its kinds owns it. Objects
/// that `render` wrote have no owner.
pub(crate) fn is_owned(object: &Value) -> bool {
    let owners = crate::controller::name::items(object, "/metadata/ownerReferences");
    owners.iter().any(|owner| {
        let version = owner.get("apiVersion").and_then(Value::as_str);
        let group = version.and_then(|it| it.split('/').next());
        group.is_some_and(|group| [GROUP, "mcp.kuadrant.io"].contains(&group))
    })
}

/// A reference to `gateway` as an owner.
pub(super) fn gateway(name: &ObjectName, gateway: &MCPGateway) -> Value {
    json!([{
        "apiVersion": format!("{GROUP}/v1alpha1"),
        "kind": "MCPGateway",
        "name": name.name,
        "uid": gateway.metadata.uid,
        "controller": true,
    }])
}

/// A reference to `source` as an owner.
pub(super) fn server(source: &ServerSource<'_>) -> Value {
    let version = if source.kind == REGISTRATION {
        source.api_version.to_owned()
    } else {
        format!("{GROUP}/v1alpha1")
    };
    json!([{
        "apiVersion": version,
        "kind": source.kind,
        "name": source.name.name,
        "uid": source.uid,
        "controller": true,
    }])
}

/// `object` with `owner`.
pub(super) fn owned(mut object: Value, owner: Value) -> Value {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.insert("ownerReferences".to_owned(), owner);
    }
    object
}
