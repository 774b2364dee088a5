//! The headers of `passthroughHeaders` and of a server's `headers`, as the user
//! writes them.

use serde_json::Value;

use crate::config::fields::{Fields, FromValue};
use crate::config::{ConfigError, Secret};

/// A header of the client that goes on to servers: its name, or an object with its
/// name and more. Not `host`, `origin`, `referer`, `accept`, `content-*`,
/// `forwarded`, `x-forwarded-*`, `x-real-ip`, `x-envoy-*`, `mcp-*`,
/// `last-event-id`, hop-by-hop headers, or the names under which the filter shows a
/// message.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(untagged, inline)
)]
pub(in crate::config) enum PassthroughHeaderSpec {
    /// The name of the header. The server gets the same name.
    Name(#[cfg_attr(feature = "schema", schemars(regex(pattern = TOKEN)))] String),
    Entry(PassthroughEntrySpec),
}

/// A header of the client that goes on to servers.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields)
)]
pub(in crate::config) struct PassthroughEntrySpec {
    /// The name that the client uses. Upper and lower case are the same.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = TOKEN)))]
    pub(super) name: String,
    /// The name that the server gets. A server gets each name from one place only.
    ///
    /// Default: the value of `name`.
    #[cfg_attr(feature = "schema", schemars(rename = "as", regex(pattern = TOKEN)))]
    pub(super) target: Option<String>,
    /// Whether the gateway refuses a request without this header: 400, before it
    /// asks a server.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub(super) required: bool,
}

/// A header of a server's own: `name`, and exactly one of `value` and
/// `valueFromEnv`.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields)
)]
pub(in crate::config) struct ServerHeaderSpec {
    /// The name of the header. `authorization` and `cookie` are allowed; the other
    /// names that `passthroughHeaders` refuses are not.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = TOKEN)))]
    pub(super) name: String,
    /// The value: visible ASCII, and blanks between. No log shows it.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<String>", regex(pattern = r"^[!-~]([\t -~]*[!-~])?$"))
    )]
    pub(super) value: Option<Secret>,
    /// The environment variable that holds the value.
    /// `vm_config.environment_variables` in Envoy must set it.
    pub(super) value_from_env: Option<String>,
}

#[cfg(feature = "schema")]
const TOKEN: &str = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";

impl FromValue for PassthroughHeaderSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        match value {
            Value::String(name) => Ok(Self::Name(name)),
            Value::Object(_) => PassthroughEntrySpec::from_value(path, value).map(Self::Entry),
            _ => Err(ConfigError::new(path, "must be a name or an object")),
        }
    }
}

impl FromValue for PassthroughEntrySpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            let mut spec = Self {
                name: fields.required("name")?,
                target: None,
                required: false,
            };
            fields.set("as", &mut spec.target);
            fields.set("required", &mut spec.required);
            Ok(spec)
        })
    }
}

impl FromValue for ServerHeaderSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            let mut spec = Self {
                name: fields.required("name")?,
                value: None,
                value_from_env: None,
            };
            fields.set("value", &mut spec.value);
            fields.set("valueFromEnv", &mut spec.value_from_env);
            Ok(spec)
        })
    }
}
