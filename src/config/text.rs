//! Texts of the configuration that follow a rule. Each is checked when the filter reads it, so no
//! other code has to check it.

use serde_json::Value;

use super::ConfigError;
use super::fields::FromValue;
use crate::http::headers::is_token;

/// The text at `path`, if it is not empty and `fits`.
///
/// # Errors
/// It is not a text, or it is empty, or it does not fit. In the last case the error quotes it and
/// adds `reason`.
pub(super) fn text_that(
    path: &str,
    value: Value,
    fits: fn(&str) -> bool,
    reason: &str,
) -> Result<String, ConfigError> {
    let text = String::from_value(path, value)?;
    if fits(&text) {
        return Ok(text);
    }
    let reason = if text.is_empty() {
        "must not be empty".to_owned()
    } else {
        format!("{text:?} {reason}")
    };
    Err(ConfigError::new(path, reason))
}

/// Declares a type for texts that follow a rule: its documentation, which the JSON Schema shows;
/// its name; and the rule, as a schema, as a function, and as the end of an error.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, [$($schema:tt)*], $fits:expr, $reason:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
        pub(in crate::config) struct $name(
            #[cfg_attr(feature = "schema", schemars($($schema)*))] String,
        );

        impl $name {
            pub(in crate::config) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl $crate::config::fields::FromValue for $name {
            fn from_value(
                path: &str,
                value: serde_json::Value,
            ) -> Result<Self, $crate::config::ConfigError> {
                $crate::config::text::text_that(path, value, $fits, $reason).map(Self)
            }
        }
    };
}
pub(super) use text;

text! {
    /// Any text that is not empty.
    NonEmptyText,
    [length(min = 1)],
    |text| !text.is_empty(),
    ""
}

text! {
    /// The name of an HTTP header or method: letters, digits and
    /// ``!#$%&'*+-.^_`|~``.
    HttpToken,
    [regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")],
    is_token,
    "must be letters, digits and !#$%&'*+-.^_`|~, as HTTP has them in names"
}

text! {
    /// Visible ASCII characters, without blanks.
    VisibleText,
    [regex(pattern = r"^[!-~]+$")],
    is_visible,
    "must be visible ASCII"
}

/// Whether `text` is visible ASCII.
pub(super) fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
