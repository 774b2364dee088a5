//! The parts of the configuration that `mcp-gateway render` writes and that a smaller one does not
//! have. A variant without a part shows what this part costs.

use std::str::FromStr;

use serde_json::Value;

use crate::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// One line of JSON for each request.
    AccessLog,
    /// Envoy's own errors as JSON-RPC. The mappers see each local reply, and so each list.
    LocalReplies,
    /// The dynamic metadata from the filter's headers.
    Metadata,
    /// One form for all paths.
    Paths,
    Retries,
    /// The origins of web pages that may call.
    Cors,
    /// All of these.
    Together,
}

impl Part {
    pub(crate) const EACH: [Self; 6] = [
        Self::AccessLog,
        Self::LocalReplies,
        Self::Metadata,
        Self::Paths,
        Self::Retries,
        Self::Cors,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AccessLog => "access-log",
            Self::LocalReplies => "local-replies",
            Self::Metadata => "metadata",
            Self::Paths => "paths",
            Self::Retries => "retries",
            Self::Cors => "cors",
            Self::Together => "together",
        }
    }

    /// The parts that the argument of `--without` names.
    pub(crate) fn list(text: &str) -> Result<Vec<Self>> {
        let mut parts = Vec::new();
        for name in text.split(',').map(str::trim) {
            match name {
                "all" => parts.extend(Self::EACH),
                name => parts.push(name.parse()?),
            }
        }
        Ok(parts)
    }

    /// Removes the part from a bootstrap.
    ///
    /// # Errors
    /// The part is not there. Then `render` writes something else than this benchmark expects.
    pub(crate) fn remove(self, bootstrap: &mut Value) -> Result<()> {
        if self == Self::Together {
            return Self::EACH
                .iter()
                .try_for_each(|part| part.remove(bootstrap));
        }
        let manager = manager(bootstrap)?;
        let removed = match self {
            Self::AccessLog => take(manager, &["access_log"]),
            Self::LocalReplies => take(manager, &["local_reply_config"]),
            Self::Paths => take(
                manager,
                &[
                    "normalize_path",
                    "merge_slashes",
                    "path_with_escaped_slashes_action",
                ],
            ),
            Self::Metadata => without_filter(manager, "envoy.filters.http.header_to_metadata"),
            Self::Retries => {
                let route = manager.pointer_mut("/route_config/virtual_hosts/0/routes/0/route");
                route.is_some_and(|route| take(route, &["retry_policy"]))
            }
            Self::Cors => {
                let settings =
                    manager.pointer_mut("/http_filters/0/typed_config/config/configuration/value");
                settings.is_some_and(|settings| take(settings, &["cors"]))
            }
            Self::Together => false,
        };
        if removed {
            return Ok(());
        }
        Err(format!("what `render` writes has no part {:?}", self.name()).into())
    }
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let mut parts = Self::EACH.into_iter().chain([Self::Together]);
        let part = parts.find(|part| part.name() == name);
        part.ok_or_else(|| {
            let names = Self::EACH.map(Self::name).join(", ");
            format!("unknown part {name:?}; there are {names}, together and all").into()
        })
    }
}

/// The settings of the only connection manager.
pub(crate) fn manager(bootstrap: &mut Value) -> Result<&mut Value> {
    let path = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let manager = bootstrap.pointer_mut(path);
    manager.ok_or_else(|| format!("a bootstrap without {path}").into())
}

/// Removes these members. Gives whether all of them were there.
fn take(value: &mut Value, names: &[&str]) -> bool {
    let members = value.as_object_mut();
    members.is_some_and(|members| names.iter().all(|name| members.remove(*name).is_some()))
}

fn without_filter(manager: &mut Value, name: &str) -> bool {
    let filters = manager["http_filters"].as_array_mut();
    filters.is_some_and(|filters| {
        let before = filters.len();
        filters.retain(|filter| filter["name"] != name);
        filters.len() < before
    })
}
