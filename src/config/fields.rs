//! Reads the configuration's tree. Each value knows its path. Each member of an object is taken
//! once, and a member that no code takes is an error.
//!
//! Serde's derived code for the same would be larger in the .wasm than all code for requests.

use std::num::NonZeroUsize;

use serde_json::{Map, Value};

use super::ConfigError;

/// A type that can be read from a value of the tree.
pub(super) trait FromValue: Sized {
    /// Reads `value`, which is at `path`.
    ///
    /// # Errors
    /// The value, or a value in it, has another type, is out of range or is
    /// unknown.
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError>;
}

/// An object in which no member is required.
pub(super) trait OptionalFields: Default {
    /// Reads all members.
    fn read(&mut self, fields: &mut Fields<'_>);
}

impl<T: OptionalFields> FromValue for T {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(path, value)?;
        let mut section = Self::default();
        section.read(&mut fields);
        fields.end()?;
        Ok(section)
    }
}

/// A place for a value of the tree.
pub(super) trait Fill {
    /// Reads `value`, which is at `path`, into this place.
    fn fill(&mut self, path: &str, value: Value) -> Result<(), ConfigError>;
}

impl<T: FromValue> Fill for T {
    fn fill(&mut self, path: &str, value: Value) -> Result<(), ConfigError> {
        *self = T::from_value(path, value)?;
        Ok(())
    }
}

/// The members of one object.
pub(super) struct Fields<'p> {
    path: &'p str,
    members: Map<String, Value>,
    known: Vec<&'static str>,
    /// The first error of a member that is not required.
    error: Option<ConfigError>,
}

impl<'p> Fields<'p> {
    /// Reads the object `value`, which is at `path`, with `read`. `read` has to take all members.
    pub(super) fn read<T>(
        path: &'p str,
        value: Value,
        read: impl FnOnce(&mut Self) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let mut fields = Self::of(path, value)?;
        let read = read(&mut fields);
        let read = fields.error.take().map_or(read, Err)?;
        fields.end()?;
        Ok(read)
    }

    fn of(path: &'p str, value: Value) -> Result<Self, ConfigError> {
        let Value::Object(members) = value else {
            return Err(ConfigError::new(path, "must be an object"));
        };
        Ok(Self {
            path,
            members,
            known: Vec::new(),
            error: None,
        })
    }

    /// Reads the member `name` into `place`. If the member is not there, `place` keeps its value,
    /// the default. The first error of all members is an error of the object.
    pub(super) fn set(&mut self, name: &'static str, place: &mut dyn Fill) {
        if let Some((path, value)) = self.take(name)
            && let Err(error) = place.fill(&path, value)
        {
            self.error.get_or_insert(error);
        }
    }

    /// The member `name`, which is required.
    pub(super) fn required<T: FromValue>(&mut self, name: &'static str) -> Result<T, ConfigError> {
        match self.take(name) {
            Some((path, value)) => T::from_value(&path, value),
            None => Err(ConfigError::new(
                self.path,
                format!("missing field `{name}`"),
            )),
        }
    }

    /// The member `name` with its path, if it is there.
    fn take(&mut self, name: &'static str) -> Option<(String, Value)> {
        self.known.push(name);
        let value = self.members.remove(name)?;
        Some((below(self.path, name), value))
    }

    /// Checks that no member had an error, and that the object has no other member.
    fn end(self) -> Result<(), ConfigError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        match self.members.keys().next() {
            None => Ok(()),
            Some(name) => Err(ConfigError::new(
                below(self.path, name),
                format!("unknown field, expected one of {}", self.known.join(", ")),
            )),
        }
    }
}

/// The path of the member `name` of the object at `path`.
pub(super) fn below(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The one of `choices` whose name is the text at `path`.
pub(super) fn one_of<T: Copy>(
    path: &str,
    value: Value,
    choices: &[(&'static str, T)],
) -> Result<T, ConfigError> {
    let text = String::from_value(path, value)?;
    let choice = choices.iter().find(|(name, _)| *name == text);
    choice.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        not_one_of(path, &text, &names)
    })
}

fn not_one_of(path: &str, text: &str, names: &[&str]) -> ConfigError {
    let names = names.join(", ");
    ConfigError::new(path, format!("{text:?} must be one of {names}"))
}

impl FromValue for String {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        match value {
            Value::String(text) => Ok(text),
            _ => Err(ConfigError::new(path, "must be a string")),
        }
    }
}

impl FromValue for bool {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        value
            .as_bool()
            .ok_or_else(|| ConfigError::new(path, "must be true or false"))
    }
}

/// The filter is a 32-bit program. A program on a 64-bit machine refuses the same numbers, so that
/// it accepts the same configurations.
impl FromValue for usize {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        number(&value)
            .ok_or_else(|| ConfigError::new(path, "must be a whole number from 0 to 4294967295"))
    }
}

impl FromValue for NonZeroUsize {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        number(&value)
            .and_then(Self::new)
            .ok_or_else(|| ConfigError::new(path, "must be a whole number from 1 to 4294967295"))
    }
}

fn number(value: &Value) -> Option<usize> {
    let number = u32::try_from(value.as_u64()?).ok()?;
    number.try_into().ok()
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        T::from_value(path, value).map(Some)
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        let mut list = Self::new();
        each_entry(path, value, &mut |path, value| {
            list.push(T::from_value(path, value)?);
            Ok(())
        })?;
        Ok(list)
    }
}

/// Calls `read` with each entry of a list, and its path.
fn each_entry(
    path: &str,
    value: Value,
    read: &mut dyn FnMut(&str, Value) -> Result<(), ConfigError>,
) -> Result<(), ConfigError> {
    let Value::Array(values) = value else {
        return Err(ConfigError::new(path, "must be a list"));
    };
    let mut values = values.into_iter().enumerate();
    values.try_for_each(|(at, value)| read(&format!("{path}[{at}]"), value))
}

/// A list with at least one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(inline, bound = "T: schemars::JsonSchema")
)]
pub(super) struct NonEmptyVec<T>(#[cfg_attr(feature = "schema", schemars(length(min = 1)))] Vec<T>);

impl<T> NonEmptyVec<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        &self.0
    }
}

impl<T: FromValue> FromValue for NonEmptyVec<T> {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        let list = Vec::from_value(path, value)?;
        if list.is_empty() {
            return Err(ConfigError::new(path, "must have at least one entry"));
        }
        Ok(Self(list))
    }
}

/// An object whose members have names that the user chooses: the members in the order of
/// their names.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(inline, bound = "T: schemars::JsonSchema")
)]
pub(super) struct ByName<T>(
    #[cfg_attr(
        feature = "schema",
        schemars(with = "std::collections::BTreeMap<String, T>")
    )]
    Vec<(String, T)>,
);

impl<T> ByName<T> {
    pub(super) fn as_slice(&self) -> &[(String, T)] {
        &self.0
    }
}

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: FromValue> FromValue for ByName<T> {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        let mut read = Vec::new();
        for (name, value) in members(path, value)? {
            let value = T::from_value(&format!("{path}.{name}"), value)?;
            read.push((name, value));
        }
        Ok(Self(read))
    }
}

/// The members of the object `value`, which is at `path`, in the order of their names. A member
/// that is null counts as absent.
fn members(path: &str, value: Value) -> Result<Vec<(String, Value)>, ConfigError> {
    let Value::Object(members) = value else {
        return Err(ConfigError::new(path, "must be an object"));
    };
    let mut sorted: Vec<(String, Value)> = Vec::new();
    for (name, value) in members {
        if !value.is_null() {
            let place = sorted.partition_point(|(known, _)| *known < name);
            sorted.insert(place, (name, value));
        }
    }
    Ok(sorted)
}
