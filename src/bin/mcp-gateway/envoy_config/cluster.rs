//! The clusters: the addresses of the servers.

use std::net::IpAddr;

use serde::Serialize;

use super::template;

const TEMPLATE: &str = include_str!("clusters.yaml.j2");

/// A cluster of Envoy with one endpoint.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cluster {
    pub(crate) name: String,
    /// A host name or an IP address, the latter without brackets.
    host: String,
    port: u16,
    /// Whether `host` is an IP address.
    is_address: bool,
    tls: Option<ClusterTls>,
}

/// The TLS of a cluster.
#[derive(Debug, Clone, Serialize)]
struct ClusterTls {
    hostname: String,
    is_address: bool,
    ca_file: String,
}

impl Cluster {
    /// A cluster for `host`, without TLS.
    pub(crate) fn new(name: &str, host: &str, port: u16) -> Self {
        Self {
            name: name.to_owned(),
            host: host.to_owned(),
            port,
            is_address: is_address(host),
            tls: None,
        }
    }

    /// This cluster with TLS. The certificate must be for `hostname`, and signed by an authority in
    /// the file `ca_file`.
    pub(crate) fn with_tls(mut self, hostname: &str, ca_file: &str) -> Self {
        self.tls = Some(ClusterTls {
            hostname: hostname.to_owned(),
            is_address: is_address(hostname),
            ca_file: ca_file.to_owned(),
        });
        self
    }
}

fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

/// The items of `clusters` in Envoy's configuration, each name once.
///
/// # Errors
/// The template is not valid, which is a bug.
pub(super) fn text(clusters: &[Cluster]) -> Result<String, String> {
    #[derive(Serialize)]
    struct Clusters<'a> {
        clusters: Vec<&'a Cluster>,
    }

    let is_first = |(at, cluster): &(usize, &Cluster)| {
        let mut before = clusters.iter().take(*at);
        before.all(|other| other.name != cluster.name)
    };
    let first = clusters.iter().enumerate().filter(is_first);
    let clusters = first.map(|(_, cluster)| cluster).collect();
    template::render(TEMPLATE, &Clusters { clusters })
}
