//! A place in the dynamic metadata of a request.

use serde_json::Value;

use super::ConfigError;
use super::fields::{Fields, FromValue, NonEmptyVec};
use super::text::NonEmptyText;

/// A place in the dynamic metadata of a request, where an earlier filter left a
/// value.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields)
)]
pub(super) struct MetadataKeySpec {
    /// The namespace of the metadata, which is often the name of the filter, such
    /// as `envoy.filters.http.jwt_authn`.
    namespace: NonEmptyText,
    /// The keys that lead to the value, such as `["jwt", "sub"]`.
    path: NonEmptyVec<NonEmptyText>,
}

impl FromValue for MetadataKeySpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            Ok(Self {
                namespace: fields.required("namespace")?,
                path: fields.required("path")?,
            })
        })
    }
}

impl MetadataKeySpec {
    /// The namespace.
    pub(super) fn namespace(&self) -> String {
        self.namespace.as_str().to_owned()
    }

    /// The keys that lead to the value.
    pub(super) fn path(&self) -> Vec<String> {
        let keys = self.path.as_slice().iter();
        keys.map(|key| key.as_str().to_owned()).collect()
    }
}
