//! Gateway mode: many servers behind one endpoint.

use std::time::Duration;

use serde_json::Value;

use super::duration::DurationOrZeroSpec;
use super::endpoints::{EndpointId, Endpoints};
use super::fields::{Fields, FromValue, OptionalFields, one_of};
use super::session::SessionSpec;
use super::spec::{EIGHT_MEBIBYTES, MAX_LIST_PAGES};
use super::text::NonEmptyText;
use super::tool_search::{ToolSearch, ToolSearchSpec};
use super::{ConfigError, ConfigSpec, Server, ServerId, Sessions};
use crate::mcp::json::object::push_object;

/// Gateway mode. With `endpoints`, each endpoint has its own gateway with its own servers. The
/// whole gateway, with all servers, is for work that no client requested.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// The enabled servers, in the order of the configuration.
    pub servers: Vec<Server>,
    /// How many enabled servers the whole configuration has.
    pub all_servers: usize,
    /// The name of the endpoint of this gateway; `None` without `endpoints`, and for the whole
    /// gateway.
    pub endpoint: Option<String>,
    /// The gateways of the `endpoints`, in their order. Empty without `endpoints`, and in the
    /// gateway of an endpoint.
    pub views: Vec<Self>,
    /// How the failure of a server affects a list.
    pub failure_mode: FailureMode,
    /// How long a server that failed is left out of lists. With zero, the gateway always asks it.
    pub failed_server_ttl: Duration,
    /// Whether lists are kept as their servers allow.
    pub caches: bool,
    /// The most pages that the gateway reads from one server for one list.
    pub max_list_pages: usize,
    /// The most bytes of one merged list.
    pub max_list_bytes: usize,
    /// The most bytes of one answer that the gateway must read.
    pub max_response_bytes: usize,
    /// The gateway's name and version for clients: the JSON of an MCP `Implementation`.
    pub server_info: String,
    /// The gateway's name and version for servers.
    pub client_info: String,
    /// The sessions of legacy clients.
    pub sessions: Sessions,
    /// Search over tools; `None` where it is off.
    pub tool_search: Option<ToolSearch>,
}

impl Gateway {
    /// The server with this id; `None` where it is of another configuration, or of another
    /// endpoint.
    #[inline(never)]
    pub fn server(&self, id: ServerId) -> Option<&Server> {
        let servers = &self.servers;
        let at = servers.binary_search_by_key(&id, |server| server.id).ok()?;
        servers.get(at)
    }

    /// The gateway of this endpoint.
    pub fn at(&self, endpoint: EndpointId) -> Option<&Self> {
        if self.views.is_empty() {
            Some(self)
        } else {
            self.views.get(endpoint.index())
        }
    }

    /// The gateway of the endpoint with this [view](Server::view) of a server.
    pub fn with_view(&self, view: Option<EndpointId>) -> Option<&Self> {
        view.map_or(Some(self), |endpoint| self.views.get(endpoint.index()))
    }

    /// The value that sessions and the ids of tasks are bound to: the name of the endpoint, or else
    /// the path of the request target `target`.
    pub fn binding<'a>(&'a self, target: &'a [u8]) -> &'a [u8] {
        let name = self.endpoint.as_ref().map(String::as_bytes);
        name.unwrap_or_else(|| Endpoints::path(target))
    }

    /// The ids of all enabled servers, in the order of the configuration.
    #[inline(never)]
    pub fn server_ids(&self) -> Vec<ServerId> {
        self.servers.iter().map(|server| server.id).collect()
    }

    /// The only enabled server, if there is exactly one. It gets all messages.
    pub fn single_server(&self) -> Option<&Server> {
        match self.servers.as_slice() {
            [server] => Some(server),
            _ => None,
        }
    }

    /// The gateway in front of `servers`, without the gateways of endpoints.
    ///
    /// # Errors
    /// The keys of sessions are not valid.
    pub(super) fn new(
        spec: &ConfigSpec,
        servers: Vec<Server>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let absent = SessionSpec::default();
        let session = spec.session.as_ref().unwrap_or(&absent);
        let server_info = spec.server_info.as_ref();
        let server_info = server_info.unwrap_or(&ServerInfoSpec::default()).json()?;
        Ok(Self {
            all_servers: servers.len(),
            servers,
            endpoint: None,
            views: Vec::new(),
            caches: spec.list_cache.unwrap_or_default() == ListCache::Hints,
            failure_mode: spec.failure_mode.unwrap_or_default(),
            failed_server_ttl: spec
                .failed_server_ttl
                .unwrap_or(DurationOrZeroSpec::from_secs(5))
                .get(),
            max_list_pages: spec.max_list_pages.unwrap_or(MAX_LIST_PAGES).get(),
            max_list_bytes: spec.max_list_bytes.unwrap_or(EIGHT_MEBIBYTES).get(),
            max_response_bytes: spec.max_response_bytes.get(),
            client_info: server_info.clone(),
            server_info,
            sessions: session.check(variable)?,
            tool_search: spec.tool_search.as_ref().map(ToolSearchSpec::check),
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
    /// No server. If several servers have an entry of the same name, the first one of the
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

/// The name and version that the gateway tells clients and servers.
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

impl OptionalFields for ServerInfoSpec {
    fn read(&mut self, fields: &mut Fields<'_>) {
        fields.set("name", &mut self.name);
        fields.set("version", &mut self.version);
    }
}

impl ServerInfoSpec {
    /// The JSON of an MCP `Implementation`.
    pub(super) fn json(&self) -> Result<String, ConfigError> {
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
