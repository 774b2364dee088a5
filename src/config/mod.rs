//! The configuration of the plugin. The filter reads it once, checks it as a whole, and does not
//! change it afterwards.
//!
//! [`source`] turns the bytes that Envoy gives into one JSON tree. Each section has a type for what
//! the user writes, whose name ends with `Spec`. Next to it is the check that compiles it into the
//! data that requests need. [`spec`] has the whole configuration, which becomes a [`Config`] here.

mod authorization;
mod conflicts;
mod cors;
mod duration;
mod endpoints;
mod error;
mod expression;
mod fields;
mod forwarding;
mod free_names;
mod gateway;
mod memory;
mod metadata_key;
mod modes;
mod names;
mod oauth;
mod pins;
mod rules;
#[cfg(feature = "schema")]
mod schema;
mod secret;
mod server_id;
mod servers;
mod session;
mod source;
mod spec;
mod text;
mod tool_search;

pub use endpoints::{EndpointId, Endpoints, NamedEndpoint};
pub use error::ConfigError;
pub use forwarding::Forwarded;
pub use gateway::{FailureMode, Gateway};
pub use modes::AttributeSource;
pub use names::NameRule;
pub use oauth::Oauth;
pub use pins::{PinPolicy, ServerPins};
#[cfg(feature = "schema")]
pub use schema::schema;
pub use secret::Secret;
pub use server_id::ServerId;
pub use servers::{APP, NameFilters, Protocol, RemovedParameter, Server, ToolView, UriPrefix};
pub use session::{Identity, LONGEST_SESSION_ID, Sessions};
pub use source::camel;
pub use tool_search::{MOST_FOUND, ToolSearch};

use self::fields::FromValue as _;
use self::forwarding::Forwarding;
use self::spec::ConfigSpec;
use crate::http::cors::Cors;
use crate::metrics::{Metrics, ServerMetrics};
use crate::policy::authorization::Authorization;
use crate::policy::export::Storage;
use crate::policy::rules::Rules;
use crate::policy::trace::Propagation;
use crate::policy::traffic::TrafficMode;

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The request paths that the filter handles as MCP.
    pub endpoints: Endpoints,
    /// What happens to requests that are not MCP.
    pub traffic_mode: TrafficMode,
    /// The longest body that the filter reads, in bytes; `None` for no limit.
    pub max_request_body_size: Option<usize>,
    /// Whether the headers wait in the filter until it has read the body.
    pub hold: bool,
    /// The source of a modern request's attributes.
    pub attribute_source: AttributeSource,
    /// Whether a message with the same key twice in an object is refused, at any depth.
    pub reject_duplicate_keys: bool,
    /// The values that the filter extracts for each method, and the groups of methods.
    pub rules: Rules,
    /// Which headers get the trace context of a message.
    pub propagation: Propagation,
    /// The metrics.
    pub metrics: Metrics,
    /// The place where later filters see the attributes.
    pub storage: Storage,
    /// Whether Envoy selects the route again after the export.
    pub clear_route_cache: bool,
    /// The CORS policy; `None` where it is off.
    pub cors: Option<Cors>,
    /// The OAuth protected resource; `None` where it is off.
    pub oauth: Option<Oauth>,
    /// The longest answer that the filter reads, in bytes.
    pub max_response_bytes: usize,
    /// When the filter holds this many bytes, it refuses new requests.
    pub held_bytes: usize,
    /// The rules about which callers may send which messages; `None` where there are none.
    pub authorization: Option<Authorization>,
    /// The gateway; `None` in policy mode.
    pub gateway: Option<Gateway>,
    /// Warnings about valid settings that are probably mistakes: lines for the log.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads and checks a plugin configuration: the JSON text of a
    /// `google.protobuf.StringValue`, or a serialized `google.protobuf.Struct`.
    /// Empty is valid: policy mode with every default.
    ///
    /// # Errors
    /// The first [`ConfigError`]: the path of the field and the reason.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        Self::parse_with(bytes, &|_| None)
    }

    /// As [`Config::parse`]. Some fields may come from the environment: `variable`
    /// gives the value of the variable with a name.
    ///
    /// # Errors
    /// The first [`ConfigError`]: the path of the field and the reason.
    pub fn parse_with(
        bytes: &[u8],
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        Self::check(&ConfigSpec::from_value("", source::tree(bytes)?)?, variable)
    }

    /// The metrics of this server.
    pub fn server_metrics(&self, server: ServerId) -> Option<ServerMetrics> {
        self.metrics.server(server.index())
    }

    fn check(
        spec: &ConfigSpec,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        conflicts::check(spec)?;
        pins::check(spec)?;
        let is_gateway = !spec.servers.is_empty();
        let endpoints = Endpoints::new(spec.paths.as_ref(), spec.endpoints.as_ref(), is_gateway);
        endpoints::check(&endpoints)?;
        let oauth = oauth::check(spec.oauth.as_ref(), variable, &endpoints)?;
        let forwarding = Forwarding::new(spec, oauth.is_some(), variable)?;
        let servers = servers::check(spec, &forwarding, None)?;
        let forwarded = forwarding.names(&servers);
        let mut warnings = forwarding::warnings(&servers);
        warnings.extend(servers::warnings(spec));
        warnings.extend(endpoints::warnings(spec));
        let authorization = spec.authorization.as_ref();
        let authorization = authorization
            .map(|authorization| authorization.check(&endpoints, &mut warnings))
            .transpose()?;
        let rules = spec.parser_config.rules();
        let names = servers.iter().map(|server| &*server.name);
        let metrics = Metrics::new(rules.groups(), names);
        let mut gateway = is_gateway
            .then(|| Gateway::new(spec, servers, variable))
            .transpose()?;
        if let Some(whole) = &mut gateway {
            whole.views = endpoints::views(spec, whole.all_servers, &|endpoint| {
                let servers = servers::check(spec, &forwarding, Some(endpoint))?;
                Gateway::new(spec, servers, variable)
            })?;
        }
        warnings.extend(gateway.as_ref().and_then(session::warning));
        let cors = spec.cors.as_ref();
        let cors = cors.map(|cors| cors.check(&forwarded)).transpose()?;
        conflicts::check_effects(spec)?;
        Ok(Self {
            endpoints,
            traffic_mode: spec.traffic_mode(),
            max_request_body_size: Some(spec.max_request_body_size).filter(|size| *size > 0),
            hold: spec.hold_request_headers,
            attribute_source: spec.attribute_source,
            reject_duplicate_keys: spec.reject_duplicate_keys,
            rules,
            propagation: Propagation {
                trace_context: spec.propagate_trace_context.0,
                baggage: spec.propagate_baggage.0,
            },
            metrics,
            storage: spec.request_storage_mode.storage(),
            clear_route_cache: spec.clear_route_cache || is_gateway,
            oauth: oauth.map(|oauth| oauth.with_cors(cors.as_ref())),
            cors,
            max_response_bytes: spec.max_response_bytes.get(),
            held_bytes: spec.memory.held_bytes.get(),
            authorization,
            gateway,
            warnings,
        })
    }
}

impl ConfigSpec {
    /// What happens to requests that are not MCP. If a field needs the body of each request, they
    /// are refused.
    fn traffic_mode(&self) -> TrafficMode {
        match self.traffic_mode {
            Some(mode) => mode.mode(),
            None if self.needs_body().is_some() => TrafficMode::RejectNoMcp,
            None => TrafficMode::PassThrough,
        }
    }

    /// A field that needs the body of each request, if there is one.
    fn needs_body(&self) -> Option<&'static str> {
        if !self.servers.is_empty() {
            Some("servers")
        } else {
            self.authorization.is_some().then_some("authorization")
        }
    }
}

#[cfg(test)]
mod tests;
