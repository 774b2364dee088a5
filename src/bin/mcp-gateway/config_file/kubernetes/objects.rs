//! The common parts of all Kubernetes objects.

use crate::syntax::tree::Node;

/// The API group of `object`; empty for the core group.
pub(crate) fn group(object: &Node) -> &str {
    let version = object.text(&["apiVersion"]).unwrap_or_default();
    version.split_once('/').map_or("", |(group, _)| group)
}

pub(crate) fn kind(object: &Node) -> &str {
    object.text(&["kind"]).unwrap_or_default()
}

pub(crate) fn name(object: &Node) -> &str {
    object.text(&["metadata", "name"]).unwrap_or_default()
}

pub(crate) fn namespace(object: &Node) -> &str {
    object.text(&["metadata", "namespace"]).unwrap_or("default")
}

/// The object of this kind, name and namespace.
pub(crate) fn find<'a>(
    objects: impl IntoIterator<Item = &'a Node>,
    of_kind: &str,
    of_name: &str,
    of_namespace: &str,
) -> Option<&'a Node> {
    objects.into_iter().find(|object| {
        kind(object) == of_kind && name(object) == of_name && namespace(object) == of_namespace
    })
}
