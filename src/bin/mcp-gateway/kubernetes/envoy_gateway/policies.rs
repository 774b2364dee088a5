//! The policies of Envoy Gateway for the listener of a gateway.

use mcp_gateway::http::cors::{Cors, Origin, Origins};
use serde_json::{Value, json};

use super::API;
use crate::kubernetes::filter::FilterConfig;
use crate::kubernetes::model::{Authentication, JwtAuthentication, JwtKeys, WantedGateway};
use crate::kubernetes::object::{Object, present};
use crate::kubernetes::{names, routes, variables};

/// The name of the token provider. Envoy's metadata has the claims under this name.
const PROVIDER: &str = "login";

/// The policy for callers and browsers. It is on the Gateway, since Envoy checks the token while
/// the request is still on the route of the endpoint. There is none if everyone may call.
pub(super) fn security(gateway: &WantedGateway, filter: &FilterConfig) -> Vec<Object> {
    let Authentication::Jwt(jwt) = &gateway.authentication else {
        return Vec::new();
    };
    let spec = present(json!({
        "targetRefs": [routes::listener(gateway)],
        "cors": filter.parsed.cors.as_ref().map(cors),
        "jwt": {"providers": [provider(jwt)]},
    }));
    let object = object(
        gateway,
        "SecurityPolicy",
        &names::gateway(&gateway.name),
        &spec,
    );
    vec![object.with_comment(
        "Envoy checks the token before the filter runs, so that nobody gets a list without a token.\n\
         The answers to browsers come before that.",
    )]
}

/// The policy that gives everyone access to `routes`, if the Gateway requires a token.
pub(super) fn open(gateway: &WantedGateway, routes: &[Object]) -> Object {
    let group = "gateway.networking.k8s.io";
    let targets: Vec<Value> = routes
        .iter()
        .map(|route| json!({"group": group, "kind": "HTTPRoute", "name": route.name()}))
        .collect();
    let spec = json!({"targetRefs": targets, "authorization": {"defaultAction": "Allow"}});
    let name = names::role(gateway, "metadata");
    object(gateway, "SecurityPolicy", &name, &spec)
        .with_comment("Clients read this before they have a token.")
}

fn provider(jwt: &JwtAuthentication) -> Value {
    let (remote, local) = match &jwt.keys {
        JwtKeys::Uri(uri) => (Some(json!({"uri": uri})), None),
        JwtKeys::Inline(keys) => (None, Some(json!({"type": "Inline", "inline": keys}))),
    };
    present(json!({
        "name": PROVIDER,
        "issuer": jwt.issuer,
        "audiences": jwt.audiences,
        "remoteJWKS": remote,
        "localJWKS": local,
    }))
}

/// The same settings as the filter's `cors`. The filter is behind jwt_authn and gets no preflights.
fn cors(cors: &Cors) -> Value {
    let list = |text: &str| -> Vec<String> {
        let names = text.split(',');
        names.map(|name| name.trim().to_owned()).collect()
    };
    let mut headers = list(&cors.headers);
    if !cors.credentials {
        // This allows every `mcp-param-*` header that a preflight asks for. It does not include
        // `authorization`.
        headers.push("*".to_owned());
    }
    json!({
        "allowOrigins": origins(&cors.origins),
        "allowMethods": list(&cors.methods),
        "allowHeaders": headers,
        "exposeHeaders": list(&cors.expose),
        "maxAge": format!("{}s", cors.max_age),
        "allowCredentials": cors.credentials,
    })
}

/// `origins` in the form of Envoy Gateway, where a `*` stands only for the first labels of a host.
/// Pages of origins that have no such form get no answer to their preflights.
fn origins(origins: &Origins) -> Vec<String> {
    let Origins::Listed(origins) = origins else {
        return vec!["*".to_owned()];
    };
    let origins = origins.iter().filter_map(|origin| match origin {
        Origin::Exact(origin) => Some(origin.clone()),
        Origin::Pattern(before, after) if before.ends_with("://") => {
            Some(format!("{before}*{after}"))
        }
        Origin::Pattern(..) | Origin::AnyPort(_) => None,
    });
    origins.collect()
}

pub(super) fn client_traffic(gateway: &WantedGateway, filter: &FilterConfig) -> Object {
    let spec = json!({
        "targetRefs": [routes::listener(gateway)],
        "connection": {"bufferLimit": filter.buffer_limit().to_string()},
    });
    let name = names::gateway(&gateway.name);
    object(gateway, "ClientTrafficPolicy", &name, &spec).with_comment(
        "Above maxRequestBodySize, so that the filter answers a request that is too long. Envoy's\n\
         own answer would be plain text.",
    )
}

pub(super) fn backend_traffic(gateway: &WantedGateway) -> Object {
    let spec = json!({
        "targetRefs": [routes::listener(gateway)],
        "retry": {
            "numRetries": 1,
            "retryOn": {"triggers": ["connect-failure", "refused-stream"]},
        },
        "timeout": {"http": {"streamIdleTimeout": "300s"}},
    });
    let name = names::gateway(&gateway.name);
    object(gateway, "BackendTrafficPolicy", &name, &spec).with_comment(
        "Envoy repeats only requests that it has not sent yet, so that no tool runs twice.",
    )
}

/// The environment variables of the proxy; `None` where there are none.
pub(super) fn proxy(gateway: &WantedGateway) -> Option<Object> {
    let annotations = variables::annotations(gateway);
    let deployment = present(json!({
        "container": {"env": variables::env(gateway)?},
        "pod": annotations.map(|annotations| json!({"annotations": annotations})),
    }));
    let kubernetes = json!({"envoyDeployment": deployment});
    let spec = json!({"provider": {"type": "Kubernetes", "kubernetes": kubernetes}});
    let object = object(gateway, "EnvoyProxy", &names::proxy(&gateway.name), &spec);
    Some(object.with_comment(
        "The Gateway names this in infrastructure.parametersRef. The variables come from Secrets\n\
         in the namespace of the proxy, by default envoy-gateway-system.",
    ))
}

pub(super) fn extension(gateway: &WantedGateway, filter: &FilterConfig) -> Object {
    let name = names::gateway(&gateway.name);
    let wasm = present(json!({
        "name": name,
        "failOpen": false,
        "code": {"type": "Image", "image": {"url": gateway.image}},
        "env": variables::names(gateway).map(|names| json!({"hostKeys": names})),
        "config": filter.config,
    }));
    let spec = json!({"targetRefs": [routes::listener(gateway)], "wasm": [wasm]});
    object(gateway, "EnvoyExtensionPolicy", &name, &spec)
}

fn object(gateway: &WantedGateway, kind: &str, name: &str, spec: &Value) -> Object {
    Object::new(json!({
        "apiVersion": API,
        "kind": kind,
        "metadata": names::metadata(gateway, &gateway.namespace, name),
        "spec": spec,
    }))
}
