//! Names of servers that the filter refuses, such as `brave_search` and `GitHub`. If a server has a
//! prefix, the URIs of its resources start with its name, so the name must be a URI scheme.

use crate::problem::{Findings, Problem};
use crate::syntax::tree::Node;

/// The most characters of a name and of a prefix.
const MAX: usize = 64;

/// Which servers get a prefix if they set none, according to `prefixMode`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DefaultPrefix {
    Name,
    None,
}

/// Gives each server of `config` a name that the filter accepts. The names of its tools still start
/// with the name in the file. It is an error if two servers get the same name.
pub(crate) fn fit(config: &mut Node, findings: &mut Findings) {
    let default = default_prefix(config);
    // The new name of each server, its name in the file, and its line.
    let mut names: Vec<(String, String, usize)> = Vec::new();
    for server in config.items_mut("servers") {
        let Some(name) = server.text(&["name"]).filter(|it| !it.is_empty()) else {
            continue;
        };
        let name = name.to_owned();
        let prefix = server.text(&["toolPrefix"]).map(str::to_owned);
        let is_prefixed = prefix
            .as_ref()
            .map_or(default == DefaultPrefix::Name, |prefix| !prefix.is_empty());
        let fitting = if is_prefixed || !is_name(&name) {
            scheme(&name)
        } else {
            name.clone()
        };
        let node = server.get("name").unwrap_or(server);
        let (line, path) = (node.line, node.path.clone());
        if fitting != name {
            let tools = prefix.unwrap_or_else(|| match default {
                DefaultPrefix::Name => tool_prefix(&name),
                DefaultPrefix::None => String::new(),
            });
            let reason = format!(
                "{name:?} is {fitting:?} in logs and in URIs of resources; its tools are called {tools}…"
            );
            findings.notes.push(Problem::new(line, &path, reason));
            server.set_text("name", &fitting);
            if is_prefixed {
                server.set_text("toolPrefix", &tools);
            }
        }
        let other = names.iter().find(|(other, _, _)| *other == fitting);
        if let Some((_, other, line_of_other)) = other
            && (fitting != name || *other != fitting)
        {
            let reason = format!(
                "{name:?} and {other:?} of line {line_of_other} would both be called {fitting:?}"
            );
            let problem = Problem::new(line, &path, reason);
            findings.errors.push(problem.fix("rename one of them"));
        }
        names.push((fitting, name, line));
    }
}

fn default_prefix(config: &Node) -> DefaultPrefix {
    let servers = config.get("servers").map_or(&[][..], Node::items).iter();
    let is_enabled = |it: &&Node| it.get("enabled").is_none_or(|it| it.value() != false);
    match config.text(&["prefixMode"]) {
        Some("NEVER") => DefaultPrefix::None,
        Some("CONDITIONAL") if servers.filter(is_enabled).count() < 2 => DefaultPrefix::None,
        _ => DefaultPrefix::Name,
    }
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    name.len() <= MAX && name.chars().all(fits)
}

/// `name` as a URI scheme: in lower case, with a letter first. A slash, which separates a namespace
/// and a name, becomes a dot. Other characters become a dash.
pub(crate) fn scheme(name: &str) -> String {
    let fitting = |c: char| match c {
        '/' => '.',
        c if c.is_ascii_alphanumeric() || c == '.' || c == '-' => c.to_ascii_lowercase(),
        _ => '-',
    };
    let first = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let start = if first.starts_with(|c: char| c.is_ascii_alphabetic()) {
        ""
    } else {
        "s"
    };
    let rest = first.chars().map(fitting);
    start.chars().chain(rest).take(MAX).collect()
}

/// The prefix of the names of the tools of the server `name`.
pub(crate) fn tool_prefix(name: &str) -> String {
    let fitting = |c: char| match c {
        c if c.is_ascii_alphanumeric() || c == '_' || c == '-' => c,
        _ => '_',
    };
    let name = name.trim_start_matches('@');
    let start: String = name.chars().map(fitting).take(MAX - 2).collect();
    start + "__"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::tree;
    use serde_json::json;

    fn fitted(text: &str) -> (Node, Findings) {
        let mut config = tree::documents(text).unwrap().remove(0);
        let mut findings = Findings::default();
        fit(&mut config, &mut findings);
        (config, findings)
    }

    #[test]
    fn tools_keep_the_name_and_uris_get_one_that_fits() {
        let long = "x".repeat(70);
        for (name, scheme, prefix) in [
            ("weather", "weather", None),
            ("a.b-c", "a.b-c", None),
            ("brave_search", "brave-search", Some("brave_search__")),
            ("GitHub", "github", Some("GitHub__")),
            ("2 wörter", "s2-w-rter", Some("2_w_rter__")),
            (
                "mcp-test/calendar",
                "mcp-test.calendar",
                Some("mcp-test_calendar__"),
            ),
            ("@scope/name", "scope.name", Some("scope_name__")),
            (&long, &long[..64], Some(&*format!("{}__", &long[..62]))),
        ] {
            let (config, findings) = fitted(&format!("servers: [{{ name: \"{name}\" }}]"));
            let server = config.value()["servers"][0].clone();
            let expected = match prefix {
                Some(prefix) => json!({"name": scheme, "toolPrefix": prefix}),
                None => json!({"name": scheme}),
            };
            assert_eq!(server, expected);
            assert_eq!(
                findings.notes.len(),
                usize::from(prefix.is_some()),
                "{name}"
            );
        }
    }

    #[test]
    fn a_server_without_a_prefix_keeps_its_name() {
        for text in [
            "servers: [{ name: Git_Hub, toolPrefix: '' }]",
            "prefixMode: NEVER\nservers: [{ name: Git_Hub }]",
            "prefixMode: CONDITIONAL\nservers: [{ name: Git_Hub }, { name: b, enabled: false }]",
        ] {
            let (config, findings) = fitted(text);
            assert_eq!(config.value()["servers"][0]["name"], "Git_Hub", "{text}");
            assert_eq!(findings.notes, []);
        }
        let text = "servers: [{ name: Git_Hub, toolPrefix: gh_ }]";
        let expected = json!({"name": "git-hub", "toolPrefix": "gh_"});
        assert_eq!(fitted(text).0.value()["servers"][0], expected);
    }

    #[test]
    fn two_names_that_become_one_are_an_error_with_both_lines() {
        for (one, two, is_error) in [
            ("A_b", "a-b", true),
            ("a-b", "A_b", true),
            ("a", "a", false),
        ] {
            let (_, findings) = fitted(&format!("servers:\n- name: {one}\n- name: {two}\n"));
            let said: Vec<_> = findings
                .errors
                .iter()
                .map(|it| (it.line, &*it.reason))
                .collect();
            let reason = format!("{two:?} and {one:?} of line 2 would both be called \"a-b\"");
            let expected = if is_error {
                vec![(3, &*reason)]
            } else {
                vec![]
            };
            assert_eq!(said, expected);
        }
    }
}
