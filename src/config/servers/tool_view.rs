//! `tools` of a server: which tools clients may use, and how clients see them.

use serde_json::{Map, Value};

use super::filter::filter_of;
use crate::config::ConfigError;
use crate::config::fields::{ByName, Fields, FromValue, NonEmptyVec, OptionalFields};
use crate::config::source::json_text;
use crate::config::text::{NonEmptyText, text};
use crate::mcp::json::quoted;
use crate::mcp::lookalike::{fold, is_lookalike};
use crate::policy::glob::Filter;

/// How clients see one tool of a server: the changed members of its definition, and the parameters
/// that only the gateway sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolView {
    /// The server's own name of the tool.
    pub upstream_name: String,
    /// The name that clients see in place of the server's own, without the server's prefix.
    pub name: Option<String>,
    /// Members of the definition: names, and values as JSON texts.
    pub members: Vec<(&'static str, String)>,
    /// The parameters that clients neither see nor set.
    pub removed: Vec<RemovedParameter>,
}

/// A parameter that clients neither see nor set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedParameter {
    /// Its name.
    pub name: String,
    /// The JSON text of the value that the gateway sets in calls; `None` where calls have no such
    /// argument.
    pub value: Option<String>,
}

impl ToolView {
    /// The name that clients see, without the server's prefix.
    pub fn name_without_prefix(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.upstream_name)
    }

    /// Whether `parameter` is removed. The case is ignored, since some servers ignore the case of
    /// names.
    pub fn removes(&self, parameter: &str) -> bool {
        let mut removed = self.removed.iter();
        removed.any(|it| it.name == parameter || is_lookalike(parameter, &[&it.name]))
    }
}

/// Which tools of a server are included, and how clients see them. In a pattern `*`
/// stands for any text.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields, default)
)]
pub(super) struct ToolsSpec {
    /// Patterns of the included names.
    ///
    /// Default: all names.
    include: Option<NonEmptyVec<NonEmptyText>>,
    /// Patterns of the excluded names. A name that `include` has, too, is excluded.
    #[cfg_attr(feature = "schema", schemars(extend("default" = [])))]
    exclude: Vec<NonEmptyText>,
    /// Tools that clients see differently than the server describes them, by the server's
    /// own names.
    #[cfg_attr(feature = "schema", schemars(rename = "override", extend("default" = {})))]
    overrides: ToolOverridesSpec,
}

/// Tools by the server's own names.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(inline, extend("propertyNames" = {"minLength": 1}))
)]
struct ToolOverridesSpec(ByName<ToolOverrideSpec>);

/// How clients see a tool. Where a field is absent, clients see what the server sends.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(
        rename_all = "camelCase",
        deny_unknown_fields,
        default,
        extend("minProperties" = 1)
    )
)]
struct ToolOverrideSpec {
    /// The name in place of the server's own: 1 to 128 letters, digits, `_`, `.` and `-`.
    /// The prefix of the server still goes before it. The tool is then unknown by its own
    /// name.
    name: Option<ToolName>,
    /// The title for people, in place of the server's.
    title: Option<NonEmptyText>,
    /// The description for models, in place of the server's.
    description: Option<String>,
    /// The annotations, in place of all of the server's.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Map<String, Value>>"))]
    annotations: Option<FreeObject>,
    /// Names of parameters that clients do not see. If a client sends one, the filter
    /// removes it from the call. It compares the names without regard to case, as some
    /// servers do.
    hide: Option<NonEmptyVec<NonEmptyText>>,
    /// Parameters that clients do not see, with the values that the filter puts into every
    /// call. A value can be any JSON.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<Map<String, Value>>",
            extend("propertyNames" = {"minLength": 1}, "minProperties" = 1)
        )
    )]
    set: Option<FreeObject>,
}

text! {
    /// 1 to 128 letters, digits, `_`, `.` and `-`, which MCP recommends for the names
    /// of tools.
    ToolName,
    [regex(pattern = r"^[A-Za-z0-9_.-]{1,128}$")],
    |text| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        (1..=128).contains(&text.len()) && text.bytes().all(fits)
    },
    "must be at most 128 letters, digits, \"_\", \".\" or \"-\""
}

/// An object with any members.
#[derive(Debug)]
struct FreeObject(Map<String, Value>);

impl FromValue for FreeObject {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        match value {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(ConfigError::new(path, "must be an object")),
        }
    }
}

impl OptionalFields for ToolsSpec {
    fn read(&mut self, fields: &mut Fields<'_>) {
        fields.set("include", &mut self.include);
        fields.set("exclude", &mut self.exclude);
        fields.set("override", &mut self.overrides);
    }
}

impl FromValue for ToolOverridesSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        if value.get("").is_some() {
            return Err(ConfigError::new(path, "the name of a tool is empty"));
        }
        ByName::from_value(path, value).map(Self)
    }
}

impl FromValue for ToolOverrideSpec {
    fn from_value(path: &str, mut value: Value) -> Result<Self, ConfigError> {
        if let Value::Object(members) = &mut value {
            members.retain(|_, value| !value.is_null());
            if members.is_empty() {
                let reason = "has no effect: set one of name, title, description, annotations, hide, set; or remove it";
                return Err(ConfigError::new(path, reason));
            }
        }
        Fields::read(path, value, |fields| {
            let mut spec = Self::default();
            fields.set("name", &mut spec.name);
            fields.set("title", &mut spec.title);
            fields.set("description", &mut spec.description);
            fields.set("annotations", &mut spec.annotations);
            fields.set("hide", &mut spec.hide);
            fields.set("set", &mut spec.set);
            if spec.set.as_ref().is_some_and(|set| set.0.is_empty()) {
                let at = format!("{path}.set");
                return Err(ConfigError::new(at, "must have at least one member"));
            }
            Ok(spec)
        })
    }
}

impl ToolsSpec {
    pub(super) fn filter(&self) -> Filter {
        filter_of(self.include.as_ref(), &self.exclude)
    }

    /// The views of the tools in `override`, which is at `path`.
    ///
    /// # Errors
    /// Two tools get the same name, or a parameter is there twice.
    pub(super) fn views(&self, path: &str) -> Result<Vec<ToolView>, ConfigError> {
        let mut views: Vec<ToolView> = Vec::new();
        for (own, spec) in self.overrides.0.as_slice() {
            let at = format!("{path}.override.{own}");
            views.push(spec.view(own, &at)?);
        }
        for (at, view) in views.iter().enumerate() {
            let mut others = views.iter().enumerate();
            let other = others
                .find(|(n, it)| *n != at && it.name_without_prefix() == view.name_without_prefix());
            if let (Some(name), Some((_, other))) = (&view.name, other) {
                return Err(ConfigError::new(
                    format!("{path}.override.{}.name", view.upstream_name),
                    format!(
                        "{name:?} is also the name of the tool {:?}: give each tool a different name",
                        other.upstream_name
                    ),
                ));
            }
        }
        Ok(views)
    }

    /// Warnings about the views at `path` of tools that the filters hide.
    pub(super) fn hidden_views(&self, path: &str) -> Vec<String> {
        let filter = self.filter();
        let names = self.overrides.0.as_slice().iter().map(|(own, _)| own);
        let hidden = names.filter(|own| !filter.allows(own));
        let warning = |own: &String| {
            format!(
                "{path}.override.{own}: has no effect, since include or exclude hides this tool"
            )
        };
        hidden.map(warning).collect()
    }
}

impl ToolOverrideSpec {
    fn view(&self, own: &str, path: &str) -> Result<ToolView, ConfigError> {
        let mut members = Vec::new();
        if let Some(title) = &self.title {
            members.push(("title", quoted(title.as_str())));
        }
        if let Some(description) = &self.description {
            members.push(("description", quoted(description)));
        }
        if let Some(FreeObject(annotations)) = &self.annotations {
            members.push(("annotations", json_text(annotations)));
        }
        let hidden = self.hide.as_ref().map_or(&[][..], NonEmptyVec::as_slice);
        let hidden = hidden.iter().enumerate();
        let hidden = hidden.map(|(n, name)| (format!("hide[{n}]"), name.as_str(), None));
        let set = self.set.iter().flat_map(|FreeObject(set)| set);
        let set = set.map(|(name, value)| (format!("set.{name}"), &**name, Some(value)));
        let mut removed: Vec<RemovedParameter> = Vec::new();
        for (field, name, value) in hidden.chain(set) {
            let why = if name.is_empty() {
                "the name of a parameter is empty".to_owned()
            } else if removed.iter().any(|it| fold(&it.name).eq(fold(name))) {
                // A server that ignores the case of names would use only one of the two.
                format!(
                    "{name:?} is already in hide or set, where upper and lower case are the same"
                )
            } else {
                let (name, value) = (name.to_owned(), value.map(json_text));
                removed.push(RemovedParameter { name, value });
                continue;
            };
            return Err(ConfigError::new(format!("{path}.{field}"), why));
        }
        Ok(ToolView {
            upstream_name: own.to_owned(),
            name: self.name.as_ref().map(|name| name.as_str().to_owned()),
            members,
            removed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn names_and_values_are_as_they_are_written() {
        let text = r#"{"servers":[{"name":"a","tools":{"exclude":["no_*"],"override":{
            "get_it":{"name":"take_it","title":null,"annotations":{"my_hint":null},"set":{"b_c":{"d_e":1.0}},"hide":["x_y"]},
            "left":{"name":"get_it"},"no_one":{"description":""},"nothing":null}}}]}"#;
        let config = Config::parse(text.as_bytes()).unwrap();
        let removed = |name: &str, value: Option<&str>| RemovedParameter {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        };
        let view = |own: &str, name: Option<&str>| ToolView {
            upstream_name: own.to_owned(),
            name: name.map(str::to_owned),
            members: Vec::new(),
            removed: Vec::new(),
        };
        let views = [
            ToolView {
                members: vec![("annotations", r#"{"my_hint":null}"#.to_owned())],
                removed: vec![removed("x_y", None), removed("b_c", Some(r#"{"d_e":1}"#))],
                ..view("get_it", Some("take_it"))
            },
            view("left", Some("get_it")),
            ToolView {
                members: vec![("description", r#""""#.to_owned())],
                ..view("no_one", None)
            },
        ];
        assert_eq!(config.gateway.unwrap().servers[0].tool_views, views);
        let warning = "servers[0].tools.override.no_one: has no effect, since include or exclude hides this tool";
        assert_eq!(config.warnings, [warning]);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn names_may_be_exchanged() {
        let text = r#"{"servers":[{"name":"a","tools":{"override":{"x":{"name":"y"},"y":{"name":"x"}}}}]}"#;
        assert!(Config::parse(text.as_bytes()).is_ok());
    }
}
