//! The configuration as it is written: names, types and defaults. What serde
//! cannot say (ranges, patterns, what goes together) is checked elsewhere.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::ConfigError;

#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Config {
    pub(super) paths: Option<Vec<String>>,
    pub(super) traffic_mode: TrafficMode,
    pub(super) max_request_body_size: usize,
    pub(super) hold_request_headers: bool,
    pub(super) clear_route_cache: bool,
    pub(super) attribute_source: AttributeSource,
    pub(super) reject_duplicate_keys: bool,
    pub(super) parser_config: Object<ParserConfig>,
    pub(super) propagate_trace_context: Switch,
    pub(super) propagate_baggage: Switch,
    pub(super) request_storage_mode: RequestStorageMode,
    pub(super) servers: Vec<Object<Server>>,
    pub(super) prefix_mode: PrefixMode,
    pub(super) failure_mode: FailureMode,
    pub(super) max_list_pages: u32,
    pub(super) max_list_bytes: usize,
    pub(super) max_response_bytes: usize,
    pub(super) server_info: Object<ServerInfo>,
    pub(super) cors: Option<Object<Cors>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            paths: None,
            traffic_mode: TrafficMode::PassThrough,
            max_request_body_size: 1_048_576,
            hold_request_headers: true,
            clear_route_cache: false,
            attribute_source: AttributeSource::Verify,
            reject_duplicate_keys: false,
            parser_config: Object(ParserConfig::default()),
            propagate_trace_context: Switch(false),
            propagate_baggage: Switch(false),
            request_storage_mode: RequestStorageMode::Both,
            servers: Vec::new(),
            prefix_mode: PrefixMode::Always,
            failure_mode: FailureMode::BestEffort,
            max_list_pages: 64,
            max_list_bytes: 8_388_608,
            max_response_bytes: 8_388_608,
            server_info: Object(ServerInfo::default()),
            cors: None,
        }
    }
}

impl Config {
    /// Reads a normalized tree.
    ///
    /// # Errors
    /// An unknown field, or a value of another type, with its path.
    pub(super) fn read(tree: Value) -> Result<Self, ConfigError> {
        serde_path_to_error::deserialize(tree)
            .map(|Object(config)| config)
            .map_err(|error| {
                let path = error.path().to_string();
                let path = if path == "." { String::new() } else { path };
                ConfigError::new(path, error.into_inner().to_string())
            })
    }
}

/// A `T` that is written as an object: serde's structs take an array of their
/// fields' values as well, in which a field has no name to be wrong.
#[derive(Debug)]
pub(super) struct Object<T>(T);

impl<T> Deref for Object<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum TrafficMode {
    PassThrough,
    RejectNoMcp,
    Noop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum AttributeSource {
    Body,
    Verify,
    Headers,
}

/// `true`, or the empty message that Envoy's own filter has there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Switch(pub(super) bool);

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SwitchVisitor;
        impl<'de> Visitor<'de> for SwitchVisitor {
            type Value = Switch;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or {}")
            }
            fn visit_bool<E>(self, on: bool) -> Result<Switch, E> {
                Ok(Switch(on))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Switch, A::Error> {
                match map.next_key::<String>()? {
                    None => Ok(Switch(true)),
                    Some(name) => Err(serde::de::Error::unknown_field(&name, &[])),
                }
            }
        }
        deserializer.deserialize_any(SwitchVisitor)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ParserConfig {
    pub(super) methods: Vec<Object<Method>>,
    pub(super) group_metadata_key: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Method {
    pub(super) method: String,
    pub(super) group: Option<String>,
    #[serde(default)]
    pub(super) extraction_rules: Vec<Object<ExtractionRule>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExtractionRule {
    pub(super) path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum RequestStorageMode {
    // The native filter's zero value means the same as naming both.
    #[serde(
        rename = "DYNAMIC_METADATA_AND_FILTER_STATE",
        alias = "MODE_UNSPECIFIED"
    )]
    Both,
    #[serde(rename = "DYNAMIC_METADATA")]
    DynamicMetadata,
    #[serde(rename = "FILTER_STATE")]
    FilterState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum PrefixMode {
    Always,
    Conditional,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum FailureMode {
    BestEffort,
    Fail,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) cluster: Option<String>,
    pub(super) url: Option<String>,
    pub(super) hostname: Option<String>,
    pub(super) path: Option<String>,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    pub(super) tool_prefix: Option<String>,
    #[serde(default = "five_seconds")]
    pub(super) timeout: String,
}

fn yes() -> bool {
    true
}

fn five_seconds() -> String {
    "5s".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ServerInfo {
    pub(super) name: String,
    pub(super) version: String,
}

impl Default for ServerInfo {
    fn default() -> Self {
        Self {
            name: "mcp-gateway".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Cors {
    pub(super) allow_origins: Option<Vec<String>>,
    pub(super) allow_methods: Option<Vec<String>>,
    pub(super) allow_headers: Option<Vec<String>>,
    pub(super) expose_headers: Option<Vec<String>>,
    pub(super) max_age: Option<String>,
    pub(super) allow_credentials: bool,
}
