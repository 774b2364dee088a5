//! The plugin's configuration: read once, checked whole, then immutable.
//!
//! [`source`] turns the bytes that Envoy hands over into one JSON tree,
//! [`wire`] is that tree as types, and here it is checked and compiled into
//! what a request needs.

mod authorization;
mod cors;
mod duration;
mod endpoints;
mod error;
mod expression;
mod fields;
mod forwarding;
mod oauth;
mod rules;
mod server_id;
mod servers;
mod session;
mod source;
mod wire;

use std::time::Duration;

pub use endpoints::Endpoints;
pub use error::ConfigError;
pub use forwarding::{Forwarded, Secret};
pub use server_id::ServerId;
pub use session::{Identity, Sessions};
pub use source::camel;

use self::fields::Read as _;
use self::forwarding::Forwarding;
use crate::http::cors::Cors;
use crate::http::protected_resource::ProtectedResource;
use crate::mcp::list::ListKind;
use crate::metrics::Metrics;
use crate::policy::authorization::Authorization;
use crate::policy::export::Storage;
use crate::policy::glob::Filter;
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
    /// Whether a key that stands twice is refused at any depth.
    pub reject_duplicate_keys: bool,
    /// What is extracted from which method, and how methods are grouped.
    pub rules: Rules,
    /// What a message says about its trace, and HTTP should.
    pub propagation: Propagation,
    /// What is counted.
    pub metrics: Metrics,
    /// Where later filters see the attributes.
    pub storage: Storage,
    /// Whether the route is selected anew after exporting.
    pub clear_route_cache: bool,
    /// Browsers on other origins; absent when off.
    pub cors: Option<Cors>,
    /// Who gives tokens for the endpoints; absent when off.
    pub oauth: Option<Oauth>,
    /// Bytes of one answer that is read.
    pub max_response_bytes: usize,
    /// Who may do what; absent when off.
    pub authorization: Option<Authorization>,
    /// Many servers behind one endpoint; absent in policy mode.
    pub gateway: Option<Gateway>,
    /// What is valid, but hardly meant: lines for the log.
    pub warnings: Vec<String>,
}

/// `oauth`.
#[derive(Debug, Clone)]
pub struct Oauth {
    /// The metadata, and what a client without a token is told.
    pub resource: ProtectedResource,
    /// Who may read the metadata: everyone, unless `cors` says who.
    pub cors: Cors,
}

/// `attributeSource`: what the `Mcp-*` headers of a modern request are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeSource {
    /// Nothing: the body counts.
    Body,
    /// They are compared with the body.
    Verify,
    /// They are trusted, and the body is not read.
    Headers,
}

/// Gateway mode.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// The enabled servers, in the order of the configuration.
    pub servers: Vec<Server>,
    /// What a server that fails does to a list.
    pub failure_mode: FailureMode,
    /// Whether lists are kept as their servers allow.
    pub caches: bool,
    /// Pages read of one server for one list.
    pub max_list_pages: usize,
    /// Bytes of one merged list.
    pub max_list_bytes: usize,
    /// Bytes of one answer that the gateway must read.
    pub max_response_bytes: usize,
    /// What the gateway calls itself: the JSON of an MCP `Implementation`.
    pub server_info: String,
    /// The sessions of legacy clients.
    pub sessions: Sessions,
}

impl Gateway {
    /// The server with this id; `None` where it is of another configuration.
    pub fn server(&self, id: ServerId) -> Option<&Server> {
        self.servers.get(id.index())
    }

    /// The ids of all enabled servers, in the order of the configuration.
    pub fn server_ids(&self) -> Vec<ServerId> {
        self.servers.iter().map(|server| server.id).collect()
    }

    /// The one enabled server, where there is one: all messages are for it.
    pub fn single_server(&self) -> Option<&Server> {
        match self.servers.as_slice() {
            [server] => Some(server),
            _ => None,
        }
    }
}

/// `failureMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureMode {
    /// A server that fails is left out; all failed is an error.
    BestEffort,
    /// One server that fails is an error.
    Fail,
}

/// `protocol`: the era of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Found out by asking.
    Auto,
    /// With sessions, MCP up to 2025-11-25.
    Legacy,
    /// Stateless, from MCP 2026-07-28.
    Modern,
}

/// One MCP server behind the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Names it within this configuration.
    pub id: ServerId,
    /// Its name, in errors, logs and attributes.
    pub name: String,
    /// The Envoy cluster that reaches it.
    pub cluster: String,
    /// `:authority` of requests to it.
    pub authority: String,
    /// `:path` of requests to it.
    pub path: String,
    /// What its tools and prompts are called with; empty for none.
    pub tool_prefix: String,
    /// What its resources' URIs start with, `<name>+`; empty for none.
    pub uri_prefix: String,
    /// Which era it is of.
    pub protocol: Protocol,
    /// Whether modern clients without an identity may share a session with it.
    pub share_session: bool,
    /// Its budget in one fan-out, from the first request to the last page.
    pub timeout: Duration,
    /// How long its lists are kept, whatever it says itself.
    pub list_ttl: Option<Duration>,
    /// Which of its tools there are, by its own names.
    pub tools: Filter,
    /// Which of its prompts there are.
    pub prompts: Filter,
    /// Which of its resources and templates there are, by URI.
    pub resources: Filter,
    /// What its answers depend on, beside the request: part of a kept page's key.
    pub fingerprint: [u8; 32],
    /// What it gets of a client's headers.
    pub passthrough: Vec<Forwarded>,
    /// What it gets of its own, by names in lower case.
    pub headers: Vec<(String, Secret)>,
}

impl Server {
    /// The prefix that clients see before this server's names of `kind`: the tool
    /// prefix, or the URI prefix of resources. Empty where there is none.
    pub fn prefix(&self, kind: ListKind) -> &str {
        match kind {
            ListKind::Tools | ListKind::Prompts => &self.tool_prefix,
            ListKind::Resources | ListKind::Templates => &self.uri_prefix,
        }
    }

    /// Whether `include` and `exclude` let clients use what this server calls
    /// `upstream_name`.
    pub fn allows(&self, kind: ListKind, upstream_name: &str) -> bool {
        let filter = match kind {
            ListKind::Tools => &self.tools,
            ListKind::Prompts => &self.prompts,
            ListKind::Resources | ListKind::Templates => &self.resources,
        };
        filter.allows(upstream_name)
    }
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

    /// As [`Config::parse`]; fields that may come from the environment come
    /// from `variable`, which gives the value of the variable it is given.
    ///
    /// # Errors
    /// The first [`ConfigError`]: the path of the field and the reason.
    pub fn parse_with(
        bytes: &[u8],
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        Self::check(&wire::Config::read("", source::tree(bytes)?)?, variable)
    }

    fn check(
        wire: &wire::Config,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let is_gateway = !wire.servers.is_empty();
        let endpoints = endpoints::check(wire.paths.as_deref(), is_gateway)?;
        let oauth = oauth::check(wire.oauth.as_ref(), variable, &endpoints)?;
        let forwarding = Forwarding::new(wire, oauth.is_some(), variable)?;
        let servers = servers::check(wire, &forwarding)?;
        let forwarded = forwarding.names(&servers);
        let mut warnings = forwarding::warnings(&servers);
        let gateway = is_gateway
            .then(|| servers::gateway(wire, servers, variable))
            .transpose()?;
        together(wire, is_gateway, &mut warnings)?;
        let authorization = match &wire.authorization {
            Some(wire) => Some(authorization::check(wire, &mut warnings)?),
            None => None,
        };
        let rules = rules::check(&wire.parser_config)?;
        let metrics = Metrics::new(
            rules.groups(),
            gateway
                .iter()
                .flat_map(|gateway| &gateway.servers)
                .map(|server| &*server.name),
        );
        let cors = wire.cors.as_ref();
        let cors = cors.map(|cors| cors::check(cors, &forwarded)).transpose()?;
        let oauth = match oauth {
            Some(resource) => Some(Oauth {
                resource,
                cors: match &cors {
                    Some(cors) => cors.clone(),
                    None => cors::check(&wire::Cors::default(), &[])?,
                },
            }),
            None => None,
        };
        Ok(Self {
            oauth,
            endpoints,
            traffic_mode: match wire.traffic_mode {
                wire::TrafficMode::Noop => TrafficMode::Noop,
                wire::TrafficMode::RejectNoMcp => TrafficMode::RejectNoMcp,
                wire::TrafficMode::PassThrough if is_gateway => TrafficMode::RejectNoMcp,
                wire::TrafficMode::PassThrough => TrafficMode::PassThrough,
            },
            max_request_body_size: (wire.max_request_body_size > 0)
                .then_some(wire.max_request_body_size),
            hold: wire.hold_request_headers,
            attribute_source: wire.attribute_source,
            reject_duplicate_keys: wire.reject_duplicate_keys,
            rules,
            propagation: Propagation {
                trace_context: wire.propagate_trace_context.0,
                baggage: wire.propagate_baggage.0,
            },
            metrics,
            storage: Storage {
                dynamic_metadata: wire.request_storage_mode
                    != wire::RequestStorageMode::FilterState,
                filter_state: wire.request_storage_mode
                    != wire::RequestStorageMode::DynamicMetadata,
            },
            clear_route_cache: wire.clear_route_cache || is_gateway,
            cors,
            authorization,
            max_response_bytes: wire.max_response_bytes,
            gateway,
            warnings,
        })
    }
}

/// What excludes each other, and what had better not go together.
fn together(
    wire: &wire::Config,
    is_gateway: bool,
    warnings: &mut Vec<String>,
) -> Result<(), ConfigError> {
    let refused = |path: &str, reason: &str| Err(ConfigError::new(path, reason));
    if is_gateway && !wire.hold_request_headers {
        return refused(
            "holdRequestHeaders",
            "false cannot go with servers: routing by the body needs the headers held",
        );
    }
    let needy = [
        (is_gateway, "servers"),
        (wire.authorization.is_some(), "authorization"),
    ];
    for (_, needy) in needy.into_iter().filter(|(is_there, _)| *is_there) {
        let why =
            |what| format!("{what} reads no body, which {needy} needs: leave one of them out");
        if wire.attribute_source == AttributeSource::Headers {
            return refused("attributeSource", &why("HEADERS"));
        }
        if wire.traffic_mode == wire::TrafficMode::Noop {
            return refused("trafficMode", &why("NOOP"));
        }
    }
    if wire.authorization.is_some()
        && !is_gateway
        && wire.traffic_mode == wire::TrafficMode::PassThrough
    {
        warnings.push(
            "authorization: what is not read as MCP passes PASS_THROUGH undecided; trafficMode: REJECT_NO_MCP lets nothing by"
                .to_owned(),
        );
    }
    if !is_gateway && wire.session.is_some() {
        return refused("session", "needs servers: only a gateway has sessions");
    }
    if !wire.hold_request_headers {
        for (path, switch) in [
            ("propagateTraceContext", wire.propagate_trace_context),
            ("propagateBaggage", wire.propagate_baggage),
        ] {
            if switch.0 {
                return refused(
                    path,
                    "needs holdRequestHeaders: the headers have gone on when the body is read",
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
