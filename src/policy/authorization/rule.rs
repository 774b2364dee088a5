//! One rule: what it matches, and what it decides.

use super::{Access, Action, Decision, Principal, Verdict};
use crate::mcp::method::{self, Subject};
use crate::mcp::resource_uri;
use crate::policy::EndpointId;
use crate::policy::glob::Glob;

/// One of `authorization.rules`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationRule {
    /// What it does.
    pub action: Action,
    /// The endpoints that it is about; empty for all.
    pub endpoints: Vec<EndpointId>,
    /// The methods that it covers. Empty: every method that names one of the
    /// rule's tools, prompts or resources, or every method if the rule has none.
    pub methods: Vec<Glob>,
    /// The tools.
    pub tools: Vec<Glob>,
    /// The prompts.
    pub prompts: Vec<Glob>,
    /// The URIs of resources and the texts of resource templates.
    pub resources: Vec<Glob>,
    /// The expression that must be true of the caller: its index in
    /// [`Authorization::expressions`](super::Authorization::expressions).
    pub when: Option<usize>,
    /// The scopes that the caller needs. For rules that allow.
    pub required: Option<RequiredScopes>,
}

/// `requiredScopes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredScopes {
    /// The caller needs all of them.
    pub scopes: Vec<String>,
    /// Where the caller's scopes are: the index in
    /// [`Authorization::sources`](super::Authorization::sources).
    pub source: usize,
}

impl AuthorizationRule {
    /// The patterns for things of this kind.
    pub fn names(&self, kind: Subject) -> &[Glob] {
        match kind {
            Subject::Tool => &self.tools,
            Subject::Prompt => &self.prompts,
            Subject::Resource => &self.resources,
        }
    }

    /// Whether the rule has any pattern for a name.
    pub fn has_names(&self) -> bool {
        !(self.tools.is_empty() && self.prompts.is_empty() && self.resources.is_empty())
    }

    /// Whether one of the rule's patterns for methods matches `method`.
    pub fn has_method(&self, method: &str) -> bool {
        self.methods.iter().any(|glob| glob.matches(method))
    }

    /// Whether the rule is about `access`, and about `caller`.
    pub(super) fn matches(&self, caller: &Principal, access: &Access<'_>) -> bool {
        self.is_at(caller) && self.covers(access) && self.is_for(caller)
    }

    /// Whether the rule is for the endpoint that `caller` uses. If the endpoint is unknown, a rule
    /// that denies counts as being for it, and a rule that allows does not.
    fn is_at(&self, caller: &Principal) -> bool {
        self.endpoints.is_empty()
            || caller
                .endpoint
                .map_or(self.action == Action::Deny, |endpoint| {
                    self.endpoints.contains(&endpoint)
                })
    }

    fn covers(&self, access: &Access<'_>) -> bool {
        let is_task_of_tool = access.about.is_some() && access.method.starts_with(method::TASKS);
        let has_method = self.methods.is_empty()
            || self.has_method(access.method)
            || is_task_of_tool && self.has_method(method::TOOLS_CALL);
        let has_name = match &access.about {
            _ if !self.has_names() => true,
            Some((kind, name)) => self.has_name(*kind, name),
            None => false,
        };
        has_method && has_name
    }

    /// Whether the rule is about this name. For a `file:` URI, an ALLOW rule must match both the
    /// URI and the part that the server opens. For a DENY rule, one of them is enough.
    fn has_name(&self, kind: Subject, name: &str) -> bool {
        let matches = |name: &str| self.names(kind).iter().any(|glob| glob.matches(name));
        let opened = match kind {
            Subject::Resource => resource_uri::opened_part(name),
            Subject::Tool | Subject::Prompt => name,
        };
        match self.action {
            Action::Allow => matches(name) && matches(opened),
            Action::Deny => matches(name) || matches(opened),
        }
    }

    fn is_for(&self, caller: &Principal) -> bool {
        let verdict = |at: usize| caller.verdicts.get(at).copied();
        match self.when.map(|at| verdict(at).unwrap_or(Verdict::Failed)) {
            None | Some(Verdict::True) => true,
            Some(Verdict::False) => false,
            Some(Verdict::Failed) => self.action == Action::Deny,
        }
    }

    /// The decision if this rule [matches](Self::matches).
    pub(super) fn decision(&self, caller: &Principal) -> Decision<'_> {
        if self.action == Action::Deny {
            return Decision::Denied { scopes: None };
        }
        let Some(required) = &self.required else {
            return Decision::Allowed;
        };
        let has = caller.scopes.get(required.source);
        let has = has.map(Vec::as_slice).unwrap_or_default();
        if required.scopes.iter().all(|scope| has.contains(scope)) {
            Decision::Allowed
        } else {
            let scopes = Some(required.scopes.as_slice());
            Decision::Denied { scopes }
        }
    }
}
