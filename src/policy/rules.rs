//! `parserConfig`: what to extract and how to group, by method.

use crate::mcp::method;

/// The rules. The first rule for a method counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// In the order of the configuration.
    pub methods: Vec<MethodRule>,
    /// `groupMetadataKey`: the key under which the group is exported, if it is.
    pub group_key: Option<String>,
}

/// What the configuration says about one method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodRule {
    /// The method, compared exactly.
    pub method: String,
    /// Its group. `None`: the built-in one.
    pub group: Option<String>,
    /// The paths below `params` to extract. Empty: the built-in ones.
    pub paths: Vec<Vec<String>>,
}

/// Paths below `params`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paths<'r> {
    /// As the native filter extracts them.
    BuiltIn(&'static [&'static [&'static str]]),
    /// As configured.
    Configured(&'r [Vec<String>]),
}

impl Rules {
    /// The paths to extract from a message of `method`.
    pub fn paths(&self, method: &str) -> Paths<'_> {
        match self.methods.iter().find(|rule| rule.method == method) {
            Some(rule) if !rule.paths.is_empty() => Paths::Configured(&rule.paths),
            _ => Paths::BuiltIn(method::extraction(method)),
        }
    }

    /// Every group that a message can have; some may come twice.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        let configured = self.methods.iter().filter_map(|rule| rule.group.as_deref());
        method::GROUPS.iter().copied().chain(configured)
    }

    /// The key and the group of `method`, if groups are exported.
    pub fn shown_group(&self, method: &str) -> Option<(&str, &str)> {
        Some((self.group_key.as_deref()?, self.group(method)))
    }

    /// The group of `method`.
    pub fn group(&self, method: &str) -> &str {
        let configured = self.methods.iter().find(|rule| rule.method == method);
        configured
            .and_then(|rule| rule.group.as_deref())
            .unwrap_or_else(|| method::group(method))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_first_rule_of_a_method_wins_and_what_it_leaves_out_is_built_in() {
        let rule = |method: &str, group: Option<&str>, path: &[&str]| MethodRule {
            method: method.into(),
            group: group.map(str::to_owned),
            paths: if path.is_empty() {
                vec![]
            } else {
                vec![path.iter().map(|&part| part.into()).collect()]
            },
        };
        let rules = Rules {
            methods: vec![
                rule("tools/call", Some("mine"), &[]),
                rule("tools/call", Some("late"), &["x"]),
                rule("ping", None, &["a", "b"]),
            ],
            group_key: None,
        };
        assert_eq!(rules.group("tools/call"), "mine");
        assert_eq!(rules.paths("tools/call"), Paths::BuiltIn(&[&["name"]]));
        assert_eq!(rules.group("ping"), "lifecycle");
        assert_eq!(
            rules.paths("ping"),
            Paths::Configured(&[vec!["a".into(), "b".into()]])
        );
        assert_eq!(rules.group("tools/list"), "tool");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn every_method_has_a_group_of_the_list() {
        for (method, group) in [
            ("initialize", "lifecycle"),
            ("notifications/initialized", "lifecycle"),
            ("ping", "lifecycle"),
            ("tools/list", "tool"),
            ("resources/templates/list", "resource"),
            ("prompts/get", "prompt"),
            ("notifications/cancelled", "notification"),
            ("logging/setLevel", "logging"),
            ("sampling/createMessage", "sampling"),
            ("completion/complete", "completion"),
            ("server/discover", "discovery"),
            ("subscriptions/listen", "subscription"),
            ("tasks/get", "task"),
            ("acme/run", "unknown"),
            ("__jsonrpc_response", "unknown"),
            ("", "unknown"),
        ] {
            assert_eq!(method::group(method), group, "{method}");
            assert!(method::GROUPS.contains(&group));
        }
    }
}
