//! Names as clients see them, and as servers know them: a prefix makes the
//! tools of many servers distinct, and says which server a call goes to.

use crate::config::Server;
use crate::mcp::list::ListKind;

/// The places of the servers that the client's `name` of this kind may belong
/// to, and their own name for it: those with the longest prefix that fits, and
/// of them those that are configured to have it. Several when they share it.
pub fn candidates<'s, 'n>(
    servers: &'s [Server],
    kind: ListKind,
    name: &'n str,
) -> (Vec<&'s Server>, &'n str) {
    let fitting = |server: &Server| {
        let prefix = server.prefix(kind);
        name.strip_prefix(prefix).map(|own| (prefix.len(), own))
    };
    let Some((longest, own)) = servers
        .iter()
        .filter_map(fitting)
        .max_by_key(|(length, _)| *length)
    else {
        return (Vec::new(), name);
    };
    let owners = servers.iter().filter(|server| {
        fitting(server).is_some_and(|(length, _)| length == longest) && server.allows(kind, own)
    });
    (owners.collect(), own)
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
        let (owners, own) = candidates(&servers, kind, name);
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
