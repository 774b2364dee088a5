//! Which server a name belongs to. Clients see the name of a tool, prompt or
//! resource with its server's prefix: the prefix makes the names of different
//! servers distinct, and says which server a call is for.

use crate::config::Server;
use crate::mcp::list::ListKind;

/// The servers that the client's `name` of this kind may belong to, and the name
/// without their prefix. These are the servers with the longest prefix that `name`
/// starts with, and whose configured filters allow it. There are several when they
/// have the same prefix.
pub fn possible_owners<'s, 'n>(
    servers: &'s [Server],
    kind: ListKind,
    name: &'n str,
) -> (Vec<&'s Server>, &'n str) {
    let without_prefix = |server: &Server| {
        let prefix = server.prefix(kind);
        name.strip_prefix(prefix).map(|rest| (prefix.len(), rest))
    };
    let Some((longest, upstream_name)) = servers
        .iter()
        .filter_map(without_prefix)
        .max_by_key(|(length, _)| *length)
    else {
        return (Vec::new(), name);
    };
    let owners = servers.iter().filter(|server| {
        without_prefix(server).is_some_and(|(length, _)| length == longest)
            && server.allows(kind, upstream_name)
    });
    (owners.collect(), upstream_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn resolved<'n>(servers: &str, kind: ListKind, name: &'n str) -> (String, &'n str) {
        let config = format!(r#"{{"servers":[{servers}]}}"#);
        let servers = Config::parse(config.as_bytes())
            .unwrap()
            .gateway
            .unwrap()
            .servers;
        let (owners, own) = possible_owners(&servers, kind, name);
        let names: Vec<&str> = owners.iter().map(|server| server.name.as_str()).collect();
        (names.join(" "), own)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_longest_prefix_wins() {
        let servers =
            r#"{"name":"a","toolPrefix":"a_"},{"name":"ab","toolPrefix":"a_b_"},{"name":"c"}"#;
        for (name, server, own) in [
            ("a_x", "a", "x"),
            ("a_b_x", "ab", "x"),
            ("c__x", "c", "x"),
            ("a_", "a", ""),
            ("x", "", "x"),
            ("", "", ""),
        ] {
            assert_eq!(
                resolved(servers, ListKind::Tools, name),
                (server.into(), own),
                "{name}"
            );
            assert_eq!(
                resolved(servers, ListKind::Prompts, name),
                (server.into(), own),
                "{name}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn resources_belong_to_the_server_that_their_scheme_names() {
        let servers =
            r#"{"name":"a","toolPrefix":"x_"},{"name":"a.b"},{"name":"c","toolPrefix":""}"#;
        for (uri, server, own) in [
            ("a+file:///x", "a", "file:///x"),
            ("a.b+file:///x", "a.b", "file:///x"),
            ("file:///x", "c", "file:///x"),
            ("x_file:///x", "c", "x_file:///x"),
        ] {
            assert_eq!(
                resolved(servers, ListKind::Resources, uri),
                (server.into(), own),
                "{uri}"
            );
            assert_eq!(
                resolved(servers, ListKind::Templates, uri),
                (server.into(), own),
                "{uri}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn servers_with_the_same_prefix_share_its_names() {
        let servers = r#"{"name":"a","toolPrefix":""},{"name":"b"},{"name":"c","toolPrefix":"","tools":{"exclude":["secret*"]}}"#;
        for (name, server, own) in [
            ("x", "a c", "x"),
            ("b__x", "b", "x"),
            ("secret_x", "a", "secret_x"),
        ] {
            assert_eq!(
                resolved(servers, ListKind::Tools, name),
                (server.into(), own),
                "{name}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_excluded_belongs_to_nobody() {
        let servers = r#"{"name":"a","tools":{"include":["get_*"]},"resources":{"exclude":["file:///etc/*"]}},{"name":"b","toolPrefix":""}"#;
        for (kind, name, server) in [
            (ListKind::Tools, "a__get_x", "a"),
            (ListKind::Tools, "a__set_x", ""),
            (ListKind::Prompts, "a__set_x", "a"),
            (ListKind::Resources, "a+file:///x", "a"),
            (ListKind::Resources, "a+file:///etc/passwd", ""),
        ] {
            assert_eq!(resolved(servers, kind, name).0, server, "{name}");
        }
    }
}
