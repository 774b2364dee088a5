//! Finds the address of a server from its `targetRef`.

use std::net::IpAddr;

use serde_json::Value;

use super::ObjectFault;
use super::gateway::GatewayBase;
use super::grants::{self, BACKEND, GroupKind, HTTP_ROUTE, MCP_SERVER, SERVICE};
use crate::controller::kinds::{TargetKind, TargetRef};
use crate::controller::name::{ObjectName, items, text};
use crate::controller::snapshot::Snapshot;
use crate::kubernetes::model::{Backend, BackendReference, Platform};

/// The address of a server, for the gateway and for the controller.
#[derive(Debug, Clone)]
pub(super) struct FoundBackend {
    pub(super) backend: Backend,
    /// The host that the controller connects to: a name, or an IP address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Whether it uses TLS, according to the object.
    pub(super) is_tls: bool,
    /// The `:authority` that it expects, if an HTTPRoute sets it.
    pub(super) hostname: Option<String>,
}

/// The objects that refer to a backend.
struct Referrer<'a> {
    snapshot: &'a Snapshot,
    /// The gateway, whose routes refer to the backend.
    gateway: &'a GatewayBase<'a>,
    kind: GroupKind,
    namespace: &'a str,
}

/// Finds the backend of `target`, for a server in `namespace` behind `gateway`.
///
/// # Errors
/// An object does not exist, is of another kind, or a reference to it is not allowed.
pub(super) fn find(
    snapshot: &Snapshot,
    gateway: &GatewayBase<'_>,
    namespace: &str,
    target: &TargetRef,
) -> Result<FoundBackend, ObjectFault> {
    let within = target.namespace.as_deref().unwrap_or(namespace);
    let name = ObjectName::new(within, &target.name);
    let server = Referrer {
        snapshot,
        gateway,
        kind: MCP_SERVER,
        namespace,
    };
    match target.kind {
        TargetKind::Service => server.service(&name, target.port, None),
        TargetKind::Backend => server.envoy_backend(&name, None),
        TargetKind::HTTPRoute => {
            grants::check(snapshot, MCP_SERVER, namespace, HTTP_ROUTE, &name)?;
            let route = snapshot
                .get("HTTPRoute", &name)
                .ok_or_else(|| not_found("RouteNotFound", "HTTPRoute", &name))?;
            let referrer = Referrer {
                kind: HTTP_ROUTE,
                namespace: within,
                ..server
            };
            let mut found = referrer.first_backend(route, &name)?;
            found.hostname = hostname(route);
            Ok(found)
        }
    }
}

fn not_found(reason: &'static str, kind: &str, name: &ObjectName) -> ObjectFault {
    let message = format!(
        "spec.targetRef: there is no {kind} {:?} in namespace {:?}; create it, or name another",
        name.name, name.namespace
    );
    ObjectFault::references(reason, message)
}

impl Referrer<'_> {
    /// The backend of the first rule of `route`.
    fn first_backend(&self, route: &Value, name: &ObjectName) -> Result<FoundBackend, ObjectFault> {
        let references = items(route, "/spec/rules")
            .iter()
            .flat_map(|rule| items(rule, "/backendRefs"));
        let mut references = references.filter(|it| it.get("weight") != Some(&Value::from(0)));
        let Some(reference) = references.next() else {
            let message = format!(
                "spec.targetRef: HTTPRoute {name} has no backendRefs; its first one is the server"
            );
            return Err(ObjectFault::references("BackendNotFound", message));
        };
        let within = match text(reference, "/namespace") {
            "" => &name.namespace,
            namespace => namespace,
        };
        let wanted = ObjectName::new(within, text(reference, "/name"));
        let port = reference.get("port").and_then(Value::as_u64);
        let port = port.and_then(|port| u16::try_from(port).ok());
        let through = Some(name);
        match (text(reference, "/group"), text(reference, "/kind")) {
            ("", "" | "Service") => self.service(&wanted, port, through),
            ("gateway.envoyproxy.io", "Backend") => self.envoy_backend(&wanted, through),
            // A kind of Istio, for the host of a ServiceEntry.
            ("networking.istio.io", "Hostname") => self.external(&wanted.name, port.unwrap_or(443)),
            (_, kind) => {
                let message = format!(
                    "spec.targetRef: HTTPRoute {name} has a backend of kind {kind:?}, which is not supported; use a Service, or a Backend of Envoy Gateway"
                );
                Err(ObjectFault::references("UnsupportedBackend", message))
            }
        }
    }

    fn service(
        &self,
        name: &ObjectName,
        port: Option<u16>,
        route: Option<&ObjectName>,
    ) -> Result<FoundBackend, ObjectFault> {
        self.check_grants(SERVICE, name)?;
        let service = self.snapshot.get("Service", name);
        let service = service.ok_or_else(|| not_found("ServiceNotFound", "Service", name))?;
        let place = || match route {
            Some(route) => format!("backendRefs of HTTPRoute {route}"),
            None => "spec.targetRef.port".to_owned(),
        };
        let Some(port) = port else {
            let message = format!(
                "{}: port is missing; Service {name} has: {}",
                place(),
                ports(service)
            );
            return Err(ObjectFault::references("PortMissing", message));
        };
        if text(service, "/spec/type") == "ExternalName" {
            return self.external(text(service, "/spec/externalName"), port);
        }
        let wanted = Value::from(port);
        if !items(service, "/spec/ports")
            .iter()
            .any(|it| it.get("port") == Some(&wanted))
        {
            let message = format!(
                "{}: Service {name} has no port {port}; it has: {}",
                place(),
                ports(service)
            );
            return Err(ObjectFault::references("PortNotFound", message));
        }
        // For a headless Service, the address is `None`.
        let host = match text(service, "/spec/clusterIP") {
            "" | "None" => format!("{}.{}.svc", name.name, name.namespace),
            address => address.to_owned(),
        };
        Ok(FoundBackend {
            backend: self.reference(SERVICE, name, Some(port)),
            host,
            port,
            is_tls: false,
            hostname: None,
        })
    }

    fn envoy_backend(
        &self,
        name: &ObjectName,
        _route: Option<&ObjectName>,
    ) -> Result<FoundBackend, ObjectFault> {
        self.check_grants(BACKEND, name)?;
        let object = self.snapshot.get("Backend", name);
        let object = object.ok_or_else(|| not_found("BackendNotFound", "Backend", name))?;
        let endpoints = items(object, "/spec/endpoints").iter();
        let places: Option<Vec<(&str, u16)>> = endpoints.map(host_and_port).collect();
        let Some(((host, port), others)) = places.as_ref().and_then(|it| it.split_first()) else {
            let message = format!(
                "spec.targetRef: Backend {name} has no endpoint with fqdn or ip; only these can be MCP servers, and it may have no others"
            );
            return Err(ObjectFault::references("UnsupportedBackend", message));
        };
        let mut found = self.external(host, *port)?;
        // With Envoy Gateway, the proxy uses all of them.
        for (host, port) in others {
            self.external(host, *port)?;
        }
        found.is_tls |= object.pointer("/spec/tls").is_some();
        if self.gateway.wanted.platform == Platform::EnvoyGateway {
            found.backend = self.reference(BACKEND, name, None);
        }
        Ok(found)
    }

    fn reference(&self, kind: GroupKind, name: &ObjectName, port: Option<u16>) -> Backend {
        Backend::References(vec![BackendReference {
            group: kind.group.to_owned(),
            kind: kind.kind.to_owned(),
            namespace: name.namespace.clone(),
            name: name.name.clone(),
            port,
            weight: None,
        }])
    }

    /// The backend for a host outside of the cluster. It uses TLS at port 443.
    ///
    /// # Errors
    /// The proxy and the controller would reach themselves there, or their node. Or the host is a
    /// Service, and a reference to the Service is not allowed.
    fn external(&self, host: &str, port: u16) -> Result<FoundBackend, ObjectFault> {
        if is_own(host) && self.gateway.refuses_local_servers {
            let message = format!(
                "spec.targetRef: the host {host:?} is the proxy itself, or its node, for example the admin interface of Envoy; name a host that all pods can reach"
            );
            return Err(ObjectFault::references("HostNotAllowed", message));
        }
        for service in self.services_of(host) {
            self.check_grants(SERVICE, &service)?;
        }
        Ok(FoundBackend {
            backend: Backend::Host {
                host: host.to_owned(),
                port,
            },
            host: host.to_owned(),
            port,
            is_tls: port == 443,
            hostname: None,
        })
    }

    /// The Services that `host` may be: by its host name, by a short form of this name, which the
    /// resolver of a pod completes, or by its address. The name may also be that of a pod of the
    /// Service. Only the full name counts for a Service that is not there.
    fn services_of(&self, host: &str) -> Vec<ObjectName> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if let Ok(address) = host.parse() {
            let services = self.snapshot.all("Service");
            let services = services.filter(|(_, service)| has_address(service, address));
            return services.map(|(name, _)| name.clone()).collect();
        }
        let labels: Vec<&str> = host.split('.').collect();
        // The domain of the cluster may be any other, so `svc` may be anywhere.
        let ends = (0..=labels.len()).filter(|at| labels.get(*at).is_none_or(|it| *it == "svc"));
        let named = ends.filter_map(|at| {
            let (short, rest) = labels.split_at_checked(at)?;
            let (name, is_full) = match short {
                [.., name, namespace] => {
                    let is_full = matches!(rest, ["svc"] | ["svc", "cluster", "local"]);
                    (ObjectName::new(namespace, name), is_full)
                }
                [name] => (ObjectName::new(&self.gateway.wanted.namespace, name), false),
                [] => return None,
            };
            let is_there = || self.snapshot.get("Service", &name).is_some();
            (is_full || is_there()).then_some(name)
        });
        named.collect()
    }

    /// Checks ReferenceGrants. The namespace of the backend must allow references from the server's
    /// namespace, and from the gateway's namespace, since the gateway's route refers to the
    /// backend. An MCPServer itself is the permission for its own namespace.
    fn check_grants(&self, to: GroupKind, name: &ObjectName) -> Result<(), ObjectFault> {
        grants::check(self.snapshot, self.kind, self.namespace, to, name)?;
        if self.namespace == name.namespace {
            return Ok(());
        }
        let gateway = &self.gateway.wanted.namespace;
        grants::check(self.snapshot, HTTP_ROUTE, gateway, to, name)
    }
}

/// The host and the port of `endpoint` of a Backend. `None` for a socket of the proxy's file system.
fn host_and_port(endpoint: &Value) -> Option<(&str, u16)> {
    let place = endpoint.get("fqdn").or_else(|| endpoint.get("ip"))?;
    let host = match text(place, "/hostname") {
        "" => text(place, "/address"),
        host => host,
    };
    let port = u16::try_from(place.get("port")?.as_u64()?).ok()?;
    Some((host, port))
}

/// Whether the cluster gives `service` this `address`.
fn has_address(service: &Value, address: IpAddr) -> bool {
    let addresses = items(service, "/spec/clusterIPs").iter();
    let addresses = addresses.chain(service.pointer("/spec/clusterIP"));
    let mut addresses = addresses.filter_map(|it| it.as_str()?.parse::<IpAddr>().ok());
    addresses.any(|it| it == address)
}

/// Whether `host` is for each pod the pod itself, or its node. Cloud providers have their metadata,
/// which contain credentials, at a link-local address.
fn is_own(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    match host.parse::<IpAddr>().map(|it| it.to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_unspecified() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

fn ports(service: &Value) -> String {
    let ports = items(service, "/spec/ports").iter();
    let ports: Vec<String> = ports
        .filter_map(|it| Some(it.get("port")?.to_string()))
        .collect();
    if ports.is_empty() {
        "no ports".to_owned()
    } else {
        ports.join(", ")
    }
}

/// The host name in requests after `route` has sent them to the server.
fn hostname(route: &Value) -> Option<String> {
    let filters = items(route, "/spec/rules")
        .iter()
        .flat_map(|rule| items(rule, "/filters"));
    let mut rewritten = filters.map(|it| text(it, "/urlRewrite/hostname"));
    let first = rewritten.find(|it| !it.is_empty());
    let first = first.or_else(|| items(route, "/spec/hostnames").first()?.as_str());
    first
        .filter(|host| !host.starts_with('*'))
        .map(str::to_owned)
}
