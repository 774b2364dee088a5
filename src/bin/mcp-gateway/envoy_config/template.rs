//! Renders YAML files from templates in Jinja.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use serde::Serialize;

use crate::syntax::yaml;

/// Renders `template`. An expression such as `{{ name }}` becomes this value of `context` as YAML.
/// The filter `safe` marks a text that is YAML already.
///
/// # Errors
/// The template is not valid, or `context` has no such value. Both are bugs.
pub(super) fn render(template: &str, context: &impl Serialize) -> Result<String, String> {
    try_render(template, context).map_err(|error| format!("a bug: {error:#}"))
}

fn try_render(template: &str, context: &impl Serialize) -> Result<String, Error> {
    let mut environment = Environment::new();
    // A line that has only a tag does not leave an empty line.
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()?;
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_formatter(write_value);
    environment.render_str(template, Serde(context))
}

fn write_value(out: &mut Output, _: &mut State, value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    let text = if value.is_safe() {
        value.to_string()
    } else {
        yaml::flow(value)
            .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?
    };
    out.write_str(&text).map_err(Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_written_as_yaml() {
        let context =
            json!({"text": "a, b", "word": "a", "list": ["x", "*"], "block": "a: 1\nb: 2\n"});
        let template = "{# why #}\n- {{ text }}\n- { it: {{ word }} }\n- {{ list }}\n- {{ 'a' ~ 1 }}\n  {% if word %}\n  {{ block | indent(2) | safe }}\n  {% endif %}\n";
        let expected = "- \"a, b\"\n- { it: a }\n- [x, \"*\"]\n- a1\n  a: 1\n  b: 2\n";
        assert_eq!(render(template, &context).unwrap(), expected);
    }

    #[test]
    fn a_value_that_the_context_lacks_is_an_error() {
        for template in [
            "{{ x }}",
            "{% if x %}{% endif %}",
            "{{ a.b }}",
            "{{",
            "{{ a | f }}",
        ] {
            let context = json!({"a": {}});
            assert!(render(template, &context).is_err(), "{template}");
        }
    }
}
