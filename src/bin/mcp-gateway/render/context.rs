//! The values for the templates.

use mcp_gateway::config::Endpoints;
use serde::Serialize;

use super::{ManifestOptions, RenderTarget};
use crate::config_file::ConfigFile;
use crate::syntax::yaml;
use crate::upstream::Upstream;
use crate::variables::environment::{self, SecretVariable, Variable, VariableKind};

/// Headers that the filter sets for other filters, not for the servers.
const FILTER_HEADERS: &[&str] = &[
    "x-mcp-method",
    "x-mcp-toolname",
    "x-mcp-promptname",
    "x-mcp-resourceuri",
    "x-mcp-params",
    "x-mcp-servername",
    "x-mcp-cluster",
];

/// The values for the templates of manifests.
#[derive(Serialize)]
pub(super) struct ManifestContext<'a> {
    namespace: &'a str,
    image: &'a str,
    port: u16,
    /// How many bytes Envoy buffers for one connection.
    buffer_limit: usize,
    /// The environment variables that the filter needs.
    variables: Vec<SecretVariable<'a>>,
    /// Whether one of them is the value of a header.
    has_header_variables: bool,
    /// The paths of the endpoint; empty if it is every path.
    paths: &'a [String],
    servers: Vec<ServerContext<'a>>,
    filter_headers: &'static [&'static str],
    /// The filter's configuration, in two formats.
    config_yaml: String,
    config_json: String,
}

/// The values for the templates about one server.
#[derive(Serialize)]
pub(super) struct ServerContext<'a> {
    name: &'a str,
    /// The name of its objects in Kubernetes, where names follow RFC 1123.
    object_name: String,
    cluster: &'a str,
    host: &'a str,
    port: u16,
    tls: bool,
    /// Whether `host` is an IP address.
    is_address: bool,
    /// Whether `host` is a Service of the Kubernetes cluster.
    is_service: bool,
    /// The host name for Istio, which needs one for an IP address, too.
    mesh_host: String,
}

impl<'a> ManifestContext<'a> {
    /// # Errors
    /// The configuration cannot be written as YAML or JSON, which is a bug.
    pub(super) fn new(
        target: RenderTarget,
        file: &'a ConfigFile,
        upstreams: &'a [Upstream],
        options: &'a ManifestOptions,
    ) -> Result<Self, String> {
        let variables = environment::variables(&file.tree);
        let mut config = file.tree.clone();
        for server in config.items_mut("servers") {
            let name = server.text(&["name"]).unwrap_or_default();
            if let Some(upstream) = upstreams.iter().find(|upstream| upstream.name == name) {
                server.set_text("cluster", &cluster(target, upstream, &options.namespace));
            }
        }
        Ok(Self {
            namespace: &options.namespace,
            image: &options.image,
            port: options.port,
            buffer_limit: buffer_limit(file),
            has_header_variables: variables
                .iter()
                .any(|variable| variable.kind == VariableKind::HeaderValue),
            variables: variables.iter().map(Variable::secret).collect(),
            paths: match &file.config.endpoints {
                Endpoints::Listed(paths) => paths,
                Endpoints::All => &[],
            },
            servers: upstreams.iter().map(ServerContext::new).collect(),
            filter_headers: FILTER_HEADERS,
            config_yaml: yaml::block(&config).map_err(|error| error.to_string())?,
            config_json: serde_json::to_string_pretty(&config)
                .map_err(|error| error.to_string())?,
        })
    }
}

impl<'a> ServerContext<'a> {
    pub(super) fn new(upstream: &'a Upstream) -> Self {
        Self {
            name: &upstream.name,
            object_name: object_name(&upstream.name),
            cluster: &upstream.cluster,
            host: &upstream.host,
            port: upstream.port,
            tls: upstream.tls,
            is_address: upstream.address().is_some(),
            is_service: upstream.host.ends_with(".svc.cluster.local"),
            mesh_host: mesh_host(upstream),
        }
    }
}

/// The name of the Envoy cluster that the control plane makes for a server.
fn cluster(target: RenderTarget, upstream: &Upstream, namespace: &str) -> String {
    match target {
        RenderTarget::EnvoyGateway => {
            format!(
                "httproute/{namespace}/{}/rule/0",
                object_name(&upstream.name)
            )
        }
        RenderTarget::Istio => format!("outbound|{}||{}", upstream.port, mesh_host(upstream)),
        RenderTarget::Envoy | RenderTarget::Kustomize => upstream.cluster.clone(),
    }
}

fn object_name(server: &str) -> String {
    let name = server.to_ascii_lowercase().replace('_', "-");
    name.trim_matches(['-', '.']).to_owned()
}

fn mesh_host(upstream: &Upstream) -> String {
    match upstream.address() {
        Some(_) => format!("{}.mcp.internal", object_name(&upstream.name)),
        None => upstream.host.clone(),
    }
}

/// How many bytes Envoy buffers for one connection. This is more than the longest body
/// that the filter accepts, so that the filter answers a body that is too long, not Envoy.
pub(super) fn buffer_limit(file: &ConfigFile) -> usize {
    const MIN: usize = 4_194_304;
    const MAX: usize = 1 << 31;
    // Without a limit in the filter, Envoy's applies.
    let body = file.config.max_request_body_size.unwrap_or(16 * MIN);
    body.saturating_mul(2).clamp(MIN, MAX)
}
