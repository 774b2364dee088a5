//! The environment variables of the proxy.

use serde_json::json;

use crate::kubernetes::model::WantedGateway;
use crate::kubernetes::object::{Object, present};
use crate::kubernetes::{names, variables};
use crate::syntax::yaml;

/// The changes to the Deployment of the Gateway that Istio applies; `None` where there are no
/// variables.
///
/// # Errors
/// It cannot be written as YAML, which is a bug.
pub(super) fn overlay(gateway: &WantedGateway) -> Result<Option<Object>, String> {
    let Some(env) = variables::env(gateway) else {
        return Ok(None);
    };
    let annotations = variables::annotations(gateway);
    let template = present(json!({
        "metadata": annotations.map(|annotations| json!({"annotations": annotations})),
        "spec": {"containers": [{"name": "istio-proxy", "env": env}]},
    }));
    let overlay = yaml::block(&json!({"spec": {"template": template}}));
    let overlay = overlay.map_err(|error| format!("a bug: {error}"))?;
    let name = names::proxy(&gateway.name);
    let object = Object::new(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": names::metadata(gateway, &gateway.namespace, &name),
        "data": {"deployment": overlay},
    }));
    Ok(Some(object.with_comment(
        "The Gateway names this in infrastructure.parametersRef. The variables come from Secrets\n\
         in its namespace.",
    )))
}
