//! The environment variables of the proxy.

use serde_json::{Value, json};

use super::model::WantedGateway;

/// The annotation of the pods that changes with the values of the variables.
pub(crate) const VERSION: &str = "mcp.kagenti.com/variables-version";

/// The variables in a container; `None` where there are none.
pub(super) fn env(gateway: &WantedGateway) -> Option<Vec<Value>> {
    let variables = gateway.variables.iter().map(|variable| {
        let key = json!({"name": variable.secret, "key": variable.key});
        json!({"name": variable.name, "valueFrom": {"secretKeyRef": key}})
    });
    let variables: Vec<Value> = variables.collect();
    (!variables.is_empty()).then_some(variables)
}

/// The names of the variables that the filter may see; `None` where there are none.
pub(super) fn names(gateway: &WantedGateway) -> Option<Vec<&str>> {
    let told = gateway.variables.iter().filter(|it| it.is_told);
    let names: Vec<&str> = told.map(|it| &*it.name).collect();
    (!names.is_empty()).then_some(names)
}

/// The annotations of the pods; `None` where there are none.
pub(super) fn annotations(gateway: &WantedGateway) -> Option<Value> {
    let version = &gateway.variables_version;
    (!version.is_empty()).then(|| json!({VERSION: version}))
}
