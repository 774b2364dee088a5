//! `endpoints` as the user writes it.

use serde_json::Value;

use super::{NamedEndpoint, endpoint_path, host};
use crate::config::ConfigError;
use crate::config::fields::{Fields, FromValue, NonEmptyVec};
use crate::config::gateway::ServerInfoSpec;
use crate::config::servers::filter::FilterSpec;
use crate::config::text::{NonEmptyText, is_visible, text};
use crate::config::tool_search::ToolSearchSpec;

/// An endpoint: an MCP server of its own over the `servers` of the gateway.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields)
)]
pub(in crate::config) struct NamedEndpointSpec {
    /// The name of the endpoint. Sessions and the ids of tasks are bound to it: they stay
    /// valid if `path` changes and `name` does not. Rules of `authorization` name it. No
    /// two endpoints may have the same name.
    ///
    /// Default: the value of `path`.
    pub(super) name: Option<EndpointName>,
    /// The request path. The filter compares it exactly, without its query; one slash
    /// at the end makes no difference.
    pub(super) path: OnePath,
    /// The hosts from the URLs that clients use (`:authority`). The filter compares them
    /// without case and port. If two endpoints have the same path, one for the host of a
    /// request has priority over one for any host.
    ///
    /// Default: any host.
    pub(super) hosts: Option<NonEmptyVec<EndpointHost>>,
    /// The servers of the endpoint, by their names. Their order is that of `servers` of
    /// the gateway.
    ///
    /// Default: all servers.
    pub(super) servers: Option<NonEmptyVec<NonEmptyText>>,
    /// Which tools clients see and may call here, out of those that `tools` of the servers
    /// includes. Patterns are for the servers' own names (without prefix).
    ///
    /// Default: all tools.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub(super) tools: FilterSpec,
    /// Which prompts clients see and may get here, out of those that `prompts` of the
    /// servers includes. Patterns are for the servers' own names (without prefix).
    ///
    /// Default: all prompts.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub(super) prompts: FilterSpec,
    /// Which resources and resource templates clients see and may read here, out of those
    /// that `resources` of the servers includes. Patterns are for the servers' own URIs.
    ///
    /// Default: all resources.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub(super) resources: FilterSpec,
    /// The name and version that the gateway tells the clients of this endpoint, in place
    /// of the `serverInfo` for all endpoints. Servers get the latter.
    ///
    /// Default: the `serverInfo` for all endpoints.
    pub(super) server_info: Option<ServerInfoSpec>,
    /// Search over the tools of this endpoint, in place of the `toolSearch` for all
    /// endpoints.
    ///
    /// Default: the `toolSearch` for all endpoints.
    pub(super) tool_search: Option<ToolSearchSpec>,
}

impl FromValue for NamedEndpointSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            let mut spec = Self {
                name: None,
                path: fields.required("path")?,
                hosts: None,
                servers: None,
                tools: FilterSpec::default(),
                prompts: FilterSpec::default(),
                resources: FilterSpec::default(),
                server_info: None,
                tool_search: None,
            };
            fields.set("name", &mut spec.name);
            fields.set("hosts", &mut spec.hosts);
            fields.set("servers", &mut spec.servers);
            fields.set("tools", &mut spec.tools);
            fields.set("prompts", &mut spec.prompts);
            fields.set("resources", &mut spec.resources);
            fields.set("serverInfo", &mut spec.server_info);
            fields.set("toolSearch", &mut spec.tool_search);
            Ok(spec)
        })
    }
}

impl NamedEndpointSpec {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        let name = self.name.as_ref().map(EndpointName::as_str);
        name.unwrap_or(&self.path.0)
    }

    /// The requests to this endpoint.
    pub(super) fn endpoint(&self) -> NamedEndpoint {
        let hosts = self.hosts.as_ref();
        let hosts = hosts.map_or(&[][..], NonEmptyVec::as_slice).iter();
        let host = |text: &EndpointHost| {
            let host = host::of(text.as_str().as_bytes());
            String::from_utf8_lossy(host).to_ascii_lowercase()
        };
        NamedEndpoint {
            name: self.name().to_owned(),
            path: self.path.0.clone(),
            hosts: hosts.map(host).collect(),
        }
    }
}

text! {
    /// Visible ASCII characters, without `?` and `#`, and without `/` at the end.
    EndpointName,
    [regex(pattern = r##"^[!"$->@-~]*[!"$-.0->@-~]$"##)],
    |text| is_visible(text) && !text.contains(['?', '#']) && !text.ends_with('/'),
    "must be visible ASCII, without \"?\" and \"#\", and without \"/\" at the end"
}

text! {
    /// A host, with or without a port.
    EndpointHost,
    [regex(pattern = r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\])(:[0-9]*)?$")],
    host::is_host,
    "must be a host from the URL that clients use, such as \"team.example.com\", without scheme, path and \"*\""
}

/// A path, which starts with `/` and has no query. It has no slash at the end here.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(inline, with = "String", extend("pattern" = r##"^/[!"$-)+->@-~]*$"##))
)]
pub(super) struct OnePath(pub(super) String);

impl FromValue for OnePath {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        endpoint_path(path, &String::from_value(path, value)?).map(Self)
    }
}
