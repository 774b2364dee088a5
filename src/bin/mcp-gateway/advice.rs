//! What to do about an error of the filter's configuration.

use serde_json::Value;

/// A fix for the field at `path`, which has this `value` where it is there, and
/// was refused for this `reason`.
pub(crate) fn fix(path: &str, reason: &str, value: Option<&Value>) -> Option<String> {
    let field = path.rsplit('.').next().unwrap_or(path);
    let text = value.and_then(Value::as_str);
    if let Some(known) = reason.strip_prefix("unknown field, expected one of ") {
        return match nearest(field, known) {
            Some(name) => Some(format!("{name}: …")),
            None => Some(format!("remove {field}")),
        };
    }
    if let Some((_, known)) = reason.split_once(" must be one of ") {
        return nearest(text?, known).map(|name| format!("{field}: {name}"));
    }
    if let Some(missing) = reason.strip_prefix("missing field `") {
        return Some(format!("{}: …", missing.trim_end_matches('`')));
    }
    if reason == "must be true or false" {
        let on = ["yes", "on", "1", "true", "y"].contains(&&*plain(value?).to_lowercase());
        return Some(format!("{field}: {on}"));
    }
    if reason == "must be a string" {
        return Some(format!("{field}: {}", Value::from(plain(value?))));
    }
    if reason.contains("is not a duration") {
        let number = text?.trim_end_matches(|c: char| !c.is_ascii_digit());
        let number = if number.is_empty() { "5" } else { number };
        return Some(format!("{field}: {number}s"));
    }
    if reason.contains("must be an absolute http or https URL") {
        let rest = text?.rsplit("://").next()?;
        let rest = if rest.is_empty() {
            "127.0.0.1:9001/mcp"
        } else {
            rest
        };
        return Some(format!("{field}: http://{rest}"));
    }
    if reason.ends_with("stands twice") {
        return text.map(|text| format!("{field}: {text}-2"));
    }
    let named = reason.contains("must be at most 64 letters");
    if named || reason.contains("starts the URIs of resources") {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let text: String = text?
            .chars()
            .map(|c| if fits(c) { c } else { '-' })
            .collect();
        let text = if named {
            text.replace(' ', "-")
        } else {
            text.to_ascii_lowercase().replace('_', "-")
        };
        let text: String = text.chars().take(64).collect();
        return Some(format!("{field}: {text}"));
    }
    if field == "path" && reason.contains("must start with \"/\"") {
        return Some(format!("{field}: /{}", text?.split('#').next()?));
    }
    None
}

/// The one of `known`, a list with commas, that is most like `text`.
fn nearest<'a>(text: &str, known: &'a str) -> Option<&'a str> {
    let distance =
        |name: &str| strsim::damerau_levenshtein(&text.to_lowercase(), &name.to_lowercase());
    let best = known.split(", ").min_by_key(|name| distance(name))?;
    (distance(best) <= text.len().max(best.len()) / 3).then_some(best)
}

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
                "\"a\" stands twice",
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
