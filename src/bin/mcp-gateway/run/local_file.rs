//! Adapts a file of servers to the machine on which it runs.

use std::net::{IpAddr, SocketAddr};

use hyper::Uri;

use crate::config_file::ConfigFile;
use crate::problem::Problem;
use crate::syntax::tree::{Node, NodeKind};

/// The warning about the gateway in its own file.
const IS_GATEWAY: &str = "is this gateway itself: it is left out";

/// Gives each stdio server the URL of its bridge. `url_of` knows the URL by the server's name.
pub(super) fn give_bridges(file: &mut ConfigFile, url_of: impl Fn(&str) -> String) {
    for server in file.tree.items_mut("servers") {
        let mut stdio = file.stdio.iter();
        if let Some(it) = stdio.find(|it| server.text(&["name"]) == Some(&it.name)) {
            server.set_text("url", &url_of(&it.name));
        }
    }
}

/// Removes the gateway itself, at `own`, from its servers, since it would send requests to itself
/// without end. A file that is also that of a client has such an entry. Also removes `running`, the
/// endpoint of another gateway that serves the same file, since it has the same tools.
pub(super) fn remove_gateway(file: &mut ConfigFile, own: SocketAddr, running: Option<&str>) {
    let NodeKind::Object(members) = &mut file.tree.kind else {
        return;
    };
    let servers = members.iter_mut().find(|(name, _)| name == "servers");
    let Some((
        _,
        Node {
            kind: NodeKind::List(servers),
            ..
        },
    )) = servers
    else {
        return;
    };
    servers.retain(|server| {
        let url = server.text(&["url"]);
        let is_own = url.is_some_and(|url| is_at(url, own) || Some(url) == running);
        if is_own {
            let problem = Problem::new(server.line, &server.path, IS_GATEWAY);
            file.warnings.push(problem);
        }
        !is_own
    });
}

/// The error if [`remove_gateway`] has removed the only server of `file`.
pub(super) fn without_others(file: &ConfigFile) -> Option<Problem> {
    let has_others = file
        .tree
        .get("servers")
        .is_none_or(|it| !it.items().is_empty());
    let own = file.warnings.iter().find(|it| it.reason == IS_GATEWAY);
    let own = own.filter(|_| !has_others)?;
    let reason = "is this gateway itself, and the file has no other server";
    let problem = Problem::new(own.line, &own.path, reason);
    Some(problem.fix("add the servers that clients reach through the gateway"))
}

/// Whether `url` is that of the listener at `own`, on loopback.
fn is_at(url: &str, own: SocketAddr) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    is_loopback && uri.scheme_str() == Some("http") && uri.port_u16().unwrap_or(80) == own.port()
}

/// Names each cluster that the file does not name after the server and its address. So a server
/// with a new address counts as another server: sessions join it again, and requests that are under
/// way end at the old address.
pub(super) fn name_clusters_by_address(file: &mut ConfigFile) {
    for server in file.tree.items_mut("servers") {
        let uri = server
            .text(&["url"])
            .and_then(|url| url.parse::<Uri>().ok());
        let authority = uri.as_ref().and_then(Uri::authority);
        if let (None, Some(name), Some(authority)) =
            (server.get("cluster"), server.text(&["name"]), authority)
        {
            let cluster = format!("{name}@{authority}");
            server.set_text("cluster", &cluster);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_file::{self, ReadOptions};
    use crate::variables::placeholder::Placeholders;
    use std::path::Path;

    fn read(text: &str) -> ConfigFile {
        let options = ReadOptions::new(Path::new("-"), Placeholders::Keep);
        config_file::read(text, &options).unwrap()
    }

    fn names(file: &ConfigFile, field: &str) -> Vec<String> {
        let servers = file.tree.get("servers").unwrap().items();
        let texts = servers.iter().map(|server| server.text(&[field]));
        texts
            .map(|text| text.unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn only_the_gateway_itself_is_left_out() {
        let own = "127.0.0.1:10000".parse().unwrap();
        for (url, is_own) in [
            ("http://127.0.0.1:10000/mcp", true),
            ("http://localhost:10000/other", true),
            ("http://[::1]:10000/mcp", true),
            ("http://127.0.0.1:7/mcp", true),
            ("http://127.0.0.1:10001/mcp", false),
            ("https://127.0.0.1:10000/mcp", false),
            ("http://example.com:10000/mcp", false),
            ("http://localhost/mcp", false),
        ] {
            let text = format!(
                "servers:\n- {{ name: a, url: 'http://a/mcp' }}\n- {{ name: b, url: '{url}' }}\n"
            );
            let mut file = read(&text);
            remove_gateway(&mut file, own, Some("http://127.0.0.1:7/mcp"));
            let expected: &[&str] = if is_own { &["a"] } else { &["a", "b"] };
            assert_eq!(names(&file, "name"), expected, "{url}");
            assert_eq!(file.warnings.iter().any(|it| it.line == 3), is_own, "{url}");
        }
    }

    #[test]
    fn a_file_that_has_only_the_gateway_is_told() {
        let own = "127.0.0.1:10000".parse().unwrap();
        for (text, is_told) in [
            (
                "servers: [{ name: a, url: 'http://127.0.0.1:10000/mcp' }]",
                true,
            ),
            (
                "servers: [{ name: a, url: 'http://127.0.0.1:1/mcp' }]",
                false,
            ),
            (
                "servers: [{ name: a, url: 'http://127.0.0.1:10000/mcp' }, { name: b, url: 'http://b/mcp' }]",
                false,
            ),
            ("trafficMode: REJECT_NO_MCP", false),
        ] {
            let mut file = read(text);
            remove_gateway(&mut file, own, None);
            let told = without_others(&file);
            assert_eq!(
                told.is_some_and(|it| it.path == "servers[0]"),
                is_told,
                "{text}"
            );
        }
    }

    #[test]
    fn a_cluster_has_the_name_of_the_server_and_its_address() {
        let mut file = read(
            "servers:\n- { name: a, url: 'http://A.example:1/mcp' }\n- { name: b, cluster: c, url: 'https://b.example/mcp' }\n- { name: d, url: 'https://d.example/mcp' }\n",
        );
        name_clusters_by_address(&mut file);
        assert_eq!(
            names(&file, "cluster"),
            ["a@A.example:1", "c", "d@d.example"]
        );
    }
}
