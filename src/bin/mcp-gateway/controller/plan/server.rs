//! Turns the object of a server into the data that the gateway needs.

use std::collections::BTreeMap;

use mcp_gateway::config::ConfigError;
use serde_json::{Map, Value};

use super::backend::{self, FoundBackend};
use super::filter::{self, ServerSection};
use super::gateway::GatewayBase;
use super::headers;
use super::source::ServerSource;
use super::variables::SecretVariable;
use super::{ObjectFault, selector};
use crate::controller::kinds::{MCPGateway, MCPServerSpec, TargetKind};
use crate::controller::name::{ObjectName, is_object_name, items, text};
use crate::controller::snapshot::{ReadObject, Readable, Snapshot};
use crate::kubernetes::is_path_of_route;
use crate::kubernetes::model::{Backend, Platform, ServerTls, WantedServer};
use crate::mcp_client::has_certificates;

/// A server without faults.
pub(super) struct PreparedServer {
    pub(super) wanted: WantedServer,
    pub(super) variables: Vec<SecretVariable>,
    /// Its address, as a URL without a path.
    pub(super) origin: String,
    /// The certificates of the authorities that the controller trusts for it.
    pub(super) authorities: Vec<Vec<u8>>,
}

/// The spec of `source`, and its MCPGateway among `gateways`.
///
/// # Errors
/// The spec is wrong, or there is no such gateway.
pub(super) fn with_gateway<'s, 'g>(
    snapshot: &Snapshot,
    gateways: &'g BTreeMap<ObjectName, MCPGateway>,
    source: &'s ServerSource<'_>,
) -> Result<(&'s MCPServerSpec, &'g ObjectName), ObjectFault> {
    let spec = source.spec.as_ref().map_err(Clone::clone)?;
    Ok((spec, gateway_of(snapshot, gateways, source, spec)?))
}

/// The MCPGateway of `source`, among `gateways`.
///
/// # Errors
/// There is none, there are several, or it does not allow the server's namespace.
fn gateway_of<'g>(
    snapshot: &Snapshot,
    gateways: &'g BTreeMap<ObjectName, MCPGateway>,
    source: &ServerSource<'_>,
    spec: &MCPServerSpec,
) -> Result<&'g ObjectName, ObjectFault> {
    let namespace = &source.name.namespace;
    let allows = |name: &ObjectName, gateway: &MCPGateway| {
        let allowed = &gateway.spec.allowed_servers.namespaces;
        selector::has_namespace(snapshot, allowed, &name.namespace, namespace)
    };
    let chosen = match &spec.gateway_ref {
        Some(reference) => {
            let within = reference.namespace.as_ref().unwrap_or(namespace);
            let name = ObjectName::new(within, &reference.name);
            let found = gateways.get_key_value(&name).ok_or_else(|| {
                let message = format!(
                    "spec.gatewayRef: there is no MCPGateway {:?} in namespace {within:?}; create it, or name another",
                    reference.name
                );
                ObjectFault::object("GatewayNotFound", message)
            })?;
            Some(found)
        }
        None => of_route(snapshot, gateways, source, spec),
    };
    if let Some((name, gateway)) = chosen {
        if allows(name, gateway) {
            return Ok(name);
        }
        let message = format!(
            "MCPGateway {name} does not allow servers of namespace {namespace:?}; allow it in its spec.allowedServers.namespaces"
        );
        return Err(ObjectFault::object("NotAllowed", message));
    }
    let allowing: Vec<&ObjectName> = gateways
        .iter()
        .filter(|(name, gateway)| allows(name, gateway))
        .map(|(name, _)| name)
        .collect();
    // A new gateway takes no server away from the gateway that the server is behind.
    let before = source.status.gateway.as_ref();
    let kept = allowing.iter().find(|it| before == Some(&it.to_string()));
    if let Some(name) = kept {
        return Ok(name);
    }
    match allowing.as_slice() {
        [name] => Ok(name),
        [] => {
            let message = format!(
                "no MCPGateway allows servers of namespace {namespace:?}; create one, or allow the namespace in its spec.allowedServers.namespaces"
            );
            Err(ObjectFault::object("NoGateway", message))
        }
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            let message = format!(
                "spec.gatewayRef: is missing, and several MCPGateways allow namespace {namespace:?}: {}; name one",
                names.join(", ")
            );
            Err(ObjectFault::object("AmbiguousGateway", message))
        }
    }
}

/// The only MCPGateway at a Gateway that is a parent of the server's HTTPRoute.
fn of_route<'g>(
    snapshot: &Snapshot,
    gateways: &'g BTreeMap<ObjectName, MCPGateway>,
    source: &ServerSource<'_>,
    spec: &MCPServerSpec,
) -> Option<(&'g ObjectName, &'g MCPGateway)> {
    let target = &spec.target_ref;
    // A Service often has the name of its HTTPRoute.
    if target.kind != TargetKind::HTTPRoute {
        return None;
    }
    let within = target.namespace.as_ref().unwrap_or(&source.name.namespace);
    let route = snapshot.get("HTTPRoute", &ObjectName::new(within, &target.name))?;
    let parents = items(route, "/spec/parentRefs");
    let is_at = |name: &ObjectName, gateway: &MCPGateway, parent: &Value| {
        let namespace = match text(parent, "/namespace") {
            "" => within,
            namespace => namespace,
        };
        let section = text(parent, "/sectionName");
        gateway.spec.target_ref.as_ref().is_some_and(|at| {
            let own = at.section_name.as_deref().unwrap_or_default();
            let is_section = section.is_empty() || own.is_empty() || section == own;
            let is_gateway = matches!(text(parent, "/kind"), "" | "Gateway");
            let is_named = name.namespace == namespace && text(parent, "/name") == at.name;
            is_gateway && is_named && is_section
        })
    };
    let mut found = gateways
        .iter()
        .filter(|(name, gateway)| parents.iter().any(|it| is_at(name, gateway, it)));
    match (found.next(), found.next()) {
        (only, None) => only,
        _ => None,
    }
}

/// The data that `base` needs for the server of `source`.
///
/// # Errors
/// The filter would refuse the server, or an object that it refers to does not exist.
pub(super) fn prepare(
    snapshot: &Snapshot,
    base: &GatewayBase<'_>,
    source: &ServerSource<'_>,
    spec: &MCPServerSpec,
    reads: &mut Vec<Readable>,
) -> Result<PreparedServer, ObjectFault> {
    let name = &source.name;
    let mut section = spec.settings.clone();
    section.remove("enabled");
    // This check does not depend on the values of headers, which may be missing.
    check(base, name, &with_headers(&section, some_headers(spec)))?;
    let platform = base.wanted.platform;
    let found = backend::find(snapshot, base, &name.namespace, &spec.target_ref);
    let headers = headers::resolve(snapshot, name, &spec.headers, reads);
    let found = found?;
    let (entries, variables) = headers?;
    if !variables.is_empty() && !base.variables_reach {
        let message = format!(
            "spec.headers: values of Secrets cannot reach the proxy; {}",
            base.variables_fix
        );
        return Err(ObjectFault::references("ProxyNotConfigured", message));
    }
    let mut section = with_headers(&section, entries);
    if let Some(hostname) = &found.hostname {
        let hostname = Value::from(hostname.clone());
        section.entry("hostname").or_insert(hostname);
    }
    let tls = tls(spec, &found, &section);
    let authorities = authorities(snapshot, base, name, spec, &found, reads)?;
    if tls.is_some() && platform != Platform::Standalone {
        check_policy_namespace(&found, &name.namespace)?;
    }
    Ok(PreparedServer {
        origin: origin(&found, tls.is_some()),
        wanted: WantedServer {
            namespace: name.namespace.clone(),
            name: name.name.clone(),
            backend: Some(found.backend),
            tls,
            config: section,
            written: None,
        },
        variables,
        authorities,
    })
}

fn some_headers(spec: &MCPServerSpec) -> Vec<Value> {
    let headers = spec.headers.iter();
    let headers = headers.map(|it| match &it.value {
        Some(value) => serde_json::json!({"name": it.name, "value": value}),
        None => serde_json::json!({"name": it.name, "valueFromEnv": "HEADER"}),
    });
    headers.collect()
}

fn with_headers(section: &Map<String, Value>, headers: Vec<Value>) -> Map<String, Value> {
    let mut section = section.clone();
    if !headers.is_empty() {
        section.insert("headers".to_owned(), Value::Array(headers));
    }
    section
}

/// Checks the server `name` alone, with the configuration of its gateway and the filter's code.
fn check(
    base: &GatewayBase<'_>,
    name: &ObjectName,
    section: &Map<String, Value>,
) -> Result<(), ObjectFault> {
    let server = ServerSection {
        name: &name.name,
        origin: "http://server",
        section,
    };
    let checked = filter::servers(&base.wanted.config, &[server], &BTreeMap::new());
    let servers = checked.map_err(|error| invalid(&error))?;
    let path = servers.first().and_then(|it| it.path.split('?').next());
    if base.wanted.platform == Platform::Standalone || path.is_none_or(is_path_of_route) {
        return Ok(());
    }
    let message = "spec.path: no HTTPRoute can have this as an exact path, so routes of others could get the requests; leave out //, /./, /../, %2F and characters that no path has";
    Err(ObjectFault::object("Invalid", message))
}

/// The filter's error about a server, with the path in the server's object.
pub(super) fn invalid(error: &ConfigError) -> ObjectFault {
    let path = error.path();
    let own = path
        .split_once("].")
        .filter(|_| path.starts_with("servers["));
    let message = match own {
        Some((_, "name")) => format!("metadata.name: {}", error.reason()),
        Some((_, field)) => format!("spec.{field}: {}", error.reason()),
        None => format!("does not fit the configuration of its MCPGateway: {error}"),
    };
    ObjectFault::object("Invalid", message)
}

/// The TLS settings of the proxy for the server; none without TLS.
fn tls(
    spec: &MCPServerSpec,
    found: &FoundBackend,
    section: &Map<String, Value>,
) -> Option<ServerTls> {
    if spec.tls.is_none() && !found.is_tls {
        return None;
    }
    let own = spec.tls.as_ref().and_then(|tls| tls.hostname.clone());
    let authority = section.get("hostname").and_then(Value::as_str);
    // Removes the port.
    let authority = authority.and_then(|it| it.split(':').next());
    let hostname = own.or_else(|| authority.map(str::to_owned));
    let mut references = spec.tls.iter().flat_map(|tls| &tls.ca_certificate_refs);
    Some(ServerTls {
        hostname: hostname.unwrap_or_else(|| found.host.clone()),
        authorities: references.next().map(|it| it.name.clone()),
    })
}

/// Checks that the TLS policy for `found` is in the server's own namespace. The policy applies to
/// all callers of the backend, so a server of another namespace must not set it.
fn check_policy_namespace(found: &FoundBackend, own: &str) -> Result<(), ObjectFault> {
    let Backend::References(references) = &found.backend else {
        return Ok(());
    };
    let mut references = references.iter();
    let Some(elsewhere) = references.find(|it| it.namespace != own) else {
        return Ok(());
    };
    let message = format!(
        "spec.tls: the TLS settings of {} {:?} apply to all its callers, so only an MCPServer in its namespace {:?} can use it with TLS; create the MCPServer there",
        elsewhere.kind, elsewhere.name, elsewhere.namespace
    );
    Err(ObjectFault::references("RefNotPermitted", message))
}

/// The certificates of the authorities of a server.
fn authorities(
    snapshot: &Snapshot,
    base: &GatewayBase<'_>,
    name: &ObjectName,
    spec: &MCPServerSpec,
    found: &FoundBackend,
    reads: &mut Vec<Readable>,
) -> Result<Vec<Vec<u8>>, ObjectFault> {
    let references = spec.tls.as_ref().map(|tls| &tls.ca_certificate_refs);
    // The control planes expect them in the namespace of the backend. Envoy without a control plane
    // mounts them, which works only in its own namespace: with another ConfigMap, no pod would start.
    let beside = match &found.backend {
        _ if base.wanted.platform == Platform::Standalone => Some(&base.wanted.namespace),
        Backend::References(references) => references.first().map(|it| &it.namespace),
        Backend::Host { .. } => Some(&base.wanted.namespace),
    };
    let mut certificates = Vec::new();
    for (at, reference) in references.into_iter().flatten().enumerate() {
        let path = format!("spec.tls.caCertificateRefs[{at}]");
        if beside.is_some_and(|it| *it != name.namespace) {
            let message = format!(
                "{path}: certificates of authorities must be in the namespace {:?}, which is not that of the MCPServer; create the MCPServer there",
                beside.map_or("", |it| it)
            );
            return Err(ObjectFault::references("RefNotPermitted", message));
        }
        if !is_object_name(&reference.name) {
            let path = format!("{path}.name");
            return Err(ObjectFault::not_a_name(&path, &reference.name));
        }
        let map = Readable::ConfigMap(ObjectName::new(&name.namespace, &reference.name));
        reads.push(map.clone());
        match snapshot.read(&map) {
            Some(ReadObject::Present { data, .. }) => match data.get("ca.crt") {
                Some(found) if has_certificates(found) => certificates.push(found.clone()),
                Some(_) => {
                    // With such a file, Envoy without a control plane would not start.
                    let message = format!(
                        "{path}: ca.crt of ConfigMap {:?} has no certificates in PEM",
                        reference.name
                    );
                    return Err(ObjectFault::references("CertificateInvalid", message));
                }
                None => {
                    let message = format!(
                        "{path}: ConfigMap {:?} has no key ca.crt; add it",
                        reference.name
                    );
                    return Err(ObjectFault::references("CertificateNotFound", message));
                }
            },
            Some(ReadObject::Missing) => {
                let message = format!(
                    "{path}.name: there is no ConfigMap {:?} in the namespace of the MCPServer; create it",
                    reference.name
                );
                return Err(ObjectFault::references("CertificateNotFound", message));
            }
            Some(ReadObject::Refused(reason)) => {
                let message = format!(
                    "{path}: the controller cannot read ConfigMap {:?}: {reason}",
                    reference.name
                );
                return Err(ObjectFault::references("CertificateNotReadable", message));
            }
            None => {
                let message = format!("{path}: has not been read yet");
                return Err(ObjectFault::references("Pending", message));
            }
        }
    }
    Ok(certificates)
}

fn origin(found: &FoundBackend, is_tls: bool) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    let host = &found.host;
    // In a URL, an IPv6 address is in brackets.
    if host.contains(':') {
        format!("{scheme}://[{host}]:{}", found.port)
    } else {
        format!("{scheme}://{host}:{}", found.port)
    }
}
