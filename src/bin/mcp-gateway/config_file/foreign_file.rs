//! Tells the user what a file is that has no servers.

use mcp_gateway::config::camel;
use serde_json::{Value, json};

use super::advice;
use crate::problem::Problem;
use crate::syntax::tree::{Node, NodeKind};

/// A problem with a file that has no servers. The fix is an example of them.
fn without_servers(tree: &Node, reason: &str) -> Option<Problem> {
    let example = json!([{ "name": "weather", "url": "http://127.0.0.1:9001/mcp" }]);
    Some(Problem::new(tree.line, "", reason).members([("servers", example)]))
}

/// The members in which clients have their servers.
const NAMES_OF_CLIENTS: [&str; 3] = ["mcpServers", "mcp_servers", "context_servers"];

/// A problem if `tree` is neither the file of a client nor a configuration.
pub(crate) fn tell(tree: &Node) -> Option<Problem> {
    let has = |names: &[&str]| names.iter().any(|name| tree.get(name).is_some());
    let problem = |reason: &str, fix: &str| Some(Problem::new(tree.line, "", reason).fix(fix));
    let members = match &tree.kind {
        NodeKind::Object(members) => members,
        NodeKind::List(items) if items.iter().any(|it| it.get("name").is_some()) => {
            return without_servers(tree, "is a list: the servers have to be below `servers`");
        }
        NodeKind::List(_) => return without_servers(tree, "is a list, not an object with servers"),
        NodeKind::Scalar(_) => {
            return without_servers(tree, "is a text, not an object with servers");
        }
    };
    let is_server =
        |(_, node): &(String, Node)| ["command", "url"].iter().any(|it| node.get(it).is_some());
    if is_bootstrap(has) {
        return problem(
            "this is Envoy's own configuration, which names no MCP servers for this program",
            "name the file with the servers instead: `render` makes Envoy's configuration of it",
        );
    }
    if has(&[
        "servers",
        "trafficMode",
        "session",
        "authorization",
        "cors",
        "oauth",
    ]) {
        return None;
    }
    if let Some(reason) = of_other_program(has) {
        return without_servers(tree, reason);
    }
    if !members.is_empty() && members.iter().all(is_server) {
        return problem(
            "the servers have to be below `mcpServers`",
            "write { \"mcpServers\": before what the file has now, and } after it",
        );
    }
    if members.is_empty()
        || has(&[
            "globalShortcut",
            "preferences",
            "model",
            "projects",
            "theme",
            "security",
            "general",
        ])
    {
        if let Some(problem) = of_projects(tree) {
            return Some(problem);
        }
        let reason = "the file of a client has no servers: there is no `mcpServers` in it";
        let example = json!({ "weather": { "url": "http://127.0.0.1:9001/mcp" } });
        let problem = Problem::new(tree.line, "", reason);
        return Some(problem.members([("mcpServers", example)]));
    }
    strange(tree, members)
}

/// A problem if the file of Claude Code has servers of projects only.
fn of_projects(tree: &Node) -> Option<Problem> {
    let NodeKind::Object(projects) = &tree.get("projects")?.kind else {
        return None;
    };
    let mut lists = projects.iter().filter_map(|(_, it)| it.get("mcpServers"));
    let has_servers = |list: &&Node| matches!(&list.kind, NodeKind::Object(it) if !it.is_empty());
    let list = lists.find(has_servers)?;
    let reason = "belongs to a project: this program reads only the servers of the user, in `mcpServers` at the top";
    let problem = Problem::new(list.line, &list.path, reason);
    Some(problem.fix("copy this `mcpServers` into a file of its own: { \"mcpServers\": { … } }"))
}

/// Whether the file is Envoy's own configuration. `has` gives whether it has one of these members.
fn is_bootstrap(has: impl Fn(&[&str]) -> bool) -> bool {
    let is_envoys = has(&[
        "staticResources",
        "dynamicResources",
        "bootstrapExtensions",
        "layeredRuntime",
    ]);
    is_envoys || has(&["admin"]) && has(&["node"])
}

/// What the file of another program is. `has` gives whether it has one of these members.
fn of_other_program(has: impl Fn(&[&str]) -> bool) -> Option<&'static str> {
    if has(&["dependencies", "devDependencies", "scripts"]) {
        return Some("this is a package.json of npm, which has no MCP servers");
    }
    if has(&["packages", "remotes"]) && has(&["name"]) {
        return Some(
            "this is a server.json of the MCP registry, which describes one server to be installed",
        );
    }
    has(&["services"]).then_some("this is a file of Docker Compose, which has no MCP servers")
}

/// A problem if none of `members` is a field of the configuration, or has a name similar to one.
fn strange(tree: &Node, members: &[(String, Node)]) -> Option<Problem> {
    for (name, node) in members {
        if name.eq_ignore_ascii_case("servers") {
            return None;
        }
        if let Some(meant) = advice::nearest(name, &NAMES_OF_CLIENTS) {
            let reason = format!("unknown field: servers are below `{meant}`");
            let problem = Problem::new(node.line, &node.path, reason);
            return Some(problem.fix(format!("write {meant} in place of {name}")));
        }
    }
    let schema = mcp_gateway::config::schema();
    let fields = schema.get("properties").and_then(Value::as_object)?;
    let fields: Vec<&str> = fields.keys().map(String::as_str).collect();
    let mut names = members.iter().map(|(name, _)| camel(name));
    if names.any(|name| advice::nearest(&name, &fields).is_some()) {
        return None;
    }
    let names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
    let reason = format!(
        "the file has no servers, and this program knows none of its fields ({})",
        names.join(", ")
    );
    without_servers(tree, &reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::tree;

    #[test]
    fn each_kind_is_told_and_configurations_are_not() {
        for (text, expected) in [
            (
                "static_resources: {}\nadmin: {}\n",
                "this is Envoy's own configuration",
            ),
            (
                "{\"name\": \"x\", \"scripts\": {}}",
                "this is a package.json",
            ),
            (
                "{\"name\": \"x\", \"packages\": []}",
                "this is a server.json",
            ),
            (
                "services: { web: { image: x } }",
                "this is a file of Docker Compose",
            ),
            (
                "{\"globalShortcut\": \"\"}",
                "the file of a client has no servers",
            ),
            ("{}", "the file of a client has no servers"),
            ("model = \"o3\"\n", "the file of a client has no servers"),
            (
                "{\"a\": {\"command\": \"x\"}}",
                "the servers have to be below `mcpServers`",
            ),
            (
                "- name: a\n",
                "is a list: the servers have to be below `servers`",
            ),
            (
                "{\"mcpServer\": {\"a\": {}}}",
                "unknown field: servers are below `mcpServers`",
            ),
            (
                "{\"mcp-servers\": {}, \"x\": 1}",
                "unknown field: servers are below `mcpServers`",
            ),
            (
                "[package]\nname = \"x\"\n",
                "the file has no servers, and this program knows none of its fields (package)",
            ),
            (
                "{\"projects\": {\"/p\": {\"mcpServers\": {\"a\": {\"command\": \"x\"}}}}}",
                "belongs to a project",
            ),
            (
                "{\"projects\": {\"/p\": {\"mcpServers\": {}}}}",
                "the file of a client has no servers",
            ),
            ("[]", "is a list, not"),
            ("hello", "is a text, not"),
        ] {
            let tree = tree::documents(text).unwrap().remove(0);
            let problem = tell(&tree).unwrap_or_else(|| panic!("{text}"));
            assert!(problem.reason.starts_with(expected), "{text}: {problem:?}");
        }
        for text in [
            "trafficMode: REJECT_NO_MCP",
            "servers: []",
            "maxRequestBodySize: 0",
            "trafficMod: NOOP",
            "server: []",
            "max_request_body_siz: 0\nfoo: 1\n",
        ] {
            assert_eq!(tell(&tree::documents(text).unwrap()[0]), None, "{text}");
        }
    }
}
