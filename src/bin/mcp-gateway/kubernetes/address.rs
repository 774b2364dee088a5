//! Where a server is, as host and port.

use std::net::IpAddr;

use super::model::{Backend, BackendReference};

/// The domain of the Services.
const SERVICES: &str = "svc.cluster.local";

/// The address of an endpoint that nobody serves (RFC 5737): the filter answers instead.
pub(super) const NOWHERE: (&str, u16) = ("192.0.2.1", 9);

/// The host name of a Service, or of what else `reference` is.
pub(super) fn host(reference: &BackendReference) -> String {
    match &*reference.kind {
        "Service" => format!("{}.{}.{SERVICES}", reference.name, reference.namespace),
        // `Hostname` of Istio is one; a Backend of Envoy Gateway has none of its own.
        _ => reference.name.clone(),
    }
}

/// The reference that stands for all: the first that gets requests.
pub(super) fn main_reference(references: &[BackendReference]) -> Option<&BackendReference> {
    let mut weighted = references.iter();
    let found = weighted.find(|reference| reference.weight != Some(0));
    found.or(references.first())
}

/// The host and the port of `backend`.
pub(super) fn host_and_port(backend: &Backend) -> (String, Option<u16>) {
    match backend {
        Backend::Host { host, port } => (host.clone(), Some(*port)),
        Backend::References(references) => match main_reference(references) {
            Some(reference) => (host(reference), reference.port),
            None => (String::new(), None),
        },
    }
}

/// The host of `backend` as requests name it, with the port if it is not that of the scheme.
pub(super) fn authority(backend: &Backend, is_tls: bool) -> String {
    let (host, port) = host_and_port(backend);
    let host = match host.parse() {
        Ok(IpAddr::V6(_)) => format!("[{host}]"),
        _ => host,
    };
    let default = if is_tls { 443 } else { 80 };
    match port.filter(|port| *port != default) {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

/// Whether `host` is an IP address.
pub(super) fn is_ip(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}
