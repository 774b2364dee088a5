//! `paths`: which requests the filter handles.

use serde_json::Value;

use super::ConfigError;
use super::fields::{FromValue, NonEmptyVec};
use crate::http::url;

/// The request paths that speak MCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoints {
    /// Every path.
    All,
    /// These, without query and without a slash at the end.
    Listed(Vec<String>),
}

impl Endpoints {
    /// What names the endpoint in the request target `path`: neither the query
    /// nor one slash at the end does.
    pub fn path(path: &[u8]) -> &[u8] {
        let path = url::path_of(path);
        path.strip_suffix(b"/").unwrap_or(path)
    }

    /// Whether the request target `path`, with or without a query, is an
    /// endpoint. Bytes, since a query may hold any, and must not hide the path.
    pub fn contains(&self, path: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Listed(paths) => {
                let path = Self::path(path);
                paths.iter().any(|endpoint| endpoint.as_bytes() == path)
            }
        }
    }

    /// The endpoints that `paths` lists, or the default.
    pub(super) fn new(paths: Option<&NonEmptyVec<EndpointSpec>>, is_gateway: bool) -> Self {
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
    /// Without a slash at the end.
    Path(String),
}

impl FromValue for EndpointSpec {
    fn from_value(at: &str, value: Value) -> Result<Self, ConfigError> {
        let path = String::from_value(at, value)?;
        let refused = |reason: &str| Err(ConfigError::new(at, format!("{path:?} {reason}")));
        if path == "*" {
            return Ok(Self::Any);
        }
        if !path.starts_with('/') {
            return refused("must start with \"/\", or be \"*\" for every path");
        }
        if path.contains(['?', '#', '*']) || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refused("must be a path of visible ASCII, without query, fragment and \"*\"");
        }
        Ok(Self::Path(
            path.strip_suffix('/').unwrap_or(&path).to_owned(),
        ))
    }
}
