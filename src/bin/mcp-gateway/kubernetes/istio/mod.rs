//! The objects for Istio, with a Gateway of the Gateway API.

mod authentication;
mod hosts;
mod proxy;
mod wasm;

use serde_json::{Value, json};

use super::address::{self, NOWHERE};
use super::filter::{FilterConfig, is_enabled};
use super::model::{Authentication, Backend, WantedGateway, WantedServer};
use super::object::Object;
use super::routes;

/// The label of the pods of a Gateway.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// The objects for `gateway`.
///
/// # Errors
/// The filter refuses its configuration.
pub(super) fn objects(gateway: &WantedGateway) -> Result<Vec<Object>, String> {
    let filter = FilterConfig::new(
        gateway,
        |server| cluster(gateway, server.backend.as_ref()),
        &cluster(gateway, Some(&hosts::nowhere())),
    )?;
    let (host, port) = NOWHERE;
    let nowhere = hosts::reference(gateway, host, port);
    // Objects that restrict access come before objects that give access.
    let mut objects = Vec::new();
    if let Authentication::Jwt(jwt) = &gateway.authentication {
        objects.extend(authentication::objects(gateway, jwt, &filter));
    }
    objects.extend(proxy::overlay(gateway)?);
    objects.push(wasm::envoy_filter(gateway, &filter)?);
    objects.extend(hosts::objects(gateway));
    objects.extend(routes::endpoint(gateway, &filter, &nowhere));
    objects.extend(routes::metadata(gateway, &filter, &nowhere));
    for server in gateway.servers.iter().filter(|it| is_enabled(it)) {
        objects.extend(of_server(gateway, &filter, server));
    }
    Ok(objects)
}

/// The name of the Envoy cluster of `backend`.
fn cluster(gateway: &WantedGateway, backend: Option<&Backend>) -> String {
    let (host, port) = match backend {
        Some(Backend::Host { host, port }) => (hosts::mesh_name(gateway, host), Some(*port)),
        Some(backend) => address::host_and_port(backend),
        None => return String::new(),
    };
    format!("outbound|{}||{host}", port.unwrap_or_default())
}

fn of_server(gateway: &WantedGateway, filter: &FilterConfig, server: &WantedServer) -> Vec<Object> {
    let mut objects = Vec::new();
    let references: Vec<Value> = match &server.backend {
        Some(Backend::References(references)) => {
            routes::to_references(gateway, server, references, &mut objects)
        }
        Some(Backend::Host { host, port }) => vec![hosts::reference(gateway, host, *port)],
        None => return objects,
    };
    objects.push(routes::server(gateway, filter, server, &references, None));
    objects
}

/// The reference to the Gateway.
fn target(gateway: &WantedGateway) -> Value {
    json!({
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "name": gateway.attachment.gateway,
    })
}
