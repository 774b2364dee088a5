//! The addresses of the servers. The filter leaves them to Envoy's clusters.

use hyper::Uri;
use mcp_gateway::http::url::without_secrets;
use serde_json::{Value, json};

use crate::config_file::ConfigFile;
use crate::problem::Problem;
use crate::syntax::tree::{Node, NodeKind};

const EXAMPLE: &str = "http://127.0.0.1:9001/mcp";

/// The data of a server's cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upstream {
    /// The server's name.
    pub(crate) name: String,
    pub(crate) cluster: String,
    /// A host name or an IP address, the latter without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
}

impl Upstream {
    fn is_at_same_place(&self, other: &Self) -> bool {
        (&self.host, self.port, self.tls) == (&other.host, other.port, other.tls)
    }
}

/// The upstreams of all enabled servers, in their order.
///
/// # Errors
/// There are no servers, a server has no usable URL, or servers with different addresses have the
/// same cluster.
pub(crate) fn all(file: &ConfigFile) -> Result<Vec<Upstream>, Vec<Problem>> {
    if file.config.gateway.is_none() {
        let reason = "the file has no servers; to protect a single server with a policy, see envoy/envoy.yaml";
        let problem = Problem::new(file.tree.line, "servers", reason);
        let example = json!([{ "name": "weather", "url": EXAMPLE }]);
        return Err(vec![
            problem
                .members([("servers", example)])
                .in_language(file.language),
        ]);
    }
    of_servers(&file.tree)
}

/// The upstreams of the enabled servers of `config`, which may have none.
///
/// # Errors
/// A server has no usable URL, or servers with different addresses have the same cluster.
pub(crate) fn of_servers(config: &Node) -> Result<Vec<Upstream>, Vec<Problem>> {
    let servers = config.get("servers").map_or(&[][..], Node::items);
    let mut upstreams: Vec<Upstream> = Vec::new();
    let mut problems = Vec::new();
    for server in servers.iter().filter(|server| is_enabled(server)) {
        match upstream(server) {
            Ok(upstream) => {
                problems.extend(cluster_conflict(server, &upstream, &upstreams));
                upstreams.push(upstream);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(upstreams)
    } else {
        Err(problems)
    }
}

fn is_enabled(server: &Node) -> bool {
    let enabled = server.get("enabled").map(|node| &node.kind);
    !matches!(enabled, Some(NodeKind::Scalar(Value::Bool(false))))
}

fn upstream(server: &Node) -> Result<Upstream, Problem> {
    let name = server.text(&["name"]).unwrap_or_default().to_owned();
    let Some(node) = server.get("url") else {
        let path = format!("{}.url", server.path);
        let reason = "is missing: Envoy needs the address of the server";
        let problem = Problem::new(server.line, path, reason);
        return Err(problem.members([("url", EXAMPLE.into())]));
    };
    let url = server.text(&["url"]).unwrap_or_default();
    let (host, port, tls) = parse(url).ok_or_else(|| {
        let url = without_secrets(url);
        let reason = format!("{url:?} must have a host, and if it has a port, one from 1 to 65535");
        Problem::new(node.line, &node.path, reason).members([("url", EXAMPLE.into())])
    })?;
    Ok(Upstream {
        cluster: server.text(&["cluster"]).unwrap_or(&name).to_owned(),
        name,
        host,
        port,
        tls,
    })
}

/// A problem if another server has the same cluster, but another address.
fn cluster_conflict(server: &Node, upstream: &Upstream, others: &[Upstream]) -> Option<Problem> {
    let cluster = &upstream.cluster;
    let other = others.iter().find(|other| other.cluster == *cluster)?;
    if other.is_at_same_place(upstream) {
        return None;
    }
    let path = format!("{}.cluster", server.path);
    let line = server.get("cluster").map_or(server.line, |it| it.line);
    let reason = format!(
        "server {:?} has the cluster {cluster:?}, but another url",
        other.name
    );
    let cluster = format!("{cluster}-2");
    Some(Problem::new(line, path, reason).members([("cluster", cluster.into())]))
}

/// The host and the port of `url`, and whether it needs TLS.
pub(crate) fn parse(url: &str) -> Option<(String, u16, bool)> {
    let uri: Uri = url.parse().ok()?;
    let tls = uri.scheme_str()? == "https";
    let authority = uri.authority()?;
    let port = match authority.port_u16() {
        Some(0) => return None,
        Some(port) => port,
        // The URL has a user name, or a port that is not valid.
        None if authority.as_str() != authority.host() => return None,
        None if tls => 443,
        None => 80,
    };
    let host = authority.host().trim_matches(['[', ']']);
    (!host.is_empty()).then(|| (host.to_owned(), port, tls))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_file;
    use crate::config_file::ReadOptions;
    use crate::syntax::tree;
    use crate::variables::placeholder::Placeholders;
    use std::path::Path;

    #[test]
    fn a_url_has_a_host_a_port_and_perhaps_tls() {
        for (url, expected) in [
            (
                "http://127.0.0.1:9001/mcp",
                Some(("127.0.0.1", 9001, false)),
            ),
            (
                "https://mcp.example.com/mcp?x=http://y:1",
                Some(("mcp.example.com", 443, true)),
            ),
            ("http://weather", Some(("weather", 80, false))),
            ("http://[::1]:8080/mcp", Some(("::1", 8080, false))),
            ("https://[::1]", Some(("::1", 443, true))),
            ("http://a:0/", None),
            ("http://user@a/", None),
            ("a:80/mcp", None),
            ("/mcp", None),
            ("http://a:70000/", None),
            ("http://:80/", None),
            ("http://a b/", None),
            ("http://[::1]x/", None),
        ] {
            let expected = expected.map(|(host, port, tls)| (host.to_owned(), port, tls));
            assert_eq!(parse(url), expected, "{url}");
        }
    }

    #[test]
    fn each_enabled_server_needs_a_url_and_a_cluster_of_its_own() {
        let text = "servers:\n- name: a\n  url: http://a:1/mcp\n- name: b\n- name: c\n  enabled: false\n- name: d\n  cluster: a\n  url: http://d:1/mcp\n";
        let config = tree::documents(text).unwrap().remove(0);
        let problems = of_servers(&config).unwrap_err();
        let seen: Vec<_> = problems.iter().map(|it| (it.line, &*it.path)).collect();
        assert_eq!(seen, [(4, "servers[1].url"), (8, "servers[3].cluster")]);
    }

    #[test]
    fn a_policy_has_no_upstreams() {
        let options = ReadOptions::new(Path::new("-"), Placeholders::Keep);
        let file = config_file::read("trafficMode: REJECT_NO_MCP\n", &options).unwrap();
        assert_eq!(all(&file).unwrap_err()[0].path, "servers");
    }
}
