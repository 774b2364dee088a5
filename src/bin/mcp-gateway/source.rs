//! A file as a configuration, whatever kind of file it is.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use mcp_gateway::config::Config;
use serde_json::Value;

use crate::check;
use crate::kubernetes;
use crate::problem::Problem;
use crate::tree::{self, Kind, Node};

/// A file that the filter would take.
#[derive(Debug)]
pub(crate) struct Source {
    /// As it is written, with lines.
    pub(crate) tree: Node,
    /// As the filter takes it.
    pub(crate) config: Config,
    /// What works, but not as it seems.
    pub(crate) warnings: Vec<Problem>,
}

/// The text of `file`; `-` is stdin.
pub(crate) fn text(file: &Path) -> io::Result<String> {
    if file.as_os_str() == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    fs::read_to_string(file)
}

/// What `text` says: the `servers:` file of older MCP gateways, the filter's
/// configuration, or Kubernetes documents; YAML or JSON.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn read(text: &str) -> Result<Source, Vec<Problem>> {
    let mut documents = tree::documents(text).map_err(|it| {
        vec![Problem::new(
            it.line,
            "",
            format!("not YAML: {}", it.reason),
        )]
    })?;
    documents.retain(|document| !matches!(document.kind, Kind::Scalar(Value::Null)));
    let (mut tree, mut warnings) = if kubernetes::are(&documents) {
        kubernetes::read(&flat(documents))?
    } else {
        if let Some(second) = documents.get(1) {
            let reason = "a second document: a configuration is one";
            return Err(vec![Problem::new(second.line, "", reason)]);
        }
        let empty = || {
            vec![
                Problem::new(0, "", "nothing is in this file")
                    .fix("servers: [{ name: weather, url: http://127.0.0.1:9001/mcp }]"),
            ]
        };
        (documents.pop().ok_or_else(empty)?, Vec::new())
    };
    names(&mut tree, &mut warnings);
    let (config, more) = check::check(&tree)?;
    warnings.extend(more);
    Ok(Source {
        tree,
        config,
        warnings,
    })
}

/// Kubernetes' lists (`kubectl get -o yaml`) as what is in them.
fn flat(documents: Vec<Node>) -> Vec<Node> {
    let items = |document: Node| match document.get("items") {
        Some(items) => items.items().to_vec(),
        None => vec![document],
    };
    documents.into_iter().flat_map(items).collect()
}

/// The controllers of older gateways write names as `namespace/route`: no tool
/// and no URI may have that slash.
fn names(tree: &mut Node, warnings: &mut Vec<Problem>) {
    for server in tree.items_mut("servers") {
        let Some(name) = server.text(&["name"]).filter(|name| name.contains('/')) else {
            continue;
        };
        let to = name.replace('/', ".");
        let reason = format!("{name:?} is taken as {to:?}: no name has a slash");
        if let Some(node) = server.get("name") {
            warnings.push(Problem::new(node.line, &node.path, reason));
        }
        server.set_text("name", &to);
    }
}
