//! Events in addition to conditions.

use super::ObjectFault;
use super::source::ServerSource;

/// An event about an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Notice {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    /// Whether somebody has to act.
    pub(crate) is_warning: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl Notice {
    fn new(source: &ServerSource<'_>, reason: &str, message: String) -> Self {
        Self {
            api_version: source.api_version.to_owned(),
            kind: source.kind.to_owned(),
            namespace: source.name.namespace.clone(),
            name: source.name.name.clone(),
            uid: source.uid.to_owned(),
            is_warning: true,
            reason: reason.to_owned(),
            message,
        }
    }
}

/// An event about the fields of a registration that have no counterpart here.
pub(super) fn of_ignored_fields(source: &ServerSource<'_>) -> Option<Notice> {
    if source.ignored.is_empty() {
        return None;
    }
    let fields = source.ignored.join(", ");
    let message = format!("these fields have no counterpart and are ignored: {fields}");
    Some(Notice::new(source, "FieldsIgnored", message))
}

/// An event about a registration that cannot be used. The controller writes no status for
/// registrations.
pub(super) fn of_fault(source: &ServerSource<'_>, fault: &ObjectFault) -> Notice {
    Notice::new(source, fault.reason, fault.message.clone())
}
