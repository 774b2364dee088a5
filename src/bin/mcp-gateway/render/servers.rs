//! What all manifests say of the servers.

use mcp_gateway::config::{Endpoints, camel};
use serde_json::Value;

use crate::place::Place;
use crate::source::Source;
use crate::tree::{Kind, Node};

/// Headers that the filter sets for those who decide, not for servers.
pub(crate) const SHOWN: &str = "x-mcp-method, x-mcp-toolname, x-mcp-promptname, x-mcp-resourceuri, x-mcp-params, x-mcp-servername, x-mcp-cluster";

/// A server's name as Kubernetes takes it (RFC 1123).
pub(crate) fn object(name: &str) -> String {
    let name = name.to_ascii_lowercase().replace('_', "-");
    name.trim_matches(['-', '.']).to_owned()
}

/// The filter's configuration, in which each server's cluster is what `cluster`
/// says.
pub(crate) fn configuration(
    source: &Source,
    places: &[Place],
    cluster: impl Fn(&Place) -> String,
) -> Node {
    let mut tree = source.tree.clone();
    let Kind::Object(members) = &mut tree.kind else {
        return tree;
    };
    for (name, node) in members {
        let Kind::List(servers) = &mut node.kind else {
            continue;
        };
        if name != "servers" {
            continue;
        }
        for server in servers {
            let known = server.text(&["name"]).unwrap_or_default();
            let Some(place) = places.iter().find(|place| place.name == known) else {
                continue;
            };
            let value = Node {
                line: server.line,
                path: String::new(),
                kind: Kind::Scalar(Value::from(cluster(place))),
            };
            if let Kind::Object(members) = &mut server.kind {
                members.retain(|(name, _)| camel(name) != "cluster");
                members.insert(1.min(members.len()), ("cluster".to_owned(), value));
            }
        }
    }
    tree
}

/// The paths that clients ask; none for every path.
pub(crate) fn endpoints(source: &Source) -> &[String] {
    match &source.config.endpoints {
        Endpoints::Listed(paths) => paths,
        Endpoints::All => &[],
    }
}

/// The variable that has the keys of sessions.
pub(crate) fn keys(source: &Source) -> Option<&str> {
    source.tree.text(&["session", "keysFromEnv"])
}

/// The bytes that a listener has to take.
pub(crate) fn buffer(source: &Source) -> usize {
    const LEAST: usize = 4_194_304;
    let body = source.config.max_request_body_size.unwrap_or(LEAST * 16);
    LEAST.max(body.saturating_mul(2)).min(1 << 31)
}

/// `text` with `spaces` before each line.
pub(crate) fn indented(text: &str, spaces: usize) -> String {
    let lines = text
        .lines()
        .map(|line| format!("{}{line}\n", " ".repeat(spaces)));
    lines.collect()
}
