//! Fields of servers that other programs have under another name, or in another form.

use serde_json::{Value, json};

use super::advice::{self, Fix};
use crate::syntax::tree::{Node, NodeKind, below};
use crate::syntax::yaml;

/// The names of fields here, and names of the same fields elsewhere, in lower case and without
/// `_` and `-`.
const NAMES: [(&str, &[&str]); 6] = [
    (
        "url",
        &[
            "address",
            "baseurl",
            "endpoint",
            "href",
            "httpurl",
            "serverurl",
        ],
    ),
    ("command", &["cmd", "exec", "executable", "program"]),
    ("args", &["argv", "arguments", "parameters"]),
    ("env", &["environment", "envs", "envvars", "variables"]),
    (
        "cwd",
        &[
            "dir",
            "directory",
            "workdir",
            "workingdir",
            "workingdirectory",
        ],
    ),
    ("headers", &["httpheaders", "requestheaders"]),
];

/// Names of a token, in the same form.
const TOKENS: [&str; 7] = [
    "accesstoken",
    "apikey",
    "authorization",
    "bearer",
    "bearertoken",
    "key",
    "token",
];

/// The name in `known` of the field that others call `name`.
pub(super) fn name_here<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = plain(name);
    let (here, _) = NAMES.iter().find(|(_, others)| others.contains(&&*name))?;
    known.iter().copied().find(|known| known == here)
}

/// What to write in place of the value `node` of a field of a server, if `reason` is wrong with it:
/// it has the form that others have.
pub(super) fn value_here(path: &str, reason: &str, node: &Node) -> Option<Fix> {
    let (server, field) = path.rsplit_once('.')?;
    if !advice::is_server(server) {
        return None;
    }
    match (field, reason, &node.kind) {
        ("tools", advice::NO_OBJECT, NodeKind::List(_)) => {
            let value = yaml::flow(&json!({ "include": node.value() })).ok()?;
            let field = field.to_owned();
            Some(Fix::Set { field, value })
        }
        // The values may be secrets, so they are not shown.
        (place, _, _)
            if place.starts_with("headers[") && reason == "missing field `name`"
                || place == "headers" && reason == "must be a list" =>
        {
            let header = json!({ "name": "NAME", "value": "value" });
            Some(if field == "headers" {
                Fix::Set {
                    field: field.to_owned(),
                    value: yaml::flow(&json!([header])).ok()?,
                }
            } else {
                Fix::Item(yaml::flow(&header).ok()?)
            })
        }
        _ => None,
    }
}

/// What to write in place of the field `name` of the server of `config` at `server`, whose value `node`
/// has another form here. The server may have the field with this form already.
pub(super) fn form_in(config: &Node, server: &str, name: &str, node: &Node) -> Option<Fix> {
    let fix = form_here(name, node)?;
    let Fix::Set { field, value } = &fix else {
        return Some(fix);
    };
    let path = below(server, field);
    let (_, found) = config.nearest(&path);
    let inner = value.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
    Some(match inner {
        _ if found < path.len() => fix,
        Some(inner) => Fix::Words(format!("put {inner} into {field}, and remove {name}")),
        None => Fix::Remove(name.to_owned()),
    })
}

/// What to write in place of the field `name` of a server, whose value `node` has another form here.
fn form_here(name: &str, node: &Node) -> Option<Fix> {
    let set = |field: &str, value: &Value| {
        Some(Fix::Set {
            field: field.to_owned(),
            value: yaml::flow(value).ok()?,
        })
    };
    let name = plain(name);
    match (&*name, &node.kind) {
        ("disabled", NodeKind::Scalar(Value::Bool(disabled))) => set("enabled", &json!(!disabled)),
        ("includetools" | "enabledtools" | "allowedtools", NodeKind::List(_)) => {
            set("tools", &json!({ "include": node.value() }))
        }
        ("excludetools" | "disabledtools", NodeKind::List(_)) => {
            set("tools", &json!({ "exclude": node.value() }))
        }
        // The value may be a secret, so it is not shown.
        (token, NodeKind::Scalar(Value::String(_))) if TOKENS.contains(&token) => {
            set("headers", &json!({ "Authorization": "Bearer ${TOKEN}" }))
        }
        _ => None,
    }
}

/// `name` in lower case and without `_` and `-`.
fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '-'], "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::tree;

    #[test]
    fn a_field_of_another_program_has_its_name_here() {
        let known = ["name", "url", "command", "args"];
        for (name, expected) in [
            ("endpoint", Some("url")),
            ("base_url", Some("url")),
            ("serverUrl", Some("url")),
            ("cmd", Some("command")),
            ("Arguments", Some("args")),
            ("environment", None),
            ("url", None),
        ] {
            assert_eq!(name_here(name, &known), expected, "{name}");
        }
    }

    #[test]
    fn a_value_in_another_form_has_its_form_here() {
        for (path, reason, text, expected) in [
            (
                "servers[0].tools",
                advice::NO_OBJECT,
                "- a",
                Some("tools: {include: [a]}"),
            ),
            ("servers[0].tools", advice::NO_OBJECT, "a", None),
            ("endpoints[0].tools", advice::NO_OBJECT, "- a", None),
            (
                "servers[0].headers",
                "must be a list",
                "secret",
                Some("headers: [{name: NAME, value: value}]"),
            ),
            (
                "servers[0].headers[1]",
                "missing field `name`",
                "{ a: secret }",
                Some("- {name: NAME, value: value}"),
            ),
            ("servers[0]", "missing field `name`", "{ a: b }", None),
        ] {
            let node = tree::documents(text).unwrap().remove(0);
            let fix = value_here(path, reason, &node).map(|it| it.to_string());
            assert_eq!(fix.as_deref(), expected, "{path}: {text}");
        }
    }

    #[test]
    fn a_field_in_another_form_has_its_form_here() {
        for (text, expected) in [
            ("disabled: true", Some("enabled: false")),
            ("disabled: false", Some("enabled: true")),
            ("includeTools: [a, b]", Some("tools: {include: [a, b]}")),
            ("excluded_tools: [a]", None),
            ("disabled: 'no'", None),
            (
                "token: abc",
                Some("headers: {Authorization: \"Bearer ${TOKEN}\"}"),
            ),
        ] {
            let tree = tree::documents(text).unwrap().remove(0);
            let name = text.split(':').next().unwrap();
            let fix = form_here(name, tree.get(name).unwrap());
            let fix = fix.map(|it| it.to_string());
            assert_eq!(fix.as_deref(), expected, "{text}");
        }
    }
}
