//! Whether an object in the cluster is as the controller wants it.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The annotation with a digest of the object that the controller applied. It shows when a field
/// was removed from the wanted object.
const APPLIED: &str = "mcp.kagenti.com/applied";

/// `object` with an annotation that has a digest of it. Not for Secrets: the digest of a short
/// value would reveal the value.
pub(super) fn with_digest(mut object: Value) -> Value {
    let digest = Sha256::digest(object.to_string().as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        let annotations = metadata
            .entry("annotations")
            .or_insert_with(|| Value::Object(serde_json::Map::new()));
        if let Value::Object(annotations) = annotations {
            annotations.insert(APPLIED.to_owned(), Value::from(hex));
        }
    }
    object
}

/// Whether `live` has all values of `wanted`. It may have more: defaults, and values that other
/// programs wrote. The API server may give it in another version than it was written in.
pub(crate) fn is_as_wanted(live: &Value, wanted: &Value) -> bool {
    let members = wanted.as_object().into_iter().flatten();
    let mut others = members.filter(|(name, _)| *name != "apiVersion");
    others.all(|(name, wanted)| match live.get(name) {
        Some(live) => has(live, wanted),
        None => is_nothing(wanted),
    })
}

fn has(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(key, wanted)| {
            live.get(key)
                .map_or_else(|| is_nothing(wanted), |live| has(live, wanted))
        }),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len()
                && live
                    .iter()
                    .zip(wanted)
                    .all(|(live, wanted)| has(live, wanted))
        }
        (Value::Number(live), Value::Number(wanted)) => live.as_f64() == wanted.as_f64(),
        _ => live == wanted,
    }
}

/// Whether an API server removes this value.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.values().all(is_nothing),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_may_have_more_than_is_wanted() {
        let wanted = json!({"a": {"b": [1, {"c": "d"}]}, "e": {}, "f": null});
        for (live, expected) in [
            (
                json!({"a": {"b": [1.0, {"c": "d", "default": 1}]}, "more": true}),
                true,
            ),
            (json!({"a": {"b": [1, {"c": "x"}]}}), false),
            (json!({"a": {"b": [1]}}), false),
            (json!({"a": {"b": [1, {"c": "d"}, 2]}}), false),
            (json!({}), false),
        ] {
            assert_eq!(has(&live, &wanted), expected, "{live}");
        }
    }

    #[test]
    fn a_field_that_is_not_wanted_any_more_is_a_difference() {
        let metadata = json!({"name": "a"});
        let live = with_digest(json!({"metadata": metadata, "spec": {"a": 1, "b": 2}}));
        let wanted = with_digest(json!({"metadata": metadata, "spec": {"a": 1}}));
        assert!(is_as_wanted(&live, &live) && !is_as_wanted(&live, &wanted));
        let mut newer = live.clone();
        newer["apiVersion"] = json!("v2");
        assert!(is_as_wanted(&live, &newer));
    }
}
