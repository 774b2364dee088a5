//! `parserConfig`: what the filter extracts from messages, and how it groups
//! methods.

use serde_json::Value;

use super::ConfigError;
use super::fields::{Fields, FromValue, OptionalFields};
use super::text::{NonEmptyText, text};
use crate::policy::export;
use crate::policy::rules::{MethodRule, Rules};

/// What the filter extracts from the parameters of messages for later filters,
/// and how it groups methods. The fields are those of Envoy's own MCP filter.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields, default)
)]
pub(super) struct ParserConfigSpec {
    /// Rules for methods. The first rule for a method applies. A method without
    /// a rule keeps its built-in group and extraction, which are those of
    /// Envoy's own MCP filter.
    #[cfg_attr(feature = "schema", schemars(extend("default" = [])))]
    methods: Vec<MethodRuleSpec>,
    /// The key under which `wasm.mcp` shows the group of a method. With it the
    /// filter also sets `wasm.mcp.group`. It must differ from the names that `wasm.mcp` has by
    /// itself, such as `method` and `params`.
    ///
    /// Default: the filter does not show the group.
    group_metadata_key: Option<GroupKey>,
}

/// A rule for one method.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields)
)]
struct MethodRuleSpec {
    /// The JSON-RPC method, such as `tools/call`. The filter compares it exactly.
    method: NonEmptyText,
    /// The group of the method, in metrics (`mcp.requests.<group>`) and where
    /// `groupMetadataKey` shows it: letters, digits, `_` and `-`.
    ///
    /// Default: the built-in group of the method.
    group: Option<GroupName>,
    /// What the filter extracts from messages of this method, in place of the
    /// built-in extraction. An empty list keeps the built-in extraction.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = [])))]
    extraction_rules: Vec<ExtractionRuleSpec>,
}

/// What to extract from a message.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields)
)]
struct ExtractionRuleSpec {
    /// Where the value is: `params` and the names of members, with dots between
    /// them, such as `params.arguments.city`. The filter extracts strings,
    /// numbers, booleans and objects, but no arrays. It refuses a message that
    /// has one of these members twice.
    path: ExtractionPath,
}

text! {
    /// Letters, digits, `_` and `-`. It becomes a part of a metric's name.
    GroupName,
    [regex(pattern = r"^[A-Za-z0-9_-]+$")],
    |text| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        !text.is_empty() && text.bytes().all(fits)
    },
    "must be letters, digits, \"_\" or \"-\""
}

text! {
    /// Any text that is not empty, except for the names that `wasm.mcp` has by itself.
    GroupKey,
    [length(min = 1)],
    |text| !text.is_empty() && !export::MEMBERS.contains(&text),
    "is a name that wasm.mcp has already: choose another one"
}

text! {
    /// `params` and names, with dots between them.
    ExtractionPath,
    [regex(pattern = r"^params(\.[^.]+)+$")],
    |text| {
        let names = text.strip_prefix("params.");
        names.is_some_and(|names| names.split('.').all(|name| !name.is_empty()))
    },
    "must be \"params.\" and then names with dots between them"
}

impl OptionalFields for ParserConfigSpec {
    fn read(&mut self, fields: &mut Fields<'_>) {
        fields.set("methods", &mut self.methods);
        fields.set("groupMetadataKey", &mut self.group_metadata_key);
    }
}

impl FromValue for MethodRuleSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            let mut spec = Self {
                method: fields.required("method")?,
                group: None,
                extraction_rules: Vec::new(),
            };
            fields.set("group", &mut spec.group);
            fields.set("extractionRules", &mut spec.extraction_rules);
            Ok(spec)
        })
    }
}

impl FromValue for ExtractionRuleSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            Ok(Self {
                path: fields.required("path")?,
            })
        })
    }
}

impl ParserConfigSpec {
    /// The rules, with their paths taken apart.
    pub(super) fn rules(&self) -> Rules {
        let group_key = self.group_metadata_key.as_ref();
        Rules {
            methods: self.methods.iter().map(MethodRuleSpec::rule).collect(),
            group_key: group_key.map(|key| key.as_str().to_owned()),
        }
    }
}

impl MethodRuleSpec {
    fn rule(&self) -> MethodRule {
        MethodRule {
            method: self.method.as_str().to_owned(),
            group: self.group.as_ref().map(|group| group.as_str().to_owned()),
            paths: self
                .extraction_rules
                .iter()
                .map(ExtractionRuleSpec::names)
                .collect(),
        }
    }
}

impl ExtractionRuleSpec {
    /// The names below `params`.
    fn names(&self) -> Vec<String> {
        let names = self.path.as_str().split('.').skip(1);
        names.map(str::to_owned).collect()
    }
}
