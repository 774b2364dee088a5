//! Tests of the objects that wait until the pods of a proxy have new variables.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cases;
use super::cluster::{ClusterDocuments, Planned};
use crate::controller::name::{ObjectName, text};
use crate::controller::plan::headers::variable_name;
use crate::controller::plan::written;
use crate::controller::watched::{ENVOY_GATEWAY_PROXIES, ISTIO_PROXIES};
use crate::kubernetes::model::Platform;

const PROXIES: &str = include_str!("proxies.yaml");
const VERSION: &str = "mcp.kagenti.com/variables-version";
const NOW: &str = "2026-11-27T00:00:00Z";

/// The Gateway of the base, for Istio.
const ISTIO: &str = "kind: GatewayClass\nmetadata: { name: istio }\nspec: { controllerName: istio.io/gateway-controller }\n---\nkind: Gateway\nmetadata: { name: web, namespace: infra, generation: 1 }\nspec: { gatewayClassName: eg, infrastructure: { parametersRef: { group: gateway.envoyproxy.io, kind: EnvoyProxy, name: mcp-proxy } }, listeners: [{ name: http, port: 80, protocol: HTTP }] }\n";

/// `documents` for `platform`.
fn adapted(documents: &str, platform: Platform) -> String {
    if platform == Platform::EnvoyGateway {
        return documents.to_owned();
    }
    let documents = documents.replace("gatewayClassName: eg", "gatewayClassName: istio");
    documents.replace(
        "gateway.envoyproxy.io, kind: EnvoyProxy",
        "\"\", kind: ConfigMap",
    )
}

/// The version of the variables in the written object.
fn written_version(cluster: &ClusterDocuments, platform: Platform) -> String {
    let name = ObjectName::new("infra", "mcp-proxy");
    if platform == Platform::EnvoyGateway {
        let proxy = cluster.snapshot.get("EnvoyProxy", &name);
        let pod = proxy.map(|it| &it["spec"]["provider"]["kubernetes"]["envoyDeployment"]["pod"]);
        return pod
            .map_or("", |pod| pod["annotations"][VERSION].as_str().unwrap())
            .to_owned();
    }
    let Some(map) = cluster.snapshot.get("ConfigMap", &name) else {
        return String::new();
    };
    let overlay = overlay(map);
    let template = &overlay["spec"]["template"];
    template["metadata"]["annotations"][VERSION]
        .as_str()
        .unwrap()
        .to_owned()
}

fn overlay(map: &Value) -> Value {
    let text = map["data"]["deployment"].as_str().unwrap();
    crate::syntax::tree::documents(text).unwrap()[0].value()
}

/// Adds the Deployment of the proxy to `cluster`, with `pods` as its pods.
fn set_pods(cluster: &mut ClusterDocuments, platform: Platform, pods: &str) {
    let (key, labels, namespace) = match platform {
        Platform::EnvoyGateway => (
            ENVOY_GATEWAY_PROXIES,
            json!({"gateway.envoyproxy.io/owning-gateway-name": "web", "gateway.envoyproxy.io/owning-gateway-namespace": "infra"}),
            "proxies",
        ),
        _ => (
            ISTIO_PROXIES,
            json!({"gateway.networking.k8s.io/gateway-name": "web"}),
            "infra",
        ),
    };
    // Other Deployments with the same name.
    for (name, namespace, owner) in [
        ("other", namespace, "infra"),
        ("web", "elsewhere", "elsewhere"),
    ] {
        let mut labels = labels.clone();
        labels["gateway.envoyproxy.io/owning-gateway-namespace"] = json!(owner);
        if owner == "infra" {
            labels["gateway.envoyproxy.io/owning-gateway-name"] = json!("other");
            labels["gateway.networking.k8s.io/gateway-name"] = json!("other");
        }
        let metadata =
            json!({"name": name, "namespace": namespace, "generation": 1, "labels": labels});
        cluster.snapshot.insert(key, json!({"metadata": metadata}));
    }
    let name = ObjectName::new(namespace, "proxy");
    let status = |replicas: u64, updated: u64, ending: u64| json!({"observedGeneration": 2, "replicas": replicas, "updatedReplicas": updated, "availableReplicas": replicas, "terminatingReplicas": ending});
    let version = written_version(cluster, platform);
    let (version, generation, status) = match pods {
        "none" => {
            cluster.snapshot.remove(key, &name);
            return;
        }
        "before" => ("before".to_owned(), 2, status(2, 2, 0)),
        "unseen" => (version, 3, status(2, 2, 0)),
        "rolling" => (version, 2, status(2, 1, 0)),
        "ending" => (version, 2, status(2, 2, 1)),
        "done" => (version, 2, status(2, 2, 0)),
        other => panic!("{other}"),
    };
    let metadata = json!({"name": name.name, "namespace": namespace, "generation": generation, "labels": labels});
    let template = json!({"metadata": {"annotations": {VERSION: version}}});
    let deployment = json!({"metadata": metadata, "spec": {"replicas": 2, "template": template}, "status": status});
    cluster.snapshot.insert(key, deployment);
}

/// The names of variables from the form that a case uses.
fn variables(spelled: &Value) -> BTreeSet<String> {
    let names = spelled.as_array().unwrap().iter();
    let name = |it: &Value| match it.as_str().unwrap().split_once(' ') {
        None => "MCP_SESSION_KEYS".to_owned(),
        Some((server, header)) => {
            let (namespace, name) = server.split_once('/').unwrap();
            variable_name(&ObjectName::new(namespace, name), header)
        }
    };
    names.map(name).collect()
}

fn texts(list: &Value) -> BTreeSet<String> {
    let texts = list.as_array().unwrap().iter();
    texts.map(|it| it.as_str().unwrap().to_owned()).collect()
}

/// The variables that the pods get; `None` if these stay unchanged.
fn given(planned: &Planned, platform: Platform) -> Option<BTreeSet<String>> {
    let kind = match platform {
        Platform::EnvoyGateway => "EnvoyProxy",
        _ => "ConfigMap",
    };
    let mut objects = planned.plan.objects.iter();
    let Some(proxy) = objects.find(|it| it["kind"] == kind) else {
        let name = ObjectName::new("infra", "mcp-proxy");
        assert!(planned.plan.kept_objects.contains(&(kind, name)));
        assert!(!planned.plan.objects.iter().any(|it| it["kind"] == "Secret"));
        return None;
    };
    let env = match platform {
        Platform::EnvoyGateway => {
            proxy["spec"]["provider"]["kubernetes"]["envoyDeployment"]["container"]["env"].clone()
        }
        _ => overlay(proxy)["spec"]["template"]["spec"]["containers"][0]["env"].clone(),
    };
    let names = env.as_array().unwrap().iter();
    let names: BTreeSet<String> = names.map(|it| text(it, "/name").to_owned()).collect();
    let secret = planned
        .plan
        .objects
        .iter()
        .find(|it| it["kind"] == "Secret");
    let data = secret.unwrap()["data"].as_object().unwrap();
    assert_eq!(names, data.keys().cloned().collect());
    Some(names)
}

fn check(what: &str, step: &Value, planned: &Planned, platform: Platform) {
    let told = written::among(platform, &objects(planned)).unwrap_or_default();
    let on: BTreeSet<String> = told.servers.keys().cloned().collect();
    let on = on
        .into_iter()
        .filter(|it| it != crate::kubernetes::endpoints::NO_SERVER);
    assert_eq!(
        on.collect::<BTreeSet<_>>(),
        texts(&step["servers"]),
        "{what}"
    );
    assert_eq!(told.variables, variables(&step["told"]), "{what}");
    let wanted = (step["given"] != "as before").then(|| variables(&step["given"]));
    assert_eq!(given(planned, platform), wanted, "{what}");
    if step["only"] == true {
        assert_eq!(planned.plan.objects.len(), 2, "{what}: more than variables");
    }
    for kept in step["kept"].as_array().into_iter().flatten() {
        let (kind, name) = kept.as_str().unwrap().split_once(' ').unwrap();
        let is_it = |it: &str, object: &ObjectName| it == kind && object.to_string() == name;
        let mut all = planned.plan.kept_objects.iter();
        assert!(all.any(|(kind, name)| is_it(kind, name)), "{what}: {kept}");
        let mut all = planned.plan.objects.iter();
        let is_written = all.any(|it| is_it(text(it, "/kind"), &ObjectName::of(it)));
        assert!(!is_written, "{what}: {kept} is written");
    }
    for (server, path) in step["paths"].as_object().into_iter().flatten() {
        let found = told.servers[server].get("path").cloned();
        assert_eq!(found.unwrap_or_else(|| json!("/mcp")), *path, "{what}");
    }
    for said in step["says"].as_array().into_iter().flatten() {
        let (kind, name) = said[0].as_str().unwrap().split_once(' ').unwrap();
        let (namespace, name) = name.split_once('/').unwrap();
        let name = ObjectName::new(namespace, name);
        let which = said[1].as_str().unwrap();
        let condition = match kind {
            "MCPGateway" => planned.condition_of_gateway(&name, which),
            _ => planned.condition_of_server(&name, which),
        };
        let is = format!("{} {}", condition.status, condition.reason);
        assert_eq!(Some(&*is), said[2].as_str(), "{what}: {condition:?}");
        let part = said[3].as_str().unwrap_or_default();
        assert!(condition.message.contains(part), "{what}: {condition:?}");
    }
}

fn objects(planned: &Planned) -> Vec<crate::kubernetes::object::Object> {
    let objects = planned.plan.objects.iter().cloned();
    objects
        .map(crate::kubernetes::object::Object::new)
        .collect()
}

#[test]
fn what_is_new_waits_for_the_pods_and_what_goes_leaves_the_configuration_first() {
    for platform in [Platform::EnvoyGateway, Platform::Istio] {
        for case in cases(PROXIES) {
            let mut cluster = ClusterDocuments::base();
            if platform == Platform::Istio {
                cluster.add(&adapted(ISTIO, platform));
            }
            for (at, step) in case["steps"].as_array().unwrap().iter().enumerate() {
                let what = format!(
                    "{platform:?}: {}: step {at}",
                    case["what"].as_str().unwrap()
                );
                for removed in step["remove"].as_array().into_iter().flatten() {
                    cluster.remove(removed.as_str().unwrap());
                }
                let change = step["change"].as_str().unwrap_or_default();
                cluster.add(&adapted(change, platform));
                set_pods(&mut cluster, platform, step["pods"].as_str().unwrap());
                let planned = cluster.plan_at(NOW);
                check(&what, step, &planned, platform);
                cluster.write(&planned.plan);
            }
        }
    }
}

#[test]
fn what_is_refused_is_said_before_what_waits() {
    let mut cluster = ClusterDocuments::base();
    set_pods(&mut cluster, Platform::EnvoyGateway, "before");
    let proxy = (
        "EnvoyProxy".to_owned(),
        ObjectName::new("infra", "mcp-proxy"),
    );
    let reason = "a field is wrong".to_owned();
    cluster.snapshot.refused.insert(proxy, reason);
    let planned = cluster.plan_at(NOW);
    for condition in [
        planned.condition_of_gateway(&ObjectName::new("infra", "mcp"), "Programmed"),
        planned.condition_of_server(&ObjectName::new("team", "calendar"), "Programmed"),
    ] {
        assert_eq!(condition.reason, "NotProgrammed");
        assert!(
            condition.message.ends_with("a field is wrong"),
            "{condition:?}"
        );
    }
}

#[test]
fn envoy_by_itself_is_programmed_when_its_pods_are_up() {
    let mut cluster = ClusterDocuments::base();
    cluster.is_standalone = true;
    let planned = cluster.plan_at(NOW);
    cluster.write(&planned.plan);
    let name = ObjectName::new("infra", "mcp");
    let status = |observed: u64, replicas: u64, updated: u64, available: u64| json!({"observedGeneration": observed, "replicas": replicas, "updatedReplicas": updated, "availableReplicas": available});
    let failed = json!({"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "no quota"}]});
    let up = "True Programmed ";
    for (status, said) in [
        (
            json!({}),
            "Unknown Pending Deployment infra/mcp: 0 of 1 pods are up",
        ),
        (
            status(1, 1, 1, 0),
            "Unknown Pending Deployment infra/mcp: 0 of 1 pods are up",
        ),
        (status(1, 1, 1, 1), up),
        (
            status(0, 1, 1, 1),
            "Unknown Pending Deployment infra/mcp: 0 of 1 pods are up, and 1 older ones are left",
        ),
        (
            status(1, 2, 1, 2),
            "Unknown Pending Deployment infra/mcp: 1 of 1 pods are up, and 1 older ones are left",
        ),
        (
            failed,
            "False NotProgrammed Deployment infra/mcp: FailedCreate: no quota",
        ),
    ] {
        let mut deployment = cluster.snapshot.get("Deployment", &name).unwrap().clone();
        deployment["status"] = status;
        cluster.snapshot.insert("Deployment", deployment);
        let planned = cluster.plan_at(NOW);
        for condition in [
            planned.condition_of_gateway(&name, "Programmed"),
            planned.condition_of_server(&ObjectName::new("team", "weather"), "Programmed"),
        ] {
            let is = format!(
                "{} {} {}",
                condition.status, condition.reason, condition.message
            );
            assert_eq!(is, said);
        }
    }
    // The existing objects are unchanged.
    let planned = cluster.plan_at(NOW);
    cluster.write(&planned.plan);
    let mut deployment = cluster.snapshot.get("Deployment", &name).unwrap().clone();
    deployment["status"] = status(1, 1, 1, 1);
    cluster.snapshot.insert("Deployment", deployment);
    cluster.remove("MCPServer team/weather");
    let condition = cluster
        .plan_at(NOW)
        .condition_of_gateway(&name, "Programmed");
    assert_eq!(&*condition.status, "Unknown");
}
