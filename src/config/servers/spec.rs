//! A server as the user writes it.

use serde_json::Value;

use super::Protocol;
use super::filter::FilterSpec;
use super::tool_view::ToolsSpec;
use crate::config::ConfigError;
use crate::config::duration::DurationSpec;
use crate::config::fields::{Fields, FromValue};
use crate::config::forwarding::{PassthroughHeaderSpec, ServerHeaderSpec};
use crate::config::text::{VisibleText, is_visible, text};
use crate::http::url::{Url, without_secrets};

/// An MCP server behind the gateway.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields)
)]
pub(in crate::config) struct ServerSpec {
    /// The name of the server in errors, logs, metrics and attributes. No two
    /// servers may have the same. An enabled server with a prefix needs a name of
    /// lower-case letters, digits, `.` and `-` that starts with a letter, since the
    /// URIs of its resources start with it.
    pub(in crate::config) name: ServerName,
    /// The Envoy cluster that reaches the server.
    ///
    /// Default: the value of `name`.
    pub(super) cluster: Option<VisibleText>,
    /// The server's URL: an absolute http or https URL without user information. It
    /// gives `hostname` and `path` if these are absent. It does not choose the
    /// address, the port or TLS: `cluster` does.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<String>",
            regex(pattern = r"^https?://[^/?#@]+(/[^#]*)?(#.*)?$")
        )
    )]
    pub(super) url: Option<ServerUrl>,
    /// The `:authority` header of requests to the server.
    ///
    /// Default: the host and port of `url`, or else the value of `cluster`.
    pub(super) hostname: Option<VisibleText>,
    /// The path of requests to the server, with or without a query.
    ///
    /// Default: the path of `url`, or else `/mcp`.
    pub(super) path: Option<RequestPath>,
    /// Whether the gateway uses the server. At least one server must be enabled.
    #[cfg_attr(feature = "schema", schemars(default = "enabled"))]
    pub(in crate::config) enabled: bool,
    /// What the names of the server's tools and prompts start with for clients: up
    /// to 64 letters, digits, `_`, `.` and `-`. With a prefix, the URIs of its
    /// resources start with `<name>+`, and the `ui://X` of an app becomes
    /// `ui://<name>/X`. The empty text means no prefix. Servers may share a prefix.
    ///
    /// Default: `<name>__`, or none, as `prefixMode` says.
    pub(super) tool_prefix: Option<ToolPrefix>,
    /// Which versions of MCP the gateway uses with the server.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub(in crate::config) protocol: Protocol,
    /// Whether all modern clients may share one session with this legacy server if
    /// `session.identity` does not tell them apart. Without it, each such request
    /// opens a session and ends it. Only for a server that shows every client the
    /// same. Not with `protocol: MODERN`, which has no sessions.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub(in crate::config) share_session: bool,
    /// How long the server may take for one list, from the first request to the
    /// last page. Calls obey the timeout of Envoy's route instead.
    #[cfg_attr(feature = "schema", schemars(default = "timeout"))]
    pub(super) timeout: DurationSpec,
    /// How long the gateway keeps the server's lists for all clients, whatever the
    /// server says. Not together with `passthroughHeaders` or `listCache: OFF`.
    ///
    /// Default: what the server allows (`cacheScope: public` and `ttlMs`).
    pub(in crate::config) list_ttl: Option<DurationSpec>,
    /// Which tools of the server clients see and may call, by the server's own names
    /// (without prefix), and how clients see them.
    ///
    /// Default: all tools, as the server describes them.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub(super) tools: ToolsSpec,
    /// Which prompts of the server clients see and may get, by the server's own names
    /// (without prefix).
    ///
    /// Default: all prompts.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub(super) prompts: FilterSpec,
    /// Which resources and resource templates of the server clients see and may
    /// read, by the server's own URIs.
    ///
    /// Default: all resources.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub(super) resources: FilterSpec,
    /// Headers that the gateway adds to each request to this server, such as an API
    /// key.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = [])))]
    pub(in crate::config) headers: Vec<ServerHeaderSpec>,
    /// Headers of the client that go on to this server, in addition to the global
    /// `passthroughHeaders`.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = [])))]
    pub(in crate::config) passthrough_headers: Vec<PassthroughHeaderSpec>,
    /// Whether the client's `authorization` and `cookie` headers may go on to this
    /// server, where `passthroughHeaders` names them. Only for credentials that were
    /// issued for this server. With `oauth` the client's `authorization` goes to no
    /// server.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub(in crate::config) allow_credential_headers: bool,
}

const fn enabled() -> bool {
    true
}

const fn timeout() -> DurationSpec {
    DurationSpec::from_secs(5)
}

impl FromValue for ServerSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            let mut spec = Self {
                name: fields.required("name")?,
                cluster: None,
                url: None,
                hostname: None,
                path: None,
                enabled: enabled(),
                tool_prefix: None,
                protocol: Protocol::default(),
                share_session: false,
                timeout: timeout(),
                list_ttl: None,
                tools: ToolsSpec::default(),
                prompts: FilterSpec::default(),
                resources: FilterSpec::default(),
                headers: Vec::new(),
                passthrough_headers: Vec::new(),
                allow_credential_headers: false,
            };
            fields.set("cluster", &mut spec.cluster);
            fields.set("url", &mut spec.url);
            fields.set("hostname", &mut spec.hostname);
            fields.set("path", &mut spec.path);
            fields.set("enabled", &mut spec.enabled);
            fields.set("toolPrefix", &mut spec.tool_prefix);
            fields.set("protocol", &mut spec.protocol);
            fields.set("shareSession", &mut spec.share_session);
            fields.set("timeout", &mut spec.timeout);
            fields.set("listTtl", &mut spec.list_ttl);
            fields.set("tools", &mut spec.tools);
            fields.set("prompts", &mut spec.prompts);
            fields.set("resources", &mut spec.resources);
            fields.set("headers", &mut spec.headers);
            fields.set("passthroughHeaders", &mut spec.passthrough_headers);
            fields.set("allowCredentialHeaders", &mut spec.allow_credential_headers);
            Ok(spec)
        })
    }
}

text! {
    /// 1 to 64 letters, digits, `_`, `.` and `-`, which MCP recommends for the names
    /// of tools.
    ServerName,
    [regex(pattern = r"^[A-Za-z0-9_.-]{1,64}$")],
    |text| !text.is_empty() && is_name(text),
    NAME_RULE
}

text! {
    /// Up to 64 letters, digits, `_`, `.` and `-`, which MCP recommends for the names
    /// of tools.
    ToolPrefix,
    [regex(pattern = r"^[A-Za-z0-9_.-]{0,64}$")],
    is_name,
    NAME_RULE
}

const NAME_RULE: &str = "must be at most 64 letters, digits, \"_\", \".\" or \"-\"";

fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    text.len() <= 64 && text.bytes().all(fits)
}

text! {
    /// A path, with or without a query.
    RequestPath,
    [regex(pattern = r##"^/[!"$-~]*$"##)],
    |text| text.starts_with('/') && !text.contains('#') && is_visible(text),
    "must start with \"/\" and be visible ASCII without \"#\""
}

/// The parts of a server's `url` that requests need. The Envoy cluster determines the scheme.
#[derive(Debug)]
pub(super) struct ServerUrl {
    pub(super) authority: String,
    /// The path, with its query if there is one.
    pub(super) path: Option<String>,
}

impl FromValue for ServerUrl {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        let text = String::from_value(path, value)?;
        let refused = || {
            let text = without_secrets(&text);
            let reason = format!("{text:?} must be an absolute http or https URL");
            ConfigError::new(path, reason)
        };
        let url = Url::parse_http(&text).ok_or_else(refused)?;
        Ok(Self {
            authority: url.authority().to_owned(),
            path: match (url.path(), url.query()) {
                ("", None) => None,
                ("", Some(_)) => return Err(refused()),
                (path, None) => Some(path.to_owned()),
                (path, Some(query)) => Some(format!("{path}?{query}")),
            },
        })
    }
}
