//! Where the servers are: what the filter leaves to Envoy's clusters.

use std::net::IpAddr;

use serde_json::Value;

use crate::problem::Problem;
use crate::source::Source;
use crate::tree::{Kind, Node};

/// What one cluster needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The server's name.
    pub(crate) name: String,
    pub(crate) cluster: String,
    /// A name or an address, that one without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
}

impl Place {
    /// The address, where no name has to be looked up.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// The places of all enabled servers, in their order.
///
/// # Errors
/// There are no servers, or one does not say where it is.
pub(crate) fn places(source: &Source) -> Result<Vec<Place>, Vec<Problem>> {
    let Some(servers) = source
        .tree
        .get("servers")
        .filter(|it| !it.items().is_empty())
    else {
        let fix = "servers: [{ name: weather, url: http://127.0.0.1:9001/mcp }]";
        let reason = "there are no servers; a policy for one server stands in Envoy's configuration, see envoy/envoy.yaml";
        return Err(vec![
            Problem::new(source.tree.line, "servers", reason).fix(fix),
        ]);
    };
    let mut places: Vec<Place> = Vec::new();
    let mut problems = Vec::new();
    let off = |server: &&Node| {
        matches!(
            server.get("enabled").map(|it| &it.kind),
            Some(Kind::Scalar(Value::Bool(false)))
        )
    };
    for server in servers.items().iter().filter(|server| !off(server)) {
        let place = match place(server) {
            Ok(place) => place,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let other = places.iter().find(|it| it.cluster == place.cluster);
        if other
            .is_some_and(|it| (&it.host, it.port, it.tls) != (&place.host, place.port, place.tls))
        {
            let path = format!("{}.cluster", server.path);
            let line = server.get("cluster").map_or(server.line, |it| it.line);
            problems.push(Problem::new(
                line,
                path,
                format!("{:?} is the cluster of another url, too", place.cluster),
            ));
        }
        places.push(place);
    }
    if problems.is_empty() {
        Ok(places)
    } else {
        Err(problems)
    }
}

fn place(server: &Node) -> Result<Place, Problem> {
    let name = server.text(&["name"]).unwrap_or_default().to_owned();
    let Some(node) = server.get("url") else {
        let path = format!("{}.url", server.path);
        let problem = Problem::new(server.line, path, "is missing: it says where the server is");
        return Err(problem.fix("url: http://127.0.0.1:9001/mcp"));
    };
    let text = server.text(&["url"]).unwrap_or_default();
    let (host, port, tls) = split(text).ok_or_else(|| {
        let reason = format!("{text:?} must have a host, and a port from 1 to 65535 or none");
        Problem::new(node.line, &node.path, reason)
    })?;
    Ok(Place {
        cluster: server.text(&["cluster"]).unwrap_or(&name).to_owned(),
        name,
        host,
        port,
        tls,
    })
}

/// Host, port and whether TLS is spoken there.
fn split(url: &str) -> Option<(String, u16, bool)> {
    let (scheme, rest) = url.split_once("://")?;
    let tls = scheme == "https";
    let authority = rest.split(['/', '?', '#']).next()?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (
                host,
                port.strip_prefix(':')
                    .or_else(|| port.is_empty().then_some(""))?,
            )
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let port = match port {
        "" if tls => 443,
        "" => 80,
        port => port.parse().ok().filter(|port| *port > 0)?,
    };
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    (!host.is_empty() && host.bytes().all(is_host)).then(|| (host.to_owned(), port, tls))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source;

    #[test]
    fn a_url_says_where() {
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
            ("http://a:70000/", None),
            ("http://:80/", None),
            ("http://a b/", None),
            ("http://[::1]x/", None),
        ] {
            let expected = expected.map(|(host, port, tls)| (host.to_owned(), port, tls));
            assert_eq!(split(url), expected, "{url}");
        }
    }

    #[test]
    fn each_enabled_server_has_to_say_where_it_is() {
        let text = "servers:\n- name: a\n  url: http://a:1/mcp\n- name: b\n- name: c\n  enabled: false\n- name: d\n  cluster: a\n  url: http://d:1/mcp\n";
        let source = source::read(text).unwrap();
        let problems = places(&source).unwrap_err();
        let seen: Vec<_> = problems.iter().map(|it| (it.line, &*it.path)).collect();
        assert_eq!(seen, [(4, "servers[1].url"), (8, "servers[3].cluster")]);
    }

    #[test]
    fn a_policy_has_no_place() {
        let source = source::read("trafficMode: REJECT_NO_MCP\n").unwrap();
        assert_eq!(places(&source).unwrap_err()[0].path, "servers");
    }
}
