//! The whole configuration as the user writes it. The documentation of the types
//! and fields whose names end with `Spec` is what users read: the JSON Schema and
//! the reference are made of it.

use std::num::NonZeroUsize;

use super::authorization::AuthorizationSpec;
use super::cors::CorsSpec;
use super::duration::DurationOrZeroSpec;
use super::endpoints::{EndpointSpec, NamedEndpointSpec};
use super::fields::{Fields, NonEmptyVec, OptionalFields};
use super::forwarding::PassthroughHeaderSpec;
use super::gateway::{FailureMode, ListCache, PrefixMode, ServerInfoSpec};
use super::memory::MemorySpec;
use super::modes::{AttributeSource, StorageModeSpec, SwitchSpec, TrafficModeSpec};
use super::names::NamesSpec;
use super::oauth::OauthSpec;
use super::pins::PinsSpec;
use super::rules::ParserConfigSpec;
use super::servers::ServerSpec;
use super::session::SessionSpec;
use super::tool_search::ToolSearchSpec;

/// The configuration of the filter, as JSON in the plugin's `configuration`
/// (`google.protobuf.StringValue` or `google.protobuf.Struct`). An empty
/// configuration is valid: policy mode with every default. With `servers` the filter
/// is a gateway. The filter reads names in lowerCamelCase and in snake_case. It
/// refuses unknown fields, values of another type and values out of range. A field
/// that is `null` counts as absent for the filter; the JSON Schema does not allow it.
/// Durations are a number and a unit (`ms`, `s`, `m`, `h`).
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(
        title = "MCP gateway filter",
        rename_all = "camelCase",
        deny_unknown_fields,
        default
    )
)]
pub(super) struct ConfigSpec {
    /// The endpoints: the request paths that speak MCP. The filter compares a path
    /// exactly, without its query; one slash at the end makes no difference. `*` stands
    /// for every path. On other paths the filter only removes the `x-mcp-*` headers that
    /// it would set itself.
    ///
    /// Default: `["*"]`, or `["/mcp"]` with `servers`.
    pub(super) paths: Option<NonEmptyVec<EndpointSpec>>,
    /// Several endpoints, in place of `paths`: each is an MCP server of its own, with
    /// its servers and their tools, prompts and resources. `servers` has each server only
    /// once. Only with `servers`.
    ///
    /// Default: off: the endpoints of `paths` are one MCP server.
    pub(super) endpoints: Option<NonEmptyVec<NamedEndpointSpec>>,
    /// What happens to requests that are not MCP. With `servers` or `authorization`
    /// they are always refused: there it must be `REJECT_NO_MCP` or absent.
    ///
    /// Default: `PASS_THROUGH`, or `REJECT_NO_MCP` with `servers` or `authorization`.
    pub(super) traffic_mode: Option<TrafficModeSpec>,
    /// The longest request body that the filter reads, in bytes; `0` means no limit. A
    /// longer one gets 413, or passes unread with `PASS_THROUGH`. Set
    /// `per_connection_buffer_limit_bytes` of Envoy's listener to more, or Envoy itself
    /// answers 413, in plain text.
    #[cfg_attr(feature = "schema", schemars(range(max = 4_294_967_295u64)))]
    pub(super) max_request_body_size: usize,
    /// Whether a request waits in the filter until its body has been read, so that
    /// later filters see what the message says. Must be the same as
    /// `allow_on_headers_stop_iteration` in Envoy's configuration of the plugin. `false`
    /// is for control planes that cannot set that: then later filters see only what the
    /// `Mcp-*` headers of a modern request (MCP from 2026-07-28) say, and the filter
    /// checks the body against them. Not `false` together with `servers`,
    /// `propagateTraceContext` or `propagateBaggage`.
    pub(super) hold_request_headers: bool,
    /// Whether Envoy selects the route again after the filter has shown the message.
    /// Always on with `servers`.
    pub(super) clear_route_cache: bool,
    /// How the filter uses the `Mcp-Method`, `Mcp-Name` and `MCP-Protocol-Version` headers
    /// of a modern request (MCP from 2026-07-28).
    pub(super) attribute_source: AttributeSource,
    /// Whether a JSON object with the same key twice is refused at any depth of a
    /// message. In the places that policies read it is always refused.
    pub(super) reject_duplicate_keys: bool,
    /// What the filter extracts from messages, and how it groups methods.
    ///
    /// Default: as Envoy's own MCP filter.
    pub(super) parser_config: ParserConfigSpec,
    /// Whether the `traceparent` and `tracestate` of the message's `params._meta`, if
    /// they are valid, replace the request headers of these names. `{}` means `true`.
    /// Policy mode only.
    pub(super) propagate_trace_context: SwitchSpec,
    /// Whether the `baggage` of the message's `params._meta`, if it is valid, replaces the
    /// request header of this name. `{}` means `true`. Policy mode only.
    pub(super) propagate_baggage: SwitchSpec,
    /// Where later filters see the method and the parameters of a message. The other
    /// `x-mcp-*` headers are there in every mode.
    pub(super) request_storage_mode: StorageModeSpec,
    /// The MCP servers behind the gateway. With at least one, the filter is in gateway
    /// mode: it merges the lists of all enabled servers, in this order, and sends each
    /// call to its server.
    #[cfg_attr(feature = "schema", schemars(extend("default" = [])))]
    pub(super) servers: Vec<ServerSpec>,
    /// Which servers get the prefix `<name>__` if they do not set `toolPrefix`. Only
    /// with `servers`.
    #[cfg_attr(feature = "schema", schemars(extend("default" = PrefixMode::default())))]
    pub(super) prefix_mode: Option<PrefixMode>,
    /// Whether the filter sets the `:authority` of a call to the `hostname` of its server,
    /// before Envoy selects the route. With `false` it stays as the client sent it, and
    /// the route has to rewrite it (`host_rewrite_literal`, or `URLRewrite` in the Gateway
    /// API). This is for routes in virtual hosts with names, such as those of a listener
    /// of the Gateway API with a `hostname`: Envoy selects the virtual host by
    /// `:authority`. The filter's own requests, such as for lists, always have the server's
    /// `hostname`. Only with `servers`.
    #[cfg_attr(feature = "schema", schemars(extend("default" = true)))]
    pub(super) rewrite_authority: Option<bool>,
    /// What happens to a list when a server fails. Only with `servers`.
    #[cfg_attr(feature = "schema", schemars(extend("default" = FailureMode::default())))]
    pub(super) failure_mode: Option<FailureMode>,
    /// How long a server that did not answer is left out of lists and of the answers to
    /// `initialize` and `server/discover`, so that clients do not wait for its `timeout`
    /// each time. After this time the filter asks the server again with a request of its
    /// own, independent of client requests, and uses the server again when it answers.
    /// Calls still go to the server. If no other server is left, and with
    /// `failureMode: FAIL`, the filter asks the server each time. With `0s` it always asks
    /// each server. Only with `servers`.
    #[cfg_attr(feature = "schema", schemars(extend("default" = "5s")))]
    pub(super) failed_server_ttl: Option<DurationOrZeroSpec>,
    /// Headers of the client that go on to all servers, with all their values. The filter
    /// removes all other headers, except those that HTTP, MCP and tracing need
    /// (`traceparent`, `tracestate`, `baggage`, `x-request-id`). `authorization` and
    /// `cookie` need `allowCredentialHeaders` on every enabled server.
    /// `cors.allowHeaders` has these names by default. Only with `servers`, or with
    /// `cors` that has no `allowHeaders`.
    #[cfg_attr(feature = "schema", schemars(extend("default" = [])))]
    pub(super) passthrough_headers: Option<Vec<PassthroughHeaderSpec>>,
    /// Whether the gateway keeps lists. Only with `servers`.
    #[cfg_attr(feature = "schema", schemars(extend("default" = ListCache::default())))]
    pub(super) list_cache: Option<ListCache>,
    /// The most pages that the gateway reads from one server for one list. A server
    /// with more fails for this list; no list is cut. Only with `servers`.
    #[cfg_attr(
        feature = "schema",
        schemars(range(max = 4_294_967_295u64), extend("default" = MAX_LIST_PAGES))
    )]
    pub(super) max_list_pages: Option<NonZeroUsize>,
    /// The longest merged list, in bytes. A server whose entries would exceed it fails
    /// for this list; no list is cut. Only with `servers`.
    #[cfg_attr(
        feature = "schema",
        schemars(range(max = 4_294_967_295u64), extend("default" = EIGHT_MEBIBYTES))
    )]
    pub(super) max_list_bytes: Option<NonZeroUsize>,
    /// The longest answer of a server that the filter reads, in bytes, where it has to
    /// read the answer: one JSON answer, or one event of a stream. A longer one is an
    /// error.
    #[cfg_attr(feature = "schema", schemars(range(max = 4_294_967_295u64)))]
    pub(super) max_response_bytes: NonZeroUsize,
    /// How much memory the filter uses.
    ///
    /// Default: the defaults of its fields.
    pub(super) memory: MemorySpec,
    /// The name and version that the gateway tells clients and servers. Only with
    /// `servers`.
    ///
    /// Default: the defaults of its fields.
    pub(super) server_info: Option<ServerInfoSpec>,
    /// The sessions of legacy clients (MCP up to 2025-11-25). Only with `servers`.
    ///
    /// Default: the defaults of its fields.
    pub(super) session: Option<SessionSpec>,
    /// Which names of tools fit clients and models. Only with `servers`.
    ///
    /// Default: off: names are neither counted nor shortened.
    pub(super) names: Option<NamesSpec>,
    /// What browsers on other origins may do (CORS).
    ///
    /// Default: off.
    pub(super) cors: Option<CorsSpec>,
    /// The metadata of the OAuth protected resource (RFC 9728) and the challenges of
    /// answers with 401. `false` switches this off, also if an environment variable
    /// `OAUTH_*` is set.
    ///
    /// Default: off, unless an environment variable `OAUTH_*` is set.
    pub(super) oauth: Option<OauthSpec>,
    /// Which callers may send which messages.
    ///
    /// Default: off: every caller may send every message.
    pub(super) authorization: Option<AuthorizationSpec>,
    /// Which definitions the tools of servers must have. Only with `servers`.
    ///
    /// Default: off: any definition.
    pub(super) pins: Option<PinsSpec>,
    /// Search over tools, for callers who may see many. Only with `servers`.
    ///
    /// Default: off: `tools/list` shows all tools.
    pub(super) tool_search: Option<ToolSearchSpec>,
}

/// The default of `maxListPages`.
pub(super) const MAX_LIST_PAGES: NonZeroUsize = NonZeroUsize::new(64).unwrap();
/// The default of `maxListBytes` and `maxResponseBytes`.
pub(super) const EIGHT_MEBIBYTES: NonZeroUsize = NonZeroUsize::new(8_388_608).unwrap();

impl Default for ConfigSpec {
    fn default() -> Self {
        const MEBIBYTE: usize = 1_048_576;
        Self {
            paths: None,
            endpoints: None,
            traffic_mode: None,
            max_request_body_size: MEBIBYTE,
            hold_request_headers: true,
            clear_route_cache: false,
            attribute_source: AttributeSource::Verify,
            reject_duplicate_keys: false,
            parser_config: ParserConfigSpec::default(),
            propagate_trace_context: SwitchSpec(false),
            propagate_baggage: SwitchSpec(false),
            request_storage_mode: StorageModeSpec::DynamicMetadataAndFilterState,
            servers: Vec::new(),
            prefix_mode: None,
            rewrite_authority: None,
            failure_mode: None,
            failed_server_ttl: None,
            passthrough_headers: None,
            list_cache: None,
            max_list_pages: None,
            max_list_bytes: None,
            max_response_bytes: EIGHT_MEBIBYTES,
            memory: MemorySpec::default(),
            server_info: None,
            session: None,
            names: None,
            cors: None,
            oauth: None,
            authorization: None,
            pins: None,
            tool_search: None,
        }
    }
}

impl OptionalFields for ConfigSpec {
    fn read(&mut self, fields: &mut Fields<'_>) {
        fields.set("paths", &mut self.paths);
        fields.set("endpoints", &mut self.endpoints);
        fields.set("trafficMode", &mut self.traffic_mode);
        fields.set("maxRequestBodySize", &mut self.max_request_body_size);
        fields.set("holdRequestHeaders", &mut self.hold_request_headers);
        fields.set("clearRouteCache", &mut self.clear_route_cache);
        fields.set("attributeSource", &mut self.attribute_source);
        fields.set("rejectDuplicateKeys", &mut self.reject_duplicate_keys);
        fields.set("parserConfig", &mut self.parser_config);
        fields.set("propagateTraceContext", &mut self.propagate_trace_context);
        fields.set("propagateBaggage", &mut self.propagate_baggage);
        fields.set("requestStorageMode", &mut self.request_storage_mode);
        fields.set("servers", &mut self.servers);
        fields.set("prefixMode", &mut self.prefix_mode);
        fields.set("rewriteAuthority", &mut self.rewrite_authority);
        fields.set("failureMode", &mut self.failure_mode);
        fields.set("failedServerTtl", &mut self.failed_server_ttl);
        fields.set("passthroughHeaders", &mut self.passthrough_headers);
        fields.set("listCache", &mut self.list_cache);
        fields.set("maxListPages", &mut self.max_list_pages);
        fields.set("maxListBytes", &mut self.max_list_bytes);
        fields.set("maxResponseBytes", &mut self.max_response_bytes);
        fields.set("memory", &mut self.memory);
        fields.set("serverInfo", &mut self.server_info);
        fields.set("session", &mut self.session);
        fields.set("names", &mut self.names);
        fields.set("cors", &mut self.cors);
        fields.set("oauth", &mut self.oauth);
        fields.set("authorization", &mut self.authorization);
        fields.set("pins", &mut self.pins);
        fields.set("toolSearch", &mut self.tool_search);
    }
}
