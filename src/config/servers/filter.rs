//! Which tools, prompts and resources of a server there are.

use serde_json::Value;

use crate::config::ConfigError;
use crate::config::fields::{Fields, FromValue, NonEmptyVec};
use crate::config::text::NonEmptyText;
use crate::policy::glob::{Filter, Glob};

/// Which names there are. In a pattern `*` stands for any text.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields, default)
)]
pub(super) struct FilterSpec {
    /// Patterns of the names that there are.
    ///
    /// Default: all names.
    include: Option<NonEmptyVec<NonEmptyText>>,
    /// Patterns of the names that there are not, also if `include` has them.
    #[cfg_attr(feature = "schema", schemars(extend("default" = [])))]
    exclude: Vec<NonEmptyText>,
}

impl FromValue for FilterSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            let mut spec = Self::default();
            fields.set("include", &mut spec.include)?;
            fields.set("exclude", &mut spec.exclude)?;
            Ok(spec)
        })
    }
}

impl FilterSpec {
    pub(super) fn filter(&self) -> Filter {
        let globs = |texts: &[NonEmptyText]| -> Vec<Glob> {
            texts.iter().map(|text| Glob::new(text.as_str())).collect()
        };
        Filter {
            include: self
                .include
                .as_ref()
                .map_or_else(Vec::new, |list| globs(list.as_slice())),
            exclude: globs(&self.exclude),
        }
    }
}
