//! Which server a name belongs to: the first server of the configuration that lists it. Clients see
//! the name of a tool or prompt with its server's prefix. They see the URI of a resource with the
//! server's prefix or name in it ([`UriPrefix`](crate::config::UriPrefix)). If a name starts with
//! the prefix of one server only, it can belong to no other server. If it starts with several
//! prefixes (`""`, `git_` and `git_hub_`), the lists of these servers decide. If the configuration
//! gives a tool another name (`tools.override`), clients know the tool by that name only.

use std::borrow::Cow;

use crate::config::{Server, ToolView};
use crate::mcp::list::{ListKind, Naming};

/// The servers that the client's `name` of this kind may belong to, in the order of the
/// configuration. The `name` starts with their prefix, and their configured filters allow it.
pub fn possible_owners<'s>(servers: &'s [Server], kind: ListKind, name: &str) -> Vec<&'s Server> {
    let may_own = |server: &&Server| {
        upstream_name(server, kind, name).is_some_and(|own| server.allows(kind, &own))
    };
    servers.iter().filter(may_own).collect()
}

/// The name that `server` itself uses for the client's `name` of this kind: the name without the
/// server's prefix, or the server's own name of a renamed tool. `None` where the server has no such
/// name, or where clients know that tool by another name. [`client_name`] is the opposite
/// direction.
pub fn upstream_name<'n>(
    server: &'n Server,
    kind: ListKind,
    name: &'n str,
) -> Option<Cow<'n, str>> {
    let name = match kind.naming() {
        Naming::Prefixed => name.strip_prefix(&server.tool_prefix)?,
        Naming::Uri | Naming::UriTemplate => return server.uri_prefix.to_server(name),
    };
    match tool_view(server, kind, |view| view.name_without_prefix() == name) {
        Some(view) => Some(Cow::Borrowed(&view.upstream_name)),
        None if tool_view(server, kind, |view| view.upstream_name == name).is_some() => None,
        None => Some(Cow::Borrowed(name)),
    }
}

/// The name that clients use for what `server` calls `own`: the server's prefix, and then `own` or
/// the other name that the configuration gives the tool. For a resource it is the URI with the
/// server's name in it.
pub fn client_name<'n>(server: &Server, kind: ListKind, own: &'n str) -> Cow<'n, str> {
    if kind.naming() != Naming::Prefixed {
        return server.uri_prefix.to_client(own);
    }
    let view = tool_view(server, kind, |view| view.upstream_name == own);
    let renamed = view.and_then(|view| view.name.as_deref());
    match (server.tool_prefix.as_str(), renamed) {
        ("", None) => Cow::Borrowed(own),
        (prefix, renamed) => Cow::Owned([prefix, renamed.unwrap_or(own)].concat()),
    }
}

/// The shortened name that lists show for the client's `name` where it is too long for the
/// configured limits (`names`); `None` where it fits.
pub fn short_name(server: &Server, kind: ListKind, name: &str) -> Option<String> {
    let rule = server.names.as_ref().filter(|_| kind == ListKind::Tools);
    rule?.shortened(name)
}

/// How the configuration changes the tool `own` of `server`, and the index of this tool view;
/// `None` where clients see the tool as the server describes it.
pub fn tool_view_of<'s>(
    server: &'s Server,
    kind: ListKind,
    own: &str,
) -> Option<(usize, &'s ToolView)> {
    let mut views = server.tool_views.iter().enumerate();
    views.find(|(_, view)| kind == ListKind::Tools && view.upstream_name == own)
}

/// The first view of a tool of `server` that `fits`.
fn tool_view(
    server: &Server,
    kind: ListKind,
    fits: impl Fn(&ToolView) -> bool,
) -> Option<&ToolView> {
    let mut views = server.tool_views.iter();
    views.find(|view| kind == ListKind::Tools && fits(view))
}

/// Whether no other server has a longer prefix with which `name` starts. If one has, the name
/// probably belongs to that server, and only a list of `server` can show whether `server` has the
/// name.
pub fn has_longest_prefix(servers: &[Server], server: &Server, kind: ListKind, name: &str) -> bool {
    let mut others = servers.iter();
    !others.any(|other| {
        let is_longer = other.prefix(kind).len() > server.prefix(kind).len();
        // Only the prefix of a tool counts: `upstream_name` is `None` for the old name of a tool
        // that the configuration has renamed.
        let has_prefix = match kind.naming() {
            Naming::Prefixed => name.starts_with(&other.tool_prefix),
            Naming::Uri | Naming::UriTemplate => upstream_name(other, kind, name).is_some(),
        };
        is_longer && has_prefix
    })
}

/// The server that alone has the longest prefix with which `name` starts; `None` where several
/// servers have that prefix, or where it is empty. This server gets the request even if it lists no
/// such name: servers may have resources that they do not list.
pub fn longest_prefix_owner<'s>(owners: &[&'s Server], kind: ListKind) -> Option<&'s Server> {
    let length = |server: &Server| server.prefix(kind).len();
    let longest = owners.iter().map(|server| length(server)).max()?;
    let mut with_longest = owners.iter().filter(|server| length(server) == longest);
    match (with_longest.next(), with_longest.next()) {
        (Some(server), None) if longest > 0 => Some(server),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use wasm_bindgen_test::wasm_bindgen_test;

    /// The names of the possible owners, each with its own name for `name`.
    fn owners(servers: &str, kind: ListKind, name: &str) -> String {
        let config = format!(r#"{{"servers":[{servers}]}}"#);
        let config = Config::parse(config.as_bytes()).unwrap();
        let servers = config.gateway.unwrap().servers;
        let owners = possible_owners(&servers, kind, name).into_iter();
        let shown = owners.map(|server| {
            let own = upstream_name(server, kind, name).unwrap();
            format!("{}:{own}", server.name)
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_name_may_belong_to_each_server_with_whose_prefix_it_starts() {
        let servers = r#"{"name":"a","toolPrefix":"a_"},{"name":"ab","toolPrefix":"a_b_"},{"name":"c"},{"name":"d","toolPrefix":""}"#;
        for (name, expected) in [
            ("a_x", "a:x d:a_x"),
            ("a_b_x", "a:b_x ab:x d:a_b_x"),
            ("c__x", "c:x d:c__x"),
            ("a_", "a: d:a_"),
            ("x", "d:x"),
            ("", "d:"),
        ] {
            for kind in [ListKind::Tools, ListKind::Prompts] {
                assert_eq!(owners(servers, kind, name), expected, "{name}");
            }
        }
        assert_eq!(
            owners(r#"{"name":"a"},{"name":"b"}"#, ListKind::Tools, "x"),
            ""
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn resources_have_a_prefix_that_is_a_scheme() {
        let servers =
            r#"{"name":"a","toolPrefix":"x_"},{"name":"a.b"},{"name":"c","toolPrefix":""}"#;
        for (uri, expected) in [
            ("a+file:///x", "a:file:///x c:a+file:///x"),
            ("a.b+file:///x", "a.b:file:///x c:a.b+file:///x"),
            ("file:///x", "c:file:///x"),
            ("x_file:///x", "c:x_file:///x"),
        ] {
            for kind in [ListKind::Resources, ListKind::Templates, ListKind::Skills] {
                assert_eq!(owners(servers, kind, uri), expected, "{uri}");
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_app_is_known_by_the_name_of_its_server_in_its_uri() {
        let servers = r#"{"name":"a","resources":{"exclude":["ui://hidden/*"]}},{"name":"a.b","toolPrefix":"x_"},{"name":"c","toolPrefix":""}"#;
        for (uri, expected) in [
            ("ui://a/app/x", "a:ui://app/x c:ui://a/app/x"),
            ("ui://a.b/app", "a.b:ui://app c:ui://a.b/app"),
            ("ui://a/hidden/x", "c:ui://a/hidden/x"),
            ("ui://app/x", "c:ui://app/x"),
            ("a+ui://app/x", "c:a+ui://app/x"),
        ] {
            for kind in [ListKind::Resources, ListKind::Templates, ListKind::Skills] {
                assert_eq!(owners(servers, kind, uri), expected, "{uri}");
            }
        }
        let config = format!(r#"{{"servers":[{servers}]}}"#);
        let config = Config::parse(config.as_bytes()).unwrap();
        let servers = config.gateway.unwrap().servers;
        let longest =
            |at: usize, uri| has_longest_prefix(&servers, &servers[at], ListKind::Resources, uri);
        assert!(longest(0, "ui://a/app") && !longest(2, "ui://a/app"));
        assert!(longest(2, "ui://app") && longest(2, "a+ui://app"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_excluded_belongs_to_no_server_that_excludes_it() {
        let servers = r#"{"name":"a","tools":{"include":["get_*"]},"resources":{"exclude":["file:///etc/*"]}},{"name":"b","toolPrefix":"","tools":{"exclude":["secret*"]}},{"name":"c","toolPrefix":""}"#;
        for (kind, name, expected) in [
            (ListKind::Tools, "a__get_x", "a:get_x b:a__get_x c:a__get_x"),
            (ListKind::Tools, "a__set_x", "b:a__set_x c:a__set_x"),
            (ListKind::Tools, "secret_x", "c:secret_x"),
            (ListKind::Prompts, "secret_x", "b:secret_x c:secret_x"),
            (
                ListKind::Resources,
                "a+file:///etc/passwd",
                "b:a+file:///etc/passwd c:a+file:///etc/passwd",
            ),
        ] {
            assert_eq!(owners(servers, kind, name), expected, "{name}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_tool_with_another_name_is_known_by_that_name_only() {
        let servers = r#"{"name":"a","tools":{"exclude":["gone"],"override":{"x":{"name":"y"},"y":{"name":"x"},"old":{"name":"new"},"same":{"title":"T"},"gone":{"name":"back"}}}},{"name":"b","toolPrefix":""}"#;
        for (kind, name, expected) in [
            (ListKind::Tools, "a__x", "a:y b:a__x"),
            (ListKind::Tools, "a__y", "a:x b:a__y"),
            (ListKind::Tools, "a__new", "a:old b:a__new"),
            (ListKind::Tools, "a__old", "b:a__old"),
            (ListKind::Tools, "a__same", "a:same b:a__same"),
            (ListKind::Tools, "a__other", "a:other b:a__other"),
            (ListKind::Tools, "new", "b:new"),
            // The server's filter applies to the server's own names.
            (ListKind::Tools, "a__back", "b:a__back"),
            (ListKind::Tools, "a__gone", "b:a__gone"),
            (ListKind::Prompts, "a__x", "a:x b:a__x"),
            (ListKind::Prompts, "a__new", "a:new b:a__new"),
        ] {
            assert_eq!(owners(servers, kind, name), expected, "{name}");
        }
        let config = format!(r#"{{"servers":[{servers}]}}"#);
        let config = Config::parse(config.as_bytes()).unwrap();
        let servers = config.gateway.unwrap().servers;
        for (own, name) in [("x", "a__y"), ("old", "a__new"), ("other", "a__other")] {
            let kind = ListKind::Tools;
            assert_eq!(client_name(&servers[0], kind, own), name);
            assert_eq!(upstream_name(&servers[0], kind, name).as_deref(), Some(own));
            assert_eq!(client_name(&servers[1], kind, own), own);
        }
        // The other server could have this name only by chance, so its list must show it.
        assert!(!has_longest_prefix(
            &servers,
            &servers[1],
            ListKind::Tools,
            "a__old"
        ));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn only_a_server_with_the_longest_prefix_gets_what_no_list_has() {
        let config = br#"{"servers":[{"name":"a"},{"name":"b","toolPrefix":""},{"name":"c","toolPrefix":""}]}"#;
        let servers = Config::parse(config).unwrap().gateway.unwrap().servers;
        let kind = ListKind::Resources;
        let fallback = |uri: &str| {
            let owners = possible_owners(&servers, kind, uri);
            longest_prefix_owner(&owners, kind).map(|server| server.name.as_str())
        };
        assert_eq!(fallback("a+file:///x"), Some("a"));
        assert_eq!(fallback("file:///x"), None);
        let [a, b, _] = servers.as_slice() else {
            panic!()
        };
        assert!(has_longest_prefix(&servers, a, kind, "a+file:///x"));
        assert!(!has_longest_prefix(&servers, b, kind, "a+file:///x"));
        assert!(has_longest_prefix(&servers, b, kind, "file:///x"));
    }
}
