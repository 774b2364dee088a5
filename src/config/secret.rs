//! Values that must not appear in logs or errors.

use std::fmt;

use serde_json::Value;

use super::ConfigError;
use super::fields::FromValue;

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct Secret(String);

impl Secret {
    /// The value.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl FromValue for Secret {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        String::from_value(path, value).map(Self)
    }
}

/// The value of the environment variable `name` for the field at `path`. `variable` reads an
/// environment variable.
///
/// # Errors
/// The variable is not set, or it is empty.
pub(super) fn from_env(
    path: &str,
    name: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Secret, ConfigError> {
    variable(name)
        .filter(|value| !value.trim().is_empty())
        .map(Secret)
        .ok_or_else(|| {
            ConfigError::new(
                path,
                format!(
                    "the variable {name:?} is not set or is empty: set it in vm_config.environment_variables"
                ),
            )
        })
}
