//! The plugin's configuration: read once, checked whole, then immutable.
//!
//! [`source`] turns the bytes that Envoy hands over into one JSON tree,
//! [`wire`] is that tree as types, and here it is checked and compiled into
//! what a request needs.

mod cors;
mod duration;
mod error;
mod servers;
mod source;
mod wire;

use std::time::Duration;

pub use error::ConfigError;

use crate::http::cors::Cors;
use crate::policy::export::Storage;
use crate::policy::traffic::TrafficMode;

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which request paths speak MCP.
    pub endpoints: Endpoints,
    /// What happens to requests that are not MCP.
    pub traffic_mode: TrafficMode,
    /// The longest body that is read, in bytes; `None` for no limit.
    pub max_request_body_size: Option<usize>,
    /// Where later filters see the attributes.
    pub storage: Storage,
    /// Whether the route is selected anew after exporting.
    pub clear_route_cache: bool,
    /// Browsers on other origins; absent when off.
    pub cors: Option<Cors>,
    /// Many servers behind one endpoint; absent in policy mode.
    pub gateway: Option<Gateway>,
}

/// The request paths that speak MCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoints {
    /// Every path.
    All,
    /// These, without query and without a trailing slash.
    Listed(Vec<String>),
}

impl Endpoints {
    /// Whether the request target `path`, with or without a query, is one.
    /// Bytes, since a query may hold any, and must not hide the path.
    pub fn contains(&self, path: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Listed(paths) => {
                let path = path
                    .split(|byte| matches!(byte, b'?' | b'#'))
                    .next()
                    .unwrap_or_default();
                let path = path.strip_suffix(b"/").unwrap_or(path);
                paths.iter().any(|endpoint| endpoint.as_bytes() == path)
            }
        }
    }
}

/// Gateway mode.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// The enabled servers, in the order of the configuration.
    pub servers: Vec<Server>,
    /// What a server that fails does to a list.
    pub failure_mode: FailureMode,
    /// Pages read of one server for one list.
    pub max_list_pages: u32,
    /// Bytes of one merged list.
    pub max_list_bytes: usize,
    /// Bytes of one answer that the gateway must read.
    pub max_response_bytes: usize,
    /// What the gateway calls itself: the JSON of an MCP `Implementation`.
    pub server_info: String,
}

/// `failureMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureMode {
    /// A server that fails is left out; all failed is an error.
    BestEffort,
    /// One server that fails is an error.
    Fail,
}

/// One MCP server behind the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name, in errors, logs and attributes.
    pub name: String,
    /// The Envoy cluster that reaches it.
    pub cluster: String,
    /// `:authority` of requests to it.
    pub authority: String,
    /// `:path` of requests to it.
    pub path: String,
    /// What its tools are called with; empty for none.
    pub prefix: String,
    /// Its budget in one fan-out, from the first request to the last page.
    pub timeout: Duration,
}

impl Config {
    /// Reads and checks a plugin configuration: the JSON text of a
    /// `google.protobuf.StringValue`, or a serialized `google.protobuf.Struct`.
    /// Empty is valid: policy mode with every default.
    ///
    /// # Errors
    /// The first [`ConfigError`]: the path of the field and the reason.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        Self::check(&wire::Config::read(source::tree(bytes)?)?)
    }

    fn check(wire: &wire::Config) -> Result<Self, ConfigError> {
        let servers = servers::check(wire)?;
        if !wire.hold_request_headers {
            return Err(ConfigError::new(
                "holdRequestHeaders",
                "false is not supported: set it to true, and allow_on_headers_stop_iteration: true in Envoy's PluginConfig",
            ));
        }
        let is_gateway = !servers.is_empty();
        let gateway = is_gateway
            .then(|| servers::gateway(wire, servers))
            .transpose()?;
        Ok(Self {
            endpoints: endpoints(wire.paths.as_deref(), is_gateway)?,
            traffic_mode: match wire.traffic_mode {
                wire::TrafficMode::Noop => TrafficMode::Noop,
                wire::TrafficMode::RejectNoMcp => TrafficMode::RejectNoMcp,
                wire::TrafficMode::PassThrough if is_gateway => TrafficMode::RejectNoMcp,
                wire::TrafficMode::PassThrough => TrafficMode::PassThrough,
            },
            max_request_body_size: (wire.max_request_body_size > 0)
                .then_some(wire.max_request_body_size),
            storage: Storage {
                dynamic_metadata: wire.request_storage_mode
                    != wire::RequestStorageMode::FilterState,
                filter_state: wire.request_storage_mode
                    != wire::RequestStorageMode::DynamicMetadata,
            },
            clear_route_cache: wire.clear_route_cache || is_gateway,
            cors: wire.cors.as_deref().map(cors::check).transpose()?,
            gateway,
        })
    }
}

fn endpoints(paths: Option<&[String]>, is_gateway: bool) -> Result<Endpoints, ConfigError> {
    let Some(paths) = paths else {
        return Ok(if is_gateway {
            Endpoints::Listed(vec!["/mcp".to_owned()])
        } else {
            Endpoints::All
        });
    };
    if paths.is_empty() {
        return Err(ConfigError::new("paths", "must name at least one path"));
    }
    let mut listed = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        let refused = |reason: &str| {
            Err(ConfigError::new(
                format!("paths[{at}]"),
                format!("{path:?} {reason}"),
            ))
        };
        if path == "*" {
            continue;
        }
        if !path.starts_with('/') {
            return refused("must start with \"/\", or be \"*\" for every path");
        }
        if path.contains(['?', '#', '*']) || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refused("must be a path of visible ASCII, without query, fragment and \"*\"");
        }
        listed.push(path.strip_suffix('/').unwrap_or(path).to_owned());
    }
    let all = paths.iter().any(|path| path == "*");
    Ok(if all {
        Endpoints::All
    } else {
        Endpoints::Listed(listed)
    })
}

#[cfg(test)]
mod tests;
