//! The namespaces whose servers a gateway accepts.

use serde_json::Value;

use crate::controller::kinds::{
    AllowedNamespaces, FromNamespaces, LabelSelector, SelectorOperator,
};
use crate::controller::name::ObjectName;
use crate::controller::snapshot::Snapshot;

/// Whether `allowed` includes the namespace `namespace`. `own` is the gateway's namespace.
pub(super) fn has_namespace(
    snapshot: &Snapshot,
    allowed: &AllowedNamespaces,
    own: &str,
    namespace: &str,
) -> bool {
    match allowed.from {
        FromNamespaces::Same => namespace == own,
        FromNamespaces::All => true,
        FromNamespaces::Selector => {
            let object = snapshot.get("Namespace", &ObjectName::new("", namespace));
            let labels = object.and_then(|it| it.pointer("/metadata/labels"));
            let selector = allowed.selector.as_ref();
            selector.is_some_and(|it| selects(it, labels.unwrap_or(&Value::Null)))
        }
    }
}

/// Whether `selector` selects an object with `labels`.
fn selects(selector: &LabelSelector, labels: &Value) -> bool {
    let value = |key: &str| labels.get(key).and_then(Value::as_str);
    let has_labels = selector
        .match_labels
        .iter()
        .all(|(key, wanted)| value(key) == Some(wanted));
    let fits = selector.match_expressions.iter().all(|requirement| {
        let value = value(&requirement.key);
        let is_listed = value.is_some_and(|it| requirement.values.iter().any(|one| one == it));
        match requirement.operator {
            SelectorOperator::In => is_listed,
            SelectorOperator::NotIn => !is_listed,
            SelectorOperator::Exists => value.is_some(),
            SelectorOperator::DoesNotExist => value.is_none(),
        }
    });
    has_labels && fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_parts_of_a_selector_must_match() {
        for (selector, expected) in [
            (json!({}), true),
            (json!({"matchLabels": {"team": "a"}}), true),
            (json!({"matchLabels": {"team": "b"}}), false),
            (json!({"matchLabels": {"team": "a", "x": "y"}}), false),
            (
                json!({"matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "b"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "x", "operator": "In", "values": [""]}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["a"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "team", "operator": "Exists"}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "x", "operator": "Exists"}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}),
                false,
            ),
            (
                json!({"matchLabels": {"team": "a"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]}),
                false,
            ),
        ] {
            let parsed: LabelSelector = serde_json::from_value(selector.clone()).unwrap();
            assert_eq!(
                selects(&parsed, &json!({"team": "a"})),
                expected,
                "{selector}"
            );
        }
    }
}
