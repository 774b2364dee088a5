//! The environment variables that a file names. They must be set where Envoy runs.

use std::env;

use crate::problem::Problem;
use crate::syntax::tree::Node;

/// The use of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VariableKind {
    /// The keys of sessions (`session.keysFromEnv`).
    SessionKeys,
    /// The value of a header for a server (`servers[].headers[].valueFromEnv`).
    HeaderValue,
}

/// A variable, and its place in the file.
#[derive(Clone)]
pub(crate) struct Variable<'f> {
    pub(crate) name: &'f str,
    pub(crate) kind: VariableKind,
    node: &'f Node,
}

/// The value of the variable `name`; `None` where it is not set or is blank, which is the same for
/// the filter.
pub(crate) fn value(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// The variables that the configuration `config` names, each once.
pub(crate) fn variables(config: &Node) -> Vec<Variable<'_>> {
    let servers = config.get("servers").map_or(&[][..], Node::items).iter();
    let headers = servers.filter_map(|server| server.get("headers"));
    let headers = headers.flat_map(Node::items);
    let values = headers.filter_map(|header| header.get("valueFromEnv"));
    let values = values.map(|node| (node, VariableKind::HeaderValue));
    let keys = config.at(&["session", "keysFromEnv"]);
    let keys = keys.map(|node| (node, VariableKind::SessionKeys));
    let mut variables: Vec<Variable<'_>> = Vec::new();
    for (node, kind) in keys.into_iter().chain(values) {
        if let Some(name) = node.text(&[]).filter(|name| !name.is_empty())
            && variables.iter().all(|known| known.name != name)
        {
            variables.push(Variable { name, kind, node });
        }
    }
    variables
}

/// The variables of `config` that are not set here.
pub(crate) fn missing(config: &Node) -> Vec<Problem> {
    let is_missing = |variable: &Variable<'_>| value(variable.name).is_none();
    let missing = variables(config).into_iter().filter(is_missing);
    missing.map(|variable| variable.problem()).collect()
}

impl Variable<'_> {
    fn problem(&self) -> Problem {
        let Self { name, kind, node } = self;
        let reason = format!(
            "the environment variable {name} is not set here: set it where Envoy runs, or before you start `run`"
        );
        let fix = match kind {
            VariableKind::SessionKeys => format!(
                "export {name}=\"$(openssl rand -base64 32)\", with the same value for all replicas"
            ),
            VariableKind::HeaderValue => format!("export {name}=\"the value of the header\""),
        };
        Problem::new(node.line, &node.path, reason).fix(fix)
    }
}
