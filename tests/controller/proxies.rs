//! The controller does not tell the filter about a new variable until all pods of the proxy
//! have this variable. The tests change the Deployment and its status, as a control plane
//! would.

use serde_json::{Value, json};

use crate::cluster::{Cluster, text, until};
use crate::program::Controller;
use crate::server::McpServer;

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: envoy
  namespace: proxies
  labels: { gateway.envoyproxy.io/owning-gateway-name: web, gateway.envoyproxy.io/owning-gateway-namespace: infra }
spec:
  replicas: 2
  selector: { matchLabels: { app: envoy } }
  template:
    metadata: { labels: { app: envoy } }
    spec: { containers: [{ name: envoy, image: none }] }
";
const SECRET: &str = "---\napiVersion: v1\nkind: Secret\nmetadata: { name: weather, namespace: team }\nstringData: { token: s3cr3t-value }\n";
const HEADER: &str =
    "  headers: [{ name: x-key, valueFrom: { secretKeyRef: { name: weather, key: token } } }]";
const VERSION: &str = "mcp.kagenti.com/variables-version";

/// The version of the variables that the controller wants in the pods.
fn version(cluster: &Cluster) -> Option<String> {
    let proxy = cluster.get("envoyproxy", "mcp-proxy", "infra")?;
    let pod = &proxy["spec"]["provider"]["kubernetes"]["envoyDeployment"]["pod"];
    Some(pod["annotations"][VERSION].as_str()?.to_owned())
}

/// Writes this version into the Deployment, as the control plane does.
fn give_variables(cluster: &Cluster) {
    let annotations = json!({VERSION: version(cluster)});
    let template = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
    patch(cluster, &[], &template);
}

/// Writes into the Deployment's status how many pods are updated, and how many are
/// terminating.
fn set_pods(cluster: &Cluster, updated: u64, ending: u64) {
    let deployment = cluster.get("deployment", "envoy", "proxies").unwrap();
    let status = json!({"status": {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": 2,
        "updatedReplicas": updated,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "terminatingReplicas": ending,
    }});
    patch(cluster, &["--subresource=status"], &status);
}

fn patch(cluster: &Cluster, options: &[&str], patch: &Value) {
    let text = patch.to_string();
    let command = [
        "patch",
        "deployment",
        "envoy",
        "-n",
        "proxies",
        "--type=merge",
    ];
    cluster.ok(&[&command[..], options, &["-p", &text]].concat());
}

/// The enabled servers in the filter's configuration, and the number of variables that the
/// filter may read.
fn told(cluster: &Cluster) -> Option<(Vec<String>, usize)> {
    let policy = cluster.get("envoyextensionpolicy", "mcp", "infra")?;
    let wasm = &policy["spec"]["wasm"][0];
    let servers = wasm["config"]["servers"].as_array()?.iter();
    let on = servers.filter(|it| it["enabled"] != false);
    let names = on.map(|it| text(it, "/name").to_owned()).collect();
    let variables = wasm["env"]["hostKeys"].as_array();
    Some((names, variables.map_or(0, Vec::len)))
}

fn is_waiting(condition: &Value) -> bool {
    condition["status"] == "False" && condition["reason"] == "WaitingForProxies"
}

#[test]
fn a_new_variable_is_in_all_pods_before_the_filter_is_told_of_it() {
    let cluster = Cluster::new();
    cluster.apply(DEPLOYMENT);
    set_pods(&cluster, 2, 0);
    let server = McpServer::start();
    cluster.apply(&server.manifest("calendar", ""));
    let controller = Controller::start();

    // A new endpoint at a Gateway whose pods are already running.
    let of_gateway =
        || cluster.condition_of("mcpgateway", "mcp", "infra", "Programmed", is_waiting);
    let condition = of_gateway();
    assert_eq!(
        condition["message"],
        "the endpoint is not served yet: each pod of Deployment proxies/envoy has to have a new variable; with it: 0 of 2"
    );
    cluster.condition("calendar", "Programmed", is_waiting);
    controller.until_at_rest();
    assert_eq!(told(&cluster), None);
    assert_eq!(cluster.items("httproutes").len(), 0);
    give_variables(&cluster);
    set_pods(&cluster, 1, 0);
    until("the pods are counted", || {
        let message = of_gateway()["message"].as_str()?.to_owned();
        message
            .ends_with("with it: 1 of 2, without it: 1")
            .then_some(())
    });
    set_pods(&cluster, 2, 1);
    until("the one that ends is counted", || {
        let message = of_gateway()["message"].as_str()?.to_owned();
        message
            .ends_with("with it: 2 of 2, without it: 1")
            .then_some(())
    });
    assert_eq!(told(&cluster), None);
    set_pods(&cluster, 2, 0);
    until("the endpoint is served", || {
        (told(&cluster)? == (vec!["calendar".to_owned()], 1)).then_some(())
    });

    // A new server that needs one more variable, for its header.
    cluster.apply(&(server.manifest("weather", HEADER) + SECRET));
    let condition = cluster.condition("weather", "Programmed", is_waiting);
    assert!(
        text(&condition, "/message").starts_with("the gateway does not serve it yet: "),
        "{condition}"
    );
    until("an event says so, and warns of nothing", || {
        let events = cluster.items("events.events.k8s.io");
        let mut events = events.into_iter();
        events.find(|it| {
            it["reason"] == "WaitingForProxies"
                && it["regarding"]["name"] == "weather"
                && it["type"] == "Normal"
        })
    });
    controller.until_at_rest();
    assert_eq!(told(&cluster), Some((vec!["calendar".to_owned()], 1)));
    give_variables(&cluster);
    set_pods(&cluster, 2, 0);
    until("both are served", || {
        let (servers, variables) = told(&cluster)?;
        (servers.len() == 2 && variables == 2).then_some(())
    });

    // A new value of a variable: the pods are replaced, but the filter's configuration does
    // not change.
    controller.until_at_rest();
    let before = version(&cluster);
    cluster.apply(&SECRET.replace("s3cr3t-value", "an0ther-value"));
    until("the pods are to be replaced", || {
        (version(&cluster) != before).then_some(())
    });
    controller.until_at_rest();
    assert_eq!(told(&cluster).map(|it| it.1), Some(2));

    // The server is deleted: first the filter loses it, then the pods lose the variable.
    let before = version(&cluster);
    cluster.ok(&["delete", "mcpserver", "weather", "-n", "team"]);
    until("the pods lose it", || {
        (version(&cluster) != before).then_some(())
    });
    assert_eq!(told(&cluster), Some((vec!["calendar".to_owned()], 1)));
    let writes = cluster.writes();
    let last_write = |of: &str| {
        let is_it = |it: &Value| it["objectRef"]["resource"] == of && text(it, "/verb") == "patch";
        writes.iter().rposition(is_it)
    };
    assert!(last_write("envoyextensionpolicies") < last_write("envoyproxies"));
    assert!(!controller.log().contains("s3cr3t-value"));
    cluster.delete_gateway();
}
