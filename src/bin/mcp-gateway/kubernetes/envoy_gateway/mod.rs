//! The objects for Envoy Gateway.

mod patch;
mod policies;

use serde_json::{Value, json};

use super::address::{self, NOWHERE};
use super::filter::{FilterConfig, is_enabled};
use super::model::{Authentication, Backend, WantedGateway, WantedServer};
use super::object::Object;
use super::{backend_tls, names, routes};

const API: &str = "gateway.envoyproxy.io/v1alpha1";
const GROUP: &str = "gateway.envoyproxy.io";
/// The kind of the filters of routes.
const HOST_FILTER: &str = "HTTPRouteFilter";

/// The objects for `gateway`.
///
/// # Errors
/// The filter refuses its configuration.
pub(super) fn objects(gateway: &WantedGateway) -> Result<Vec<Object>, String> {
    let endpoint = names::role(gateway, "endpoint");
    let filter = FilterConfig::new(
        gateway,
        |server| cluster(gateway, &names::server(gateway, server)),
        &cluster(gateway, &endpoint),
    )?;
    let nowhere = json!({
        "group": GROUP,
        "kind": "Backend",
        "name": names::role(gateway, "nowhere"),
    });
    let metadata = routes::metadata(gateway, &filter, &nowhere);
    // Objects that restrict access come before objects that give access.
    let mut objects = policies::security(gateway, &filter);
    objects.push(policies::client_traffic(gateway, &filter));
    objects.push(policies::backend_traffic(gateway));
    objects.extend(policies::proxy(gateway));
    objects.push(policies::extension(gateway, &filter));
    objects.push(patch::hold(gateway, &filter));
    objects.push(nowhere_backend(gateway));
    objects.extend(routes::endpoint(gateway, &filter, &nowhere));
    if matches!(gateway.authentication, Authentication::Jwt(_)) && !metadata.is_empty() {
        objects.push(policies::open(gateway, &metadata));
    }
    objects.extend(metadata);
    for server in gateway.servers.iter().filter(|it| is_enabled(it)) {
        objects.extend(of_server(gateway, &filter, server));
    }
    Ok(objects)
}

/// The name of the Envoy cluster of the only rule of `route`.
fn cluster(gateway: &WantedGateway, route: &str) -> String {
    format!("httproute/{}/{route}/rule/0", gateway.namespace)
}

fn of_server(gateway: &WantedGateway, filter: &FilterConfig, server: &WantedServer) -> Vec<Object> {
    let mut objects = Vec::new();
    let name = names::server(gateway, server);
    let references = match &server.backend {
        Some(Backend::References(references)) => {
            routes::to_references(gateway, server, references, &mut objects)
        }
        Some(Backend::Host { host, port }) => {
            objects.push(backend(gateway, &name, host, *port).of_server(&server.name));
            let target = json!({"group": GROUP, "kind": "Backend", "name": name});
            objects.extend(backend_tls::of_host(gateway, server, &target));
            vec![target]
        }
        None => return objects,
    };
    let host = filter.server(&server.name).map(|it| &*it.authority);
    let host = host.map(|host| host_filter(gateway, &name, host).of_server(&server.name));
    let rewrite = host.as_ref().map(|_| {
        let reference = json!({"group": GROUP, "kind": HOST_FILTER, "name": name});
        json!({"type": "ExtensionRef", "extensionRef": reference})
    });
    objects.extend(host);
    objects.push(routes::server(
        gateway,
        filter,
        server,
        &references,
        rewrite,
    ));
    objects
}

/// The filter of a route that sets the host of requests to `authority`. A `URLRewrite` of the
/// Gateway API allows no port and no IP address, and would also tell the server the host that the
/// client used. The expression matches every path.
fn host_filter(gateway: &WantedGateway, name: &str, authority: &str) -> Object {
    let rewrite = json!({
        "pattern": "^/.*$",
        // A backslash begins a reference to a group of the expression.
        "substitution": authority.replace('\\', "\\\\"),
    });
    Object::new(json!({
        "apiVersion": API,
        "kind": HOST_FILTER,
        "metadata": names::metadata(gateway, &gateway.namespace, name),
        "spec": {"urlRewrite": {
            "hostname": {"type": "PathRegex", "pathRegex": rewrite},
            "appendXForwardedHost": false,
        }},
    }))
}

fn nowhere_backend(gateway: &WantedGateway) -> Object {
    let (host, port) = NOWHERE;
    let name = names::role(gateway, "nowhere");
    backend(gateway, &name, host, port).with_comment(
        "No server has this address. A direct response would not do, because Envoy's CORS filter\n\
         does not handle direct responses, not even preflights.",
    )
}

fn backend(gateway: &WantedGateway, name: &str, host: &str, port: u16) -> Object {
    let endpoint: Value = if address::is_ip(host) {
        json!({"ip": {"address": host, "port": port}})
    } else {
        json!({"fqdn": {"hostname": host.to_ascii_lowercase(), "port": port}})
    };
    Object::new(json!({
        "apiVersion": API,
        "kind": "Backend",
        "metadata": names::metadata(gateway, &gateway.namespace, name),
        "spec": {"endpoints": [endpoint]},
    }))
}
