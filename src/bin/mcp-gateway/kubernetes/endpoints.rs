//! `endpoints` in a cluster, where the servers that they name are added and removed.

use mcp_gateway::config::camel;
use serde_json::{Map, Value};

/// The name of the placeholder in a gateway, or in an endpoint, without servers. Without any server,
/// the filter would be in policy mode, and would let unknown requests pass. No object in Kubernetes
/// can have this name, since names there end with a letter or a digit.
pub(crate) const NO_SERVER: &str = "no-server-yet-";

/// Removes the servers that are not among `enabled` from the endpoints of `config`. An endpoint
/// that has no other server gets the server `stand_in`. Gives the names of the removed servers, and
/// whether `stand_in` is needed.
pub(crate) fn fit(
    config: &mut Map<String, Value>,
    enabled: &[&str],
    stand_in: &str,
) -> (Vec<String>, bool) {
    let (mut unknown, mut is_needed) = (Vec::new(), false);
    let endpoints = member_mut(config, "endpoints").and_then(Value::as_array_mut);
    for endpoint in endpoints.into_iter().flatten() {
        let servers = endpoint.as_object_mut();
        let servers = servers.and_then(|endpoint| member_mut(endpoint, "servers"));
        let Some(Value::Array(servers)) = servers else {
            continue;
        };
        // The filter itself refuses a value that is not a list of names.
        if servers.is_empty() || !servers.iter().all(Value::is_string) {
            continue;
        }
        servers.retain(|name| {
            let name = name.as_str().unwrap_or_default();
            let is_there = enabled.contains(&name);
            if !is_there && !unknown.iter().any(|it| it == name) {
                unknown.push(name.to_owned());
            }
            is_there
        });
        if servers.is_empty() {
            servers.push(Value::from(stand_in));
            is_needed = true;
        }
    }
    (unknown, is_needed)
}

/// The member `name` of `config`, in any of its spellings.
fn member_mut<'a>(config: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Value> {
    let mut members = config.iter_mut();
    let found = members.find(|(spelled, _)| camel(spelled) == name);
    found.map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_endpoint_has_the_servers_that_are_there() {
        let Value::Object(mut config) = json!({"endpoints": [
            {"path": "/a", "servers": ["x", "gone", "y"]},
            {"path": "/b", "servers": ["gone", "off"]},
            {"path": "/c"},
            {"path": "/d", "servers": []},
            {"path": "/e", "servers": [1]},
        ]}) else {
            panic!()
        };
        let fitted = fit(&mut config, &["x", "y"], "none");
        assert_eq!(fitted, (vec!["gone".to_owned(), "off".to_owned()], true));
        let expected = json!({"endpoints": [
            {"path": "/a", "servers": ["x", "y"]},
            {"path": "/b", "servers": ["none"]},
            {"path": "/c"},
            {"path": "/d", "servers": []},
            {"path": "/e", "servers": [1]},
        ]});
        assert_eq!(Value::Object(config.clone()), expected);
        let again = fit(&mut config, &["x", "y", "none"], "none");
        assert_eq!(again, (Vec::new(), false));
    }
}
