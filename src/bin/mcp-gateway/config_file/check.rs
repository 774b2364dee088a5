//! Checks a configuration with the code of the filter. The filter stops at its first error; this
//! check finds all errors.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mcp_gateway::config::{Config, ConfigError, camel};

use crate::config_file::advice::{self, Fix};
use crate::problem::Problem;
use crate::syntax::tree::{Node, NodeKind, below};
use crate::syntax::yaml;
use crate::upstream;
use crate::variables::environment::{self, VariableKind};

/// Checks `config`. Returns the filter's configuration, and warnings.
///
/// # Errors
/// Everything that the filter refuses, and each server that Envoy could not reach, in the order of
/// the lines.
pub(crate) fn check(config: &Node) -> Result<(Config, Vec<Problem>), Vec<Problem>> {
    let mut problems: Vec<Problem> = Vec::new();
    let mut rest = config.clone();
    let mut removed = Vec::new();
    let parsed = loop {
        let error = match parse(&rest) {
            Ok(parsed) => break Some(parsed),
            Err(error) => error,
        };
        if let Some((problem, renamed)) = misspelled(&rest, &error) {
            problems.push(problem);
            rest = renamed;
            continue;
        }
        if !is_consequence(&rest, &error, &removed) {
            problems.push(problem(&rest, &error));
        }
        match remove_cause(&mut rest, &error, removed.len()) {
            Some(path) => removed.push(path),
            None => break None,
        }
    };
    // If a whole server was removed because of an error, its address is not checked.
    for problem in upstream::of_servers(&rest).err().into_iter().flatten() {
        let is_told = |known: &Problem| {
            let is_no_server = known.reason == advice::NO_OBJECT;
            let is_of_it = is_no_server && problem.path.strip_suffix(".url") == Some(&known.path);
            known.path == problem.path || is_of_it || adds(known, &problem.path)
        };
        if !problems.iter().any(is_told) {
            problems.push(problem);
        }
    }
    match parsed {
        Some(parsed) if problems.is_empty() => {
            let warnings = warnings(&rest, &parsed);
            Ok((parsed, warnings))
        }
        _ => {
            problems.sort_by_key(|problem| problem.line);
            Err(problems)
        }
    }
}

/// If `error` is about a missing field, and the object has a member with a misspelling of its name:
/// the problem, and `config` with the right name.
fn misspelled(config: &Node, error: &ConfigError) -> Option<(Problem, Node)> {
    let missing = error.reason().strip_prefix("missing field `")?;
    let missing = missing.trim_end_matches('`');
    let (node, known) = config.nearest(error.path());
    let names = [missing];
    let mut members = advice::misspelled_members(node, &names).filter(|(name, member, _)| {
        // The right name with `null` counts as missing.
        matches!(member.kind, NodeKind::Scalar(_)) && camel(name) != missing
    });
    let (name, member, _) = members.next().filter(|_| known == error.path().len())?;
    let fix = Fix::Set {
        field: missing.to_owned(),
        value: yaml::flow(member).ok()?,
    };
    let renamed = fix.applied(config, &below(error.path(), name))?;
    let is_same =
        |left: &ConfigError| (left.path(), left.reason()) == (error.path(), error.reason());
    if parse(&renamed).err().as_ref().is_some_and(is_same) {
        return None;
    }
    let problem = Problem::new(member.line, &member.path, advice::UNKNOWN_FIELD);
    Some((fix.given_to(problem), renamed))
}

/// Whether the fix of `known` gives the object of `known` the field at `path`.
fn adds(known: &Problem, path: &str) -> bool {
    let (object, field) = path.rsplit_once('.').unwrap_or(("", path));
    let of_same = known.path.rsplit_once('.').map(|(object, _)| object) == Some(object);
    let fix = known.fix.as_deref().and_then(|fix| fix.split_once(": "));
    of_same && fix.is_some_and(|(added, _)| added == field)
}

/// Parses `config` as the filter does. The environment variables that it names have any value here,
/// since they are set only where Envoy runs.
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

/// Warnings about settings that the filter accepts, but that may not do what the user wants.
fn warnings(config: &Node, parsed: &Config) -> Vec<Problem> {
    let said = parsed.warnings.iter();
    let said = said.map(|warning| Problem::new(config.line, "", warning));
    environment::missing(config)
        .into_iter()
        .chain(said)
        .collect()
}

/// The filter's `error` with its line, its path with the spelling of the file, and a fix.
fn problem(config: &Node, error: &ConfigError) -> Problem {
    let (node, known) = config.nearest(error.path());
    let rest = error.path().get(known..).unwrap_or_default();
    let fix = advice::fix(config, error).and_then(|fix| {
        if works(&fix, config, error) {
            return Some(fix);
        }
        fix.in_words(error)
    });
    let path = format!("{}{rest}", node.path);
    let reason = advice::reason(error, fix.as_ref());
    let problem = Problem::new(node.line, path.trim_start_matches('.'), reason);
    match fix {
        Some(fix) => fix.given_to(problem),
        None => problem,
    }
}

/// Whether `fix` removes `error`. An instruction for the user always counts as a fix.
fn works(fix: &Fix, config: &Node, error: &ConfigError) -> bool {
    let Some(fixed) = fix.applied(config, error.path()) else {
        return true;
    };
    parse(&fixed)
        .err()
        .is_none_or(|left| left.path() != error.path())
}

/// Whether `error` may exist only because the values at the paths `removed` were removed: an object
/// lacks one of them, or another field needs one.
fn is_consequence(config: &Node, error: &ConfigError, removed: &[String]) -> bool {
    let (node, _) = config.nearest(error.path());
    let needs = error.reason().split_once("needs ").map(|(_, needs)| needs);
    let mut needed = needs
        .unwrap_or_default()
        .split(|c: char| !c.is_ascii_alphanumeric());
    let missing = error.reason().strip_prefix("missing field `");
    let is_chosen = error.reason().contains("must have ");
    removed.iter().any(|path| {
        let last = path.rsplit(['.', '[']).next().unwrap_or(path);
        let inside = path.strip_prefix(&node.path);
        let is_inside = inside.is_some_and(|rest| rest.starts_with(['.', '[']));
        match missing {
            Some(missing) => is_inside && missing.trim_end_matches('`') == camel(last),
            None => is_inside && is_chosen || needed.any(|word| word == camel(last)),
        }
    })
}

/// Removes the value that `error` is about, so that the next error can be found. Returns the path
/// of the removed value, with the spelling of the file; `None` if no server would be left.
fn remove_cause(config: &mut Node, error: &ConfigError, removed: usize) -> Option<String> {
    let (node, known) = config.nearest(error.path());
    let original = node.path.clone();
    let mut path = error
        .path()
        .get(..known)
        .unwrap_or_default()
        .trim_end_matches('.');
    // Every server must have a name, and names must differ, so the server gets another name.
    let server = path
        .strip_prefix("servers[")
        .and_then(|rest| rest.split_once(']'));
    if let Some((index, field)) = server
        && let Ok(index) = index.parse::<usize>()
        && (field == ".name" || error.reason() == "missing field `name`" && field.is_empty())
    {
        let server = config.items_mut("servers").get_mut(index)?;
        server.set_text("name", &format!("unnamed-{removed}"));
        return Some(original);
    }
    // If the last item of a list is removed, the list is removed, too, since many lists must not be
    // empty.
    while let Some((list, _)) = path.rsplit_once('[').filter(|_| path.ends_with(']')) {
        if config.nearest(list).0.items().len() > 1 {
            break;
        }
        path = list;
    }
    (!path.is_empty() && path != "servers" && config.remove_at(path)).then_some(original)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::tree;
    use serde_json::{Value, json};

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
        let text = "listCache: on\nservers:\n- { name: a, url: 'http://a/' }\n- name: b\n  tool_prefix: x y\n  url: http://b/\n- name: c\n  timeout: 5\n  colour: red\n  tools:\n    include: [7, x]\n  headers:\n  - { name: x-a }\n  - { name: x-b, valu: v }\n- name: b\n  url: b/mcp\n- url: http://a/\ncors:\n  allowOrigins: []\n  maxAge: 1\n";
        let seen = problems(text);
        let expected = [
            "1: listCache: \"on\" must be one of OFF, HINTS | ",
            "5: servers[1].tool_prefix: \"x y\" must be at most 64 letters, digits, \"_\", \".\" or \"-\" | toolPrefix: x-y",
            "7: servers[2].url: is missing: Envoy needs the address of the server | url: http://127.0.0.1:9001/mcp",
            "8: servers[2].timeout: must be a string | timeout: 5s",
            "9: servers[2].colour: unknown field, expected one of name, cluster, url, hostname, path, enabled, toolPrefix, protocol, shareSession, timeout, listTtl, tools, prompts, resources, headers, passthroughHeaders, allowCredentialHeaders, command, args, env, envFile, cwd | remove colour",
            "11: servers[2].tools.include[0]: must be a string | - \"7\"",
            "13: servers[2].headers[0]: must have either value or valueFromEnv | ",
            "14: servers[2].headers[1].valu: unknown field | value: v",
            "15: servers[3].name: \"b\" is used twice | name: b-2",
            "16: servers[3].url: \"b/mcp\" must be an absolute http or https URL | url: http://b/mcp",
            "17: servers[4]: missing field `name` | name: server-2",
            "19: cors.allowOrigins: must have at least one entry | ",
            "20: cors.maxAge: must be a string | maxAge: 1s",
        ];
        assert_eq!(seen, expected);
    }

    /// The text before and after a wrong field that has a fix.
    const PLACES: &[(&str, &[&str], &str)] = &[
        (
            "",
            &[
                "prefixMode: allways",
                "prefixMod: NEVER",
                "failureMode: fail",
                "failureMode: best-effort",
                "listCache: Off",
                "rejectDuplicateKeys: 'yes'",
                "maxListPages: '7'",
                "maxListBytes: 1.5",
                "maxRequestBodySize: '100 bytes'",
                "failedServerTtl: 5",
                "failedServerTtl: 5 sec",
                "trafficMode: reject_no_mcp",
                "colour: red",
            ],
            "\nservers: [{ name: a, url: 'http://a/' }]",
        ),
        (
            "servers:\n- name: a\n  url: http://a/\n  ",
            &[
                "enabled: 1",
                "enabled: 'yes'",
                "toolPrefix: 7",
                "toolPrefix: we ather",
                "tool_prefixx: we_",
                "toolPrefixx: 7",
                "timeout: 5",
                "timeout: 0",
                "timeout: -5",
                "timeout: '1.5'",
                "timeout: 5 minutes",
                "timeout: 250 millis",
                "timeout: soon",
                "timeout: 0s",
                "listTtl: 5",
                "path: mcp",
                "path: /mcp#x",
                "path: ''",
                "protocol: modern",
                "shareSession: 'no'",
                "cluster: 7",
                "hostname: 7",
                "passthroughHeaders: x-a",
                "tools: { include: a }",
                "headerss: [{ name: x-a, value: b }]",
                "urll: http://b/",
            ],
            "",
        ),
        (
            "servers:\n- name: a\n  ",
            &[
                "url: 127.0.0.1:9001/mcp",
                "url: ftp://a.example/mcp",
                "url: https://user@a.example/mcp",
                "url: /mcp",
                "url: ''",
                "url: http://a b/",
                "serverUrl: http://a/",
                "uri: http://a/",
            ],
            "",
        ),
        (
            "servers:\n- name: a\n  url: http://a/\n- name: a-2\n  url: http://b/\n- url: http://c/\n  ",
            &[
                "name: a",
                "nam: c",
                "name: We_ather",
                "name: 1a",
                "name: weather service (new)",
                "name: '-.'",
                "name: 7",
                "name: ''",
            ],
            "",
        ),
        (
            "servers: [{ name: a, url: 'http://a/' }]\nsession:\n  ",
            &[
                "ttl: 24",
                "ttl: 1 hour",
                "keysFromEnvv: SOME_KEYS",
                "ttll: 1h",
            ],
            "",
        ),
        (
            "servers: [{ name: a, url: 'http://a/' }]\ncors:\n  allowOrigins: ['http://x.example']\n  ",
            &["maxAge: 5", "allowCredentials: 'true'", "maxAg: 5s"],
            "",
        ),
    ];

    #[test]
    fn a_fix_in_place_of_the_field_makes_the_file_valid() {
        let mut checked = 0;
        for (before, fields, after) in PLACES {
            for wrong in *fields {
                let mut field = (*wrong).to_owned();
                for step in 0..4 {
                    let text = format!("{before}{field}{after}");
                    let config = tree::documents(&text).unwrap().remove(0);
                    let Err(problems) = check(&config) else {
                        assert!(step > 0, "{text} is not wrong");
                        break;
                    };
                    assert!(
                        step < 3,
                        "the fix {field:?} of {wrong:?} does not work: {problems:?}"
                    );
                    let fix = problems.iter().find_map(|problem| problem.fix.clone());
                    let fix = fix.unwrap_or_else(|| panic!("no fix: {text}: {problems:?}"));
                    field = if fix.starts_with("remove ") {
                        String::new()
                    } else {
                        fix
                    };
                }
                checked += 1;
            }
        }
        assert!(checked > 50, "{checked}");
    }

    /// A file with almost all fields.
    const WHOLE: &str = r#"{
        "paths": ["/mcp"], "trafficMode": "REJECT_NO_MCP", "maxRequestBodySize": 1000,
        "holdRequestHeaders": true, "attributeSource": "VERIFY", "rejectDuplicateKeys": true,
        "prefixMode": "ALWAYS", "failureMode": "FAIL", "failedServerTtl": "5s",
        "passthroughHeaders": ["x-a"], "listCache": "HINTS", "maxListPages": 7,
        "maxListBytes": 1000, "maxResponseBytes": 1000, "memory": { "heldBytes": 1000000 },
        "serverInfo": { "name": "a", "version": "1" },
        "session": { "keysFromEnv": "KEYS", "ttl": "1h", "identity": { "header": "x-user" } },
        "cors": { "allowOrigins": ["https://a.example"], "allowMethods": ["POST"], "maxAge": "1h", "allowCredentials": false },
        "authorization": { "defaultAction": "DENY", "scopesFrom": { "namespace": "n", "path": ["p"] },
            "rules": [{ "name": "r", "action": "ALLOW", "methods": ["tools/call"], "tools": ["t"], "requiredScopes": ["s"] }] },
        "servers": [
            { "name": "a", "url": "http://a/mcp", "hostname": "a", "path": "/mcp", "cluster": "a", "enabled": true,
              "toolPrefix": "a_", "protocol": "LEGACY", "shareSession": true, "timeout": "5s",
              "tools": { "include": ["x"], "exclude": ["y"] }, "headers": [{ "name": "x-b", "value": "c" }],
              "allowCredentialHeaders": false },
            { "name": "b", "url": "http://b/mcp" }
        ]
    }"#;

    /// The pointers of all values below `value`.
    fn pointers(value: &Value, pointer: &str) -> Vec<String> {
        let below: Vec<(String, &Value)> = match value {
            Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), v)).collect(),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(n, v)| (n.to_string(), v))
                .collect(),
            _ => Vec::new(),
        };
        let below = below.into_iter().flat_map(|(step, value)| {
            let pointer = format!("{pointer}/{step}");
            let mut all = pointers(value, &pointer);
            all.push(pointer);
            all
        });
        below.collect()
    }

    fn check_value(value: &Value) -> Vec<Problem> {
        let config = tree::documents(&value.to_string()).unwrap().remove(0);
        check(&config).err().unwrap_or_default()
    }

    /// The file `value` with the fix of `problem`; `None` if there is no fix, or if it is an
    /// instruction.
    fn with_fix(value: &Value, problem: &Problem) -> Option<Value> {
        let fix = problem.fix.as_deref().filter(|fix| !fix.contains('…'))?;
        let path = format!(".{}", problem.path)
            .replace(['.', '['], "/")
            .replace(']', "");
        let mut fixed = value.clone();
        let (parent, last) = path.rsplit_once('/').unwrap();
        if fix == format!("remove {last}") {
            fixed.pointer_mut(parent)?.as_object_mut()?.remove(last)?;
            return Some(fixed);
        }
        let read = tree::documents(fix).ok()?.remove(0).value();
        if let Value::Array(items) = read {
            *fixed.pointer_mut(&path)? = items.into_iter().next()?;
            return Some(fixed);
        }
        let (name, right) = read.as_object()?.iter().next()?;
        let misses = problem.reason.starts_with("missing field");
        let object = fixed.pointer_mut(if misses { &path } else { parent })?;
        let object = object.as_object_mut()?;
        if !misses {
            object.remove(last);
        }
        object.insert(name.clone(), right.clone());
        Some(fixed)
    }

    /// Replaces each value with each wrong value, and also removes it.
    #[test]
    fn every_fix_ends_the_error_that_it_is_for() {
        let whole: Value = serde_json::from_str(WHOLE).unwrap();
        assert_eq!(check_value(&whole), []);
        let wrong = [
            json!(7),
            json!(-1),
            json!(0.5),
            json!("x y"),
            json!(""),
            json!("YES"),
            json!("5"),
            json!([]),
            json!({}),
            json!(true),
            Value::Null,
            json!(["x y"]),
            json!("http://ü@/"),
        ];
        let (mut fixes, mut errors) = (0, 0);
        for pointer in pointers(&whole, "") {
            let mut files = Vec::new();
            for value in &wrong {
                let mut file = whole.clone();
                *file.pointer_mut(&pointer).unwrap() = value.clone();
                files.push(file);
            }
            let (parent, last) = pointer.rsplit_once('/').unwrap();
            let mut file = whole.clone();
            if let Some(Value::Object(members)) = file.pointer_mut(parent) {
                let value = members.remove(last).unwrap();
                files.push(file.clone());
                // A misspelled name.
                if let Some(Value::Object(members)) = file.pointer_mut(parent) {
                    members.insert(format!("{last}x"), value);
                }
                files.push(file);
            }
            for file in &files {
                let problems = check_value(file);
                for problem in &problems {
                    errors += 1;
                    let Some(fixed) = with_fix(file, problem) else {
                        continue;
                    };
                    fixes += 1;
                    let left = check_value(&fixed);
                    assert!(
                        left.iter().all(|left| left.path != problem.path),
                        "{pointer}: {problem:?} becomes {left:?}"
                    );
                }
            }
        }
        assert!(fixes > 300 && errors > 900, "{fixes} of {errors}");
    }

    #[test]
    fn removing_a_cause_makes_no_new_errors() {
        for (text, expected) in [
            (
                "servers:\n- { url: 'http://a/' }\nsession: {}\n",
                "2: servers[0]: missing field `name` | name: server-2",
            ),
            (
                "servers:\n- name: a\n  enabled: false\nsession: {}\n",
                "1: servers: must have at least one with enabled: true | ",
            ),
            (
                "cors:\n  allowOrigins: 7\n  allowCredentials: true\n",
                "2: cors.allowOrigins: must be a list | allowOrigins: [\"7\"]",
            ),
            (
                "servers:\n- name: a\n  url: http://a/\n  headers: [{ name: x-a, value: 7 }]\n",
                "4: servers[0].headers[0].value: must be a string | value: \"7\"",
            ),
            ("paths: []\n", "1: paths: must have at least one entry | "),
            ("[]\n", "1: : must be an object | "),
        ] {
            assert_eq!(problems(text), [expected], "{text}");
        }
    }

    #[test]
    fn a_slip_is_one_error() {
        for (text, expected) in [
            (
                "servers:\n- nam: down\n  url: http://a/\n",
                "2: servers[0].nam: unknown field | name: down",
            ),
            (
                "servers:\n- url: http://a/\n  nam.e: null\n",
                "2: servers[0]: missing field `name` | name: server-2",
            ),
            (
                "servers:\n- name: a\n  ulr: http://a/\n",
                "3: servers[0].ulr: unknown field | url: http://a/",
            ),
            (
                "servers:\n- name: a\n  url: http://a/\n  arg: [x]\n",
                "4: servers[0].arg: unknown field | args: [x]",
            ),
            (
                "servers: [http://a/mcp]\n",
                "1: servers[0]: must be an object | - { name: server-2, url: http://a/mcp }",
            ),
            (
                "servers:\n- name: a\n  url: http://a/\n  header: { x-a: b }\n",
                "4: servers[0].header: unknown field | write headers in place of header",
            ),
        ] {
            assert_eq!(problems(text), [expected], "{text}");
        }
    }

    #[test]
    fn a_missing_variable_is_a_warning() {
        let text = "servers:\n- name: a\n  url: http://a/\n  headers: [{ name: x-key, valueFromEnv: NOR_THIS }]\nsession:\n  keysFromEnv: NOBODY_HAS_SET_THIS\n";
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
    fn what_the_filter_warns_of_is_a_warning() {
        let text = "servers:\n- { name: a, url: 'http://a.example/mcp', allowCredentialHeaders: true, passthroughHeaders: [authorization] }\n";
        let config = tree::documents(text).unwrap().remove(0);
        let (parsed, warnings) = check(&config).unwrap();
        assert_eq!(warnings.len(), 1);
        assert_eq!(warnings[0].reason, parsed.warnings[0]);
    }
}
