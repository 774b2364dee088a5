//! The controller reports each fault in the status of the object whose author can correct
//! it.

use crate::cluster::{Cluster, text, until};
use crate::program::Controller;
use crate::server::McpServer;

#[test]
fn a_fault_is_told_to_its_author_and_gone_when_it_is_mended() {
    let cluster = Cluster::new();
    let server = McpServer::start();
    let header =
        "  headers: [{ name: x-key, valueFrom: { secretKeyRef: { name: key, key: token } } }]";
    cluster.apply(
        &[
            server.manifest("good", ""),
            server.manifest("faulty", header),
        ]
        .join("---\n"),
    );
    let controller = Controller::start();
    let condition = cluster.condition("faulty", "ResolvedRefs", |it| it["status"] == "False");
    assert_eq!(condition["reason"], "SecretNotFound");
    assert!(
        text(&condition, "/message").contains("there is no Secret \"key\""),
        "{condition}"
    );
    cluster.condition("good", "ResolvedRefs", |it| it["status"] == "True");
    until("the other server is served", || {
        cluster
            .written()
            .iter()
            .any(|it| it.contains("good"))
            .then_some(())
    });
    assert!(!cluster.written().iter().any(|it| it.contains("faulty")));
    until("an event tells it", || {
        let events = cluster.items("events.events.k8s.io");
        events.into_iter().find(|it| {
            it["reason"] == "SecretNotFound"
                && it["regarding"]["name"] == "faulty"
                && it["type"] == "Warning"
        })
    });

    cluster.apply("apiVersion: v1\nkind: Secret\nmetadata: { name: key, namespace: team }\nstringData: { token: abc }\n");
    cluster.condition("faulty", "ResolvedRefs", |it| it["status"] == "True");
    until("both are served", || {
        cluster
            .written()
            .iter()
            .any(|it| it.contains("faulty"))
            .then_some(())
    });
    assert_eq!(
        cluster.get("mcpserver", "faulty", "team").unwrap()["status"]["lastError"],
        serde_json::Value::Null
    );

    // If the MCPGateway becomes invalid, the controller keeps the objects that it has
    // written, so that clients are still served.
    controller.until_at_rest();
    let before = cluster.written();
    cluster.ok(&[
        "patch",
        "mcpgateway",
        "mcp",
        "-n",
        "infra",
        "--type=merge",
        "-p",
        r#"{"spec":{"targetRef":{"sectionName":"none"}}}"#,
    ]);
    let condition = cluster.condition_of("mcpgateway", "mcp", "infra", "ResolvedRefs", |it| {
        it["status"] == "False"
    });
    assert_eq!(condition["reason"], "ListenerNotFound");
    assert_eq!(cluster.written(), before);
}

#[test]
fn a_server_that_does_not_answer_says_why() {
    let cluster = Cluster::new();
    let server = McpServer::start();
    cluster.apply(&server.manifest("weather", "  path: /elsewhere"));
    let _controller = Controller::start();
    let error = until("an error", || {
        let weather = cluster.get("mcpserver", "weather", "team")?;
        Some(text(&weather, "/status/lastError").to_owned()).filter(|it| !it.is_empty())
    });
    assert!(
        error.contains("404") && error.ends_with("check spec.path"),
        "{error}"
    );
}

/// The name of a Secret becomes a part of the path of a request.
#[test]
fn a_name_that_no_secret_can_have_stops_nobody_else() {
    let cluster = Cluster::new();
    let (server, other) = (McpServer::start(), McpServer::start());
    let reference =
        "  headers: [{ name: x-key, valueFrom: { secretKeyRef: { name: a b, key: c } } }]";
    cluster.apply(&server.manifest("weather", reference));
    cluster.apply(&other.manifest("calendar", ""));
    let _controller = Controller::start();
    until("the other server has answered", || {
        let calendar = cluster.get("mcpserver", "calendar", "team")?;
        (calendar["status"]["tools"] == 2).then_some(())
    });
    let condition = cluster.condition_of("mcpserver", "weather", "team", "Accepted", |it| {
        it["status"] == "False"
    });
    assert_eq!(condition["reason"], "Invalid");
}
