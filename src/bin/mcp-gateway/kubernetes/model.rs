//! The wanted state in a cluster: one gateway with its servers. `render` makes it from a file, the
//! controller from the objects that it watches.

use serde_json::{Map, Value};

/// One gateway and its servers.
#[derive(Clone)]
pub(crate) struct WantedGateway {
    /// The namespace of every object that belongs to the gateway, and of `attachment`.
    pub(crate) namespace: String,
    /// The prefix of the names of its objects.
    pub(crate) name: String,
    pub(crate) platform: Platform,
    pub(crate) attachment: Attachment,
    /// The host names of the endpoint; empty for any.
    pub(crate) hostnames: Vec<String>,
    /// The image with the filter, such as `ghcr.io/example/mcp-gateway:0.1.0`. If it has
    /// `@sha256:…`, the control plane checks the digest.
    pub(crate) image: String,
    /// The filter's configuration without `servers`. Its `paths` or `endpoints` are the paths of
    /// the endpoint; the default is `/mcp`.
    pub(crate) config: Map<String, Value>,
    pub(crate) authentication: Authentication,
    /// The servers, with different names. A server with a fault is here as a disabled one, so that
    /// references to its name in `config` stay valid.
    pub(crate) servers: Vec<WantedServer>,
    /// The environment variables of the proxy that `config` and `servers` name.
    pub(crate) variables: Vec<ProxyVariable>,
    /// A text that changes with the values of `variables`, so that the proxy restarts with the new
    /// values. It may be empty.
    pub(crate) variables_version: String,
}

/// The control plane of the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    /// Envoy Gateway.
    EnvoyGateway,
    /// Istio, with a Gateway of the class `istio`.
    Istio,
    /// Envoy without a control plane: a Deployment, a ConfigMap and a Service.
    Standalone,
}

impl Platform {
    /// Whether the filter sets the `:authority` of a request to the host of its server before Envoy
    /// selects the route. At a Gateway, Envoy selects the virtual host by `:authority`, and the one
    /// with the host of the server may belong to a route of another tenant. So there the request
    /// stays in the virtual host of the endpoint, and the server's route sets the host.
    pub(super) const fn rewrites_authority(self) -> bool {
        matches!(self, Self::Standalone)
    }
}

/// The Gateway of the endpoint. [`Platform::Standalone`] has none, and uses only the port of the
/// first listener.
#[derive(Debug, Clone)]
pub(crate) struct Attachment {
    /// The name of the Gateway, in the namespace of the [`WantedGateway`].
    pub(crate) gateway: String,
    /// The only listener of the endpoint; `None` for all listeners.
    pub(crate) section: Option<String>,
    /// All listeners of the Gateway for HTTP, HTTPS and TLS, in its order, including those that the
    /// endpoint does not use.
    pub(crate) listeners: Vec<Listener>,
}

/// A listener of the Gateway.
#[derive(Debug, Clone)]
pub(crate) struct Listener {
    pub(crate) name: String,
    pub(crate) port: u16,
}

impl Attachment {
    /// The listeners of the endpoint.
    pub(crate) fn meant(&self) -> impl Iterator<Item = &Listener> {
        let is_meant = |listener: &&Listener| {
            let section = self.section.as_ref();
            section.is_none_or(|section| listener.name == *section)
        };
        self.listeners.iter().filter(is_meant)
    }
}

/// Who may call.
#[derive(Clone)]
pub(crate) enum Authentication {
    /// Everyone.
    Anonymous,
    /// Callers with a token.
    Jwt(JwtAuthentication),
}

/// The accepted tokens.
#[derive(Clone)]
pub(crate) struct JwtAuthentication {
    pub(crate) issuer: String,
    /// A token must be for one of these audiences; never empty.
    pub(crate) audiences: Vec<String>,
    pub(crate) keys: JwtKeys,
}

/// The keys that sign tokens.
#[derive(Clone)]
pub(crate) enum JwtKeys {
    /// The address of a JSON Web Key Set.
    Uri(String),
    /// A JSON Web Key Set.
    Inline(String),
}

/// One MCP server.
#[derive(Clone)]
pub(crate) struct WantedServer {
    /// The namespace of the object that asks for it.
    pub(crate) namespace: String,
    /// Its name in the filter's configuration: unique in the gateway, `[A-Za-z0-9_.-]{1,64}`.
    pub(crate) name: String,
    /// Its address; `None` for a server that is disabled (`enabled: false` in `config`).
    pub(crate) backend: Option<Backend>,
    /// Its TLS settings; `None` for plain HTTP.
    pub(crate) tls: Option<ServerTls>,
    /// Its section of `servers[]`, without `name` and `cluster`: `path`, `hostname`, `toolPrefix`,
    /// `headers`, and so on. Without `hostname` and `url`, the address of `backend` is the host
    /// name in requests.
    pub(crate) config: Map<String, Value>,
    /// The whole section that is in the cluster, if it must stay. Then `config` and the address of
    /// `backend` are not in the filter's configuration.
    pub(crate) written: Option<Map<String, Value>>,
}

/// The address of a server.
#[derive(Debug, Clone)]
pub(crate) enum Backend {
    /// Objects, as in the `backendRefs` of an HTTPRoute; never empty.
    References(Vec<BackendReference>),
    /// A host name, or an IP address without brackets.
    Host { host: String, port: u16 },
}

/// One of the objects that get requests.
#[derive(Debug, Clone)]
pub(crate) struct BackendReference {
    /// `""` for a Service, `gateway.envoyproxy.io` for a Backend.
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// A Service needs a port, a Backend has none.
    pub(crate) port: Option<u16>,
    pub(crate) weight: Option<u32>,
}

/// The TLS of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerTls {
    /// The name in its certificate.
    pub(crate) hostname: String,
    /// The ConfigMap with the certificates of its authorities, under the key `ca.crt`. It is in the
    /// namespace of the server's backend; for a [`Backend::Host`] in that of the gateway. `None`
    /// for the authorities of the system.
    pub(crate) authorities: Option<String>,
}

/// An environment variable of the proxy, whose value is in a Secret of its namespace.
#[derive(Clone)]
pub(crate) struct ProxyVariable {
    pub(crate) name: String,
    pub(crate) secret: String,
    pub(crate) key: String,
    /// Whether the filter may see it. If not, only the pods have it.
    pub(crate) is_told: bool,
}
