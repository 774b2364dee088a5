//! Checks a configuration with the code of the filter. The filter stops at its first
//! error; this finds them all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mcp_gateway::config::{Config, ConfigError};

use crate::advice;
use crate::environment::{self, VariableKind};
use crate::problem::Problem;
use crate::tree::Node;

/// Checks `config`, and returns what the filter reads in it, and warnings.
///
/// # Errors
/// Everything that the filter refuses, in the order of the lines.
pub(crate) fn check(config: &Node) -> Result<(Config, Vec<Problem>), Vec<Problem>> {
    let mut problems = Vec::new();
    let mut rest = config.clone();
    loop {
        let error = match parse(&rest) {
            Ok(config) if problems.is_empty() => {
                let warnings = warnings(&rest, &config);
                return Ok((config, warnings));
            }
            Ok(_) => break,
            Err(error) => error,
        };
        problems.push(problem(&rest, &error));
        if !remove_cause(&mut rest, error.path()) {
            break;
        }
    }
    problems.sort_by_key(|problem| problem.line);
    Err(problems)
}

/// Parses `config` as the filter does. The variables that it names may have any value:
/// they have to be set only where Envoy runs.
fn parse(config: &Node) -> Result<Config, ConfigError> {
    let known = environment::variables(config);
    let placeholder = |name: &str| {
        let variable = known.iter().find(|variable| variable.name == name)?;
        Some(match variable.kind {
            VariableKind::SessionKeys => BASE64.encode([1; 32]),
            VariableKind::HeaderValue => "value".to_owned(),
        })
    };
    let variable = |name: &str| environment::value(name).or_else(|| placeholder(name));
    Config::parse_with(config.value().to_string().as_bytes(), &variable)
}

/// What the filter accepts, although it may not do what the user wants.
fn warnings(config: &Node, parsed: &Config) -> Vec<Problem> {
    let said = parsed.warnings.iter();
    let said = said.map(|warning| Problem::new(config.line, "", warning));
    let unknown_hosts = config.get("servers").map_or(&[][..], Node::items).iter();
    let mut warnings: Vec<Problem> = environment::missing(config)
        .into_iter()
        .chain(said)
        .collect();
    warnings.extend(unknown_hosts.filter_map(unknown_host));
    warnings
}

/// A warning if nothing says which host the `server` has: then it gets the name of its
/// cluster.
fn unknown_host(server: &Node) -> Option<Problem> {
    let is_disabled = server.get("enabled").is_some_and(|it| it.value() == false);
    if is_disabled || server.get("url").is_some() || server.get("hostname").is_some() {
        return None;
    }
    let cluster = server.text(&["cluster"]).or(server.text(&["name"]))?;
    let reason = format!(
        "is missing, and there is no url: the server gets the name of its cluster, {cluster:?}, as the host; servers that check the host answer 421 or 403"
    );
    let path = format!("{}.hostname", server.path);
    Some(Problem::new(server.line, path, reason).fix("hostname: mcp.example.com"))
}

/// The filter's `error` with its line, its path as the file spells it, and a fix.
fn problem(config: &Node, error: &ConfigError) -> Problem {
    let (node, known) = config.nearest(error.path());
    let rest = error.path().get(known..).unwrap_or_default();
    let value = rest.is_empty().then(|| node.value());
    Problem {
        line: node.line,
        path: format!("{}{rest}", node.path)
            .trim_start_matches('.')
            .to_owned(),
        reason: error.reason().to_owned(),
        fix: advice::fix(error.path(), error.reason(), value.as_ref()),
    }
}

/// Removes the field at `path`, so that the next error shows. Returns `false` if without
/// it the configuration would have errors that the file does not have.
fn remove_cause(config: &mut Node, path: &str) -> bool {
    let top = path.split(['.', '[']).next().unwrap_or_default();
    if top == "servers" {
        let index = path
            .strip_prefix("servers[")
            .and_then(|rest| rest.split(']').next());
        let Some(index) = index.and_then(|index| index.parse().ok()) else {
            return false;
        };
        let left = config
            .get("servers")
            .map_or(0, |servers| servers.items().len());
        return left > 1 && config.remove_item("servers", index);
    }
    !top.is_empty() && config.remove(top)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;

    fn problems(text: &str) -> Vec<String> {
        let config = tree::documents(text).unwrap().remove(0);
        let problems = check(&config).expect_err(text);
        let line = |it: Problem| {
            format!(
                "{}: {}: {} | {}",
                it.line,
                it.path,
                it.reason,
                it.fix.unwrap_or_default()
            )
        };
        problems.into_iter().map(line).collect()
    }

    #[test]
    fn each_error_has_its_line_and_its_path_in_the_file() {
        let text = "listCache: on\nservers:\n- name: a\n  tool_prefix: x y\n- name: b\n- name: c\n  timeout: 5\n  colour: red\n- name: b\ncors:\n  allowOrigins: []\n";
        let seen = problems(text);
        let expected = [
            "1: listCache: \"on\" must be one of OFF, HINTS | ",
            "4: servers[0].tool_prefix: \"x y\" must be at most 64 letters, digits, \"_\", \".\" or \"-\" | toolPrefix: x-y",
            "7: servers[2].timeout: must be a string | timeout: \"5\"",
            "9: servers[3].name: \"b\" is used twice | name: b-2",
            "11: cors.allowOrigins: must have at least one entry | ",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_fix_in_place_of_the_field_makes_the_file_valid() {
        for (before, field, after) in [
            ("", "prefixMode: allways", "\nservers: [{ name: a }]"),
            ("servers: [{ name: a }]\n", "rejectDuplicateKeys: 'yes'", ""),
            ("servers:\n- name: a\n  ", "enabled: 1", ""),
            ("servers:\n- name: a\n  ", "toolPrefix: 7", ""),
            ("servers:\n- name: a\n  ", "toolPrefix: we ather", ""),
            ("servers:\n- name: a\n  ", "timeout: 5", ""),
            ("servers:\n- name: a\n  ", "timeout: -5", ""),
            ("servers:\n- name: a\n  ", "timeout: '1.5'", ""),
            ("servers:\n- name: a\n  ", "timeout: 5 minutes", ""),
            ("servers:\n- name: a\n  ", "timeout: soon", ""),
            ("servers:\n- name: a\n  ", "url: 127.0.0.1:9001/mcp", ""),
            ("servers:\n- name: a\n  ", "url: ftp://a.example/mcp", ""),
            ("servers:\n- name: a\n  ", "path: mcp", ""),
            ("servers:\n- name: a\n  ", "path: /mcp#x", ""),
            ("servers:\n- name: a\n- ", "name: a", ""),
            ("servers:\n- ", "name: We_ather", ""),
            ("servers:\n- ", "name: 1a", ""),
            ("servers:\n- ", "name: weather service (new)", ""),
        ] {
            let mut field = field.to_owned();
            // The fix for one error may leave another one.
            for _ in 0..3 {
                let text = format!("{before}{field}{after}");
                let config = tree::documents(&text).unwrap().remove(0);
                match check(&config) {
                    Ok(_) => {
                        field.clear();
                        break;
                    }
                    Err(problems) => {
                        let fix = problems[0].fix.clone();
                        field = fix.unwrap_or_else(|| panic!("no fix: {text}: {problems:?}"));
                    }
                }
            }
            assert_eq!(field, "", "does not work");
        }
    }

    #[test]
    fn removing_a_cause_makes_no_new_errors() {
        for (text, expected) in [
            (
                "servers:\n- {}\nsession: {}\n",
                "2: servers[0]: missing field `name` | name: …",
            ),
            (
                "servers:\n- name: a\n  enabled: false\nsession: {}\n",
                "1: servers: must have at least one with enabled: true | ",
            ),
            ("paths: []\n", "1: paths: must have at least one entry | "),
            ("[]\n", "1: : must be an object | "),
        ] {
            assert_eq!(problems(text), [expected], "{text}");
        }
    }

    #[test]
    fn a_missing_variable_is_a_warning() {
        let text = "servers:\n- name: a\n  hostname: a\n  headers: [{ name: x-key, valueFromEnv: NOR_THIS }]\nsession:\n  keysFromEnv: NOBODY_HAS_SET_THIS\n";
        let config = tree::documents(text).unwrap().remove(0);
        let (_, warnings) = check(&config).unwrap();
        let places: Vec<_> = warnings.iter().map(|it| (it.line, &*it.path)).collect();
        assert_eq!(
            places,
            [
                (6, "session.keysFromEnv"),
                (4, "servers[0].headers[0].valueFromEnv")
            ]
        );
    }

    #[test]
    fn a_server_whose_host_nothing_says_is_a_warning() {
        let warnings = |server: &str| -> Vec<(usize, String)> {
            let text = format!("servers:\n- {{ name: z, hostname: z.example }}\n- {server}\n");
            let config = tree::documents(&text).unwrap().remove(0);
            let (_, warnings) = check(&config).unwrap();
            let shown = warnings
                .into_iter()
                .map(|it| (it.line, it.path + ": " + &it.reason));
            shown.collect()
        };
        for fine in [
            "{ name: a, url: 'http://a.example/mcp' }",
            "{ name: a, hostname: a.example }",
            "{ name: a, enabled: false }",
        ] {
            assert_eq!(warnings(fine), [], "{fine}");
        }
        for (server, cluster) in [
            ("{ name: a }", "a"),
            (
                "{ name: a, cluster: 'outbound|80||a.example' }",
                "outbound|80||a.example",
            ),
        ] {
            let warnings = warnings(server);
            let [(3, warning)] = warnings.as_slice() else {
                panic!("{warnings:?}");
            };
            assert!(
                warning.starts_with("servers[1].hostname: is missing"),
                "{warning}"
            );
            assert!(warning.contains(&format!("{cluster:?}")), "{warning}");
        }
    }

    #[test]
    fn what_the_filter_warns_of_is_a_warning() {
        let text = "servers:\n- { name: a, url: 'http://a.example/mcp', allowCredentialHeaders: true, passthroughHeaders: [authorization] }\n";
        let config = tree::documents(text).unwrap().remove(0);
        let (parsed, warnings) = check(&config).unwrap();
        assert_eq!(warnings.len(), 1);
        assert_eq!(warnings[0].reason, parsed.warnings[0]);
    }
}
