//! The configuration as it is written: names, types and defaults. What types
//! cannot say (ranges, patterns, what goes together) is checked elsewhere.

use serde_json::Value;

use super::fields::{Fields, Read, one_of};
use super::forwarding::{Entry, Field};
use super::servers::Names;
use super::session::Session;
use super::{AttributeSource, ConfigError, FailureMode, Protocol, authorization};

pub(super) struct Config {
    pub(super) paths: Option<Vec<String>>,
    pub(super) traffic_mode: TrafficMode,
    pub(super) max_request_body_size: usize,
    pub(super) hold_request_headers: bool,
    pub(super) clear_route_cache: bool,
    pub(super) attribute_source: AttributeSource,
    pub(super) reject_duplicate_keys: bool,
    pub(super) parser_config: ParserConfig,
    pub(super) propagate_trace_context: Switch,
    pub(super) propagate_baggage: Switch,
    pub(super) request_storage_mode: RequestStorageMode,
    pub(super) servers: Vec<Server>,
    pub(super) prefix_mode: PrefixMode,
    pub(super) failure_mode: FailureMode,
    pub(super) passthrough_headers: Vec<Entry>,
    pub(super) list_cache: ListCache,
    pub(super) max_list_pages: usize,
    pub(super) max_list_bytes: usize,
    pub(super) max_response_bytes: usize,
    pub(super) server_info: Option<ServerInfo>,
    pub(super) session: Option<Session>,
    pub(super) cors: Option<Cors>,
    pub(super) oauth: Option<Oauth>,
    pub(super) authorization: Option<authorization::Wire>,
}

impl Read for Config {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            Ok(Self {
                paths: fields.take("paths")?,
                traffic_mode: fields.or("trafficMode", TrafficMode::PassThrough)?,
                max_request_body_size: fields.or("maxRequestBodySize", 1_048_576)?,
                hold_request_headers: fields.or("holdRequestHeaders", true)?,
                clear_route_cache: fields.or("clearRouteCache", false)?,
                attribute_source: fields.or("attributeSource", AttributeSource::Verify)?,
                reject_duplicate_keys: fields.or("rejectDuplicateKeys", false)?,
                parser_config: fields.or("parserConfig", ParserConfig::default())?,
                propagate_trace_context: fields.or("propagateTraceContext", Switch(false))?,
                propagate_baggage: fields.or("propagateBaggage", Switch(false))?,
                request_storage_mode: fields.or("requestStorageMode", RequestStorageMode::Both)?,
                servers: fields.or("servers", Vec::new())?,
                prefix_mode: fields.or("prefixMode", PrefixMode::Always)?,
                failure_mode: fields.or("failureMode", FailureMode::BestEffort)?,
                passthrough_headers: fields.or("passthroughHeaders", Vec::new())?,
                list_cache: fields.or("listCache", ListCache::Hints)?,
                max_list_pages: fields.or("maxListPages", 64)?,
                max_list_bytes: fields.or("maxListBytes", 8_388_608)?,
                max_response_bytes: fields.or("maxResponseBytes", 8_388_608)?,
                server_info: fields.take("serverInfo")?,
                session: fields.take("session")?,
                cors: fields.take("cors")?,
                oauth: fields.take("oauth")?,
                authorization: fields.take("authorization")?,
            })
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrafficMode {
    PassThrough,
    RejectNoMcp,
    Noop,
}

impl Read for TrafficMode {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        let names = [
            ("PASS_THROUGH", Self::PassThrough),
            ("REJECT_NO_MCP", Self::RejectNoMcp),
            ("NOOP", Self::Noop),
        ];
        one_of(path, value, &names)
    }
}

impl Read for AttributeSource {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        let names = [
            ("BODY", Self::Body),
            ("VERIFY", Self::Verify),
            ("HEADERS", Self::Headers),
        ];
        one_of(path, value, &names)
    }
}

/// `true`, or the empty message that Envoy's own filter has there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Switch(pub(super) bool);

impl Read for Switch {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        match value {
            Value::Bool(on) => Ok(Self(on)),
            Value::Object(members) if members.is_empty() => Ok(Self(true)),
            _ => Err(ConfigError::new(path, "must be true, false or {}")),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct ParserConfig {
    pub(super) methods: Vec<Method>,
    pub(super) group_metadata_key: Option<String>,
}

impl Read for ParserConfig {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            Ok(Self {
                methods: fields.or("methods", Vec::new())?,
                group_metadata_key: fields.take("groupMetadataKey")?,
            })
        })
    }
}

#[derive(Debug)]
pub(super) struct Method {
    pub(super) method: String,
    pub(super) group: Option<String>,
    pub(super) extraction_rules: Vec<ExtractionRule>,
}

impl Read for Method {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            Ok(Self {
                method: fields.required("method")?,
                group: fields.take("group")?,
                extraction_rules: fields.or("extractionRules", Vec::new())?,
            })
        })
    }
}

#[derive(Debug)]
pub(super) struct ExtractionRule {
    pub(super) path: String,
}

impl Read for ExtractionRule {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            Ok(Self {
                path: fields.required("path")?,
            })
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestStorageMode {
    Both,
    DynamicMetadata,
    FilterState,
}

impl Read for RequestStorageMode {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        let names = [
            ("DYNAMIC_METADATA_AND_FILTER_STATE", Self::Both),
            ("DYNAMIC_METADATA", Self::DynamicMetadata),
            ("FILTER_STATE", Self::FilterState),
            // The native filter's zero value means the same as naming both.
            ("MODE_UNSPECIFIED", Self::Both),
        ];
        one_of(path, value, &names)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PrefixMode {
    Always,
    Conditional,
    Never,
}

impl Read for PrefixMode {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        let names = [
            ("ALWAYS", Self::Always),
            ("CONDITIONAL", Self::Conditional),
            ("NEVER", Self::Never),
        ];
        one_of(path, value, &names)
    }
}

impl Read for FailureMode {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        let names = [("BEST_EFFORT", Self::BestEffort), ("FAIL", Self::Fail)];
        one_of(path, value, &names)
    }
}

impl Read for Protocol {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        let names = [
            ("AUTO", Self::Auto),
            ("LEGACY", Self::Legacy),
            ("MODERN", Self::Modern),
        ];
        one_of(path, value, &names)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListCache {
    Off,
    Hints,
}

impl Read for ListCache {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        one_of(path, value, &[("OFF", Self::Off), ("HINTS", Self::Hints)])
    }
}

/// Not to be shown: it holds values of headers.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) cluster: Option<String>,
    pub(super) url: Option<String>,
    pub(super) hostname: Option<String>,
    pub(super) path: Option<String>,
    pub(super) enabled: bool,
    pub(super) tool_prefix: Option<String>,
    pub(super) protocol: Protocol,
    pub(super) share_session: bool,
    pub(super) timeout: Option<String>,
    pub(super) list_ttl: Option<String>,
    pub(super) tools: Names,
    pub(super) prompts: Names,
    pub(super) resources: Names,
    pub(super) headers: Vec<Field>,
    pub(super) passthrough_headers: Vec<Entry>,
    pub(super) allow_credential_headers: bool,
}

impl Read for Server {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            Ok(Self {
                name: fields.required("name")?,
                cluster: fields.take("cluster")?,
                url: fields.take("url")?,
                hostname: fields.take("hostname")?,
                path: fields.take("path")?,
                enabled: fields.or("enabled", true)?,
                tool_prefix: fields.take("toolPrefix")?,
                protocol: fields.or("protocol", Protocol::Auto)?,
                share_session: fields.or("shareSession", false)?,
                timeout: fields.take("timeout")?,
                list_ttl: fields.take("listTtl")?,
                tools: fields.or("tools", Names::default())?,
                prompts: fields.or("prompts", Names::default())?,
                resources: fields.or("resources", Names::default())?,
                headers: fields.or("headers", Vec::new())?,
                passthrough_headers: fields.or("passthroughHeaders", Vec::new())?,
                allow_credential_headers: fields.or("allowCredentialHeaders", false)?,
            })
        })
    }
}

#[derive(Debug)]
pub(super) struct ServerInfo {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
}

impl Read for ServerInfo {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            Ok(Self {
                name: fields.take("name")?,
                version: fields.take("version")?,
            })
        })
    }
}

#[derive(Debug, Default)]
pub(super) struct Cors {
    pub(super) allow_origins: Option<Vec<String>>,
    pub(super) allow_methods: Option<Vec<String>>,
    pub(super) allow_headers: Option<Vec<String>>,
    pub(super) expose_headers: Option<Vec<String>>,
    pub(super) max_age: Option<String>,
    pub(super) allow_credentials: bool,
}

impl Read for Cors {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            Ok(Self {
                allow_origins: fields.take("allowOrigins")?,
                allow_methods: fields.take("allowMethods")?,
                allow_headers: fields.take("allowHeaders")?,
                expose_headers: fields.take("exposeHeaders")?,
                max_age: fields.take("maxAge")?,
                allow_credentials: fields.or("allowCredentials", false)?,
            })
        })
    }
}

/// `oauth`; off also where the environment would switch it on, which all
/// plugins of a VM share.
#[derive(Debug)]
pub(super) enum Oauth {
    Off,
    On(Box<Resource>),
}

impl Read for Oauth {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        match value {
            Value::Bool(false) => Ok(Self::Off),
            Value::Object(_) => Resource::read(path, value).map(|it| Self::On(Box::new(it))),
            _ => Err(ConfigError::new(path, "must be an object, or false")),
        }
    }
}

/// The first five have defaults, and variables of the environment; the others
/// go into the document as they are.
#[derive(Debug, Default)]
pub(super) struct Resource {
    pub(super) resource_name: Option<String>,
    pub(super) resource: Option<String>,
    pub(super) authorization_servers: Option<Vec<String>>,
    pub(super) bearer_methods_supported: Option<Vec<String>>,
    pub(super) scopes_supported: Option<Vec<String>>,
    pub(super) jwks_uri: Option<String>,
    pub(super) resource_signing_alg_values_supported: Option<Vec<String>>,
    pub(super) resource_documentation: Option<String>,
    pub(super) resource_policy_uri: Option<String>,
    pub(super) resource_tos_uri: Option<String>,
    pub(super) tls_client_certificate_bound_access_tokens: Option<bool>,
    pub(super) authorization_details_types_supported: Option<Vec<String>>,
    pub(super) dpop_signing_alg_values_supported: Option<Vec<String>>,
    pub(super) dpop_bound_access_tokens_required: Option<bool>,
    pub(super) signed_metadata: Option<String>,
}

impl Read for Resource {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            Ok(Self {
                resource_name: fields.take("resourceName")?,
                resource: fields.take("resource")?,
                authorization_servers: fields.take("authorizationServers")?,
                bearer_methods_supported: fields.take("bearerMethodsSupported")?,
                scopes_supported: fields.take("scopesSupported")?,
                jwks_uri: fields.take("jwksUri")?,
                resource_signing_alg_values_supported: fields
                    .take("resourceSigningAlgValuesSupported")?,
                resource_documentation: fields.take("resourceDocumentation")?,
                resource_policy_uri: fields.take("resourcePolicyUri")?,
                resource_tos_uri: fields.take("resourceTosUri")?,
                tls_client_certificate_bound_access_tokens: fields
                    .take("tlsClientCertificateBoundAccessTokens")?,
                authorization_details_types_supported: fields
                    .take("authorizationDetailsTypesSupported")?,
                dpop_signing_alg_values_supported: fields.take("dpopSigningAlgValuesSupported")?,
                dpop_bound_access_tokens_required: fields.take("dpopBoundAccessTokensRequired")?,
                signed_metadata: fields.take("signedMetadata")?,
            })
        })
    }
}
