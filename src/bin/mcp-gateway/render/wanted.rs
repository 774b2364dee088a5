//! The wanted state in Kubernetes for a file.

use serde_json::{Map, Value};

use crate::config_file::ConfigFile;
use crate::kubernetes::model::{
    Attachment, Authentication, Backend, BackendReference, Listener, Platform, ProxyVariable,
    ServerTls, WantedGateway, WantedServer,
};
use crate::syntax::tree::Node;
use crate::upstream::Upstream;
use crate::variables::environment::{self, Variable, VariableKind};

/// The name of the gateway, and of its Gateway.
const NAME: &str = "mcp";

/// The Secrets that hold the values of variables.
pub(super) const SESSION_KEYS: &str = "mcp-session-keys";
pub(super) const SERVER_HEADERS: &str = "mcp-server-headers";

/// The options of manifests, in addition to the servers.
pub(super) struct ManifestOptions {
    pub(super) platform: Platform,
    pub(super) namespace: String,
    /// The image with the filter.
    pub(super) image: String,
    /// The port of the endpoint.
    pub(super) port: u16,
    pub(super) authentication: Authentication,
    /// The ConfigMap with the authorities of servers; `None` for those of the system.
    pub(super) authorities: Option<String>,
}

/// The gateway for the servers of `file`, whose addresses are `upstreams`.
///
/// # Errors
/// The configuration is not an object, which is a bug.
pub(super) fn gateway(
    file: &ConfigFile,
    upstreams: &[Upstream],
    options: ManifestOptions,
) -> Result<WantedGateway, String> {
    let Value::Object(config) = file.tree.value() else {
        return Err("a bug: the configuration is no object".to_owned());
    };
    let servers = file.tree.get("servers").map_or(&[][..], Node::items);
    let servers = servers.iter().filter_map(|section| {
        let name = section.text(&["name"])?;
        let upstream = upstreams.iter().find(|upstream| upstream.name == name);
        Some(server(name, upstream, section, &options))
    });
    let servers = servers.collect();
    let variables = environment::variables(&file.tree);
    Ok(WantedGateway {
        name: NAME.to_owned(),
        platform: options.platform,
        attachment: Attachment {
            gateway: NAME.to_owned(),
            section: None,
            listeners: vec![Listener {
                name: "http".to_owned(),
                port: options.port,
            }],
        },
        hostnames: Vec::new(),
        image: options.image,
        config,
        authentication: options.authentication,
        servers,
        variables: variables.iter().map(variable).collect(),
        variables_version: String::new(),
        namespace: options.namespace,
    })
}

/// The server of `section`, at `upstream` if it is enabled.
fn server(
    name: &str,
    upstream: Option<&Upstream>,
    section: &Node,
    options: &ManifestOptions,
) -> WantedServer {
    let config = match section.value() {
        Value::Object(config) => config,
        _ => Map::new(),
    };
    let service = upstream.and_then(service);
    let namespace = service
        .as_ref()
        .map_or(&options.namespace, |it| &it.namespace);
    WantedServer {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        tls: upstream.filter(|it| it.tls).map(|upstream| ServerTls {
            hostname: upstream.host.clone(),
            authorities: options.authorities.clone(),
        }),
        backend: service
            .map(|service| Backend::References(vec![service]))
            .or_else(|| {
                upstream.map(|upstream| Backend::Host {
                    host: upstream.host.clone(),
                    port: upstream.port,
                })
            }),
        config,
        written: None,
    }
}

/// The Service of `upstream`, if its host is the cluster name of a Service.
fn service(upstream: &Upstream) -> Option<BackendReference> {
    let host = upstream.host.strip_suffix(".cluster.local");
    let host = host.unwrap_or(&upstream.host).strip_suffix(".svc")?;
    let (name, namespace) = host.split_once('.')?;
    (!namespace.contains('.')).then(|| BackendReference {
        group: String::new(),
        kind: "Service".to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        port: Some(upstream.port),
        weight: None,
    })
}

/// The Secret with the value of `variable`.
fn variable(variable: &Variable<'_>) -> ProxyVariable {
    let (secret, key) = match variable.kind {
        VariableKind::SessionKeys => (SESSION_KEYS, "keys"),
        VariableKind::HeaderValue => (SERVER_HEADERS, variable.name),
    };
    ProxyVariable {
        name: variable.name.to_owned(),
        secret: secret.to_owned(),
        key: key.to_owned(),
        is_told: true,
    }
}
