//! Checking a configuration with the filter's own code, all of it: the filter
//! stops at its first error.

use base64::Engine as _;
use mcp_gateway::config::{Config, ConfigError};

use crate::advice;
use crate::problem::Problem;
use crate::tree::Node;

/// What the tree `config` says, as the filter takes it; and what in it works
/// but is not what it seems.
///
/// # Errors
/// Everything that the filter would refuse, in the order of the lines.
pub(crate) fn check(config: &Node) -> Result<(Config, Vec<Problem>), Vec<Problem>> {
    let mut problems = Vec::new();
    let mut rest = config.clone();
    loop {
        let (parsed, warnings) = parse(&rest);
        let error = match parsed {
            Ok(config) if problems.is_empty() => return Ok((config, warnings)),
            Ok(_) => break,
            Err(error) => error,
        };
        problems.push(problem(&rest, &error));
        if !without_culprit(&mut rest, error.path()) {
            break;
        }
    }
    problems.sort_by_key(|problem| problem.line);
    Err(problems)
}

/// A variable that is not there here may be where Envoy runs.
fn parse(config: &Node) -> (Result<Config, ConfigError>, Vec<Problem>) {
    let mut warnings = Vec::new();
    let names = config.at(&["session", "keysFromEnv"]);
    let name = config.text(&["session", "keysFromEnv"]).unwrap_or_default();
    let is_there = std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
    if let (Some(node), false, false) = (names, name.is_empty(), is_there) {
        let reason = format!("the variable {name} is not set here; Envoy has to have it");
        let fix =
            format!("export {name}=\"$(openssl rand -base64 32)\", the same for all replicas");
        warnings.push(Problem::new(node.line, &node.path, reason).fix(fix));
    }
    let variable = |asked: &str| match std::env::var(asked) {
        Ok(value) => Some(value),
        Err(_) if asked == name => Some(base64::engine::general_purpose::STANDARD.encode([0; 32])),
        Err(_) => None,
    };
    let bytes = config.value().to_string();
    (Config::parse_with(bytes.as_bytes(), &variable), warnings)
}

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

/// Takes out what is at fault, so that the next error shows; `false` where the
/// errors that followed would be of our own making.
fn without_culprit(config: &mut Node, path: &str) -> bool {
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
    fn every_error_is_shown_with_its_line_and_the_path_in_the_file() {
        let text = "listCache: on\nservers:\n- name: a\n  tool_prefix: x y\n- name: b\n- name: c\n  timeout: 5\n  colour: red\n- name: b\ncors:\n  allowOrigins: []\n";
        let seen = problems(text);
        let expected = [
            "1: listCache: \"on\" must be one of OFF, HINTS | ",
            "4: servers[0].tool_prefix: \"x y\" must be at most 64 letters, digits, \"_\", \".\" or \"-\" | toolPrefix: x-y",
            "7: servers[2].timeout: must be a string | timeout: \"5\"",
            "9: servers[3].name: \"b\" stands twice | name: b-2",
            "11: cors.allowOrigins: must name at least one origin, or \"*\" | ",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn no_error_is_one_that_checking_made() {
        for (text, expected) in [
            (
                "servers:\n- {}\nsession: {}\n",
                "2: servers[0]: missing field `name` | name: …",
            ),
            (
                "servers:\n- name: a\n  enabled: false\nsession: {}\n",
                "1: servers: must have at least one with enabled: true | ",
            ),
            ("paths: []\n", "1: paths: must name at least one path | "),
            ("[]\n", "1: : must be an object | "),
        ] {
            assert_eq!(problems(text), [expected], "{text}");
        }
    }

    #[test]
    fn a_variable_that_is_not_here_is_a_warning() {
        let text = "servers:\n- name: a\nsession:\n  keysFromEnv: NOBODY_HAS_SET_THIS\n";
        let config = tree::documents(text).unwrap().remove(0);
        let (_, warnings) = check(&config).unwrap();
        assert_eq!(warnings.len(), 1);
        assert_eq!(
            (warnings[0].line, &*warnings[0].path),
            (4, "session.keysFromEnv")
        );
    }
}
