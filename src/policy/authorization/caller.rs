//! The facts about a caller that rules need.

use crate::policy::EndpointId;

/// A CEL expression (`when`), which Envoy evaluates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// Its text.
    pub text: String,
    /// The path of the configuration field that has it first, for the error if
    /// Envoy cannot compile it.
    pub field: String,
}

/// The place in which an earlier filter leaves the scopes of a caller (`scopesFrom`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopesSource {
    /// The namespace in dynamic metadata.
    pub namespace: String,
    /// The keys that lead to the value.
    pub path: Vec<String>,
}

/// The result of an [`Expression`] for a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is true.
    True,
    /// It is false.
    False,
    /// The evaluation failed, or the result is not a boolean. A rule that denies
    /// matches then, and a rule that allows does not.
    Failed,
}

/// What is known about a caller, and which endpoint it asks. It does not change during
/// a request.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Principal {
    /// The result of each of [`Authorization::expressions`](super::Authorization::expressions).
    pub verdicts: Vec<Verdict>,
    /// The scopes at each of [`Authorization::sources`](super::Authorization::sources).
    pub scopes: Vec<Vec<String>>,
    /// The endpoint.
    pub endpoint: Option<EndpointId>,
}
