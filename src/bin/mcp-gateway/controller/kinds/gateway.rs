//! `MCPGateway`: an MCP endpoint at a Gateway, with many servers behind it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an `MCPGateway` asks for.
#[derive(CustomResource, Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[kube(
    group = "mcp.kagenti.com",
    version = "v1alpha1",
    kind = "MCPGateway",
    plural = "mcpgateways",
    shortname = "mcpgw",
    namespaced,
    status = "MCPGatewayStatus",
    doc = "An MCP endpoint at a Gateway, with many servers behind it.",
    printcolumn = r#"{"name": "Gateway", "type": "string", "jsonPath": ".spec.targetRef.name"}"#,
    printcolumn = r#"{"name": "URL", "type": "string", "jsonPath": ".status.url"}"#,
    printcolumn = r#"{"name": "Servers", "type": "integer", "jsonPath": ".status.servers"}"#,
    printcolumn = r#"{"name": "Tools", "type": "integer", "jsonPath": ".status.tools"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MCPGatewaySpec {
    /// The Gateway, in the namespace of the MCPGateway. It may be absent only if the
    /// controller runs Envoy itself (`--target standalone`).
    pub(crate) target_ref: Option<GatewayTarget>,
    /// The path of the endpoint.
    #[serde(default = "default_path")]
    #[schemars(length(max = 256), regex(pattern = r"^/[A-Za-z0-9._~/-]*$"))]
    pub(crate) path: String,
    /// The host names of the endpoint, as those of an HTTPRoute.
    ///
    /// Default: those of the listener.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253)))]
    pub(crate) hostnames: Vec<String>,
    /// The image with the filter.
    ///
    /// Default: what the controller's option `--image` says.
    #[schemars(length(min = 1, max = 512))]
    pub(crate) image: Option<String>,
    /// The filter's configuration, without `servers`, `paths` and `session.keys`.
    #[serde(default)]
    #[schemars(skip)]
    pub(crate) config: Map<String, Value>,
    /// Who may use the endpoint.
    pub(crate) authentication: AuthenticationSpec,
    /// The Secret with the keys of sessions, in the namespace of the MCPGateway. The
    /// controller makes it if it is absent, and never changes one that is there. Its key
    /// `keys` has a key of 32 bytes in base64, or, while keys change, several keys with
    /// commas between them.
    ///
    /// Default: a Secret `<name>-session-keys`.
    pub(crate) session_keys_secret_ref: Option<SessionKeysRef>,
    /// Which MCPServers may refer to this MCPGateway.
    ///
    /// Default: those of its own namespace.
    #[serde(default)]
    pub(crate) allowed_servers: AllowedServers,
}

fn default_path() -> String {
    "/mcp".to_owned()
}

/// The Gateway that an endpoint is at.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!has(self.group) || self.group == 'gateway.networking.k8s.io'",
     "message": "group must be gateway.networking.k8s.io, or absent"},
    {"rule": "!has(self.kind) || self.kind == 'Gateway'", "message": "kind must be Gateway, or absent"},
]))]
pub(crate) struct GatewayTarget {
    /// `gateway.networking.k8s.io`.
    #[schemars(length(max = 253))]
    pub(crate) group: Option<String>,
    /// `Gateway`.
    #[schemars(length(max = 63))]
    pub(crate) kind: Option<String>,
    /// The name of the Gateway.
    #[schemars(length(min = 1, max = 253))]
    pub(crate) name: String,
    /// The name of the listener of the Gateway.
    ///
    /// Default: all listeners of HTTP and HTTPS.
    #[schemars(length(min = 1, max = 253))]
    pub(crate) section_name: Option<String>,
}

/// Who may use an endpoint.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.jwt) != (has(self.anonymous) && self.anonymous)",
     "message": "must have jwt, or anonymous: true, and not both"},
]))]
pub(crate) struct AuthenticationSpec {
    /// Callers with a token of this issuer.
    pub(crate) jwt: Option<JwtSpec>,
    /// Everyone, without a token.
    pub(crate) anonymous: Option<bool>,
}

/// Which tokens are accepted.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.jwksURI) != has(self.jwks)", "message": "must have jwksURI or jwks, and not both"},
]))]
pub(crate) struct JwtSpec {
    /// The issuer, as in the claim `iss`.
    #[schemars(length(min = 1, max = 2048))]
    pub(crate) issuer: String,
    /// The audiences; a token must be for one of them.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 2048)))]
    pub(crate) audiences: Vec<String>,
    /// Where the issuer's keys are: an http or https URL.
    #[serde(rename = "jwksURI")]
    #[schemars(length(max = 2048), regex(pattern = r"^https?://[^/?#@]+(/.*)?$"))]
    pub(crate) jwks_uri: Option<String>,
    /// The issuer's keys, as a JSON Web Key Set.
    #[schemars(length(min = 2, max = 65536))]
    pub(crate) jwks: Option<String>,
}

/// The Secret with the keys of sessions.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub(crate) struct SessionKeysRef {
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub(crate) name: String,
}

/// Which servers a gateway takes.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
pub(crate) struct AllowedServers {
    /// The namespaces of the servers.
    #[serde(default)]
    pub(crate) namespaces: AllowedNamespaces,
}

/// Namespaces, as a listener of the Gateway API allows them.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.selector) == (has(self.from) && self.from == 'Selector')",
     "message": "selector is required with from: Selector, and not allowed without it"},
]))]
pub(crate) struct AllowedNamespaces {
    /// Which namespaces: that of the MCPGateway, all, or those that `selector` selects.
    #[serde(default)]
    pub(crate) from: FromNamespaces,
    /// The labels of the namespaces.
    pub(crate) selector: Option<LabelSelector>,
}

/// Which namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
pub(crate) enum FromNamespaces {
    #[default]
    Same,
    All,
    Selector,
}

/// A selector of labels. All of its parts must match.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LabelSelector {
    /// Labels with their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) match_labels: BTreeMap<String, String>,
    /// Labels with conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub(crate) match_expressions: Vec<SelectorRequirement>,
}

/// A condition on a label.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub(crate) struct SelectorRequirement {
    /// The name of the label.
    #[schemars(length(min = 1, max = 317))]
    pub(crate) key: String,
    /// How the label is compared with the values.
    pub(crate) operator: SelectorOperator,
    /// The values for `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 63)))]
    pub(crate) values: Vec<String>,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub(crate) enum SelectorOperator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

/// What the controller says about an `MCPGateway`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MCPGatewayStatus {
    /// `Accepted`: the Gateway and the configuration can be used. `ResolvedRefs`: all that
    /// it refers to is there. `Programmed`: the control plane has accepted what the controller
    /// wrote. `Ready`: it is programmed, and a server answers.
    #[serde(default)]
    #[schemars(schema_with = "super::conditions")]
    pub(crate) conditions: Vec<Condition>,
    /// The URL of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// How many servers are behind the endpoint.
    #[serde(default)]
    pub(crate) servers: u32,
    /// How many tools the servers have.
    #[serde(default)]
    pub(crate) tools: u32,
}
