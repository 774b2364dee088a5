//! The address of a server: host and port.

use std::net::IpAddr;

use super::model::{Backend, BackendReference};

/// The domain of the Services.
const SERVICES: &str = "svc.cluster.local";

/// The address of an endpoint at which no server listens (RFC 5737). The filter answers the
/// requests itself.
pub(super) const NOWHERE: (&str, u16) = ("192.0.2.1", 9);

/// The host name of a Service, or of another object that `reference` refers to.
pub(super) fn host(reference: &BackendReference) -> String {
    match &*reference.kind {
        "Service" => format!("{}.{}.{SERVICES}", reference.name, reference.namespace),
        // A `Hostname` of Istio is a host name itself; a Backend of Envoy Gateway has none.
        _ => reference.name.clone(),
    }
}

/// The main one of several references: the first that gets requests.
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

/// The host of `backend` in requests. It has the port if that is not the default port.
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
