//! Patterns for names: `*` matches any text, and every other character matches itself.

/// A pattern: the texts between its `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<String>);

impl Glob {
    /// The pattern that `text` is.
    pub fn new(text: &str) -> Self {
        Self(text.split('*').map(str::to_owned).collect())
    }

    /// Whether `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        let Some((first, rest)) = self.0.split_first() else {
            return false;
        };
        let Some(mut left) = name.strip_prefix(first.as_str()) else {
            return false;
        };
        let Some((last, between)) = rest.split_last() else {
            return left.is_empty();
        };
        // The first match of each part leaves the most text for the later parts.
        for part in between {
            match left.split_once(part.as_str()) {
                Some((_, after)) => left = after,
                None => return false,
            }
        }
        left.ends_with(last.as_str())
    }
}

/// Which names exist: those that match `include` (all, if it is empty) and do not
/// match `exclude`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// The included names.
    pub include: Vec<Glob>,
    /// The excluded names, even if `include` matches them.
    pub exclude: Vec<Glob>,
}

impl Filter {
    /// Whether `name` is there.
    pub fn allows(&self, name: &str) -> bool {
        (self.include.is_empty() || self.include.iter().any(|glob| glob.matches(name)))
            && !self.exclude.iter().any(|glob| glob.matches(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_star_stands_for_any_text() {
        for (glob, name, fits) in [
            ("get", "get", true),
            ("get", "gets", false),
            ("get*", "get", true),
            ("get*", "get_weather", true),
            ("*_weather", "get_weather", true),
            ("*_weather", "get_weather_now", false),
            ("g*t*r", "get_weather", true),
            ("g*t*r", "gr", false),
            ("a*a", "a", false),
            ("a*ab*b", "aabb", true),
            ("a*b*b", "ab", false),
            ("*", "", true),
            ("**", "x", true),
            ("", "", true),
            ("", "x", false),
            ("file:///*", "file:///a/b", true),
        ] {
            assert_eq!(Glob::new(glob).matches(name), fits, "{glob} {name}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn exclude_wins() {
        let globs = |texts: &[&str]| texts.iter().map(|text| Glob::new(text)).collect();
        let filter = Filter {
            include: globs(&["get_*", "list"]),
            exclude: globs(&["*_secret"]),
        };
        assert!(filter.allows("get_x") && filter.allows("list"));
        assert!(!filter.allows("get_secret") && !filter.allows("set_x"));
        assert!(Filter::default().allows("anything"));
    }
}
