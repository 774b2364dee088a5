//! Suggests how to fix an error of the filter's configuration.

use serde_json::Value;

/// A fix for the field at `path`, such as `timeout: 5s`. `reason` is why the filter
/// refuses the field, `value` is its value in the file if it has one. `None` if only the
/// user can know the right value.
pub(crate) fn fix(path: &str, reason: &str, value: Option<&Value>) -> Option<String> {
    let field = path.rsplit('.').next().unwrap_or(path);
    if let Some(known) = reason.strip_prefix("unknown field, expected one of ") {
        return Some(match nearest(field, known) {
            Some(name) => format!("{name}: …"),
            None => format!("remove {field}"),
        });
    }
    if let Some(missing) = reason.strip_prefix("missing field `") {
        return Some(format!("{}: …", missing.trim_end_matches('`')));
    }
    let right = right_value(field, reason, value?)?;
    Some(format!("{field}: {right}"))
}

/// The value that `field` may be meant to have.
fn right_value(field: &str, reason: &str, value: &Value) -> Option<String> {
    match reason {
        "must be true or false" => return Some(boolean(value).to_string()),
        "must be a string" => return Some(Value::from(plain(value)).to_string()),
        _ => {}
    }
    let text = value.as_str()?;
    if let Some((_, known)) = reason.split_once(" must be one of ") {
        nearest(text, known).map(str::to_owned)
    } else if reason.contains("is not a duration") {
        Some(duration(text))
    } else if reason.contains("must be an absolute http or https URL") {
        Some(url(text))
    } else if reason.ends_with(" twice") {
        Some(format!("{text}-2"))
    } else if reason.contains("must be at most 64 letters") {
        Some(name(text))
    } else if reason.contains("starts the URIs of resources") {
        Some(scheme(text))
    } else if field == "path" && reason.contains("must start with \"/\"") {
        let path = text.split('#').next().unwrap_or_default();
        Some(format!("/{}", path.trim_start_matches('/')))
    } else {
        None
    }
}

/// The one of `known`, a list with commas, that `text` may be a misspelling of.
fn nearest<'a>(text: &str, known: &'a str) -> Option<&'a str> {
    let distance =
        |name: &str| strsim::damerau_levenshtein(&text.to_lowercase(), &name.to_lowercase());
    let best = known.split(", ").min_by_key(|name| distance(name))?;
    (distance(best) <= text.len().max(best.len()) / 3).then_some(best)
}

fn boolean(value: &Value) -> bool {
    ["yes", "on", "1", "true", "y"].contains(&&*plain(value).to_lowercase())
}

/// `text` with the unit of seconds.
fn duration(text: &str) -> String {
    let number = text.trim_matches(|c: char| !c.is_ascii_digit());
    match number.parse::<f64>() {
        Ok(_) => format!("{number}s"),
        Err(_) => "5s".to_owned(),
    }
}

/// `text` with the scheme http.
fn url(text: &str) -> String {
    match text.rsplit("://").next() {
        None | Some("") => "http://127.0.0.1:9001/mcp".to_owned(),
        Some(rest) => format!("http://{rest}"),
    }
}

/// `text` with a dash for each character that a name cannot have.
fn name(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let characters = text.chars().map(|c| if fits(c) { c } else { '-' });
    characters.take(64).collect()
}

/// `text` as the scheme of a URI: lower case, and a letter first.
fn scheme(text: &str) -> String {
    let name = name(text).to_ascii_lowercase().replace('_', "-");
    if name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name
    } else {
        format!("server-{}", name.trim_start_matches(['-', '.']))
    }
}

/// The value as text, without the quotes of JSON.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_reason_has_its_fix() {
        let known = "unknown field, expected one of name, toolPrefix, enabled";
        let one = "\"never\" must be one of ALWAYS, CONDITIONAL, NEVER";
        for (path, reason, value, fixed) in [
            (
                "servers[0].toolPreffix",
                known,
                json!("a"),
                Some("toolPrefix: …"),
            ),
            (
                "servers[0].colour",
                known,
                json!("a"),
                Some("remove colour"),
            ),
            ("prefixMode", one, json!("never"), Some("prefixMode: NEVER")),
            ("prefixMode", one, json!("whatever"), None),
            (
                "servers[0]",
                "missing field `name`",
                json!({}),
                Some("name: …"),
            ),
            (
                "servers[0].enabled",
                "must be true or false",
                json!("yes"),
                Some("enabled: true"),
            ),
            (
                "servers[0].enabled",
                "must be true or false",
                json!(0),
                Some("enabled: false"),
            ),
            (
                "servers[0].toolPrefix",
                "must be a string",
                json!(7),
                Some("toolPrefix: \"7\""),
            ),
            (
                "servers[0].timeout",
                "\"5\" is not a duration such as",
                json!("5"),
                Some("timeout: 5s"),
            ),
            (
                "servers[0].url",
                "\"a:1/mcp\" must be an absolute http or https URL",
                json!("a:1/mcp"),
                Some("url: http://a:1/mcp"),
            ),
            (
                "servers[1].name",
                "\"a\" is used twice",
                json!("a"),
                Some("name: a-2"),
            ),
            (
                "servers[1].toolPrefix",
                "\"we ather_\" must be at most 64 letters, …",
                json!("we ather_"),
                Some("toolPrefix: we-ather_"),
            ),
            (
                "servers[1].name",
                "\"A_b\" starts the URIs of resources: …",
                json!("A_b"),
                Some("name: a-b"),
            ),
            ("session", "needs servers", json!({}), None),
        ] {
            assert_eq!(
                fix(path, reason, Some(&value)).as_deref(),
                fixed,
                "{path}: {reason}"
            );
        }
    }
}
