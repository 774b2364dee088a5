//! The filters of a server's tools, prompts and resources.

use crate::config::fields::{Fields, NonEmptyVec, OptionalFields};
use crate::config::text::NonEmptyText;
use crate::mcp::resource_uri;
use crate::policy::glob::{Filter, Glob};

/// Which names are included. In a pattern `*` stands for any text.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields, default)
)]
pub(in crate::config) struct FilterSpec {
    /// Patterns of the included names.
    ///
    /// Default: all names.
    include: Option<NonEmptyVec<NonEmptyText>>,
    /// Patterns of the excluded names. A name that `include` has, too, is excluded.
    #[cfg_attr(feature = "schema", schemars(extend("default" = [])))]
    exclude: Vec<NonEmptyText>,
}

impl OptionalFields for FilterSpec {
    fn read(&mut self, fields: &mut Fields<'_>) {
        fields.set("include", &mut self.include);
        fields.set("exclude", &mut self.exclude);
    }
}

/// Warnings about those patterns at `path` that no resource URI can match.
pub(in crate::config) fn unmatched(path: &str, patterns: &[NonEmptyText]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (n, pattern) in patterns.iter().enumerate() {
        let pattern = pattern.as_str();
        if let Err(why) = resource_uri::check_pattern(pattern) {
            warnings.push(format!(
                "{path}[{n}]: {pattern:?} cannot match any resource: only URIs in normal form are accepted, and such a URI {why}"
            ));
        }
    }
    warnings
}

impl FilterSpec {
    /// Warnings about these patterns at `path`, which are patterns for resources.
    pub(in crate::config) fn unmatched(&self, path: &str) -> Vec<String> {
        let include = self.include.as_ref().map_or(&[][..], NonEmptyVec::as_slice);
        let mut warnings = unmatched(&format!("{path}.include"), include);
        warnings.extend(unmatched(&format!("{path}.exclude"), &self.exclude));
        warnings
    }

    /// These patterns, compiled.
    pub(in crate::config) fn filter(&self) -> Filter {
        filter_of(self.include.as_ref(), &self.exclude)
    }
}

/// The filter of these patterns.
pub(super) fn filter_of(
    include: Option<&NonEmptyVec<NonEmptyText>>,
    exclude: &[NonEmptyText],
) -> Filter {
    let globs = |texts: &[NonEmptyText]| -> Vec<Glob> {
        texts.iter().map(|text| Glob::new(text.as_str())).collect()
    };
    Filter {
        include: include.map_or_else(Vec::new, |list| globs(list.as_slice())),
        exclude: globs(exclude),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_pattern_that_no_resource_has_is_a_warning() {
        let warnings = |filter: &str| {
            let config = format!(r#"{{"servers":[{{"name":"a"}},{{"name":"b",{filter}}}]}}"#);
            Config::parse(config.as_bytes()).unwrap().warnings
        };
        let fine = r#""tools":{"exclude":["A B"]},"resources":{"include":["*"],"exclude":["file:///etc/*"]}"#;
        assert_eq!(warnings(fine), [""; 0]);
        let wrong = r#""resources":{"include":["file:///a b"],"exclude":["x","file:///x/../*"]}"#;
        let said = warnings(wrong);
        let paths: Vec<_> = said
            .iter()
            .map(|it| it.split(": ").next().unwrap())
            .collect();
        let expected = [
            "servers[1].resources.include[0]",
            "servers[1].resources.exclude[1]",
        ];
        assert_eq!(paths, expected, "{said:?}");
    }
}
