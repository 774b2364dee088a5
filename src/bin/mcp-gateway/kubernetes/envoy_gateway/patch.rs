//! Settings of Envoy that Envoy Gateway supports only as a patch.

use serde_json::{Value, json};

use super::API;
use crate::kubernetes::filter::FilterConfig;
use crate::kubernetes::model::{Listener, WantedGateway};
use crate::kubernetes::object::Object;
use crate::kubernetes::{local_replies, names};

const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const CONNECTION_MANAGER: &str =
    "$..filters[?(@.name=='envoy.filters.network.http_connection_manager')].typed_config";

/// The patch that lets requests wait in the filter, and sets Envoy's own answers.
pub(super) fn hold(gateway: &WantedGateway, filter: &FilterConfig) -> Object {
    let name = names::gateway(&gateway.name);
    let config =
        format!("$..http_filters[?(@.typed_config.config.name=='{name}')].typed_config.config");
    let replies = local_replies::config(gateway, filter);
    let fields = [
        (&*config, "/allow_on_headers_stop_iteration", json!(true)),
        (&*config, "/failure_policy", json!("FAIL_RELOAD")),
        (CONNECTION_MANAGER, "/local_reply_config", replies),
    ];
    let patches: Vec<Value> = listeners(gateway)
        .iter()
        .flat_map(|listener| {
            let fields = fields.iter();
            fields.map(move |(at, path, value)| {
                json!({
                    "type": LISTENER,
                    "name": listener,
                    "operation": {"op": "add", "jsonPath": at, "path": path, "value": value},
                })
            })
        })
        .collect();
    let gateway_name = &gateway.attachment.gateway;
    let target =
        json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": gateway_name});
    let object = Object::new(json!({
        "apiVersion": API,
        "kind": "EnvoyPatchPolicy",
        "metadata": names::metadata(gateway, &gateway.namespace, &name),
        "spec": {"targetRef": target, "type": "JSONPatch", "jsonPatches": patches},
    }));
    object.with_comment(
        "EnvoyExtensionPolicy has no fields for these settings, and without the first one no\n\
         request can be answered. Envoy Gateway must allow the patch:\n\
         extensionApis.enableEnvoyPatchPolicy: true.",
    )
}

/// The names of the Envoy listeners to patch. Listeners of the Gateway with the same port are one
/// listener of Envoy, with the name of the first.
fn listeners(gateway: &WantedGateway) -> Vec<String> {
    let attachment = &gateway.attachment;
    let mut names: Vec<String> = Vec::new();
    for Listener { port, .. } in attachment.meant() {
        let first = attachment.listeners.iter().find(|it| it.port == *port);
        let name = first.map(|first| {
            format!(
                "{}/{}/{}",
                gateway.namespace, attachment.gateway, first.name
            )
        });
        names.extend(name.filter(|name| !names.contains(name)));
    }
    names
}
