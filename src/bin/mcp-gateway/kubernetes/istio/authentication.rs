//! The authentication of callers.

use serde_json::{Value, json};

use super::target;
use crate::kubernetes::filter::FilterConfig;
use crate::kubernetes::model::{JwtAuthentication, JwtKeys, WantedGateway};
use crate::kubernetes::names;
use crate::kubernetes::object::{Object, present};

const API: &str = "security.istio.io/v1";

/// The accepted tokens, and the rule that no request passes without one.
pub(super) fn objects(
    gateway: &WantedGateway,
    jwt: &JwtAuthentication,
    filter: &FilterConfig,
) -> [Object; 2] {
    let (uri, inline) = match &jwt.keys {
        JwtKeys::Uri(uri) => (Some(uri), None),
        JwtKeys::Inline(keys) => (None, Some(keys)),
    };
    let rule = present(json!({
        "issuer": jwt.issuer,
        "audiences": jwt.audiences,
        "jwksUri": uri,
        "jwks": inline,
    }));
    let spec = json!({"targetRefs": [target(gateway)], "jwtRules": [rule]});
    let authentication = object(gateway, "RequestAuthentication", &spec).with_comment(
        "Refuses invalid tokens. Requests without a token pass here; the filters require one.",
    );
    let from = json!([{"source": {"notRequestPrincipals": [format!("{}/*", jwt.issuer)]}}]);
    let to = filter
        .paths()
        .map(|paths| json!([{"operation": {"paths": paths}}]));
    let when = json!([{"key": "request.headers[x-mcp-servername]", "values": ["*"]}]);
    let mut rules = vec![present(json!({"from": from, "to": to}))];
    if to.is_some() {
        rules.push(json!({"from": from, "when": when}));
    }
    let spec = json!({"targetRefs": [target(gateway)], "action": "DENY", "rules": rules});
    let authorization = object(gateway, "AuthorizationPolicy", &spec)
        .with_comment("Additional protection: without a valid token, no request reaches a server.");
    [authentication, authorization]
}

fn object(gateway: &WantedGateway, kind: &str, spec: &Value) -> Object {
    let name = names::gateway(&gateway.name);
    Object::new(json!({
        "apiVersion": API,
        "kind": kind,
        "metadata": names::metadata(gateway, &gateway.namespace, &name),
        "spec": spec,
    }))
}
