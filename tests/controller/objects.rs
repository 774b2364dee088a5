//! The controller writes the objects for an MCPServer and an MCPGateway, and deletes them
//! when these are deleted.

use crate::cluster::{Cluster, text, until};
use crate::program::Controller;
use crate::server::McpServer;

const SECRET: &str = "---\napiVersion: v1\nkind: Secret\nmetadata: { name: weather, namespace: team }\nstringData: { token: s3cr3t-value }\n";
const HEADER: &str = "  tools: { exclude: [hidden] }\n  headers: [{ name: x-key, valueFrom: { secretKeyRef: { name: weather, key: token } } }]";

#[test]
fn a_gateway_and_a_server_become_objects_and_leave_nothing_behind() {
    let cluster = Cluster::new();
    let server = McpServer::start();
    cluster.apply(&(server.manifest("weather", HEADER) + SECRET));
    let controller = Controller::start();
    until("the server has answered", || {
        let weather = cluster.get("mcpserver", "weather", "team")?;
        (weather["status"]["tools"] == 1).then_some(())
    });
    controller.until_at_rest();
    let table = cluster.ok(&["get", "mcps", "-A"]);
    let words: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    // No control plane runs, so the controller cannot know whether Envoy has the server:
    // `Unknown`.
    assert_eq!(
        words.get(..6),
        Some(&["team", "weather", "infra/mcp", "weather__", "1", "Unknown"][..]),
        "{table}"
    );
    let gateway = cluster.get("mcpgateway", "mcp", "infra").unwrap();
    assert_eq!(gateway["status"]["url"], "http://mcp.example.com/mcp");
    assert_eq!(server.keys(), ["s3cr3t-value"]);

    let written = cluster.written();
    for kind in [
        "HTTPRoute infra/",
        "EnvoyExtensionPolicy infra/",
        "EnvoyPatchPolicy infra/",
        "EnvoyProxy infra/mcp-proxy",
        "Secret infra/mcp-session-keys",
        "Secret proxies/",
    ] {
        assert!(
            written.iter().any(|it| it.starts_with(kind)),
            "{kind}: {written:?}"
        );
    }
    for kind in ["httproutes", "envoyextensionpolicies", "envoyproxies"] {
        for object in cluster.items(kind) {
            assert_eq!(
                text(&object, "/metadata/ownerReferences/0/kind"),
                "MCPGateway",
                "{kind}"
            );
            assert!(!object.to_string().contains("s3cr3t-value"));
        }
    }
    let everything = cluster.ok(&["get", "mcps,mcpgw,events,configmaps", "-A", "-o", "yaml"]);
    for text in [&*everything, &controller.log()] {
        assert!(!text.contains("s3cr3t-value") && !text.contains("czNjcjN0LXZhbHVl"));
    }

    cluster.ok(&["delete", "mcpserver", "weather", "-n", "team"]);
    until("the route of the server is gone", || {
        let written = cluster.written();
        (!written.iter().any(|it| it.contains("weather"))).then_some(())
    });
    assert!(
        !cluster.written().is_empty(),
        "the objects of the MCPGateway are gone"
    );
    cluster.delete_gateway();
}

#[test]
fn what_others_change_or_delete_is_mended_and_keys_of_users_are_kept() {
    let cluster = Cluster::new();
    let keys = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    cluster.apply(&format!("apiVersion: v1\nkind: Secret\nmetadata: {{ name: mcp-session-keys, namespace: infra }}\nstringData: {{ keys: {keys} }}\n"));
    let before = cluster.get("secret", "mcp-session-keys", "infra").unwrap();
    let server = McpServer::start();
    cluster.apply(&server.manifest("weather", ""));
    let _controller = Controller::start();
    let route = until("the route is there", || {
        let routes = cluster.items("httproutes");
        let name = |it: &serde_json::Value| text(it, "/metadata/name").to_owned();
        routes.iter().map(name).find(|it| it.contains("weather"))
    });
    cluster.ok(&["delete", "httproute", &route, "-n", "infra"]);
    until("the route is there again", || {
        cluster.get("httproute", &route, "infra")
    });
    let patch = r#"{"metadata":{"labels":{"mcp.kagenti.com/gateway":"other"}}}"#;
    cluster.ok(&[
        "patch",
        "httproute",
        &route,
        "-n",
        "infra",
        "--type=merge",
        "-p",
        patch,
    ]);
    until("the label is as it was", || {
        let route = cluster.get("httproute", &route, "infra")?;
        (route["metadata"]["labels"]["mcp.kagenti.com/gateway"] == "mcp").then_some(())
    });
    let after = cluster.get("secret", "mcp-session-keys", "infra").unwrap();
    assert_eq!(before, after);
}
