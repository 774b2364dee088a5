//! `paths`: which requests are for this filter.

use super::ConfigError;
use crate::http::protected_resource::path_only;

/// The request paths that speak MCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoints {
    /// Every path.
    All,
    /// These, without query and without a trailing slash.
    Listed(Vec<String>),
}

impl Endpoints {
    /// What names the endpoint in the request target `path`: neither the query
    /// nor one slash at the end does.
    pub fn path(path: &[u8]) -> &[u8] {
        let path = path_only(path);
        path.strip_suffix(b"/").unwrap_or(path)
    }

    /// Whether the request target `path`, with or without a query, is one.
    /// Bytes, since a query may hold any, and must not hide the path.
    pub fn contains(&self, path: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Listed(paths) => {
                let path = Self::path(path);
                paths.iter().any(|endpoint| endpoint.as_bytes() == path)
            }
        }
    }
}

pub(super) fn check(paths: Option<&[String]>, is_gateway: bool) -> Result<Endpoints, ConfigError> {
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
