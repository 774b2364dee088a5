//! The plugin's configuration: read once, checked as a whole, then immutable.
//!
//! [`source`] turns the bytes that Envoy hands over into one JSON tree. Each
//! section has the type of what the user writes, whose name ends with `Spec`, and
//! beside it the check that compiles it into what a request needs. [`spec`] has the
//! whole of it, and here it becomes a [`Config`].

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
use crate::metrics::Metrics;
use crate::policy::authorization::Authorization;
use crate::policy::export::Storage;
use crate::policy::rules::Rules;
use crate::policy::trace::Propagation;
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
    /// Whether the headers wait in the filter until the body has been read.
    pub hold: bool,
    /// Where a modern request's attributes come from.
    pub attribute_source: AttributeSource,
    /// Whether the same key twice in an object is refused at any depth.
    pub reject_duplicate_keys: bool,
    /// What is extracted from which method, and how methods are grouped.
    pub rules: Rules,
    /// Which headers come from what a message says about its trace.
    pub propagation: Propagation,
    /// What is counted.
    pub metrics: Metrics,
    /// Where later filters see the attributes.
    pub storage: Storage,
    /// Whether the route is selected again after exporting.
    pub clear_route_cache: bool,
    /// Browsers on other origins; absent when off.
    pub cors: Option<Cors>,
    /// The OAuth protected resource; absent when off.
    pub oauth: Option<Oauth>,
    /// The longest answer that is read, in bytes.
    pub max_response_bytes: usize,
    /// While so many bytes are held, new requests are refused.
    pub held_bytes: usize,
    /// Which callers may send which messages; absent when off.
    pub authorization: Option<Authorization>,
    /// Many servers behind one endpoint; absent in policy mode.
    pub gateway: Option<Gateway>,
    /// What is valid, but is probably not meant: lines for the log.
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
    /// What happens to requests that are not MCP: what needs to read each request
    /// has them refused.
    fn traffic_mode(&self) -> TrafficMode {
        match self.traffic_mode {
            Some(mode) => mode.mode(),
            None if self.needs_body().is_some() => TrafficMode::RejectNoMcp,
            None => TrafficMode::PassThrough,
        }
    }

    /// The field that needs the body of each request read, if there is one.
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
