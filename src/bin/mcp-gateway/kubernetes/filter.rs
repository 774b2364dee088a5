//! The configuration that the filter gets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mcp_gateway::config::{Config, Server, camel};
use serde_json::{Map, Value, json};

use super::address;
use super::endpoints::{self, NO_SERVER};
use super::model::{Authentication, WantedGateway, WantedServer};

/// The configuration of the filter, as JSON and as the filter reads it.
pub(super) struct FilterConfig {
    pub(super) config: Map<String, Value>,
    pub(super) parsed: Config,
}

impl FilterConfig {
    /// The configuration for `gateway`. Its servers have these clusters of Envoy, and `nowhere` is
    /// the cluster of an endpoint at which no server listens.
    ///
    /// # Errors
    /// The filter refuses the configuration.
    pub(super) fn new(
        gateway: &WantedGateway,
        cluster: impl Fn(&WantedServer) -> String,
        nowhere: &str,
    ) -> Result<Self, String> {
        let mut config = gateway.config.clone();
        config.retain(|name, _| !["servers", "rewriteAuthority"].contains(&&*camel(name)));
        if let Authentication::Jwt(jwt) = &gateway.authentication
            && member(&config, "oauth").is_none()
        {
            let oauth = json!({"authorizationServers": [jwt.issuer], "scopesSupported": []});
            config.insert("oauth".to_owned(), oauth);
        }
        if !gateway.platform.rewrites_authority() {
            config.insert("rewriteAuthority".to_owned(), Value::Bool(false));
        }
        let enabled = gateway.servers.iter().filter(|it| is_enabled(it));
        let enabled: Vec<&str> = enabled.map(|it| &*it.name).collect();
        let (_, is_needed) = endpoints::fit(&mut config, &enabled, NO_SERVER);
        let servers = gateway.servers.iter();
        let mut servers: Vec<Value> = servers.map(|it| section(it, cluster(it))).collect();
        if enabled.is_empty() || is_needed {
            servers.push(json!({"name": NO_SERVER, "cluster": nowhere, "timeout": "100ms"}));
        }
        config.insert("servers".to_owned(), Value::Array(servers));
        let parsed = parse(gateway, &config)?;
        Ok(Self { config, parsed })
    }

    /// The paths of the endpoint in all forms that a request may have; `None` for every path.
    pub(super) fn paths(&self) -> Option<Vec<String>> {
        let paths = self.parsed.endpoints.paths()?;
        Some(paths.into_iter().flat_map(spellings).collect())
    }

    /// The server `name`, as the filter reads it.
    pub(super) fn server(&self, name: &str) -> Option<&Server> {
        let mut servers = self.parsed.gateway.as_ref()?.servers.iter();
        servers.find(|server| *server.name == *name)
    }

    /// The configuration of the filter in front of authentication. There it answers browsers,
    /// requests for the metadata, and requests without a token.
    pub(super) fn front(&self) -> Map<String, Value> {
        let mut front = Map::new();
        front.insert("trafficMode".to_owned(), json!("NOOP"));
        let paths = self.parsed.endpoints.paths().into_iter().flatten();
        let paths = paths.map(|path| if path.is_empty() { "/" } else { path });
        front.insert("paths".to_owned(), paths.collect());
        for name in ["paths", "cors"] {
            if let Some(value) = member(&self.config, name) {
                front.insert(name.to_owned(), value.clone());
            }
        }
        if let Some(Value::Object(oauth)) = member(&self.config, "oauth") {
            let mut oauth = oauth.clone();
            oauth.retain(|name, _| camel(name) != "requireToken");
            oauth.insert("requireToken".to_owned(), Value::Bool(true));
            front.insert("oauth".to_owned(), Value::Object(oauth));
        }
        front
    }

    /// The configuration of the filter behind authentication, if the filter with [`Self::front`] is
    /// in front of it.
    pub(super) fn behind(&self) -> Map<String, Value> {
        let mut behind = self.config.clone();
        behind.retain(|name, _| camel(name) != "cors");
        behind
    }

    /// The most bytes that Envoy buffers for one connection. It is more than the longest body that
    /// the filter accepts, so that the filter, and not Envoy, answers a body that is too long.
    pub(super) fn buffer_limit(&self) -> usize {
        buffer_limit(&self.parsed)
    }
}

/// The most bytes that Envoy buffers for one connection of a filter with `config`.
pub(crate) fn buffer_limit(config: &Config) -> usize {
    const MIN: usize = 4_194_304;
    const MAX: usize = 1 << 31;
    // If the filter has no limit, Envoy's limit applies.
    let body = config.max_request_body_size.unwrap_or(16 * MIN);
    body.saturating_mul(2).clamp(MIN, MAX)
}

/// `path`, and `path` with a slash at its end, which the filter accepts, too.
pub(super) fn spellings(path: &str) -> Vec<String> {
    if path.is_empty() {
        vec!["/".to_owned()]
    } else {
        vec![path.to_owned(), format!("{path}/")]
    }
}

/// The member `name` of `config`, in any of its spellings.
pub(super) fn member<'a>(config: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let mut members = config.iter();
    let found = members.find(|(spelled, _)| camel(spelled) == name);
    found.map(|(_, value)| value)
}

/// Whether `server` is enabled.
pub(super) fn is_enabled(server: &WantedServer) -> bool {
    server.backend.is_some() && member(&server.config, "enabled") != Some(&Value::Bool(false))
}

/// The section of `server`.
fn section(server: &WantedServer, cluster: String) -> Value {
    if let Some(written) = &server.written {
        return Value::Object(written.clone());
    }
    let mut section = Map::new();
    section.insert("name".to_owned(), Value::from(&*server.name));
    if is_enabled(server) {
        section.insert("cluster".to_owned(), Value::from(cluster));
    } else {
        section.insert("enabled".to_owned(), Value::Bool(false));
    }
    let has_host = ["hostname", "url"].map(|name| member(&server.config, name).is_some());
    if let Some(backend) = &server.backend
        && has_host == [false, false]
    {
        let host = address::authority(backend, server.tls.is_some());
        section.insert("hostname".to_owned(), Value::from(host));
    }
    let own = server.config.iter();
    let own = own.filter(|(name, _)| !["name", "cluster", "enabled"].contains(&&*camel(name)));
    section.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    Value::Object(section)
}

/// Parses `config` as the filter does. The environment variables have any value here, since this
/// code does not read Secrets.
fn parse(gateway: &WantedGateway, config: &Map<String, Value>) -> Result<Config, String> {
    let session = member(config, "session").and_then(Value::as_object);
    let keys = session.and_then(|session| member(session, "keysFromEnv"));
    let variable = |name: &str| {
        if keys.and_then(Value::as_str) == Some(name) {
            return Some(BASE64.encode([1; 32]));
        }
        let mut known = gateway.variables.iter();
        known.any(|it| it.name == name).then(|| "value".to_owned())
    };
    let text = Value::Object(config.clone()).to_string();
    Config::parse_with(text.as_bytes(), &variable).map_err(|error| error.to_string())
}
