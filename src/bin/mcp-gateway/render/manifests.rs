//! Writes Kubernetes objects as files.

use serde_json::{Value, json};

use super::RenderedFile;
use super::wanted::{SERVER_HEADERS, SESSION_KEYS};
use crate::kubernetes::model::{Listener, Platform, WantedGateway};
use crate::kubernetes::object::Object;
use crate::kubernetes::{self, names};
use crate::syntax::yaml;

/// The file that lists the other files.
pub(super) const KUSTOMIZATION: &str = "kustomization.yaml";

/// Where Envoy Gateway runs its proxies.
const ENVOY_GATEWAY_NAMESPACE: &str = "envoy-gateway-system";

/// The files for `gateway`, in the order in which a user reads them. Its Gateway has the class
/// `class`, or the usual class of the platform.
///
/// # Errors
/// The filter refuses the configuration, or there is a bug.
pub(super) fn files(
    gateway: &WantedGateway,
    class: Option<&str>,
) -> Result<Vec<RenderedFile>, String> {
    let objects = kubernetes::objects(gateway)?;
    let own = gateway_object(gateway, class);
    let (of_servers, mut of_gateway): (Vec<_>, Vec<_>) =
        objects.iter().partition(|object| object.server().is_some());
    // The Gateway comes last, so that it never serves without its policies.
    of_gateway.extend(&own);
    let heading = secrets(gateway);
    let mut files = vec![(
        "gateway.yaml",
        format!("{heading}{}", documents(&of_gateway)?),
    )];
    if !of_servers.is_empty() {
        files.push(("servers.yaml", documents(&of_servers)?));
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": names,
    });
    files.push((KUSTOMIZATION, block(&kustomization)?));
    Ok(files)
}

/// The Gateway; `None` for Envoy without a control plane.
fn gateway_object(gateway: &WantedGateway, class: Option<&str>) -> Option<Object> {
    let (default, group, kind) = match gateway.platform {
        Platform::EnvoyGateway => ("eg", "gateway.envoyproxy.io", "EnvoyProxy"),
        Platform::Istio => ("istio", "", "ConfigMap"),
        Platform::Standalone => return None,
    };
    let listeners = gateway.attachment.listeners.iter();
    let listeners: Vec<Value> = listeners
        .map(|Listener { name, port, .. }| {
            json!({
                "name": name,
                "port": port,
                "protocol": "HTTP",
                "allowedRoutes": {"namespaces": {"from": "Same"}},
            })
        })
        .collect();
    let mut spec = json!({"gatewayClassName": class.unwrap_or(default)});
    if let Some(spec) = spec.as_object_mut() {
        if !gateway.variables.is_empty() {
            let name = names::proxy(&gateway.name);
            let reference = json!({"group": group, "kind": kind, "name": name});
            spec.insert(
                "infrastructure".to_owned(),
                json!({"parametersRef": reference}),
            );
        }
        spec.insert("listeners".to_owned(), Value::Array(listeners));
    }
    Some(Object::new(json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": gateway.attachment.gateway, "namespace": gateway.namespace},
        "spec": spec,
    })))
}

/// Instructions for creating the Secrets that the proxy needs; empty if it needs none.
fn secrets(gateway: &WantedGateway) -> String {
    let namespace = match gateway.platform {
        Platform::EnvoyGateway => ENVOY_GATEWAY_NAMESPACE,
        Platform::Istio | Platform::Standalone => &gateway.namespace,
    };
    let command =
        |secret: &str| format!("#   kubectl create secret generic {secret} -n {namespace}");
    let mut lines = Vec::new();
    let has = |secret: &str| gateway.variables.iter().any(|it| it.secret == secret);
    if has(SESSION_KEYS) {
        let command = command(SESSION_KEYS);
        lines.push(format!(
            "{command} --from-literal=keys=\"$(openssl rand -base64 32)\"\n"
        ));
    }
    if has(SERVER_HEADERS) {
        let mut command = command(SERVER_HEADERS);
        for variable in gateway
            .variables
            .iter()
            .filter(|it| it.secret == SERVER_HEADERS)
        {
            command.push_str(&format!(" --from-literal={}=…", variable.key));
        }
        lines.push(format!("{command}\n"));
    }
    if lines.is_empty() {
        return String::new();
    }
    format!(
        "# Variables come from Secrets in the namespace of the proxy. To create them:\n{}",
        lines.concat()
    )
}

/// `objects` as YAML documents with their comments.
fn documents(objects: &[&Object]) -> Result<String, String> {
    let mut said = Vec::new();
    let documents = objects.iter().map(|object| {
        let is_new = !said.contains(&object.comment());
        said.push(object.comment());
        let comment = object.comment().lines().filter(|_| is_new);
        let comment: String = comment.map(|line| format!("# {line}\n")).collect();
        Ok(format!("{comment}{}", block(object.value())?))
    });
    let documents: Result<Vec<String>, String> = documents.collect();
    Ok(documents?.join("---\n"))
}

fn block(value: &Value) -> Result<String, String> {
    yaml::block(value).map_err(|error| format!("a bug: {error}"))
}
