//! `servers`: the MCP servers behind the gateway.

pub(super) mod filter;
mod spec;
mod tool_view;
mod uri_prefix;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

pub(super) use self::spec::ServerSpec;
pub use self::tool_view::{RemovedParameter, ToolView};
pub use self::uri_prefix::{APP, UriPrefix};
use super::EndpointId;
use super::duration::DurationSpec;
use super::endpoints::NamedEndpointSpec;
use super::fields::{FromValue, one_of};
use super::forwarding::{Forwarding, ServerHeaders};
use super::gateway::PrefixMode;
use super::text::VisibleText;
use super::{ConfigError, ConfigSpec, Forwarded, NameRule, Secret, ServerId, ServerPins};
use crate::mcp::list::{ListKind, Naming};
use crate::mcp::method::Subject;
use crate::mcp::resource_uri;
use crate::policy::glob::Filter;
use crate::seal;

/// One MCP server behind the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its id within this configuration.
    pub id: ServerId,
    /// Its name in errors, logs and attributes.
    pub name: String,
    /// The Envoy cluster that reaches it.
    pub cluster: String,
    /// `:authority` of requests to it.
    pub authority: String,
    /// Whether the gateway sets this `:authority` on a routed request before Envoy selects the
    /// route. Otherwise the request keeps the client's, and the route has to rewrite it.
    pub rewrites_authority: bool,
    /// `:path` of requests to it.
    pub path: String,
    /// The prefix of the names of its tools and prompts for clients; empty for none.
    pub tool_prefix: String,
    /// How clients know the URIs of its resources.
    pub uri_prefix: UriPrefix,
    /// Its configured era.
    pub protocol: Protocol,
    /// Whether modern clients without an identity may share a session with it.
    pub share_session: bool,
    /// How long it may take in one fan-out, from the first request to the last page.
    pub timeout: Duration,
    /// How long the gateway keeps its lists, whatever the server says.
    pub list_ttl: Option<Duration>,
    /// The filter of its tools, by its own names.
    pub tools: Filter,
    /// How clients see some of its tools, at most one view for each tool.
    pub tool_views: Vec<ToolView>,
    /// The rule for names of tools, the same for all servers; `None` where there is none.
    pub names: Option<Arc<NameRule>>,
    /// The filter of its prompts.
    pub prompts: Filter,
    /// The filter of its resources and templates, by URI.
    pub resources: Filter,
    /// The additional filters of its endpoint.
    pub at_endpoint: NameFilters,
    /// The first endpoint whose clients see the server in the same way. Pages that were read for
    /// one of these endpoints are valid for the others, too. `None` without `endpoints`.
    pub view: Option<EndpointId>,
    /// A digest of the configuration that its answers depend on. It is a part of the key of a kept
    /// page.
    pub fingerprint: [u8; 32],
    /// The client's headers that it gets.
    pub passthrough: Vec<Forwarded>,
    /// Its own headers from the configuration, with names in lower case.
    pub headers: Vec<(String, Secret)>,
    /// The definitions that its tools must have; `None` for any.
    pub pins: Option<ServerPins>,
}

/// Filters of tools, prompts and resources, by the servers' own names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameFilters {
    /// The filter of tools.
    pub tools: Filter,
    /// The filter of prompts.
    pub prompts: Filter,
    /// The filter of resources and templates, by URI.
    pub resources: Filter,
}

impl Server {
    /// Whether the server gets headers of clients (`passthroughHeaders`). It may answer each client
    /// differently then, also a client that sends no such header.
    pub const fn gets_client_headers(&self) -> bool {
        !self.passthrough.is_empty()
    }

    /// The prefix that clients see before this server's names of `kind`: the tool prefix, or the
    /// URI prefix of resources (URIs of apps have another form). Empty where there is none.
    pub fn prefix(&self, kind: ListKind) -> &str {
        match kind.naming() {
            Naming::Prefixed => &self.tool_prefix,
            Naming::Uri | Naming::UriTemplate => self.uri_prefix.as_str(),
        }
    }

    /// Whether the filters of the server and of its endpoint let clients use what this server calls
    /// `upstream_name`. If there are patterns, a URI must be in normal form, since patterns cannot
    /// be compared with other spellings.
    pub fn allows(&self, kind: ListKind, upstream_name: &str) -> bool {
        let endpoint = &self.at_endpoint;
        let filters = match kind.subject() {
            Subject::Tool => [&self.tools, &endpoint.tools],
            Subject::Prompt => [&self.prompts, &endpoint.prompts],
            Subject::Resource => [&self.resources, &endpoint.resources],
        };
        filters.into_iter().all(|filter| {
            *filter == Filter::default()
                || kind.is_normal(upstream_name)
                    && filter.allows(upstream_name)
                    && (kind.naming() != Naming::Uri
                        || filter.allows(resource_uri::opened_part(upstream_name)))
        })
    }
}

/// `protocol`: which versions of MCP the gateway uses with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema, serde::Serialize),
    schemars(inline),
    serde(rename_all = "SCREAMING_SNAKE_CASE")
)]
pub enum Protocol {
    /// The gateway asks the server (`server/discover`) and remembers the answer. For
    /// a server that supports both, it uses the client's version.
    #[default]
    Auto,
    /// MCP up to 2025-11-25, with sessions.
    Legacy,
    /// MCP from 2026-07-28, without sessions.
    Modern,
}

impl FromValue for Protocol {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        let choices = [
            ("AUTO", Self::Auto),
            ("LEGACY", Self::Legacy),
            ("MODERN", Self::Modern),
        ];
        one_of(path, value, &choices)
    }
}

/// Warnings about patterns that no resource can match, and about tool views that the filters
/// hide.
pub(super) fn warnings(spec: &ConfigSpec) -> Vec<String> {
    let servers = spec.servers.iter().enumerate();
    let warnings = servers.flat_map(|(n, server)| {
        let resources = format!("servers[{n}].resources");
        let mut warnings = server.resources.unmatched(&resources);
        warnings.extend(server.tools.hidden_views(&format!("servers[{n}].tools")));
        warnings
    });
    warnings.collect()
}

/// Checks all servers, and gives the enabled ones in their order. If `endpoint` is given, gives the
/// servers of this endpoint, as its clients see them.
pub(super) fn check(
    spec: &ConfigSpec,
    forwarding: &Forwarding<'_>,
    endpoint: Option<&NamedEndpointSpec>,
) -> Result<Vec<Server>, ConfigError> {
    let is_here = |server: &&ServerSpec| {
        server.enabled && endpoint.is_none_or(|endpoint| endpoint.has(server.name()))
    };
    let here = spec.servers.iter().filter(is_here).count();
    if here == 0 && !spec.servers.is_empty() {
        return Err(ConfigError::new(
            "servers",
            "must have at least one with enabled: true",
        ));
    }
    let is_prefixed = match spec.prefix_mode.unwrap_or_default() {
        PrefixMode::Always => true,
        // For each endpoint, only the servers of this endpoint count.
        PrefixMode::Conditional => here > 1 && spec.endpoints.is_some() == endpoint.is_some(),
        PrefixMode::Never => false,
    };
    let rule = spec.names.as_ref().map(|names| names.check().map(Arc::new));
    let rule = rule.transpose()?;
    let mut names = HashSet::new();
    let mut servers = Vec::with_capacity(here);
    let mut enabled = 0..;
    for (at, server) in spec.servers.iter().enumerate() {
        let name = server.name.as_str();
        let at = format!("servers[{at}]");
        let headers = forwarding.of(&at, server)?;
        if !names.insert(name) {
            return Err(ConfigError::new(
                format!("{at}.name"),
                format!("{name:?} is used twice"),
            ));
        }
        if server.enabled {
            let id = enabled.next().and_then(ServerId::from_index);
            let id = id.ok_or_else(|| ConfigError::new("servers", "must be fewer than 65536"))?;
            if is_here(&server) {
                let mut made = server.check(spec, id, &at, is_prefixed, headers)?;
                if let Some(endpoint) = endpoint {
                    made.at_endpoint = endpoint.filters();
                }
                made.names.clone_from(&rule);
                servers.push(made);
            }
        }
    }
    Ok(servers)
}

impl ServerSpec {
    /// Checks the server, and sets the defaults that depend on other fields.
    fn check(
        &self,
        spec: &ConfigSpec,
        id: ServerId,
        at: &str,
        is_prefixed: bool,
        headers: ServerHeaders,
    ) -> Result<Server, ConfigError> {
        let prefix = self.prefix(is_prefixed);
        Ok(Server {
            id,
            uri_prefix: self.uri_prefix(at, &prefix)?,
            tool_prefix: prefix,
            fingerprint: self.fingerprint(&headers),
            passthrough: headers.passthrough,
            headers: headers.own,
            name: self.name.as_str().to_owned(),
            cluster: self.cluster().to_owned(),
            authority: self.authority().to_owned(),
            rewrites_authority: spec.rewrite_authority.unwrap_or(true),
            path: self.path().to_owned(),
            protocol: self.protocol,
            share_session: self.share_session,
            timeout: self.timeout.get(),
            list_ttl: self.list_ttl.map(DurationSpec::get),
            tools: self.tools.filter(),
            tool_views: self.tools.views(&format!("{at}.tools"))?,
            names: None,
            prompts: self.prompts.filter(),
            resources: self.resources.filter(),
            at_endpoint: NameFilters::default(),
            view: None,
            pins: ServerPins::of(spec, self.name.as_str()),
        })
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        self.name.as_str()
    }

    fn cluster(&self) -> &str {
        let cluster = self.cluster.as_ref();
        cluster.map_or(self.name.as_str(), VisibleText::as_str)
    }

    fn authority(&self) -> &str {
        match (&self.hostname, &self.url) {
            (Some(hostname), _) => hostname.as_str(),
            (None, Some(url)) => &url.authority,
            (None, None) => self.cluster(),
        }
    }

    fn path(&self) -> &str {
        let of_url = self.url.as_ref().and_then(|url| url.path.as_deref());
        let path = self.path.as_ref().map(|path| path.as_str());
        path.or(of_url).unwrap_or("/mcp")
    }

    fn prefix(&self, is_prefixed: bool) -> String {
        match &self.tool_prefix {
            Some(prefix) => prefix.as_str().to_owned(),
            None if is_prefixed => format!("{}__", self.name.as_str()),
            None => String::new(),
        }
    }

    /// How clients see the URIs of resources if there is a `prefix`. Then the name must be a URI
    /// scheme (RFC 3986 section 3.1).
    fn uri_prefix(&self, at: &str, prefix: &str) -> Result<UriPrefix, ConfigError> {
        let name = self.name.as_str();
        if prefix.is_empty() {
            return Ok(UriPrefix::NONE);
        }
        let fits =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        let starts_with_letter = name.starts_with(|first: char| first.is_ascii_lowercase());
        if starts_with_letter && name.bytes().all(fits) {
            return Ok(UriPrefix::of(name));
        }
        Err(ConfigError::new(
            format!("{at}.name"),
            format!(
                "the URIs of resources start with {name:?}, so it may have only lower-case letters, digits, \".\" and \"-\", and must start with a letter; or set toolPrefix: \"\""
            ),
        ))
    }

    /// A digest of the server's configuration. It is a digest because the configuration has secret
    /// header values.
    fn fingerprint(&self, headers: &ServerHeaders) -> [u8; 32] {
        let list_ttl = self.list_ttl.map(|ttl| ttl.get().as_millis().to_string());
        let mut parts = vec![
            self.name.as_str(),
            self.cluster(),
            self.authority(),
            self.path(),
            list_ttl.as_deref().unwrap_or_default(),
        ];
        for entry in &headers.passthrough {
            let required = if entry.required { "required" } else { "" };
            parts.extend([&entry.name, &entry.target, required]);
        }
        // No name is empty, so an empty text can separate the lists.
        parts.push("");
        for (name, value) in &headers.own {
            parts.extend([name, value.expose()]);
        }
        let parts: Vec<&[u8]> = parts.into_iter().map(str::as_bytes).collect();
        seal::digest(&parts)
    }
}
