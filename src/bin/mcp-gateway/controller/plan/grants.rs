//! ReferenceGrants: they allow references to objects of another namespace.

use serde_json::Value;

use super::ObjectFault;
use crate::controller::name::{ObjectName, items, text};
use crate::controller::snapshot::Snapshot;

/// A kind of object with its group, as a ReferenceGrant names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GroupKind {
    pub(super) group: &'static str,
    pub(super) kind: &'static str,
}

pub(super) const MCP_SERVER: GroupKind = GroupKind {
    group: crate::controller::kinds::GROUP,
    kind: "MCPServer",
};
pub(super) const HTTP_ROUTE: GroupKind = GroupKind {
    group: crate::controller::watched::GATEWAY_API,
    kind: "HTTPRoute",
};
pub(super) const SERVICE: GroupKind = GroupKind {
    group: "",
    kind: "Service",
};
pub(super) const BACKEND: GroupKind = GroupKind {
    group: crate::controller::watched::ENVOY_GATEWAY,
    kind: "Backend",
};

/// Whether an object of the kind `from` in `namespace` may refer to `name`.
///
/// # Errors
/// It is in another namespace, and no ReferenceGrant there allows it.
pub(super) fn check(
    snapshot: &Snapshot,
    from: GroupKind,
    namespace: &str,
    to: GroupKind,
    name: &ObjectName,
) -> Result<(), ObjectFault> {
    let mut grants = snapshot
        .all("ReferenceGrant")
        .filter(|(grant, _)| grant.namespace == name.namespace);
    if namespace == name.namespace || grants.any(|(_, it)| allows(it, from, namespace, to, name)) {
        return Ok(());
    }
    let (group, kind) = (from.group, from.kind);
    let message = format!(
        "spec.targetRef: {} {name} is in another namespace, and no ReferenceGrant there allows it; apply to namespace {}: ReferenceGrant with spec: {{ from: [{{ group: {group}, kind: {kind}, namespace: {namespace} }}], to: [{{ group: {:?}, kind: {} }}] }}",
        to.kind, name.namespace, to.group, to.kind
    );
    Err(ObjectFault::references("RefNotPermitted", message))
}

fn allows(
    grant: &Value,
    from: GroupKind,
    namespace: &str,
    to: GroupKind,
    name: &ObjectName,
) -> bool {
    let is_of = |it: &Value, wanted: GroupKind| {
        text(it, "/group") == wanted.group && text(it, "/kind") == wanted.kind
    };
    let from_allowed = items(grant, "/spec/from")
        .iter()
        .any(|it| is_of(it, from) && text(it, "/namespace") == namespace);
    // Without a name, the grant is for all objects of the kind.
    let is_named = |it: &Value| it.get("name").is_none() || text(it, "/name") == name.name;
    let to_allowed = items(grant, "/spec/to")
        .iter()
        .any(|it| is_of(it, to) && is_named(it));
    from_allowed && to_allowed
}
