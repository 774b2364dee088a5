//! A fault of an object, for its status.

/// Why an object cannot be used, for its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectFault {
    pub(crate) about: FaultyPart,
    /// One word in CamelCase, for programs.
    pub(crate) reason: &'static str,
    /// The field and the fix, for people.
    pub(crate) message: String,
}

/// The condition that a fault makes false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultyPart {
    /// `Accepted`: the object itself has an error.
    Object,
    /// `ResolvedRefs`: an object that it refers to has an error or does not exist.
    References,
}

impl ObjectFault {
    /// The object itself is wrong.
    pub(crate) fn object(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            about: FaultyPart::Object,
            reason,
            message: message.into(),
        }
    }

    /// The field at `path` names an object, and no object can have this name.
    pub(crate) fn not_a_name(path: &str, name: &str) -> Self {
        let message = format!(
            "{path}: {name:?} cannot be the name of an object; it has only lower-case letters, digits, \".\" and \"-\", and starts and ends with a letter or a digit"
        );
        Self::object("Invalid", message)
    }

    /// What the object refers to is wrong, or is not there.
    pub(crate) fn references(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            about: FaultyPart::References,
            reason,
            message: message.into(),
        }
    }
}
