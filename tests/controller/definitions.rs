//! The API server itself refuses invalid objects, because of the schemas in the CRDs.

use crate::cluster::Cluster;

/// The spec of an MCPServer, and a part of the error with which the API server refuses it.
const SERVERS: &[(&str, &str)] = &[
    (
        "{ targetRef: { kind: Service, name: a } }",
        "port is missing: a Service needs the port",
    ),
    (
        "{ targetRef: { name: a, port: 80 } }",
        "port is only for the kind Service",
    ),
    (
        "{ targetRef: { kind: Backend, group: x, name: a } }",
        "group does not fit kind",
    ),
    (
        "{ targetRef: { kind: Pod, name: a } }",
        "supported values: \"HTTPRoute\", \"Service\", \"Backend\"",
    ),
    (
        "{ targetRef: { kind: Service, name: a, port: 65536 } }",
        "should be less than or equal to 65535",
    ),
    ("{}", "spec.targetRef: Required value"),
    (
        "{ targetRef: { name: a }, headers: [{ name: x }] }",
        "must have value or valueFrom, and not both",
    ),
    (
        "{ targetRef: { name: a }, headers: [{ name: x, value: a, valueFrom: { secretKeyRef: { name: a, key: b } } }] }",
        "must have value or valueFrom, and not both",
    ),
    (
        "{ targetRef: { name: a }, tolPrefix: a }",
        "unknown field \"spec.tolPrefix\"",
    ),
    (
        "{ targetRef: { name: a }, toolPrefix: a b }",
        "spec.toolPrefix in body should match",
    ),
    (
        "{ targetRef: { name: a }, protocol: OLD }",
        "supported values: \"AUTO\", \"LEGACY\", \"MODERN\"",
    ),
    (
        "{ targetRef: { name: a }, timeout: 5 }",
        "spec.timeout in body must be of type string",
    ),
    (
        "{ targetRef: { name: a }, url: http://a/mcp }",
        "unknown field \"spec.url\"",
    ),
];

/// The same for an MCPGateway. The test adds a valid `targetRef` to each spec.
const GATEWAYS: &[(&str, &str)] = &[
    (
        "authentication: {}",
        "must have jwt, or anonymous: true, and not both",
    ),
    ("path: /mcp", "spec.authentication: Required value"),
    (
        "authentication: { anonymous: false }",
        "must have jwt, or anonymous: true, and not both",
    ),
    (
        "authentication: { anonymous: true, jwt: { issuer: a, audiences: [a], jwks: '{}' } }",
        "must have jwt, or anonymous: true, and not both",
    ),
    (
        "authentication: { jwt: { issuer: a, audiences: [a] } }",
        "must have jwksURI or jwks, and not both",
    ),
    (
        "authentication: { jwt: { issuer: a, audiences: [], jwks: '{}' } }",
        "should have at least 1 items",
    ),
    (
        "authentication: { anonymous: true }, path: mcp",
        "spec.path in body should match",
    ),
    (
        "authentication: { anonymous: true }, config: { failureMode: X }",
        "supported values: \"BEST_EFFORT\", \"FAIL\"",
    ),
    (
        "authentication: { anonymous: true }, config: { servers: [] }",
        "unknown field \"spec.config.servers\"",
    ),
    (
        "authentication: { anonymous: true }, config: { session: { keys: [a] } }",
        "unknown field \"spec.config.session.keys\"",
    ),
    (
        "authentication: { anonymous: true }, allowedServers: { namespaces: { from: Selector } }",
        "selector is required with from: Selector",
    ),
    (
        "authentication: { anonymous: true }, allowedServers: { namespaces: { selector: {} } }",
        "selector is required with from: Selector",
    ),
];

#[test]
fn what_cannot_be_right_is_refused_with_the_field() {
    let cluster = Cluster::without_gateway();
    let servers = SERVERS
        .iter()
        .map(|(spec, said)| ("MCPServer", (*spec).to_owned(), said));
    let gateways = GATEWAYS.iter().map(|(spec, said)| {
        (
            "MCPGateway",
            format!("{{ targetRef: {{ name: a }}, {spec} }}"),
            said,
        )
    });
    for (kind, spec, said) in servers.chain(gateways) {
        let manifest = format!(
            "apiVersion: mcp.kagenti.com/v1alpha1\nkind: {kind}\nmetadata: {{ name: a, namespace: default }}\nspec: {spec}\n"
        );
        let refused = cluster.refused(&manifest);
        assert!(refused.contains(said), "{spec}: {refused}");
    }
}
