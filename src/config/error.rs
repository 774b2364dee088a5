//! Why a configuration is refused.

use std::fmt;

/// The field at fault and the reason, for one log line. It is boxed, since many functions pass it
/// on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(Box<FieldError>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldError {
    path: String,
    reason: String,
}

impl ConfigError {
    /// An error in the field at `path`, as `servers[1].toolPrefix`; empty for
    /// the configuration as a whole.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self(Box::new(FieldError {
            path: one_line(&path.into()),
            reason: one_line(&reason.into()),
        }))
    }

    /// The field at fault; empty for the configuration as a whole.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// What is wrong with it.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }
}

/// `text` with its control characters escaped. Errors quote what the user wrote, and such
/// characters would end a line of the log or change its colours.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.path.is_empty() {
            write!(f, "{}", self.0.reason)
        } else {
            write!(f, "{}: {}", self.0.path, self.0.reason)
        }
    }
}

impl std::error::Error for ConfigError {}
