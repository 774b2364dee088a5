//! Reads a file of any accepted kind as a configuration of the filter.

use std::fs;
use std::io;
use std::path::Path;

use mcp_gateway::config::Config;
use serde_json::Value;

use crate::check;
use crate::client_file;
use crate::kubernetes;
use crate::placeholder::Placeholders;
use crate::problem::Problem;
use crate::tree::{self, Node, NodeKind};

/// A configuration that the filter accepts.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    /// The configuration as it is written, with the lines of the file.
    pub(crate) tree: Node,
    /// The same as the filter reads it.
    pub(crate) config: Config,
    /// What the filter accepts although it may not be what the user means.
    pub(crate) warnings: Vec<Problem>,
}

/// The text of `file`, or of stdin if `file` is `-`.
///
/// # Errors
/// It cannot be read.
pub(crate) fn text(file: &Path) -> io::Result<String> {
    if file.as_os_str() == "-" {
        return io::read_to_string(io::stdin());
    }
    fs::read_to_string(file)
}

/// Reads YAML or JSON: the `servers:` file of an older MCP gateway, the configuration of
/// the filter, the file of an MCP client, or Kubernetes documents. `placeholders` is what
/// becomes of variables in the file of a client.
///
/// # Errors
/// Everything that is wrong in `text`.
pub(crate) fn read(text: &str, placeholders: Placeholders) -> Result<ConfigFile, Vec<Problem>> {
    let mut documents = tree::documents(text).map_err(|error| {
        let reason = format!("not YAML: {}", error.reason);
        vec![Problem::new(error.line, "", reason)]
    })?;
    documents.retain(|document| !matches!(document.kind, NodeKind::Scalar(Value::Null)));
    let (mut tree, mut warnings) = if kubernetes::is_kubernetes(&documents) {
        kubernetes::read(&without_lists(documents))?
    } else {
        let tree = only(documents)?;
        if client_file::is_client_file(&tree) {
            client_file::read(&tree, placeholders)?
        } else {
            (tree, Vec::new())
        }
    };
    replace_slashes(&mut tree, &mut warnings);
    let (config, more) = check::check(&tree)?;
    warnings.extend(more);
    Ok(ConfigFile {
        tree,
        config,
        warnings,
    })
}

/// The one document of a file.
fn only(mut documents: Vec<Node>) -> Result<Node, Vec<Problem>> {
    let problem = match documents.get(1) {
        Some(second) => {
            let reason = "the file has a second YAML document, but a configuration is one";
            Problem::new(second.line, "", reason).fix("remove the `---` before it, or all of it")
        }
        None => Problem::new(0, "", "the file is empty")
            .fix("servers: [{ name: weather, url: http://127.0.0.1:9001/mcp }]"),
    };
    let first = documents.pop();
    first.filter(|_| documents.is_empty()).ok_or(vec![problem])
}

/// Puts the items of a Kubernetes list (`kubectl get -o yaml`) in place of the list.
fn without_lists(documents: Vec<Node>) -> Vec<Node> {
    let items = |document: Node| match document.get("items") {
        Some(items) => items.items().to_vec(),
        None => vec![document],
    };
    documents.into_iter().flat_map(items).collect()
}

/// The controllers of older gateways name a server `namespace/route`. The name of a tool
/// or a URI cannot contain that slash, so it becomes a dot.
fn replace_slashes(tree: &mut Node, warnings: &mut Vec<Problem>) {
    for server in tree.items_mut("servers") {
        let Some(name) = server.text(&["name"]).filter(|name| name.contains('/')) else {
            continue;
        };
        let replaced = name.replace('/', ".");
        if let Some(node) = server.get("name") {
            let reason = format!("{name:?} contains a slash: the gateway uses {replaced:?}");
            let problem = Problem::new(node.line, &node.path, reason);
            warnings.push(problem.fix(format!("name: {replaced}")));
        }
        server.set_text("name", &replaced);
    }
}
