//! A Kubernetes object.

use serde_json::Value;

/// A Kubernetes object in the form in which it is applied, without owner references.
#[derive(Clone, PartialEq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Object {
    value: Value,
    server: Option<String>,
    comment: &'static str,
}

impl Object {
    /// `value` must have `apiVersion`, `kind`, and `metadata` with `name` and `namespace`.
    pub(crate) fn new(value: Value) -> Self {
        Self {
            value,
            server: None,
            comment: "",
        }
    }

    /// The same, for the server `name`.
    pub(crate) fn of_server(mut self, name: &str) -> Self {
        self.server = Some(name.to_owned());
        self
    }

    /// The same object, with a comment for the reader.
    pub(crate) fn with_comment(mut self, comment: &'static str) -> Self {
        self.comment = comment;
        self
    }

    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// The name of the server that it is for; `None` if it is for the whole gateway.
    pub(crate) fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// The comment for the reader; may be empty.
    pub(crate) fn comment(&self) -> &'static str {
        self.comment
    }

    pub(crate) fn name(&self) -> &str {
        let name = self.value.pointer("/metadata/name");
        name.and_then(Value::as_str).unwrap_or_default()
    }
}

/// The object `value` without its members that are null.
pub(super) fn present(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}
