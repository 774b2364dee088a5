//! The Gateway of an endpoint: its control plane and its listeners.

use serde_json::Value;

use super::ObjectFault;
use crate::controller::kinds::GatewayTarget;
use crate::controller::name::{ObjectName, items, text};
use crate::controller::snapshot::Snapshot;
use crate::kubernetes::model::{Attachment, Listener, Platform};

/// The known controllers of GatewayClasses.
const CONTROLLERS: &[(&str, Platform)] = &[
    (
        "gateway.envoyproxy.io/gatewayclass-controller",
        Platform::EnvoyGateway,
    ),
    ("istio.io/gateway-controller", Platform::Istio),
];

/// A Gateway for an endpoint.
pub(super) struct EndpointPlace<'a> {
    pub(super) platform: Platform,
    pub(super) attachment: Attachment,
    /// `None` where Envoy runs without a control plane.
    pub(super) gateway: Option<&'a Value>,
}

/// Finds the Gateway of `target` in `namespace`.
///
/// # Errors
/// It does not exist, no known controller serves its class, or it has no such listener.
pub(super) fn place<'a>(
    snapshot: &'a Snapshot,
    namespace: &str,
    target: Option<&GatewayTarget>,
) -> Result<EndpointPlace<'a>, ObjectFault> {
    let Some(target) = target else {
        let message = "spec.targetRef: is missing; name a Gateway of this namespace";
        return Err(ObjectFault::object("TargetMissing", message));
    };
    let name = ObjectName::new(namespace, &target.name);
    let gateway = snapshot.get("Gateway", &name).ok_or_else(|| {
        let message = format!(
            "spec.targetRef.name: there is no Gateway {:?} in namespace {namespace:?}; create it, or name another",
            target.name
        );
        ObjectFault::references("TargetNotFound", message)
    })?;
    let platform = platform(snapshot, gateway)?;
    let listeners = listeners(gateway, target)?;
    Ok(EndpointPlace {
        platform,
        attachment: Attachment {
            gateway: target.name.clone(),
            section: target.section_name.clone(),
            listeners,
        },
        gateway: Some(gateway),
    })
}

fn platform(snapshot: &Snapshot, gateway: &Value) -> Result<Platform, ObjectFault> {
    let class = text(gateway, "/spec/gatewayClassName");
    let name = text(gateway, "/metadata/name");
    let Some(object) = snapshot.get("GatewayClass", &ObjectName::new("", class)) else {
        let message = format!(
            "spec.targetRef: Gateway {name:?} has the class {class:?}, which is not there; set its gatewayClassName to a class of Envoy Gateway or Istio"
        );
        return Err(ObjectFault::references("ClassNotFound", message));
    };
    let controller = text(object, "/spec/controllerName");
    let known = CONTROLLERS.iter().find(|(it, _)| *it == controller);
    known.map(|(_, platform)| *platform).ok_or_else(|| {
        let message = format!(
            "spec.targetRef: Gateway {name:?} has the class {class:?} of {controller:?}; only Gateways of Envoy Gateway (gateway.envoyproxy.io/gatewayclass-controller) and Istio (istio.io/gateway-controller) can serve MCP"
        );
        ObjectFault::references("UnsupportedClass", message)
    })
}

/// The listeners of the Gateway; only the one that `target` names, if it names one.
fn listeners(gateway: &Value, target: &GatewayTarget) -> Result<Vec<Listener>, ObjectFault> {
    let all: Vec<(Listener, &str)> = items(gateway, "/spec/listeners")
        .iter()
        .filter_map(|it| {
            let port = it.get("port")?.as_u64()?;
            let listener = Listener {
                name: text(it, "/name").to_owned(),
                port: u16::try_from(port).ok()?,
            };
            Some((listener, text(it, "/protocol")))
        })
        .collect();
    let is_meant = |listener: &Listener| {
        let section = target.section_name.as_ref();
        section.is_none_or(|section| *section == listener.name)
    };
    let is_http = |protocol: &&str| ["HTTP", "HTTPS"].contains(protocol);
    let mut meant = all.iter().filter(|(listener, _)| is_meant(listener));
    if meant.any(|(_, protocol)| is_http(protocol)) {
        let web = all
            .into_iter()
            .filter(|(_, it)| is_http(it) || *it == "TLS");
        return Ok(web.map(|(listener, _)| listener).collect());
    }
    let names: Vec<&str> = all.iter().map(|(listener, _)| &*listener.name).collect();
    let names = names.join(", ");
    let gateway = &target.name;
    let message = match &target.section_name {
        Some(section) => format!(
            "spec.targetRef.sectionName: Gateway {gateway:?} has no HTTP or HTTPS listener {section:?}; it has: {names}"
        ),
        None => format!(
            "spec.targetRef: Gateway {gateway:?} has no HTTP or HTTPS listener; it has: {names}"
        ),
    };
    Err(ObjectFault::references("ListenerNotFound", message))
}

/// A warning about listeners of the endpoint to which other namespaces may attach routes.
pub(super) fn open_listeners(place: &EndpointPlace<'_>) -> Option<String> {
    let is_meant = |name: &str| place.attachment.meant().any(|it| it.name == name);
    let open = items(place.gateway?, "/spec/listeners")
        .iter()
        .filter(|it| {
            let is_web = ["HTTP", "HTTPS"].contains(&text(it, "/protocol"));
            let from = text(it, "/allowedRoutes/namespaces/from");
            is_web && is_meant(text(it, "/name")) && ["All", "Selector"].contains(&from)
        });
    let names: Vec<&str> = open.map(|it| text(it, "/name")).collect();
    (!names.is_empty()).then(|| {
        format!(
            "other namespaces may attach routes to the endpoint's listener {}, and such a route can get its requests or replace its authentication: trust all of them, or set allowedRoutes.namespaces.from: Same there",
            names.join(", ")
        )
    })
}

/// The URL of the endpoint at `path`, if its host is known.
pub(super) fn url(place: &EndpointPlace<'_>, hostnames: &[String], path: &str) -> Option<String> {
    let gateway = place.gateway?;
    let section = place.attachment.section.as_deref();
    let own = items(gateway, "/spec/listeners").iter().find(|it| {
        let is_web = ["HTTP", "HTTPS"].contains(&text(it, "/protocol"));
        is_web && section.is_none_or(|section| section == text(it, "/name"))
    })?;
    let port = own.get("port")?.as_u64()?;
    let is_tls = text(own, "/protocol") == "HTTPS";
    let exact = |host: &&str| !host.is_empty() && !host.contains('*');
    let host = hostnames.iter().map(String::as_str).find(exact);
    let host = host.or_else(|| Some(text(own, "/hostname")).filter(exact));
    let address = text(gateway, "/status/addresses/0/value");
    let host = host.or_else(|| Some(address).filter(exact))?;
    // In a URL, an IPv6 address is in brackets.
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let scheme = if is_tls { "https" } else { "http" };
    let port = match (is_tls, port) {
        (false, 80) | (true, 443) => String::new(),
        (_, port) => format!(":{port}"),
    };
    Some(format!("{scheme}://{host}{port}{path}"))
}
