//! `toolSearch`: if a caller may see many tools, the list shows two tools in their place, which
//! search for tools and call them.

use serde_json::Value;

use super::ConfigError;
use super::fields::{Fields, FromValue, OptionalFields};
use super::text::NonEmptyText;
use crate::policy::glob::Glob;

/// The most tools that one answer of `search_tools` has.
pub const MOST_FOUND: usize = 50;

/// Search over tools. Where a caller may see more tools than `threshold`, `tools/list`
/// shows `search_tools`, `call_tool`, and the tools that `always` names. `search_tools`
/// finds tools by words, and `call_tool` calls one that was found. All tools stay callable
/// by their own names. Rules, limits, logs and servers see a call of the tool itself.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields, default)
)]
pub(super) struct ToolSearchSpec {
    /// Callers who may see more tools than this get the two tools in place of the list.
    /// Other callers get the whole list.
    #[cfg_attr(feature = "schema", schemars(range(max = 4_294_967_295u64)))]
    threshold: usize,
    /// How many tools `search_tools` returns if the client does not ask for a number: from
    /// 1 to 50. A client may ask for up to 50.
    limit: SearchLimit,
    /// Patterns of the tools that the list always shows, by the names that clients see. In
    /// a pattern `*` stands for any text.
    always: Vec<NonEmptyText>,
}

/// From 1 to [`MOST_FOUND`].
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema, serde::Serialize),
    schemars(inline)
)]
struct SearchLimit(
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MOST_FOUND)))] usize,
);

impl FromValue for SearchLimit {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        match usize::from_value(path, value) {
            Ok(limit @ 1..=MOST_FOUND) => Ok(Self(limit)),
            _ => Err(ConfigError::new(
                path,
                "must be a whole number from 1 to 50",
            )),
        }
    }
}

impl Default for ToolSearchSpec {
    fn default() -> Self {
        Self {
            threshold: 40,
            limit: SearchLimit(8),
            always: Vec::new(),
        }
    }
}

impl OptionalFields for ToolSearchSpec {
    fn read(&mut self, fields: &mut Fields<'_>) {
        fields.set("threshold", &mut self.threshold);
        fields.set("limit", &mut self.limit);
        fields.set("always", &mut self.always);
    }
}

impl ToolSearchSpec {
    /// Compiles the section into the data that requests need.
    pub(super) fn check(&self) -> ToolSearch {
        let always = self.always.iter().map(NonEmptyText::as_str);
        ToolSearch {
            threshold: self.threshold,
            limit: self.limit.0,
            always: always.map(Glob::new).collect(),
        }
    }
}

/// Search over tools, checked.
#[derive(Debug, Clone)]
pub struct ToolSearch {
    /// Callers who may see more tools than this get the search tools.
    pub threshold: usize,
    /// How many tools a search gives if the client sets no limit: from 1 to [`MOST_FOUND`].
    pub limit: usize,
    /// The tools that the list shows in any case, by the names that clients see.
    pub always: Vec<Glob>,
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, ToolSearch};
    use wasm_bindgen_test::wasm_bindgen_test;

    fn search(text: &str) -> Option<ToolSearch> {
        let config = format!(r#"{{"servers":[{{"name":"a"}}]{text}}}"#);
        Config::parse(config.as_bytes())
            .unwrap()
            .gateway
            .unwrap()
            .tool_search
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn it_is_off_unless_it_is_there_and_has_defaults() {
        assert!(search("").is_none());
        assert!(search(r#","toolSearch":null"#).is_none());
        let default = search(r#","toolSearch":{}"#).unwrap();
        assert_eq!((default.threshold, default.limit), (40, 8));
        assert!(default.always.is_empty());
        let given = search(r#","tool_search":{"threshold":0,"limit":50,"always":["a__x*"]}"#);
        let given = given.unwrap();
        assert_eq!((given.threshold, given.limit), (0, 50));
        assert!(given.always[0].matches("a__xy") && !given.always[0].matches("xy"));
    }
}
