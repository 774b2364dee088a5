//! The arguments of a tool or a prompt, from the words of a command line.

use serde_json::{Map, Value};

/// A `key=value` argument of the command line.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct NamedValue {
    name: String,
    value: String,
}

impl std::str::FromStr for NamedValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| "must be NAME=VALUE".to_owned())?;
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// The parameters of a tool or prompt.
pub(super) struct Parameters<'a> {
    /// The JSON Schema that contains the targets of `$ref`.
    schema: &'a Value,
    properties: Vec<(&'a str, &'a Value)>,
    required: Vec<&'a str>,
    /// Whether other parameters are allowed, too.
    takes_others: bool,
}

impl<'a> Parameters<'a> {
    /// The parameters of a tool, from its `inputSchema`.
    pub(super) fn of_tool(tool: &'a Value) -> Self {
        let schema = tool.get("inputSchema").unwrap_or(&Value::Null);
        let properties = schema.get("properties").and_then(Value::as_object);
        let properties = properties.into_iter().flatten();
        let required = schema.get("required").and_then(Value::as_array);
        let others = schema.get("additionalProperties");
        Self {
            schema,
            properties: properties.map(|(name, about)| (&**name, about)).collect(),
            required: required
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect(),
            takes_others: others.is_some_and(|it| *it != Value::Bool(false)),
        }
    }

    /// The parameters of a prompt, from its `arguments`. All of them are strings.
    pub(super) fn of_prompt(prompt: &'a Value) -> Self {
        let arguments = prompt.get("arguments").and_then(Value::as_array);
        let arguments = arguments.map_or(&[][..], Vec::as_slice);
        let name = |argument: &'a Value| argument.get("name").and_then(Value::as_str);
        let is_required = |argument: &&Value| argument.get("required") == Some(&Value::Bool(true));
        Self {
            schema: &Value::Null,
            properties: arguments
                .iter()
                .filter_map(|argument| Some((name(argument)?, &Value::Null)))
                .collect(),
            required: arguments
                .iter()
                .filter(is_required)
                .filter_map(name)
                .collect(),
            takes_others: false,
        }
    }

    /// The names of the required parameters.
    pub(super) fn required(&self) -> &[&'a str] {
        &self.required
    }

    /// The arguments `given`, with the types of the schema.
    ///
    /// # Errors
    /// An argument is unknown, is given twice, has another type, or is missing. The text names it,
    /// and the known parameters.
    pub(super) fn typed(&self, given: &[NamedValue]) -> Result<Map<String, Value>, String> {
        let mut arguments = Map::new();
        for NamedValue { name, value } in given {
            let about = self.properties.iter().find(|(known, _)| known == name);
            if about.is_none() && !self.takes_others {
                return Err(format!("--arg {name}: no such argument; {}", self.known()));
            }
            let about = about.map_or(&Value::Null, |(_, about)| about);
            let value = self
                .value(about, value)
                .map_err(|wanted| format!("--arg {name}={value}: must be {wanted}"))?;
            if arguments.insert(name.clone(), value).is_some() {
                return Err(format!("--arg {name}: is given twice"));
            }
        }
        let is_missing = |name: &&&str| !arguments.contains_key(**name);
        match self.required.iter().find(is_missing) {
            Some(name) => Err(format!(
                "the argument {name:?} is missing: add --arg {name}=VALUE; {}",
                self.known()
            )),
            None => Ok(arguments),
        }
    }

    /// A sentence that lists the known parameters.
    fn known(&self) -> String {
        if self.properties.is_empty() {
            return "the tool has no arguments".to_owned();
        }
        let names = self.properties.iter().map(|(name, _)| {
            let is_required = self.required.contains(name);
            format!("{name}{}", if is_required { " (required)" } else { "" })
        });
        format!("the arguments are {}", names.collect::<Vec<_>>().join(", "))
    }

    /// `text` as a value of the type in the schema `about`. The error is that type.
    fn value(&self, about: &Value, text: &str) -> Result<Value, String> {
        let types = self.types(about, 8);
        if types.is_empty() {
            return Ok(Value::from(text));
        }
        let parsed: Option<Value> = serde_json::from_str(text).ok();
        match parsed.filter(|value| types.iter().any(|kind| is_of(value, kind))) {
            // "1" may be a number or a string. It becomes a number.
            Some(Value::String(_)) | None if types.contains(&"string") => Ok(Value::from(text)),
            Some(value) => Ok(value),
            None => {
                let wanted: Vec<&str> = types.into_iter().map(in_words).collect();
                Err(wanted.join(" or "))
            }
        }
    }

    /// The types that the schema `about` allows; empty if it has no type.
    fn types(&self, about: &'a Value, depth: usize) -> Vec<&'a str> {
        let Some(depth) = depth.checked_sub(1) else {
            return Vec::new();
        };
        if let Some(reference) = about.get("$ref").and_then(Value::as_str) {
            let path = reference.strip_prefix('#');
            let referred = path.and_then(|path| self.schema.pointer(path));
            return referred.map_or_else(Vec::new, |it| self.types(it, depth));
        }
        match about.get("type") {
            Some(Value::String(kind)) => return vec![kind],
            Some(Value::Array(kinds)) => return kinds.iter().filter_map(Value::as_str).collect(),
            _ => {}
        }
        let choices = ["anyOf", "oneOf"].iter().find_map(|it| about.get(it));
        let choices = choices.and_then(Value::as_array);
        let choices = choices.map_or(&[][..], Vec::as_slice);
        choices
            .iter()
            .flat_map(|choice| self.types(choice, depth))
            .collect()
    }
}

/// Whether `value` has the JSON Schema type `kind`.
fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    }
}

fn in_words(kind: &str) -> &str {
    match kind {
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a JSON array, such as [\"a\",\"b\"]",
        "object" => "a JSON object, such as {\"a\":1}",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tool() -> Value {
        json!({"name": "t", "inputSchema": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer"},
                "ratio": {"type": "number"},
                "deep": {"type": "boolean"},
                "tags": {"type": "array"},
                "extra": {"type": "object"},
                "maybe": {"type": ["integer", "null"]},
                "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                "sky": {"$ref": "#/$defs/Sky"},
                "loop": {"$ref": "#/$defs/Loop"},
                "any": {},
            },
            "required": ["city"],
            "$defs": {"Sky": {"type": "string"}, "Loop": {"$ref": "#/$defs/Loop"}},
        }})
    }

    fn given(words: &[&str]) -> Vec<NamedValue> {
        words.iter().map(|word| word.parse().unwrap()).collect()
    }

    #[test]
    fn values_have_the_types_of_the_schema() {
        let tool = tool();
        let parameters = Parameters::of_tool(&tool);
        for (word, expected) in [
            ("city=7", json!({"city": "7"})),
            ("city=", json!({"city": ""})),
            ("city=a=b", json!({"city": "a=b"})),
            ("city=\"x\"", json!({"city": "\"x\""})),
            ("days=7", json!({"days": 7})),
            ("ratio=7", json!({"ratio": 7})),
            ("ratio=0.5", json!({"ratio": 0.5})),
            ("deep=true", json!({"deep": true})),
            ("tags=[\"a\"]", json!({"tags": ["a"]})),
            ("extra={\"a\":1}", json!({"extra": {"a": 1}})),
            ("maybe=null", json!({"maybe": null})),
            ("maybe=3", json!({"maybe": 3})),
            ("either=3", json!({"either": 3})),
            ("either=three", json!({"either": "three"})),
            ("either=\"3\"", json!({"either": "\"3\""})),
            ("sky=1", json!({"sky": "1"})),
            ("loop=1", json!({"loop": "1"})),
            ("any=1", json!({"any": "1"})),
        ] {
            let mut words = vec![word];
            let is_city = word.starts_with("city");
            if !is_city {
                words.push("city=x");
            }
            let mut typed = parameters.typed(&given(&words)).unwrap();
            if !is_city {
                typed.shift_remove("city");
            }
            assert_eq!(Value::Object(typed), expected, "{word}");
        }
    }

    #[test]
    fn an_error_names_the_argument_and_what_it_must_be() {
        let tool = tool();
        let parameters = Parameters::of_tool(&tool);
        for (words, expected) in [
            (&["days=many"][..], "--arg days=many: must be an integer"),
            (&["days=1.5"], "--arg days=1.5: must be an integer"),
            (&["deep=yes"], "--arg deep=yes: must be true or false"),
            (&["tags=a,b"], "--arg tags=a,b: must be a JSON array"),
            (&["maybe=x"], "--arg maybe=x: must be an integer or null"),
            (
                &["town=x"],
                "--arg town: no such argument; the arguments are city (required), days",
            ),
            (
                &["days=1"],
                "the argument \"city\" is missing: add --arg city=VALUE",
            ),
            (&["city=a", "city=b"], "--arg city: is given twice"),
        ] {
            let error = parameters.typed(&given(words)).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        let nothing = json!({"name": "t", "inputSchema": {"type": "object"}});
        let error = Parameters::of_tool(&nothing).typed(&given(&["a=1"]));
        assert_eq!(
            error.unwrap_err(),
            "--arg a: no such argument; the tool has no arguments"
        );
    }

    #[test]
    fn a_schema_that_says_so_allows_others() {
        for (others, is_allowed) in [
            (json!(true), true),
            (json!({}), true),
            (json!(false), false),
        ] {
            let tool = json!({"inputSchema": {"additionalProperties": others}});
            let typed = Parameters::of_tool(&tool).typed(&given(&["a=1"]));
            assert_eq!(typed.is_ok(), is_allowed, "{others}");
        }
    }

    #[test]
    fn the_arguments_of_a_prompt_are_strings() {
        let prompt = json!({"arguments": [{"name": "a", "required": true}, {"name": "b"}]});
        let parameters = Parameters::of_prompt(&prompt);
        let typed = parameters.typed(&given(&["a=1"])).unwrap();
        assert_eq!(Value::Object(typed), json!({"a": "1"}));
        let error = parameters.typed(&given(&["b=1"])).unwrap_err();
        assert!(
            error.contains("the arguments are a (required), b"),
            "{error}"
        );
    }

    #[test]
    fn a_word_without_a_name_is_refused() {
        for word in ["", "a", "=1"] {
            assert!(word.parse::<NamedValue>().is_err(), "{word:?}");
        }
    }
}
