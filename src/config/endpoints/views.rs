//! The gateway of each endpoint: its servers as its clients see them.

use super::{EndpointId, Endpoints, NamedEndpoint, NamedEndpointSpec, shown};
use crate::config::fields::NonEmptyVec;
use crate::config::servers::{NameFilters, ServerSpec};
use crate::config::text::NonEmptyText;
use crate::config::{ConfigError, ConfigSpec, Gateway, Server};

/// Checks that no request belongs to two endpoints, and that endpoints have different names.
///
/// # Errors
/// A request belongs to two endpoints, or two endpoints have the same name.
pub(in crate::config) fn check(endpoints: &Endpoints) -> Result<(), ConfigError> {
    let Endpoints::Named(endpoints) = endpoints else {
        return Ok(());
    };
    for (at, endpoint) in endpoints.iter().enumerate() {
        if EndpointId::from_index(at).is_none() {
            return Err(ConfigError::new("endpoints", "must be fewer than 65536"));
        }
        let mut hosts = endpoint.hosts.iter().enumerate();
        if let Some((twice, host)) =
            hosts.find(|(n, it)| endpoint.hosts.iter().take(*n).any(|host| host == *it))
        {
            let field = format!("endpoints[{at}].hosts[{twice}]");
            return Err(ConfigError::new(
                field,
                format!("{host:?} is in this list twice"),
            ));
        }
        for (earlier, other) in endpoints.iter().take(at).enumerate() {
            check_pair((at, endpoint), (earlier, other))?;
        }
    }
    Ok(())
}

/// Checks that two endpoints differ.
fn check_pair(
    (at, endpoint): (usize, &NamedEndpoint),
    (earlier, other): (usize, &NamedEndpoint),
) -> Result<(), ConfigError> {
    let mut hosts = endpoint.hosts.iter().enumerate();
    let shared = hosts.find(|(_, host)| other.hosts.contains(host));
    let place = match shared {
        Some((n, host)) => Some((format!("hosts[{n}]"), format!("the host {host:?}"))),
        None if endpoint.hosts.is_empty() && other.hosts.is_empty() => {
            Some(("path".to_owned(), "any host".to_owned()))
        }
        None => None,
    };
    if let Some((field, host)) = place.filter(|_| endpoint.path == other.path) {
        let path = shown(&endpoint.path);
        return Err(ConfigError::new(
            format!("endpoints[{at}].{field}"),
            format!(
                "endpoints[{earlier}] has the path {path:?} for {host} already: give one of them another path, or other hosts"
            ),
        ));
    }
    if endpoint.name == other.name {
        let name = shown(&endpoint.name);
        return Err(ConfigError::new(
            format!("endpoints[{at}].name"),
            format!(
                "{name:?} is the name of endpoints[{earlier}] already: give each endpoint its own name; the default name is the path"
            ),
        ));
    }
    Ok(())
}

/// The gateway of each endpoint, where the configuration has `endpoints`. `gateway` makes the
/// gateway of an endpoint from its servers. `all_servers` is the number of servers in the whole
/// configuration.
///
/// # Errors
/// An endpoint names a server that does not exist, has no enabled server, or gives a prefix to a
/// server whose name does not fit.
pub(in crate::config) fn views(
    spec: &ConfigSpec,
    all_servers: usize,
    gateway: &dyn Fn(&NamedEndpointSpec) -> Result<Gateway, ConfigError>,
) -> Result<Vec<Gateway>, ConfigError> {
    let endpoints = spec
        .endpoints
        .as_ref()
        .map_or(&[][..], NonEmptyVec::as_slice);
    let mut views: Vec<Gateway> = Vec::with_capacity(endpoints.len());
    for (at, endpoint) in endpoints.iter().enumerate() {
        endpoint.check_names(at, spec)?;
        let mut view = gateway(endpoint).map_err(|error| match error.path() {
            "servers" => ConfigError::new(format!("endpoints[{at}].servers"), error.reason()),
            _ => error,
        })?;
        for server in &mut view.servers {
            let same = views.iter().find_map(|earlier| same_view(earlier, server));
            server.view = same.or(EndpointId::from_index(at));
        }
        view.all_servers = all_servers;
        view.endpoint = Some(endpoint.name().to_owned());
        // A value of the endpoint has priority over the value for all endpoints.
        if let Some(info) = &endpoint.server_info {
            view.server_info = info.json()?;
        }
        if let Some(search) = &endpoint.tool_search {
            view.tool_search = Some(search.check());
        }
        views.push(view);
    }
    Ok(views)
}

/// The view of `server` that the clients of an `earlier` endpoint have, if this endpoint shows the
/// same: then both share the server's pages. An endpoint changes only the prefix and the filters.
fn same_view(earlier: &Gateway, server: &Server) -> Option<EndpointId> {
    let other = earlier.server(server.id)?;
    let is_same =
        other.tool_prefix == server.tool_prefix && other.at_endpoint == server.at_endpoint;
    other.view.filter(|_| is_same)
}

/// Warnings about patterns that no resource can match, and about servers that no endpoint has.
pub(in crate::config) fn warnings(spec: &ConfigSpec) -> Vec<String> {
    let Some(endpoints) = &spec.endpoints else {
        return Vec::new();
    };
    let endpoints = endpoints.as_slice();
    let patterns = endpoints.iter().enumerate();
    let patterns =
        patterns.flat_map(|(n, it)| it.resources.unmatched(&format!("endpoints[{n}].resources")));
    let mut warnings: Vec<String> = patterns.collect();
    for (n, server) in spec.servers.iter().enumerate() {
        let name = server.name();
        if server.enabled && !endpoints.iter().any(|endpoint| endpoint.has(name)) {
            warnings.push(format!(
                "servers[{n}]: no endpoint has the server {name:?}, so no client gets it"
            ));
        }
    }
    warnings
}

impl NamedEndpointSpec {
    /// Whether the endpoint has the server with this name.
    pub(in crate::config) fn has(&self, name: &str) -> bool {
        let named = self.servers.as_ref().map(NonEmptyVec::as_slice);
        named.is_none_or(|named| named.iter().any(|it| it.as_str() == name))
    }

    /// The tools, prompts and resources of its servers that the endpoint shows.
    pub(in crate::config) fn filters(&self) -> NameFilters {
        NameFilters {
            tools: self.tools.filter(),
            prompts: self.prompts.filter(),
            resources: self.resources.filter(),
        }
    }

    /// Checks the names in `servers`.
    fn check_names(&self, at: usize, spec: &ConfigSpec) -> Result<(), ConfigError> {
        let named = self.servers.as_ref().map_or(&[][..], NonEmptyVec::as_slice);
        for (n, name) in named.iter().map(NonEmptyText::as_str).enumerate() {
            let refused = |reason: String| {
                let field = format!("endpoints[{at}].servers[{n}]");
                Err(ConfigError::new(field, format!("{name:?} {reason}")))
            };
            if named.iter().take(n).any(|it| it.as_str() == name) {
                return refused("is in this list twice".to_owned());
            }
            let known: Vec<&str> = spec.servers.iter().map(ServerSpec::name).collect();
            if !known.contains(&name) {
                return refused(format!(
                    "is not a server: the servers are {}",
                    known.join(", ")
                ));
            }
        }
        Ok(())
    }
}
