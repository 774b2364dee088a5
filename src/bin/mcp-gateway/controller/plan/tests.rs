//! Tests with clusters as YAML documents, and the controller's objects and statuses for them.

mod cluster;
mod proxies;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use self::cluster::ClusterDocuments;
use super::*;
use crate::controller::snapshot::{ReadObject, ServerAnswer};

const SERVERS: &str = include_str!("tests/servers.yaml");
const GATEWAYS: &str = include_str!("tests/gateways.yaml");
/// A second gateway, and a server with an HTTPRoute to its Gateway.
const SECOND: &str = "kind: MCPGateway\nmetadata: { name: second, namespace: infra, creationTimestamp: \"2026-11-05T00:00:00Z\" }\nspec: { targetRef: { name: inner }, authentication: { anonymous: true }, allowedServers: { namespaces: { from: All } } }\n---\nkind: Gateway\nmetadata: { name: inner, namespace: infra }\nspec: { gatewayClassName: eg, listeners: [{ name: http, port: 81, protocol: HTTP }] }\n---\nkind: HTTPRoute\nmetadata: { name: files, namespace: team }\nspec: { parentRefs: [{ name: inner, namespace: infra }], hostnames: [files.example.com], rules: [{ backendRefs: [{ name: calendar, port: 8080 }] }] }\n---\nkind: MCPServer\nmetadata: { name: files, namespace: team, creationTimestamp: \"2026-11-06T00:00:00Z\" }\nspec: { targetRef: { name: files } }\n---\nkind: Secret\nmetadata: { name: second-session-keys, namespace: infra }\nstringData: { keys: AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA= }\n";

/// The test cases in a file.
fn cases(text: &str) -> Vec<Value> {
    let documents = crate::syntax::tree::documents(text).unwrap();
    documents[0].value().as_array().unwrap().clone()
}

/// The cluster of `case`. The `member` of the case has the spec of the object `name` of `kind`.
fn changed(case: &Value, member: &str, kind: &'static str, name: &ObjectName) -> ClusterDocuments {
    let mut cluster = ClusterDocuments::base();
    for removed in case["remove"].as_array().into_iter().flatten() {
        cluster.remove(removed.as_str().unwrap());
    }
    cluster.add(case["change"].as_str().unwrap_or_default());
    if let Some(spec) = case[member].as_str() {
        let spec = crate::syntax::tree::documents(spec).unwrap()[0].value();
        let mut object = cluster.snapshot.get(kind, name).unwrap().clone();
        object["spec"] = spec;
        if let Some(created) = case["created"].as_str() {
            object["metadata"]["creationTimestamp"] = json!(created);
        }
        cluster.snapshot.insert(kind, object);
    }
    cluster
}

#[test]
fn all_is_well_with_the_base() {
    let mut cluster = ClusterDocuments::base();
    cluster.answer(
        "team/weather",
        ServerAnswer::Up {
            version: "2026-07-28".into(),
            tools: 3,
        },
    );
    cluster.answer(
        "team/calendar",
        ServerAnswer::Down("connection refused".into()),
    );
    let planned = cluster.settled();
    assert_eq!(
        planned.server("team/weather"),
        "Accepted=True ResolvedRefs=True Programmed=True Ready=True"
    );
    assert_eq!(
        planned.server("team/calendar"),
        "Accepted=True ResolvedRefs=True Programmed=True Ready=False"
    );
    assert_eq!(
        planned.gateway("infra/mcp"),
        "Accepted=True ResolvedRefs=True Programmed=True Ready=True"
    );
    let weather = &planned.plan.servers[&ObjectName::new("team", "weather")];
    assert_eq!(
        (
            weather.tools,
            weather.protocol_version.as_deref(),
            weather.tool_prefix.as_deref(),
            weather.gateway.as_deref()
        ),
        (
            Some(3),
            Some("2026-07-28"),
            Some("weather__"),
            Some("infra/mcp")
        )
    );
    assert_eq!(weather.conditions[0].observed_generation, Some(2));
    let calendar = &planned.plan.servers[&ObjectName::new("team", "calendar")];
    assert_eq!(calendar.last_error.as_deref(), Some("connection refused"));
    let gateway = &planned.plan.gateways[&ObjectName::new("infra", "mcp")];
    assert_eq!(
        (gateway.url.as_deref(), gateway.servers, gateway.tools),
        (Some("http://192.0.2.10/mcp"), 2, 3)
    );
    assert!(planned.plan.session_keys.is_empty(), "the keys are there");
    let asked = &planned.plan.questions[&ObjectName::new("team", "weather")];
    assert_eq!(asked.origin, "http://10.96.0.7:8080");
    assert_eq!(asked.server.headers[0].1.expose(), "s3cr3t-of-the-weather");
    let asked = &planned.plan.questions[&ObjectName::new("team", "calendar")];
    assert_eq!(asked.origin, "http://calendar.team.svc:9090");
}

#[test]
fn what_is_wrong_with_a_server_is_in_its_own_status_and_takes_nothing_else_down() {
    let name = ObjectName::new("team", "weather");
    for case in cases(SERVERS) {
        let what = case["what"].as_str().unwrap();
        let planned = changed(&case, "server", "MCPServer", &name).settled();
        let says = &case["says"];
        let condition = planned.condition_of_server(&name, says[0].as_str().unwrap());
        assert_eq!(
            (&*condition.status, Some(&*condition.reason)),
            ("False", says[1].as_str()),
            "{what}: {condition:?}"
        );
        assert!(
            condition.message.contains(says[2].as_str().unwrap()),
            "{what}: {}",
            condition.message
        );
        assert!(
            planned
                .server("team/weather")
                .ends_with("Programmed=False Ready=False"),
            "{what}"
        );
        let other = planned.server("team/calendar");
        assert!(
            other.starts_with("Accepted=True ResolvedRefs=True Programmed=True"),
            "{what}: {other}"
        );
        assert_eq!(planned.served(), ["calendar"], "{what}");
    }
}

#[test]
fn what_is_wrong_with_a_gateway_is_in_its_own_status_and_what_was_written_stays() {
    let name = ObjectName::new("infra", "mcp");
    for case in cases(GATEWAYS) {
        let what = case["what"].as_str().unwrap();
        let planned = changed(&case, "gateway", "MCPGateway", &name).settled();
        let says = &case["says"];
        let condition = planned.condition_of_gateway(&name, says[0].as_str().unwrap());
        assert_eq!(
            (&*condition.status, Some(&*condition.reason)),
            ("False", says[1].as_str()),
            "{what}: {condition:?}"
        );
        assert!(
            condition.message.contains(says[2].as_str().unwrap()),
            "{what}: {}",
            condition.message
        );
        assert!(planned.plan.kept.contains(&name), "{what}");
        assert_eq!(planned.served(), [""; 0], "{what}");
    }
}

#[test]
fn no_value_of_a_secret_is_anywhere_but_in_secrets_and_questions() {
    let planned = ClusterDocuments::base().settled();
    let (secrets, others): (Vec<&Value>, Vec<&Value>) = planned
        .plan
        .objects
        .iter()
        .partition(|it| it["kind"] == "Secret");
    // The proxies of Envoy Gateway are in a namespace of their own, where the gateway cannot be an
    // owner. So the deletion of the gateway waits for the controller.
    assert_eq!(secrets.len(), 1);
    assert_eq!(text(secrets[0], "/metadata/namespace"), "proxies");
    assert_eq!(planned.plan.held, [ObjectName::new("infra", "mcp")]);
    assert_eq!(
        secrets[0]["data"]["MCP_SESSION_KEYS"],
        "QVFJREJBVUdCd2dKQ2dzTURRNFBFQkVTRXhRVkZoY1lHUm9iSEIwZUh5QT0="
    );
    let texts = [
        json!(others).to_string(),
        json!(planned.plan.servers.values().collect::<Vec<_>>()).to_string(),
        json!(planned.plan.gateways.values().collect::<Vec<_>>()).to_string(),
        format!("{:?}", planned.snapshot),
    ];
    for text in texts {
        for value in [
            "s3cr3t-of-the-weather",
            "czNjcjN0LW9mLXRoZS13ZWF0aGVy",
            "AQIDBAUG",
        ] {
            assert!(!text.contains(value), "{text}");
        }
    }
}

#[test]
fn another_value_has_another_version_so_that_pods_are_replaced() {
    let version = |cluster: ClusterDocuments| {
        let planned = cluster.settled();
        let proxy = planned
            .plan
            .objects
            .iter()
            .find(|it| it["kind"] == "EnvoyProxy");
        let pod = "/spec/provider/kubernetes/envoyDeployment/pod/annotations";
        let annotations = proxy.unwrap().pointer(pod).unwrap();
        text(annotations, "/mcp.kagenti.com~1variables-version").to_owned()
    };
    let first = version(ClusterDocuments::base());
    assert_eq!(first, version(ClusterDocuments::base()));
    let mut cluster = ClusterDocuments::base();
    cluster.add("kind: Secret\nmetadata: { name: weather-key, namespace: team, resourceVersion: \"9\" }\nstringData: { token: other }\n");
    let second = version(cluster);
    assert_ne!(first, second);
    assert!(!first.is_empty());
}

#[test]
fn keys_of_sessions_are_made_once_and_only_where_they_are_missing() {
    let mut cluster = ClusterDocuments::base();
    cluster.remove("Secret infra/mcp-session-keys");
    let planned = cluster.settled();
    let made = &planned.plan.session_keys;
    assert_eq!(made.len(), 1);
    assert_eq!(
        ObjectName::of(&made[0]),
        ObjectName::new("infra", "mcp-session-keys")
    );
    assert_eq!(made[0].get("data"), None);
}

#[test]
fn a_route_leads_to_the_gateway_and_the_backend() {
    let mut cluster = ClusterDocuments::base();
    cluster.add(SECOND);
    let planned = cluster.settled();
    let files = &planned.plan.servers[&ObjectName::new("team", "files")];
    assert_eq!(
        files.gateway.as_deref(),
        Some("infra/second"),
        "{:?}",
        files.conditions
    );
    let question = &planned.plan.questions[&ObjectName::new("team", "files")];
    assert_eq!(
        (&*question.origin, &*question.server.authority),
        ("http://calendar.team.svc:8080", "files.example.com")
    );
    // Without a route and a reference, the server could belong to either of the two gateways.
    let weather = planned.condition_of_server(&ObjectName::new("team", "weather"), "Accepted");
    assert_eq!(weather.reason, "AmbiguousGateway");
    assert!(
        weather.message.contains("infra/mcp, infra/second"),
        "{}",
        weather.message
    );
}

#[test]
fn a_route_that_the_server_does_not_name_and_a_parent_that_is_no_gateway_lead_nowhere() {
    for (server, parent) in [
        ("weather", "{ name: inner, namespace: infra }"),
        (
            "files",
            "{ group: \"\", kind: Service, name: inner, namespace: infra }",
        ),
    ] {
        let mut cluster = ClusterDocuments::base();
        cluster.add(SECOND);
        cluster.add(&format!("kind: HTTPRoute\nmetadata: {{ name: {server}, namespace: team }}\nspec: {{ parentRefs: [{parent}], rules: [{{ backendRefs: [{{ name: calendar, port: 8080 }}] }}] }}\n"));
        let planned = cluster.settled();
        let condition = planned.condition_of_server(&ObjectName::new("team", server), "Accepted");
        assert_eq!(condition.reason, "AmbiguousGateway", "{server}");
    }
}

#[test]
fn the_older_of_two_servers_with_one_name_is_served() {
    let mut cluster = ClusterDocuments::base();
    cluster.add("kind: Namespace\nmetadata: { name: b }\n---\nkind: Service\nmetadata: { name: s, namespace: b }\nspec: { ports: [{ port: 80 }] }\n---\nkind: MCPServer\nmetadata: { name: weather, namespace: b, creationTimestamp: \"2026-11-09T00:00:00Z\" }\nspec: { targetRef: { kind: Service, name: s, port: 80 } }\n");
    let planned = cluster.settled();
    let condition = planned.condition_of_server(&ObjectName::new("b", "weather"), "Accepted");
    assert_eq!(condition.reason, "NameConflict");
    assert!(
        condition
            .message
            .contains("MCPServer team/weather has the same name"),
        "{}",
        condition.message
    );
    assert_eq!(planned.served(), ["weather", "calendar"]);
}

#[test]
fn a_registration_is_read_and_not_written_to() {
    let mut cluster = ClusterDocuments::base();
    cluster.add("apiVersion: mcp.kuadrant.io/v1\nkind: MCPServerRegistration\nmetadata: { name: old, namespace: team, uid: u-old, creationTimestamp: \"2026-11-09T00:00:00Z\" }\nspec:\n  targetRef: { group: gateway.networking.k8s.io, kind: HTTPRoute, name: old }\n  prefix: old_\n  credentialRef: { name: secret, key: token }\n  category: tools\n---\nkind: HTTPRoute\nmetadata: { name: old, namespace: team }\nspec: { hostnames: [old.example.com], rules: [{ backendRefs: [{ name: calendar, port: 8080 }] }] }\n");
    let planned = cluster.settled();
    assert_eq!(planned.served(), ["weather", "calendar", "old"]);
    assert!(
        !planned
            .plan
            .servers
            .contains_key(&ObjectName::new("team", "old"))
    );
    let question = &planned.plan.questions[&ObjectName::new("team", "old")];
    assert_eq!(
        (&*question.server.tool_prefix, question.server.headers.len()),
        ("old_", 0)
    );
    let notice = &planned.plan.notices[0];
    assert_eq!((&*notice.reason, &*notice.uid), ("FieldsIgnored", "u-old"));
    assert!(
        notice
            .message
            .ends_with("spec.category, spec.credentialRef"),
        "{}",
        notice.message
    );
}

#[test]
fn what_a_server_said_before_holds_until_it_has_been_asked() {
    let mut cluster = ClusterDocuments::base();
    cluster.answer(
        "team/weather",
        ServerAnswer::Up {
            version: "2025-11-25".into(),
            tools: 2,
        },
    );
    let planned = cluster.settled();
    // The controller restarts.
    let mut cluster = ClusterDocuments::base();
    cluster.snapshot = planned.snapshot.clone();
    cluster.snapshot.answers.clear();
    cluster.keep_statuses(&planned.plan);
    let again = cluster.plan_at("2026-11-28T00:00:00Z");
    assert_eq!(again.plan.servers, planned.plan.servers);
    assert_eq!(again.plan.gateways, planned.plan.gateways);
}

#[test]
fn a_policy_that_is_off_is_told_where_it_can_be_mended() {
    let mut cluster = ClusterDocuments::base();
    let Some(object) = cluster
        .settle()
        .iter()
        .find(|it| it["kind"] == "EnvoyPatchPolicy")
        .cloned()
    else {
        panic!("Envoy Gateway needs a patch");
    };
    let mut object = object;
    object["status"] = json!({"ancestors": [{"conditions": [{"type": "Accepted", "status": "False", "reason": "Disabled", "message": "EnvoyPatchPolicy is disabled", "observedGeneration": 1}]}]});
    cluster.snapshot.insert("EnvoyPatchPolicy", object);
    let planned = cluster.plan_at("2026-11-27T00:00:00Z");
    let condition = planned.condition_of_gateway(&ObjectName::new("infra", "mcp"), "Programmed");
    assert_eq!(
        (&*condition.status, &*condition.reason),
        ("False", "NotProgrammed")
    );
    assert!(
        condition.message.contains("enableEnvoyPatchPolicy: true"),
        "{}",
        condition.message
    );
}

/// In this case Envoy Gateway makes no cluster, and the filter reports that there is none.
#[test]
fn a_server_without_an_endpoint_that_is_ready_is_not_programmed() {
    let mut cluster = ClusterDocuments::base();
    let route = cluster.settle().into_iter().find(|it| {
        it["kind"] == "HTTPRoute"
            && it["metadata"]["name"]
                .as_str()
                .is_some_and(|name| name.contains("weather"))
    });
    let mut route = route.expect("a route to the server");
    route["status"] = json!({"parents": [{"conditions": [{"type": "BackendsAvailable", "status": "False", "reason": "EndpointsNotFound", "message": "no ready endpoints", "observedGeneration": 1}]}]});
    cluster.snapshot.insert("HTTPRoute", route);
    let planned = cluster.plan_at("2026-11-27T00:00:00Z");
    let condition = planned.condition_of_server(&ObjectName::new("team", "weather"), "Programmed");
    assert_eq!(
        (&*condition.status, &*condition.reason),
        ("False", "NotProgrammed")
    );
    assert!(
        condition.message.contains("EndpointsNotFound"),
        "{}",
        condition.message
    );
}

#[test]
fn each_object_has_an_owner_in_its_own_namespace_and_a_kind_that_is_watched() {
    let planned = ClusterDocuments::base().settled();
    let kinds: BTreeSet<&str> = planned
        .plan
        .objects
        .iter()
        .map(|it| text(it, "/kind"))
        .collect();
    for kind in kinds {
        assert!(
            kind == "Secret" || crate::controller::watched::of_kind(kind).is_some(),
            "{kind}"
        );
    }
    let in_reach = |it: &&Value| text(it, "/metadata/namespace") != "proxies";
    for object in planned.plan.objects.iter().filter(in_reach) {
        let owner = &object["metadata"]["ownerReferences"][0];
        let namespace = text(object, "/metadata/namespace");
        let expected = if namespace == "infra" {
            "MCPGateway"
        } else {
            "MCPServer"
        };
        assert_eq!(owner["kind"], expected, "{object}");
        assert!(is_owned(object) && gateway_of(object).is_some(), "{object}");
    }
}

#[test]
fn a_gateway_without_servers_has_an_endpoint_and_no_server() {
    let mut cluster = ClusterDocuments::base();
    cluster.remove("MCPServer team/weather");
    cluster.remove("MCPServer team/calendar");
    let planned = cluster.settled();
    let name = ObjectName::new("infra", "mcp");
    assert_eq!(
        planned.condition_of_gateway(&name, "Programmed").status,
        "True"
    );
    assert_eq!(
        planned.condition_of_gateway(&name, "Ready").reason,
        "NoServerReady"
    );
    assert_eq!(planned.plan.gateways[&name].servers, 0);
}

#[test]
fn an_endpoint_goes_on_without_a_server_that_is_not_there() {
    let mut cluster = ClusterDocuments::base();
    let name = ObjectName::new("infra", "mcp");
    let mut gateway = cluster.snapshot.get("MCPGateway", &name).unwrap().clone();
    gateway["spec"]["config"]["endpoints"] = json!([
        {"name": "all", "path": "/all"},
        {"name": "team", "path": "/team", "servers": ["weather", "gone"]},
        {"name": "later", "path": "/later", "servers": ["gone"]},
    ]);
    cluster.snapshot.insert("MCPGateway", gateway);
    let planned = cluster.settled();
    let resolved = planned.condition_of_gateway(&name, "ResolvedRefs");
    assert_eq!(resolved.status, "True");
    let missing = "no MCPServer of this gateway has the name: gone";
    assert!(resolved.message.contains(missing), "{resolved:?}");
    let mut served = planned.served();
    served.sort_unstable();
    assert_eq!(served, ["calendar", "weather"]);
    let url = planned.plan.gateways[&name].url.clone();
    assert!(url.is_some_and(|url| url.ends_with("/all")));
}

/// The gateway has a placeholder in place of missing servers. Nobody can take its name.
/// A policy on a route of another namespace would take the place of the endpoint's.
#[test]
fn a_listener_that_is_open_to_other_namespaces_is_told() {
    for (listeners, section, expected) in [
        ("[{ name: a, port: 80, protocol: HTTP }]", "a", ""),
        (
            "[{ name: a, port: 80, protocol: HTTP, allowedRoutes: { namespaces: { from: Same } } }]",
            "a",
            "",
        ),
        (
            "[{ name: a, port: 80, protocol: HTTP, allowedRoutes: { namespaces: { from: All } } }]",
            "a",
            "listener a, and",
        ),
        (
            "[{ name: a, port: 80, protocol: HTTP }, { name: b, port: 81, protocol: HTTP, allowedRoutes: { namespaces: { from: All } } }]",
            "a",
            "",
        ),
    ] {
        let mut cluster = ClusterDocuments::base();
        cluster.add(&format!("kind: Gateway\nmetadata: {{ name: web, namespace: infra }}\nspec: {{ gatewayClassName: eg, infrastructure: {{ parametersRef: {{ group: gateway.envoyproxy.io, kind: EnvoyProxy, name: mcp-proxy }} }}, listeners: {listeners} }}\n---\nkind: MCPGateway\nmetadata: {{ name: mcp, namespace: infra }}\nspec: {{ targetRef: {{ name: web, sectionName: {section} }}, authentication: {{ anonymous: true }} }}\n"));
        let planned = cluster.settled();
        let resolved =
            planned.condition_of_gateway(&ObjectName::new("infra", "mcp"), "ResolvedRefs");
        assert_eq!(resolved.status, "True");
        assert!(resolved.message.contains(expected), "{}", resolved.message);
        assert_eq!(resolved.message.is_empty(), expected.is_empty());
    }
}

#[test]
fn a_server_with_the_name_of_the_placeholder_gets_only_its_own_headers_and_takes_nothing_down() {
    let intruder = "kind: Service\nmetadata: { name: s, namespace: b }\nspec: { clusterIP: 10.96.0.66, ports: [{ port: 80 }] }\n---\nkind: MCPServer\nmetadata: { name: no-server-yet, namespace: b, creationTimestamp: \"2026-11-01T12:00:00Z\" }\nspec: { targetRef: { kind: Service, name: s, port: 80 } }\n";
    let mut cluster = ClusterDocuments::base();
    cluster.add(intruder);
    let planned = cluster.settled();
    let question = &planned.plan.questions[&ObjectName::new("b", "no-server-yet")];
    assert_eq!(question.origin, "http://10.96.0.66:80");
    assert_eq!(&*question.server.name, "no-server-yet");
    assert!(question.server.headers.is_empty());
    assert_eq!(planned.served(), ["no-server-yet", "weather", "calendar"]);
    // A faulty one, in front of a gateway that has no other server, or whose endpoint has none.
    for removed in [
        &["MCPServer team/weather", "MCPServer team/calendar"][..],
        &[],
    ] {
        let mut cluster = ClusterDocuments::base();
        cluster.add(intruder);
        cluster.remove("Service b/s");
        removed.iter().for_each(|it| cluster.remove(it));
        let name = ObjectName::new("infra", "mcp");
        let mut gateway = cluster.snapshot.get("MCPGateway", &name).unwrap().clone();
        gateway["spec"]["config"]["endpoints"] =
            json!([{"path": "/all"}, {"path": "/later", "servers": ["gone"]}]);
        cluster.snapshot.insert("MCPGateway", gateway);
        let planned = cluster.settled();
        let accepted = planned.condition_of_gateway(&name, "Accepted");
        assert_eq!(accepted.status, "True", "{accepted:?}");
    }
}

#[test]
fn a_secret_that_may_not_be_read_is_the_fault_of_its_server_only() {
    let mut cluster = ClusterDocuments::base();
    cluster.read(
        "Secret team/weather-key",
        ReadObject::Refused("secrets is forbidden".into()),
    );
    let planned = cluster.settled();
    let weather = ObjectName::new("team", "weather");
    let condition = planned.condition_of_server(&weather, "ResolvedRefs");
    assert_eq!(condition.reason, "SecretNotReadable");
    assert!(condition.message.ends_with("secrets is forbidden"));
    assert_eq!(planned.served(), ["calendar"]);
}

#[test]
fn a_new_gateway_takes_no_server_away() {
    let mut cluster = ClusterDocuments::base();
    let before = cluster.plan_at("2026-11-27T00:00:00Z");
    cluster.write(&before.plan);
    cluster.add("kind: MCPGateway\nmetadata: { name: other, namespace: b, creationTimestamp: \"2026-11-05T00:00:00Z\" }\nspec: { targetRef: { name: web }, authentication: { anonymous: true }, allowedServers: { namespaces: { from: All } } }\n");
    let planned = cluster.settled();
    assert_eq!(planned.served(), ["weather", "calendar"]);
    for name in ["weather", "calendar"] {
        let status = &planned.plan.servers[&ObjectName::new("team", name)];
        assert_eq!(status.gateway.as_deref(), Some("infra/mcp"));
    }
}

/// Envoy without a control plane mounts the certificates in its own namespace. If the ConfigMap is
/// not there, no pod starts.
#[test]
fn the_certificates_of_another_namespace_stop_no_pod() {
    let mut cluster = ClusterDocuments::base();
    cluster.is_standalone = true;
    let name = ObjectName::new("team", "weather");
    let mut server = cluster.snapshot.get("MCPServer", &name).unwrap().clone();
    server["spec"]["tls"] = json!({"caCertificateRefs": [{"name": "ca"}]});
    cluster.snapshot.insert("MCPServer", server);
    let planned = cluster.settled();
    let condition = planned.condition_of_server(&name, "ResolvedRefs");
    assert_eq!(condition.reason, "RefNotPermitted");
    let message = "spec.tls.caCertificateRefs[0]: certificates of authorities must be in the namespace \"infra\"";
    assert!(condition.message.starts_with(message), "{condition:?}");
    assert_eq!(planned.served(), ["calendar"]);
}

/// Istio has one TLS setting for a host and port. Without it, a token would go in plain text.
#[test]
fn nobody_changes_the_tls_of_another_server_in_istio() {
    let server = |name: &str, day: u8, tls: &str| {
        format!(
            "kind: HTTPRoute\nmetadata: {{ name: {name}, namespace: {name} }}\nspec: {{ rules: [{{ backendRefs: [{{ group: networking.istio.io, kind: Hostname, name: Api.example, port: 8443 }}] }}] }}\n---\nkind: MCPServer\nmetadata: {{ name: {name}, namespace: {name}, creationTimestamp: \"2026-10-0{day}T00:00:00Z\" }}\nspec: {{ targetRef: {{ name: {name} }}, {tls} }}\n"
        )
    };
    for (tls, reason) in [
        ("path: /x", "HostConflict"),
        ("path: /x, enabled: false", "Accepted"),
        ("tls: {}", "Accepted"),
    ] {
        let mut cluster = ClusterDocuments::base();
        cluster.add("kind: GatewayClass\nmetadata: { name: eg }\nspec: { controllerName: istio.io/gateway-controller }\n");
        cluster.add(&server("intruder", 1, tls));
        cluster.add(&server("own", 2, "tls: {}"));
        let planned = cluster.settled();
        let condition = planned.condition_of_server(&ObjectName::new("own", "own"), "Accepted");
        assert_eq!(condition.reason, reason, "{condition:?}");
    }
}

/// `cluster` after `change` of the spec of the MCPServer `name`.
fn change_server(
    cluster: &mut ClusterDocuments,
    name: &ObjectName,
    change: impl FnOnce(&mut Value),
) {
    let mut server = cluster.snapshot.get("MCPServer", name).unwrap().clone();
    change(&mut server["spec"]);
    cluster.snapshot.insert("MCPServer", server);
}

#[test]
fn an_older_server_does_not_take_the_prefix_of_a_server_that_has_it() {
    for asks in [true, false] {
        let mut cluster = ClusterDocuments::base();
        cluster.asks = asks;
        let before = cluster.plan_at("2026-11-27T00:00:00Z");
        cluster.write(&before.plan);
        let name = ObjectName::new("team", "weather");
        change_server(&mut cluster, &name, |spec| {
            spec["toolPrefix"] = json!("calendar__");
        });
        for _ in 0..2 {
            let planned = cluster.plan_at("2026-11-27T00:00:00Z");
            let condition = planned.condition_of_server(&name, "Accepted");
            assert_eq!(condition.reason, "PrefixConflict", "{asks}");
            cluster.write(&planned.plan);
        }
        // Also while that server has a fault.
        cluster.remove("Service team/calendar");
        for _ in 0..2 {
            let planned = cluster.plan_at("2026-11-27T00:00:00Z");
            assert_eq!(planned.served(), [""; 0]);
            cluster.write(&planned.plan);
            let condition = planned.condition_of_server(&name, "Accepted");
            assert_eq!(condition.reason, "PrefixConflict", "{asks}");
        }
    }
}

#[test]
fn an_older_server_that_changes_its_gateway_takes_no_prefix() {
    let mut cluster = ClusterDocuments::base();
    let before = cluster.plan_at("2026-11-27T00:00:00Z");
    cluster.write(&before.plan);
    cluster.add(SECOND);
    cluster.add("kind: MCPServer\nmetadata: { name: moved, namespace: team, creationTimestamp: \"2026-10-01T00:00:00Z\" }\nspec: { toolPrefix: calendar__, gatewayRef: { name: second, namespace: infra }, targetRef: { kind: Service, name: calendar, port: 8080 } }\n");
    let before = cluster.plan_at("2026-11-27T00:00:00Z");
    assert!(before.served().contains(&"moved"), "{:?}", before.served());
    cluster.write(&before.plan);
    let name = ObjectName::new("team", "moved");
    change_server(&mut cluster, &name, |spec| {
        spec["gatewayRef"]["name"] = json!("mcp");
    });
    let planned = cluster.plan_at("2026-11-27T00:00:00Z");
    let condition = planned.condition_of_server(&name, "Accepted");
    assert_eq!(condition.reason, "PrefixConflict");
    assert!(planned.served().contains(&"calendar"));
}

#[test]
fn servers_that_make_the_configuration_too_long_leave_the_older_ones() {
    let mut cluster = ClusterDocuments::base();
    let title = "a".repeat(2000);
    let tools: serde_json::Map<String, Value> = (0..200)
        .map(|at| (format!("t{at}"), json!({"title": title})))
        .collect();
    for name in ["long", "longer"] {
        let server = json!({
            "kind": "MCPServer",
            "metadata": {"name": name, "namespace": "team", "creationTimestamp": "2026-11-05T00:00:00Z"},
            "spec": {
                "targetRef": {"kind": "Service", "name": "calendar", "port": 8080},
                "tools": {"override": tools},
            },
        });
        cluster.snapshot.insert("MCPServer", server);
    }
    let planned = cluster.settled();
    assert_eq!(planned.served(), ["weather", "calendar", "long"]);
    let longer = ObjectName::new("team", "longer");
    let condition = planned.condition_of_server(&longer, "Accepted");
    assert_eq!(condition.reason, "ConfigTooLong");
}

/// Envoy without a control plane does not start with a file of authorities that has none.
#[test]
fn authorities_that_are_none_are_the_fault_of_their_server() {
    let name = ObjectName::new("team", "weather");
    for (pem, reason) in [
        ("x", "CertificateInvalid"),
        ("-----BEGIN CERTIFICATE-----\n!\n", "CertificateInvalid"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "ResolvedRefs",
        ),
    ] {
        let mut cluster = ClusterDocuments::base();
        cluster.config_map("ConfigMap team/ca", "ca.crt", pem);
        let mut server = cluster.snapshot.get("MCPServer", &name).unwrap().clone();
        server["spec"]["tls"] = json!({"caCertificateRefs": [{"name": "ca"}]});
        cluster.snapshot.insert("MCPServer", server);
        let planned = cluster.settled();
        let condition = planned.condition_of_server(&name, "ResolvedRefs");
        assert_eq!(condition.reason, reason, "{condition:?}");
    }
}

#[test]
fn a_gateway_without_its_finalizer_leaves_the_others() {
    let mut cluster = ClusterDocuments::base();
    cluster.add(SECOND);
    let mut plan = cluster.plan_at("2026-11-27T00:00:00Z").plan;
    let of_second = |plan: &Plan| {
        let second = ObjectName::new("infra", "second");
        let objects = plan.objects.iter();
        objects
            .filter(|it| gateway_of(it) == Some(second.clone()))
            .count()
    };
    let all = plan.objects.len();
    let own = of_second(&plan);
    assert!(own > 0 && own < all);
    plan.hold_back(&[ObjectName::new("infra", "second")]);
    assert_eq!((plan.objects.len(), of_second(&plan)), (all - own, 0));
    assert!(plan.kept.contains(&ObjectName::new("infra", "second")));
}

#[test]
fn a_gateway_that_is_deleted_takes_what_is_in_other_namespaces_with_it() {
    let mut cluster = ClusterDocuments::base();
    let name = ObjectName::new("infra", "mcp");
    let secret = {
        let planned = cluster.plan_at("2026-11-27T00:00:00Z");
        let secret = planned
            .plan
            .objects
            .iter()
            .find(|it| it["kind"] == "Secret");
        ObjectName::of(secret.unwrap())
    };
    let mut gateway = cluster.snapshot.get("MCPGateway", &name).unwrap().clone();
    gateway["metadata"]["deletionTimestamp"] = json!("2026-11-27T00:00:00Z");
    gateway["metadata"]["finalizers"] = json!([FINALIZER]);
    cluster.snapshot.insert("MCPGateway", gateway);
    let present = ReadObject::Present {
        resource_version: "1".into(),
        is_written: true,
        data: BTreeMap::new(),
    };
    cluster.read(&format!("Secret {secret}"), present);
    let planned = cluster.plan_at("2026-11-27T00:00:00Z");
    assert_eq!(planned.plan.objects, [Value::Null; 0]);
    let unwanted = BTreeMap::from([(secret.clone(), name.clone())]);
    assert_eq!(planned.plan.unwanted_secrets, unwanted);
    assert_eq!(planned.plan.going, std::slice::from_ref(&name));
    // What cannot be written or deleted holds up its own gateway only.
    let other = ObjectName::new("team", "calendar");
    for (refused, gone) in [
        (vec![], vec![name.clone()]),
        (vec![("Secret".to_owned(), secret)], vec![]),
        (vec![("Service".to_owned(), other)], vec![name]),
    ] {
        assert_eq!(planned.plan.gone(&planned.snapshot, &refused), gone);
    }
    let weather = planned.condition_of_server(&ObjectName::new("team", "weather"), "Accepted");
    assert_eq!(weather.reason, "NoGateway");
}
