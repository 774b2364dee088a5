//! `paths` and `endpoints`: which requests the filter handles.

mod host;
mod spec;
mod views;

use serde_json::Value;

pub(super) use self::spec::NamedEndpointSpec;
pub(super) use self::views::{check, views, warnings};
use super::ConfigError;
use super::fields::{FromValue, NonEmptyVec};
use crate::http::url;
pub use crate::policy::EndpointId;

/// The requests that the filter handles as MCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoints {
    /// Requests to every path.
    All,
    /// Requests to these paths, without query and without a slash at the end.
    Listed(Vec<String>),
    /// Requests to these endpoints (`endpoints`).
    Named(Vec<NamedEndpoint>),
}

/// One of `endpoints`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedEndpoint {
    /// Its name. Sessions and the ids of tasks are bound to it, and rules use it.
    pub name: String,
    /// Its path, without a slash at the end.
    pub path: String,
    /// The hosts of the endpoint, in lower case and without ports; empty for any host.
    pub hosts: Vec<String>,
}

impl Endpoints {
    /// The part of the request target `path` that selects the endpoint: without the query, and
    /// without one slash at the end.
    pub fn path(path: &[u8]) -> &[u8] {
        let path = url::path_of(path);
        path.strip_suffix(b"/").unwrap_or(path)
    }

    /// Whether the request target `path`, with or without a query, is that of an endpoint, whatever
    /// the host is. The target is bytes, since a query may have any bytes, and they must not hide
    /// the path.
    pub fn contains(&self, path: &[u8]) -> bool {
        let path = Self::path(path);
        let paths = self.paths();
        paths.is_none_or(|paths| paths.iter().any(|endpoint| endpoint.as_bytes() == path))
    }

    /// The endpoint for the request target `path`, with or without a query, at the host
    /// `authority`. An endpoint for this host has priority over one for any host.
    pub fn find(&self, path: &[u8], authority: &[u8]) -> Option<EndpointId> {
        let path = Self::path(path);
        let index = match self {
            Self::All => Some(0),
            Self::Listed(paths) => paths.iter().position(|it| it.as_bytes() == path),
            Self::Named(endpoints) => {
                let host = host::of(authority);
                let at = |is_for: &dyn Fn(&NamedEndpoint) -> bool| {
                    let mut endpoints = endpoints.iter();
                    endpoints.position(|it| it.path.as_bytes() == path && is_for(it))
                };
                let has_host = |it: &NamedEndpoint| {
                    let mut hosts = it.hosts.iter();
                    hosts.any(|known| known.as_bytes().eq_ignore_ascii_case(host))
                };
                at(&has_host).or_else(|| at(&|it| it.hosts.is_empty()))
            }
        };
        EndpointId::from_index(index?)
    }

    /// The paths of the endpoints, each once and without a slash at the end; `None` for
    /// every path.
    pub fn paths(&self) -> Option<Vec<&str>> {
        let all: Vec<&str> = match self {
            Self::All => return None,
            Self::Listed(paths) => paths.iter().map(String::as_str).collect(),
            Self::Named(endpoints) => endpoints.iter().map(|it| &*it.path).collect(),
        };
        let mut paths = Vec::with_capacity(all.len());
        for path in all {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        Some(paths)
    }

    /// The endpoints with these `names`, which a rule lists at the path `at`.
    ///
    /// # Errors
    /// There is no such endpoint, or a name is there twice.
    pub(super) fn named<'n>(
        &self,
        at: &str,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<Vec<EndpointId>, ConfigError> {
        let known: Vec<&str> = match self {
            Self::All => vec!["*"],
            Self::Listed(paths) => paths.iter().map(|path| shown(path)).collect(),
            Self::Named(endpoints) => endpoints.iter().map(|it| shown(&it.name)).collect(),
        };
        let mut found = Vec::new();
        for (n, name) in names.enumerate() {
            let refused = |reason: String| {
                ConfigError::new(format!("{at}[{n}]"), format!("{name:?} {reason}"))
            };
            let same = shown(name.strip_suffix('/').unwrap_or(name));
            let index = known.iter().position(|known| *known == same);
            let endpoint = index.and_then(EndpointId::from_index).ok_or_else(|| {
                refused(format!(
                    "is not an endpoint: the endpoints are {}",
                    known.join(", ")
                ))
            })?;
            if found.contains(&endpoint) {
                return Err(refused("is in this list twice".to_owned()));
            }
            found.push(endpoint);
        }
        Ok(found)
    }

    /// The endpoints that `endpoints` or `paths` list, or the default.
    pub(super) fn new(
        paths: Option<&NonEmptyVec<EndpointSpec>>,
        endpoints: Option<&NonEmptyVec<NamedEndpointSpec>>,
        is_gateway: bool,
    ) -> Self {
        if let Some(endpoints) = endpoints {
            let endpoints = endpoints.as_slice().iter();
            return Self::Named(endpoints.map(NamedEndpointSpec::endpoint).collect());
        }
        let Some(paths) = paths else {
            return if is_gateway {
                Self::Listed(vec!["/mcp".to_owned()])
            } else {
                Self::All
            };
        };
        let paths = paths.as_slice().iter().map(|path| match path {
            EndpointSpec::Any => None,
            EndpointSpec::Path(path) => Some(path.clone()),
        });
        paths.collect::<Option<_>>().map_or(Self::All, Self::Listed)
    }
}

/// A path, which starts with `/` and has no query, or `*` for every path.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(
        inline,
        with = "String",
        extend("pattern" = r##"^(\*|/[!"$-)+->@-~]*)$"##)
    )
)]
pub(super) enum EndpointSpec {
    Any,
    /// The path, without a slash at the end.
    Path(String),
}

impl FromValue for EndpointSpec {
    fn from_value(at: &str, value: Value) -> Result<Self, ConfigError> {
        let path = String::from_value(at, value)?;
        if path == "*" {
            return Ok(Self::Any);
        }
        if !path.starts_with('/') {
            let reason = format!("{path:?} must start with \"/\", or be \"*\" for every path");
            return Err(ConfigError::new(at, reason));
        }
        endpoint_path(at, &path).map(Self::Path)
    }
}

/// The value `path` of the field `at`, without a slash at the end.
///
/// # Errors
/// It is not a path.
fn endpoint_path(at: &str, path: &str) -> Result<String, ConfigError> {
    let is_visible = path.bytes().all(|byte| byte.is_ascii_graphic());
    if !path.starts_with('/') || path.contains(['?', '#', '*']) || !is_visible {
        let reason = "must be a path of visible ASCII, without query, fragment and \"*\"";
        return Err(ConfigError::new(at, format!("{path:?} {reason}")));
    }
    Ok(path.strip_suffix('/').unwrap_or(path).to_owned())
}

/// An endpoint's path or name as a user writes it.
fn shown(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

#[cfg(test)]
mod tests;
