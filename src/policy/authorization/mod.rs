//! `authorization`: which callers may send which messages. Rules match methods,
//! and names as clients see them; the first rule that matches decides.

mod caller;
mod list_filter;
mod rule;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::Refusal;
use super::access::Access;
use crate::mcp::json::Error;
use crate::mcp::list::ListKind;
use crate::mcp::method;

pub use caller::{Expression, Principal, ScopesSource, Verdict};
pub use rule::{AuthorizationRule, RequiredScopes};

/// The rules, and the facts about a caller that they need from Envoy. Each fact
/// is asked for once per request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// What happens to a message that no rule matches.
    pub default: Action,
    /// In the order of the configuration.
    pub rules: Vec<AuthorizationRule>,
    /// The CEL expressions of all rules. Equal expressions are there once.
    pub expressions: Vec<Expression>,
    /// The sources of the callers' scopes. Equal sources are there once.
    pub sources: Vec<ScopesSource>,
}

/// What a rule does with what it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema, serde::Serialize),
    schemars(inline),
    serde(rename_all = "SCREAMING_SNAKE_CASE")
)]
pub enum Action {
    /// The message goes on.
    Allow,
    /// The message is denied.
    Deny,
}

/// Whether a caller may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'a> {
    /// Yes.
    Allowed,
    /// No.
    Denied {
        /// All scopes that a caller needs for it, if this caller lacks one of them.
        scopes: Option<&'a [String]>,
    },
}

impl Authorization {
    /// Whether `caller` may do `access`. The first rule that matches decides; if
    /// it allows but the caller lacks one of its scopes, it denies. If no rule
    /// matches, the default decides.
    ///
    /// Methods that every client needs ([`is_open`]) are denied only by a rule
    /// that names them. A task of a known tool needs the right to call the tool:
    /// rules for `tools/call` cover it too.
    pub fn decide(&self, caller: &Principal, access: &Access<'_>) -> Decision<'_> {
        let is_open = is_open(access.method);
        let rules = self.rules.iter();
        for rule in rules.filter(|rule| rule.matches(caller, access)) {
            match rule.decision(caller) {
                Decision::Allowed => return Decision::Allowed,
                Decision::Denied { .. } if is_open && rule.methods.is_empty() => {}
                denied => return denied,
            }
        }
        if is_open || self.default == Action::Allow {
            Decision::Allowed
        } else {
            Decision::Denied { scopes: None }
        }
    }

    /// Checks that `caller` may do all of `accesses`, which are those of one message.
    ///
    /// # Errors
    /// [`Refusal::Denied`] for the first access that the caller may not do. It is the same whether
    /// the tool, prompt or resource exists or not.
    pub fn permit(&self, caller: &Principal, accesses: &[Access<'_>]) -> Result<(), Refusal> {
        for access in accesses {
            if let Decision::Denied { scopes } = self.decide(caller, access) {
                let name = access.about.as_ref().map(|(_, name)| name);
                return Err(Refusal::Denied {
                    what: match name {
                        Some(name) => format!("{} {name}", access.method),
                        None => access.method.to_owned(),
                    },
                    scopes: scopes.map(<[String]>::to_vec),
                });
            }
        }
        Ok(())
    }

    /// Whether a list of `kind` shows `caller` the entry that clients call `name`: only if the
    /// caller may call, get or read it. For a resource template, the name is its text. A URI that
    /// is not in normal form is not shown, since rules cannot know which resource it names.
    pub fn shows(&self, caller: &Principal, kind: ListKind, name: &str) -> bool {
        if !kind.is_normal(name) {
            return false;
        }
        let access = Access {
            method: kind.getter(),
            about: Some((kind.subject(), Cow::Borrowed(name))),
        };
        self.decide(caller, &access) == Decision::Allowed
    }

    /// `text`, the JSON-RPC response of a server to a list of `kind`, without the entries that
    /// [`shows`](Self::shows) hides from `caller`. `None` if nothing changes.
    ///
    /// # Errors
    /// `text` is not a JSON object. The client must not get it, since the filter cannot know what
    /// is in it.
    pub fn filtered(
        &self,
        caller: &Principal,
        kind: ListKind,
        text: &str,
    ) -> Result<Option<Vec<u8>>, Error> {
        list_filter::filtered(text, kind, self.is_personal(), |name| {
            self.shows(caller, kind, name)
        })
    }

    /// Whether two callers may see different lists.
    pub fn is_personal(&self) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|rule| rule.when.is_some() || rule.required.is_some())
    }
}

/// Whether every caller may send `method` unless a rule names it. Clients start
/// with these methods, and each list shows only what its caller may use.
pub fn is_open(method: &str) -> bool {
    matches!(
        method,
        method::INITIALIZE | method::SERVER_DISCOVER | method::PING | method::RESPONSE
    ) || method.starts_with("notifications/")
        || ListKind::of(method).is_some()
}
