//! Suggests how to fix an error of the filter's configuration.

use std::fmt;

use mcp_gateway::config::{ConfigError, camel};
use mcp_gateway::http::url::Url;
use serde_json::Value;

use crate::config_file::{other_names, server_names, stdio_server};
use crate::problem::Problem;
use crate::syntax::tree::{self, Node, NodeKind, below};
use crate::syntax::yaml;

/// Text fields that a server may leave out.
const OPTIONAL: [&str; 3] = ["cluster", "hostname", "path"];

/// The reason of an error about a field that the filter does not know.
pub(super) const UNKNOWN_FIELD: &str = "unknown field";

/// The reason of an error about a value that must have fields.
pub(super) const NO_OBJECT: &str = "must be an object";

/// How to fix an error.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Fix {
    /// The field gets this value, in YAML. It is a new field, or replaces the wrong one.
    Set {
        field: String,
        value: String,
    },
    /// The item of the list gets this value.
    Item(String),
    Remove(String),
    /// Only the user knows the right value, so the fix is an instruction.
    Words(String),
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set { field, value } => write!(f, "{field}: {value}"),
            Self::Item(value) => write!(f, "- {value}"),
            Self::Remove(field) => write!(f, "remove {field}"),
            Self::Words(words) => f.write_str(words),
        }
    }
}

impl Fix {
    /// `problem` with this fix.
    pub(crate) fn given_to(&self, problem: Problem) -> Problem {
        let value = match self {
            Self::Set { value, .. } | Self::Item(value) => read(value).map(|it| it.value()),
            Self::Remove(_) | Self::Words(_) => None,
        };
        match (self, value) {
            (Self::Set { field, .. }, Some(value)) => problem.members([(&**field, value)]),
            (_, Some(value)) => problem.item(value),
            (_, None) => problem.fix(self.to_string()),
        }
    }

    /// This fix without the value, if it gives a misspelled field its name.
    pub(crate) fn in_words(&self, error: &ConfigError) -> Option<Self> {
        let wrong = error.path().rsplit('.').next().unwrap_or_default();
        match self {
            Self::Set { field, .. } if known_fields(error).is_some() => {
                Some(renaming(field, wrong))
            }
            _ => None,
        }
    }

    /// `config` with this fix for the error at `path`; `None` if only the user can apply it.
    pub(crate) fn applied(&self, config: &Node, path: &str) -> Option<Node> {
        let mut fixed = config.clone();
        let read = |value: &str| Some(read(value)?.kind);
        match self {
            Self::Set { field, value } => {
                let (parent, last) = path.rsplit_once('.').unwrap_or(("", path));
                let (node, known) = config.nearest(path);
                // The error is about the object that lacks the field.
                let misses = known == path.len() && matches!(node.kind, NodeKind::Object(_));
                let object = if misses && last != field {
                    path
                } else {
                    parent
                };
                if object == parent && camel(last) != *field {
                    fixed.remove_at(path);
                }
                fixed.at_path_mut(object)?.set(field, read(value)?);
            }
            Self::Item(value) => fixed.at_path_mut(path)?.kind = read(value)?,
            Self::Remove(_) => {
                fixed.remove_at(path);
            }
            Self::Words(_) => return None,
        }
        Some(fixed)
    }
}

/// The value that is `text` in YAML.
fn read(text: &str) -> Option<Node> {
    let documents = tree::documents(&format!("value: {text}")).ok()?;
    documents.first()?.get("value").cloned()
}

/// A fix for `error` in `config`; `None` if the right value is unknown.
pub(crate) fn fix(config: &Node, error: &ConfigError) -> Option<Fix> {
    let (path, reason) = (error.path(), error.reason());
    let (node, known) = config.nearest(path);
    let rest = path.get(known..).unwrap_or_default();
    let field = path.rsplit('.').next().unwrap_or(path);
    let set = |field: &str, value: String| Fix::Set {
        field: field.to_owned(),
        value,
    };
    if let Some(known) = known_fields(error) {
        let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
        return Some(unknown_field(config, parent, field, node, &known));
    }
    if let Some(fix) = other_names::value_here(path, reason, node) {
        return Some(fix);
    }
    if let Some(missing) = reason.strip_prefix("missing field `") {
        let missing = missing.trim_end_matches('`');
        return Some(match missing {
            "name" if is_server(path) => set("name", unused_name(config, "server")),
            _ => Fix::Words(format!("{missing}: …")),
        });
    }
    if !rest.is_empty() {
        return None;
    }
    if reason.starts_with("must not be empty") && OPTIONAL.contains(&field) {
        return Some(Fix::Remove(field.to_owned()));
    }
    let value = node.value();
    let right = if reason == NO_OBJECT && is_server(path) {
        server(config, value.as_str()?)?
    } else if reason == "must not be empty" && field == "name" {
        unused_name(config, "server")
    } else if reason == "must be a string" && is_server_name(path) {
        server_names::scheme(&plain(&value)?)
    } else if reason.ends_with(" is used twice") {
        unused_name(config, value.as_str()?)
    } else {
        right_value(field, reason, &value)?
    };
    // An item of a list has no name.
    Some(if field.ends_with(']') {
        Fix::Item(right)
    } else {
        set(field, right)
    })
}

/// The reason of `error` for the user. The known fields are listed only if `fix` names none of them.
pub(super) fn reason(error: &ConfigError, fix: Option<&Fix>) -> String {
    match (known_fields(error), fix) {
        (None, _) => error.reason().to_owned(),
        (Some(_), Some(Fix::Set { .. } | Fix::Words(_))) => UNKNOWN_FIELD.to_owned(),
        (Some(known), _) => format!("{UNKNOWN_FIELD}, expected one of {}", known.join(", ")),
    }
}

/// If `error` is about an unknown field: the known ones. Servers have fields that only this program
/// knows.
fn known_fields(error: &ConfigError) -> Option<Vec<&str>> {
    let known = error.reason().strip_prefix(UNKNOWN_FIELD)?;
    let known = known.strip_prefix(", expected one of ")?;
    let mut known: Vec<&str> = known.split(", ").collect();
    let parent = error.path().rsplit_once('.').map(|(parent, _)| parent);
    if parent.is_some_and(is_server) {
        known.extend(stdio_server::FIELDS);
    }
    Some(known)
}

/// The fix for the unknown `field` of the object at `parent`: the known field with a similar name,
/// with the value `node`, if the object does not have that field already.
fn unknown_field(config: &Node, parent: &str, field: &str, node: &Node, known: &[&str]) -> Fix {
    if is_server(parent)
        && let Some(fix) = other_names::form_in(config, parent, field, node)
    {
        return fix;
    }
    let meant = misspelled(field, known).or_else(|| nearest(field, known));
    let meant = meant.filter(|name| {
        let (_, found) = config.nearest(&below(parent, name));
        found < below(parent, name).len()
    });
    let value = yaml::flow(node).ok().filter(|value| value.len() <= 60);
    match (meant, value) {
        (Some(name), Some(value)) => Fix::Set {
            field: name.to_owned(),
            value,
        },
        (Some(name), None) => renaming(name, field),
        (None, _) => Fix::Remove(field.to_owned()),
    }
}

fn renaming(right: &str, wrong: &str) -> Fix {
    Fix::Words(format!("write {right} in place of {wrong}"))
}

/// Whether the value at `path` is a server.
pub(super) fn is_server(path: &str) -> bool {
    let index = path.strip_prefix("servers[");
    index.is_some_and(|rest| rest.find(']').is_some_and(|end| end + 1 == rest.len()))
}

/// Whether the value at `path` is the name of a server.
fn is_server_name(path: &str) -> bool {
    path.strip_suffix(".name").is_some_and(is_server)
}

/// A server with the URL `text`, or with this name if `text` is no URL.
fn server(config: &Node, text: &str) -> Option<String> {
    let (name, url) = match Url::parse_http(text) {
        Some(_) => (unused_name(config, "server"), text),
        None => (server_names::scheme(text), "http://127.0.0.1:9001/mcp"),
    };
    let (name, url) = (yaml::flow(&name).ok()?, yaml::flow(&url).ok()?);
    Some(format!("{{ name: {name}, url: {url} }}"))
}

/// `name` with the first number that makes a name that no server has.
fn unused_name(config: &Node, name: &str) -> String {
    let servers = config.get("servers").map_or(&[][..], Node::items);
    let is_used = |name: &str| servers.iter().any(|it| it.text(&["name"]) == Some(name));
    let mut names = (2..).map(|number| {
        // There has to be room for the number.
        let start: String = name.chars().take(60).collect();
        format!("{start}-{number}")
    });
    names
        .find(|name| !is_used(name))
        .unwrap_or_else(|| name.to_owned())
}

/// The value that the user may have meant for `field`.
fn right_value(field: &str, reason: &str, value: &Value) -> Option<String> {
    match reason {
        "must be true or false" => return boolean(value).map(|it| it.to_string()),
        "must be a string" if is_duration(field) => return duration(value),
        "must be a string" => return scalar(value),
        "must be a list" if field == "servers" => {
            return Some("[{ name: weather, url: http://127.0.0.1:9001/mcp }]".to_owned());
        }
        // The items of these are objects.
        "must be a list" if ["headers", "rules"].contains(&field) => return None,
        "must be a list" => return Some(format!("[{}]", scalar(value)?)),
        _ => {}
    }
    if reason.contains("is not a duration") || reason.contains("must be at least 1ms") {
        return duration(value);
    }
    if reason.contains("must be a whole number") {
        let number = plain(value)?;
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        return digits
            .parse::<u32>()
            .ok()
            .filter(|it| *it > 0)
            .map(|it| it.to_string());
    }
    let text = value.as_str()?;
    if let Some((_, known)) = reason.split_once(" must be one of ") {
        let known: Vec<&str> = known.split(", ").collect();
        nearest(text, &known).map(str::to_owned)
    } else if reason.contains("must be an absolute http or https URL") {
        Some(url(text))
    } else if reason.contains("must be at most 64 letters") {
        Some(name(field, text))
    } else if reason.contains("the URIs of resources start with") {
        Some(server_names::scheme(text))
    } else if field == "path" && reason.contains("must start with \"/\"") {
        path(text)
    } else {
        None
    }
}

/// The name in `known` that `text` may be a misspelling of.
pub(crate) fn nearest<'a>(text: &str, known: &[&'a str]) -> Option<&'a str> {
    let best = known.iter().min_by_key(|name| distance(text, name))?;
    (distance(text, best) <= text.len().max(best.len()) / 3).then_some(best)
}

/// The name in `known` that `text` is, with one letter wrong, missing or added, or in another case,
/// or as other programs call it.
fn misspelled<'a>(text: &str, known: &[&'a str]) -> Option<&'a str> {
    other_names::name_here(text, known).or_else(|| {
        let mut known = known.iter().copied();
        known.find(|name| distance(text, name) <= 1)
    })
}

/// The members of the object `node` whose names are misspellings of a name in `known`, with this
/// name.
pub(super) fn misspelled_members<'n, 'a>(
    node: &'n Node,
    known: &'a [&'a str],
) -> impl Iterator<Item = (&'n str, &'n Node, &'a str)> {
    let members = match &node.kind {
        NodeKind::Object(members) => &members[..],
        _ => &[],
    };
    let named = members.iter().map(|(name, member)| (&**name, member));
    named.filter_map(|(name, member)| Some((name, member, misspelled(name, known)?)))
}

/// How many letters differ, in any case.
fn distance(one: &str, other: &str) -> usize {
    strsim::damerau_levenshtein(&one.to_lowercase(), &other.to_lowercase())
}

fn boolean(value: &Value) -> Option<bool> {
    let text = plain(value)?.to_lowercase();
    Some(["yes", "on", "1", "true", "y", "enabled"].contains(&&*text))
}

/// Whether the field `name` is a duration.
fn is_duration(name: &str) -> bool {
    let name = name.to_lowercase();
    ["timeout", "ttl", "lifetime", "maxage"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// `value` with the unit of seconds, if it has none.
fn duration(value: &Value) -> Option<String> {
    let text = plain(value)?.to_lowercase();
    let text = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let is_of_number = |c: char| c == '.' || c.is_ascii_digit();
    let end = text.find(|c| !is_of_number(c)).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let number = number.trim_end_matches('.');
    let unit = match unit.trim_start() {
        unit if unit.starts_with("ms") || unit.starts_with("mil") => "ms",
        unit if unit.starts_with('m') => "m",
        unit if unit.starts_with('h') => "h",
        _ => "s",
    };
    Some(match number.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 => format!("{number}{unit}"),
        _ => "5s".to_owned(),
    })
}

/// `text` as a URL, with the scheme http if it has neither http nor https.
fn url(text: &str) -> String {
    // `text` is no URL, so it may have any form. What stays is one.
    let rest = text.rsplit("://").next().unwrap_or_default();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let is_https = text.trim_start().to_lowercase().starts_with("https:");
    let scheme = if is_https { "https" } else { "http" };
    let url = format!("{scheme}://{}", rest.trim_start_matches('/'));
    match Url::parse_http(&url) {
        Some(_) => url,
        None => "http://127.0.0.1:9001/mcp".to_owned(),
    }
}

/// `text` with a dash in place of each character that the name or the prefix of a server cannot
/// have.
fn name(field: &str, text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let characters = text.chars().map(|c| if fits(c) { c } else { '-' });
    match field {
        "name" => server_names::scheme(text),
        _ => characters.take(64).collect(),
    }
}

/// `text` as a path, without its fragment and without characters that a path cannot have.
fn path(text: &str) -> Option<String> {
    let path = text.split('#').next().unwrap_or_default();
    let is_visible = path.chars().all(|c| c.is_ascii_graphic());
    is_visible.then(|| format!("/{}", path.trim_start_matches('/')))
}

/// `value` as a text in YAML.
fn scalar(value: &Value) -> Option<String> {
    yaml::flow(&plain(value)?).ok()
}

/// The value as text, without the quotes of JSON; `None` for a list or an object.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::tree;
    use serde_json::json;

    #[test]
    fn each_reason_has_its_fix() {
        let known = "unknown field, expected one of name, toolPrefix, enabled, url";
        let one = "\"never\" must be one of ALWAYS, CONDITIONAL, NEVER";
        for (text, path, reason, fixed) in [
            (
                "servers: [{ toolPreffix: a }]",
                "servers[0].toolPreffix",
                known,
                Some("toolPrefix: a"),
            ),
            (
                "servers: [{ toolPreffix: a, tool_prefix: b }]",
                "servers[0].toolPreffix",
                known,
                Some("remove toolPreffix"),
            ),
            (
                "servers: [{ endpoint: 'http://a/', enabled: true }]",
                "servers[0].endpoint",
                known,
                Some("url: http://a/"),
            ),
            (
                "servers: [{ disabled: true }]",
                "servers[0].disabled",
                known,
                Some("enabled: false"),
            ),
            (
                "servers: [{ disabled: true, enabled: true }]",
                "servers[0].disabled",
                known,
                Some("remove disabled"),
            ),
            (
                "servers: [{ includeTools: [a], tools: { exclude: [b] } }]",
                "servers[0].includeTools",
                known,
                Some("put include: [a] into tools, and remove includeTools"),
            ),
            (
                "servers: [{ colour: a }]",
                "servers[0].colour",
                known,
                Some("remove colour"),
            ),
            (
                "prefixMode: never",
                "prefixMode",
                one,
                Some("prefixMode: NEVER"),
            ),
            ("prefixMode: whatever", "prefixMode", one, None),
            (
                "servers: [{ url: a }, { name: server-2 }]",
                "servers[0]",
                "missing field `name`",
                Some("name: server-3"),
            ),
            (
                "servers: [{ enabled: 'yes' }]",
                "servers[0].enabled",
                "must be true or false",
                Some("enabled: true"),
            ),
            (
                "servers: [{ enabled: 0 }]",
                "servers[0].enabled",
                "must be true or false",
                Some("enabled: false"),
            ),
            (
                "servers: [{ enabled: [] }]",
                "servers[0].enabled",
                "must be true or false",
                None,
            ),
            (
                "servers: [{ timeout: 250ms more }]",
                "servers[0].timeout",
                "\"250ms more\" is not a duration such as",
                Some("timeout: 250ms"),
            ),
            (
                "servers: [{ name: a }, { name: a }, { name: a-2 }]",
                "servers[1].name",
                "\"a\" is used twice",
                Some("name: a-3"),
            ),
            (
                "servers: [weather]",
                "servers[0]",
                NO_OBJECT,
                Some("- { name: weather, url: http://127.0.0.1:9001/mcp }"),
            ),
            ("session: {}", "session", "needs servers", None),
        ] {
            let config = tree::documents(text).unwrap().remove(0);
            let error = ConfigError::new(path, reason);
            let fix = fix(&config, &error).map(|fix| fix.to_string());
            assert_eq!(fix.as_deref(), fixed, "{text}");
        }
    }

    #[test]
    fn a_value_becomes_one_of_the_same_kind() {
        for (value, expected) in [
            (json!(5), Some("5s")),
            (json!("5 minutes"), Some("5m")),
            (json!("-0.5"), Some("0.5s")),
            (json!("0s"), Some("5s")),
            (json!("soon"), Some("5s")),
            (json!([]), None),
        ] {
            assert_eq!(duration(&value).as_deref(), expected, "{value}");
        }
        for (text, expected) in [
            ("a:1/mcp", "http://a:1/mcp"),
            ("ftp://a/x", "http://a/x"),
            ("https://u:p@a/x", "https://a/x"),
            ("/mcp", "http://mcp"),
            ("", "http://127.0.0.1:9001/mcp"),
            ("http://", "http://127.0.0.1:9001/mcp"),
            ("http://[a/x", "http://127.0.0.1:9001/mcp"),
        ] {
            assert_eq!(url(text), expected, "{text}");
        }
    }
}
