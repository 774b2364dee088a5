//! What the templates of manifests can show.

use mcp_gateway::config::Endpoints;
use serde::Serialize;

use super::{Manifests, Target};
use crate::place::Place;
use crate::source::Source;
use crate::yaml;

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

#[derive(Serialize)]
pub(super) struct Context<'a> {
    namespace: &'a str,
    image: &'a str,
    port: u16,
    /// How many bytes of a request Envoy buffers.
    buffer_limit: usize,
    /// The environment variable that has the keys of sessions.
    session_keys_variable: Option<&'a str>,
    /// The paths of the endpoint; none where it is every path.
    paths: &'a [String],
    servers: Vec<ServerContext<'a>>,
    filter_headers: &'static [&'static str],
    /// The filter's configuration, in two formats.
    config_yaml: String,
    config_json: String,
}

#[derive(Serialize)]
pub(super) struct ServerContext<'a> {
    name: &'a str,
    /// Its name for Kubernetes (RFC 1123).
    object_name: String,
    cluster: &'a str,
    host: &'a str,
    port: u16,
    tls: bool,
    /// Whether `host` is an IP address.
    is_address: bool,
    /// Whether it is a Service of the Kubernetes cluster.
    is_service: bool,
    /// Its host name in the mesh. An IP address has one there, too.
    mesh_host: String,
}

impl<'a> Context<'a> {
    /// # Errors
    /// The configuration cannot be written as YAML or JSON: a bug.
    pub(super) fn new(
        target: Target,
        source: &'a Source,
        places: &'a [Place],
        to: &'a Manifests,
    ) -> Result<Self, String> {
        let mut config = source.tree.clone();
        for server in config.items_mut("servers") {
            let name = server.text(&["name"]).unwrap_or_default();
            if let Some(place) = places.iter().find(|place| place.name == name) {
                server.set_text("cluster", &cluster(target, place, &to.namespace));
            }
        }
        Ok(Self {
            namespace: &to.namespace,
            image: &to.image,
            port: to.port,
            buffer_limit: buffer_limit(source),
            session_keys_variable: session_keys_variable(source),
            paths: match &source.config.endpoints {
                Endpoints::Listed(paths) => paths,
                Endpoints::All => &[],
            },
            servers: places.iter().map(ServerContext::new).collect(),
            filter_headers: FILTER_HEADERS,
            config_yaml: yaml::block(&config).map_err(|error| error.to_string())?,
            config_json: serde_json::to_string_pretty(&config)
                .map_err(|error| error.to_string())?,
        })
    }
}

impl<'a> ServerContext<'a> {
    pub(super) fn new(place: &'a Place) -> Self {
        Self {
            name: &place.name,
            object_name: object_name(&place.name),
            cluster: &place.cluster,
            host: &place.host,
            port: place.port,
            tls: place.tls,
            is_address: place.address().is_some(),
            is_service: place.host.ends_with(".svc.cluster.local"),
            mesh_host: mesh_host(place),
        }
    }
}

/// How Envoy calls the cluster that the control plane makes for a server.
fn cluster(target: Target, place: &Place, namespace: &str) -> String {
    match target {
        Target::EnvoyGateway => {
            format!("httproute/{namespace}/{}/rule/0", object_name(&place.name))
        }
        Target::Istio => format!("outbound|{}||{}", place.port, mesh_host(place)),
        Target::Envoy | Target::Kustomize => place.cluster.clone(),
    }
}

fn object_name(server: &str) -> String {
    let name = server.to_ascii_lowercase().replace('_', "-");
    name.trim_matches(['-', '.']).to_owned()
}

fn mesh_host(place: &Place) -> String {
    match place.address() {
        Some(_) => format!("{}.mcp.internal", object_name(&place.name)),
        None => place.host.clone(),
    }
}

/// The environment variable that has the keys of sessions.
pub(super) fn session_keys_variable(source: &Source) -> Option<&str> {
    source.tree.text(&["session", "keysFromEnv"])
}

/// How many bytes of a request Envoy has to buffer: more than the filter takes, so
/// that it is the filter that refuses longer ones.
pub(super) fn buffer_limit(source: &Source) -> usize {
    const LEAST: usize = 4_194_304;
    let body = source.config.max_request_body_size.unwrap_or(LEAST * 16);
    LEAST.max(body.saturating_mul(2)).min(1 << 31)
}
