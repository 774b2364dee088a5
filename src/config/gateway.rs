//! Gateway mode: many servers behind one endpoint.

use std::time::Duration;

use serde_json::Value;

use super::duration::DurationOrZeroSpec;
use super::fields::{Fields, FromValue, one_of};
use super::session::SessionSpec;
use super::spec::{EIGHT_MEBIBYTES, MAX_LIST_PAGES};
use super::text::NonEmptyText;
use super::{ConfigError, ConfigSpec, Server, ServerId, Sessions};
use crate::mcp::json::object::push_object;

/// Gateway mode.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// The enabled servers, in the order of the configuration.
    pub servers: Vec<Server>,
    /// What a server that fails does to a list.
    pub failure_mode: FailureMode,
    /// How long a server that failed is left out of lists; zero: it is always asked.
    pub failed_server_ttl: Duration,
    /// Whether lists are kept as their servers allow.
    pub caches: bool,
    /// Pages read of one server for one list.
    pub max_list_pages: usize,
    /// Bytes of one merged list.
    pub max_list_bytes: usize,
    /// Bytes of one answer that the gateway must read.
    pub max_response_bytes: usize,
    /// What the gateway calls itself: the JSON of an MCP `Implementation`.
    pub server_info: String,
    /// The sessions of legacy clients.
    pub sessions: Sessions,
}

impl Gateway {
    /// The server with this id; `None` where it is of another configuration.
    pub fn server(&self, id: ServerId) -> Option<&Server> {
        self.servers.get(id.index())
    }

    /// The ids of all enabled servers, in the order of the configuration.
    pub fn server_ids(&self) -> Vec<ServerId> {
        self.servers.iter().map(|server| server.id).collect()
    }

    /// The one enabled server, where there is one: all messages are for it.
    pub fn single_server(&self) -> Option<&Server> {
        match self.servers.as_slice() {
            [server] => Some(server),
            _ => None,
        }
    }

    /// The gateway in front of `servers`.
    ///
    /// # Errors
    /// Keys of sessions that cannot be used.
    pub(super) fn new(
        spec: &ConfigSpec,
        servers: Vec<Server>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let absent = SessionSpec::default();
        let session = spec.session.as_ref().unwrap_or(&absent);
        let server_info = spec.server_info.as_ref();
        Ok(Self {
            servers,
            caches: spec.list_cache.unwrap_or_default() == ListCache::Hints,
            failure_mode: spec.failure_mode.unwrap_or_default(),
            failed_server_ttl: spec
                .failed_server_ttl
                .unwrap_or(DurationOrZeroSpec::from_secs(5))
                .get(),
            max_list_pages: spec.max_list_pages.unwrap_or(MAX_LIST_PAGES).get(),
            max_list_bytes: spec.max_list_bytes.unwrap_or(EIGHT_MEBIBYTES).get(),
            max_response_bytes: spec.max_response_bytes.get(),
            server_info: server_info.unwrap_or(&ServerInfoSpec::default()).json()?,
            sessions: session.check(variable)?,
        })
    }
}

/// `failureMode`: what happens to a list when a server fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema, serde::Serialize),
    schemars(inline),
    serde(rename_all = "SCREAMING_SNAKE_CASE")
)]
pub enum FailureMode {
    /// The list has the entries of the other servers. If all servers fail, the
    /// list is an error.
    #[default]
    BestEffort,
    /// The list is an error.
    Fail,
}

impl FromValue for FailureMode {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        let choices = [("BEST_EFFORT", Self::BestEffort), ("FAIL", Self::Fail)];
        one_of(path, value, &choices)
    }
}

/// `prefixMode`: which servers get a prefix if they do not set `toolPrefix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema, serde::Serialize),
    schemars(inline),
    serde(rename_all = "SCREAMING_SNAKE_CASE")
)]
pub(super) enum PrefixMode {
    /// Every server.
    #[default]
    Always,
    /// Every server if there is more than one enabled server, otherwise none.
    Conditional,
    /// No server. Where several servers have the same name, the first one of the
    /// configuration is used.
    Never,
}

impl FromValue for PrefixMode {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        let choices = [
            ("ALWAYS", Self::Always),
            ("CONDITIONAL", Self::Conditional),
            ("NEVER", Self::Never),
        ];
        one_of(path, value, &choices)
    }
}

/// `listCache`: whether the gateway keeps lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema, serde::Serialize),
    schemars(inline),
    serde(rename_all = "SCREAMING_SNAKE_CASE")
)]
pub(super) enum ListCache {
    /// The gateway keeps no list.
    Off,
    /// The gateway keeps a list for all clients as long as its server allows
    /// (`cacheScope: public` and `ttlMs`), or as long as `listTtl` says.
    #[default]
    Hints,
}

impl FromValue for ListCache {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        one_of(path, value, &[("OFF", Self::Off), ("HINTS", Self::Hints)])
    }
}

const NAME: &str = "mcp-gateway";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the gateway calls itself towards clients and servers.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields)
)]
pub(super) struct ServerInfoSpec {
    /// The name.
    #[cfg_attr(feature = "schema", schemars(extend("default" = NAME)))]
    name: Option<NonEmptyText>,
    /// The version.
    ///
    /// Default: the version of this filter.
    version: Option<String>,
}

impl FromValue for ServerInfoSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            let mut spec = Self::default();
            fields.set("name", &mut spec.name)?;
            fields.set("version", &mut spec.version)?;
            Ok(spec)
        })
    }
}

impl ServerInfoSpec {
    /// The JSON of an MCP `Implementation`.
    fn json(&self) -> Result<String, ConfigError> {
        let name = self.name.as_ref().map_or(NAME, NonEmptyText::as_str);
        let version = self.version.as_deref().unwrap_or(VERSION);
        let mut out = Vec::new();
        push_object(&mut out, |info| {
            info.string("name", name);
            info.string("version", version);
        });
        String::from_utf8(out).map_err(|error| ConfigError::new("serverInfo", error.to_string()))
    }
}
