//! Checks a configuration with the filter's own code, before a proxy gets it.

use std::collections::BTreeMap;

use mcp_gateway::config::{Config, ConfigError, Server};
use serde_json::{Map, Value, json};

use crate::kubernetes::endpoints::{self, NO_SERVER};

/// A session key for the check. The real keys do not matter here.
const SOME_KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

/// A server's section of the configuration.
pub(super) struct ServerSection<'a> {
    pub(super) name: &'a str,
    /// Its address, as a URL without a path.
    pub(super) origin: &'a str,
    pub(super) section: &'a Map<String, Value>,
}

/// Reads `config` with `servers` as the filter does, and gives its servers. `variables` are the
/// variables of the proxy; other variables have any value.
///
/// # Errors
/// The filter would refuse the configuration. The paths are those of the filter's configuration.
pub(super) fn servers(
    config: &Map<String, Value>,
    servers: &[ServerSection<'_>],
    variables: &BTreeMap<&str, &str>,
) -> Result<Vec<Server>, ConfigError> {
    let mut config = config.clone();
    let names: Vec<&str> = servers.iter().map(|server| server.name).collect();
    let (_, is_needed) = endpoints::fit(&mut config, &names, NO_SERVER);
    let mut sections: Vec<Value> = servers.iter().map(section).collect();
    if sections.is_empty() || is_needed {
        sections.push(json!({"name": NO_SERVER}));
    }
    config.insert("servers".to_owned(), Value::Array(sections));
    let text = Value::Object(config).to_string();
    let variable = |name: &str| match variables.get(name) {
        Some(value) => Some((*value).to_owned()),
        None if name.starts_with("OAUTH_") => None,
        None => Some(SOME_KEY.to_owned()),
    };
    let config = Config::parse_with(text.as_bytes(), &variable)?;
    let all = config.gateway.map(|gateway| gateway.servers);
    let mut all = all.unwrap_or_default();
    all.retain(|server| server.name != NO_SERVER || servers.is_empty());
    Ok(all)
}

fn section(server: &ServerSection<'_>) -> Value {
    let mut section = server.section.clone();
    section.insert("name".to_owned(), Value::from(server.name));
    let path = section.get("path").and_then(Value::as_str);
    let url = format!("{}{}", server.origin, path.unwrap_or("/mcp"));
    section.insert("url".to_owned(), Value::from(url));
    Value::Object(section)
}
