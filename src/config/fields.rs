//! Reading the configuration's tree: each value knows its path, each member is
//! taken once, and a member that nobody takes is an error.
//!
//! Serde's derived code for the same takes up more of the .wasm than all that
//! a request needs.

use serde_json::{Map, Value};

use super::ConfigError;

/// What can be read from a value of the tree.
pub(super) trait Read: Sized {
    /// Reads `value`, which stands at `path`.
    ///
    /// # Errors
    /// It is of another type, or something in it is, or is unknown.
    fn read(path: &str, value: Value) -> Result<Self, ConfigError>;
}

/// The members of one object.
pub(super) struct Fields<'p> {
    path: &'p str,
    members: Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'p> Fields<'p> {
    /// What `read` makes of the members of `value`, which stands at `path`; it
    /// has to take all of them.
    pub(super) fn read<T>(
        path: &'p str,
        value: Value,
        read: impl FnOnce(&mut Self) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let Value::Object(members) = value else {
            return Err(ConfigError::new(path, "must be an object"));
        };
        let mut fields = Self {
            path,
            members,
            known: Vec::new(),
        };
        let made = read(&mut fields)?;
        fields.end()?;
        Ok(made)
    }

    /// The member `name`, where it is there.
    pub(super) fn take<T: Read>(&mut self, name: &'static str) -> Result<Option<T>, ConfigError> {
        self.known.push(name);
        match self.members.remove(name) {
            Some(value) => T::read(&below(self.path, name), value).map(Some),
            None => Ok(None),
        }
    }

    /// The member `name`, or else `default`.
    pub(super) fn or<T: Read>(&mut self, name: &'static str, default: T) -> Result<T, ConfigError> {
        Ok(self.take(name)?.unwrap_or(default))
    }

    /// The member `name`, which must be there.
    pub(super) fn required<T: Read>(&mut self, name: &'static str) -> Result<T, ConfigError> {
        self.take(name)?
            .ok_or_else(|| ConfigError::new(self.path, format!("missing field `{name}`")))
    }

    /// Nothing else may be there.
    fn end(self) -> Result<(), ConfigError> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(name) => Err(ConfigError::new(
                below(self.path, name),
                format!("unknown field, expected one of {}", self.known.join(", ")),
            )),
        }
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The value that `text` at `path` stands for.
pub(super) fn one_of<T: Copy>(
    path: &str,
    value: Value,
    names: &[(&'static str, T)],
) -> Result<T, ConfigError> {
    let text = String::read(path, value)?;
    match names.iter().find(|(name, _)| *name == text) {
        Some((_, value)) => Ok(*value),
        None => {
            let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
            Err(ConfigError::new(
                path,
                format!("{text:?} must be one of {}", names.join(", ")),
            ))
        }
    }
}

impl Read for String {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        match value {
            Value::String(text) => Ok(text),
            _ => Err(ConfigError::new(path, "must be a string")),
        }
    }
}

impl Read for bool {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        value
            .as_bool()
            .ok_or_else(|| ConfigError::new(path, "must be true or false"))
    }
}

impl Read for usize {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        value
            .as_u64()
            .and_then(|number| number.try_into().ok())
            .ok_or_else(|| ConfigError::new(path, "must be a whole number, 0 or more"))
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        let Value::Array(values) = value else {
            return Err(ConfigError::new(path, "must be a list"));
        };
        let mut list = Vec::with_capacity(values.len());
        for (at, value) in values.into_iter().enumerate() {
            list.push(T::read(&format!("{path}[{at}]"), value)?);
        }
        Ok(list)
    }
}
