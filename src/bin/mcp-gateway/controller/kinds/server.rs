//! `MCPServer`: an MCP server behind a gateway.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an `MCPServer` asks for.
#[derive(CustomResource, Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[kube(
    group = "mcp.kagenti.com",
    version = "v1alpha1",
    kind = "MCPServer",
    plural = "mcpservers",
    shortname = "mcps",
    namespaced,
    status = "MCPServerStatus",
    doc = "An MCP server behind the gateway.",
    printcolumn = r#"{"name": "Gateway", "type": "string", "jsonPath": ".status.gateway"}"#,
    printcolumn = r#"{"name": "Prefix", "type": "string", "jsonPath": ".status.toolPrefix"}"#,
    printcolumn = r#"{"name": "Tools", "type": "integer", "jsonPath": ".status.tools"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Version", "type": "string", "jsonPath": ".status.protocolVersion", "priority": 1}"#,
    printcolumn = r#"{"name": "Error", "type": "string", "jsonPath": ".status.lastError", "priority": 1}"#
)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MCPServerSpec {
    /// Where the server is: a Service, an HTTPRoute (its first backend is the server), or a
    /// Backend of Envoy Gateway.
    pub(crate) target_ref: TargetRef,
    /// The MCPGateway that shows this server.
    ///
    /// Default: the MCPGateway of the Gateway that the HTTPRoute of `targetRef` has as a
    /// parent, or else the only MCPGateway that allows this namespace.
    pub(crate) gateway_ref: Option<GatewayReference>,
    /// Headers that the gateway adds to each request to this server, such as an API key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub(crate) headers: Vec<HeaderSource>,
    /// The server speaks TLS.
    ///
    /// Default: TLS only at port 443 of a host outside of the cluster.
    pub(crate) tls: Option<ServerTlsSpec>,
    /// The rest, as in `servers[]` of the filter's configuration. Its schema is the
    /// filter's.
    #[serde(flatten)]
    #[schemars(skip)]
    pub(crate) settings: Map<String, Value>,
}

/// The object at which a server is.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.kind != 'Service' || has(self.port)",
     "message": "port is missing: a Service needs the port at which the server listens"},
    {"rule": "self.kind == 'Service' || !has(self.port)",
     "message": "port is only for the kind Service: an HTTPRoute and a Backend have their own port"},
    {"rule": "!has(self.group) || self.group == {'HTTPRoute': 'gateway.networking.k8s.io', 'Service': '', 'Backend': 'gateway.envoyproxy.io'}[self.kind]",
     "message": "group does not fit kind: leave it out, or write gateway.networking.k8s.io for HTTPRoute, \"\" for Service, gateway.envoyproxy.io for Backend"},
]))]
pub(crate) struct TargetRef {
    /// The group of the kind. It may be left out.
    #[schemars(length(max = 253))]
    pub(crate) group: Option<String>,
    /// What the object is.
    #[serde(default)]
    pub(crate) kind: TargetKind,
    /// The name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub(crate) name: String,
    /// The namespace of the object. If it is not the namespace of the MCPServer, a
    /// ReferenceGrant has to allow it.
    ///
    /// Default: the namespace of the MCPServer.
    #[schemars(length(min = 1, max = 63))]
    pub(crate) namespace: Option<String>,
    /// The port of the Service.
    #[schemars(range(min = 1, max = 65535))]
    pub(crate) port: Option<u16>,
}

/// What a server may be at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
pub(crate) enum TargetKind {
    #[default]
    HTTPRoute,
    Service,
    Backend,
}

/// The MCPGateway of a server.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub(crate) struct GatewayReference {
    /// The name of the MCPGateway.
    #[schemars(length(min = 1, max = 253))]
    pub(crate) name: String,
    /// Its namespace.
    ///
    /// Default: the namespace of the MCPServer.
    #[schemars(length(min = 1, max = 63))]
    pub(crate) namespace: Option<String>,
}

/// A header with its value, or with the place of its value.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.value) != has(self.valueFrom)",
     "message": "must have value or valueFrom, and not both"},
]))]
pub(crate) struct HeaderSource {
    /// The name of the header.
    #[schemars(length(min = 1, max = 256))]
    pub(crate) name: String,
    /// The value. Not for secrets: everyone who may read the MCPServer sees it.
    #[schemars(length(max = 8192))]
    pub(crate) value: Option<String>,
    /// Where the value is.
    pub(crate) value_from: Option<ValueSource>,
}

/// Where a value is.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ValueSource {
    /// A key of a Secret in the namespace of the MCPServer.
    pub(crate) secret_key_ref: SecretKey,
}

/// A key of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct SecretKey {
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub(crate) name: String,
    /// The key in its data.
    #[schemars(length(min = 1, max = 253))]
    pub(crate) key: String,
}

/// How the server speaks TLS.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerTlsSpec {
    /// A ConfigMap in the namespace of the MCPServer whose key `ca.crt` has the
    /// certificates of the authorities to trust.
    ///
    /// Default: the authorities that the proxy's system trusts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1))]
    pub(crate) ca_certificate_refs: Vec<CertificateRef>,
    /// The name that the certificate must have, and the SNI.
    ///
    /// Default: `hostname`, or the host at which the server is.
    #[schemars(length(min = 1, max = 253))]
    pub(crate) hostname: Option<String>,
}

/// A ConfigMap with certificates.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub(crate) struct CertificateRef {
    /// The name of the ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    pub(crate) name: String,
    /// The group of the kind: the empty text.
    #[schemars(length(max = 0))]
    #[serde(default)]
    pub(crate) group: String,
    /// The kind.
    #[serde(default)]
    pub(crate) kind: CertificateKind,
}

/// What holds certificates.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
pub(crate) enum CertificateKind {
    #[default]
    ConfigMap,
}

/// What the controller says about an `MCPServer`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MCPServerStatus {
    /// `Accepted`: the MCPGateway accepts the server. `ResolvedRefs`: all that the server
    /// refers to is there. `Programmed`: the gateway serves it. `Ready`: it answered the
    /// controller.
    #[serde(default)]
    #[schemars(schema_with = "super::conditions")]
    pub(crate) conditions: Vec<Condition>,
    /// The MCPGateway, as `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<String>,
    /// What the names of the server's tools start with for clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool_prefix: Option<String>,
    /// How many tools of the server clients see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tools: Option<u32>,
    /// The version of MCP that the server uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) protocol_version: Option<String>,
    /// Why the server did not answer the last request of the controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_error: Option<String>,
}
