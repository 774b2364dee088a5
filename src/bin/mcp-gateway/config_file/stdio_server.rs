//! Servers that are programs on this machine. The filter supports only servers over HTTP, so `run`
//! puts a bridge in front of each of these.

use std::env;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config_file::advice;
use crate::problem::{Findings, Problem};
use crate::shell;
use crate::syntax::tree::{Node, NodeKind};
use crate::variables::env_file;
use crate::variables::placeholder::Variables;

/// A server that `run` starts as a child process, and that speaks MCP over stdin and
/// stdout.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct StdioServer {
    /// The server's `name` in the configuration.
    pub(crate) name: String,
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    /// Environment variables of the process, in addition to those of `run`.
    pub(crate) env: Vec<(String, String)>,
    /// The working directory of the process; `None` for the one of `run`.
    pub(crate) cwd: Option<PathBuf>,
}

/// The fields of a server that only this program knows. The first one makes the server a stdio
/// server.
pub(super) const FIELDS: [&str; 5] = ["command", "args", "env", "envFile", "cwd"];

/// The fields of a server that a stdio server does not have, since its bridge has them.
pub(super) const URL_FIELDS: [&str; 3] = ["url", "hostname", "path"];

/// Removes the fields that the filter does not know from the servers of `config`, and returns the
/// enabled stdio servers. Such a server gets a URL at which no server listens, until it gets the
/// URL of a bridge. Relative paths start in `folder`.
pub(crate) fn take(
    config: &mut Node,
    folder: &Path,
    variables: &Variables<'_>,
    findings: &mut Findings,
) -> Vec<StdioServer> {
    let mut servers = Vec::new();
    for (at, server) in config.items_mut("servers").iter_mut().enumerate() {
        let is_disabled = server.get("enabled").is_some_and(|it| it.value() == false);
        let read = if server.get("command").is_some() && is_disabled {
            // A disabled server is not started, so its variables may be missing.
            let mut of_disabled = Findings::default();
            let variables = &variables.kept();
            StdioReader {
                server,
                folder,
                variables,
            }
            .read(&mut of_disabled);
            findings.errors.append(&mut of_disabled.errors);
            None
        } else if server.get("command").is_some() {
            StdioReader {
                server,
                folder,
                variables,
            }
            .read(findings)
        } else if tell_of_missing_command(server, findings) {
            None
        } else {
            continue;
        };
        for field in FIELDS.into_iter().chain(["type"]) {
            server.remove(field);
        }
        // Two servers with one cluster must have different URLs here, as their bridges will.
        server.set_text("url", &format!("http://127.0.0.1:{}/mcp", at + 1));
        servers.extend(read);
    }
    servers
}

/// Reports fields of `server` that need a command. Returns whether there are any, or whether the
/// command is misspelled, which the check of the fields reports.
fn tell_of_missing_command(server: &Node, findings: &mut Findings) -> bool {
    let nodes = FIELDS
        .iter()
        .filter_map(|field| Some((field, server.get(field)?)));
    let nodes: Vec<_> = nodes.collect();
    let mut misspelled = advice::misspelled_members(server, &["command"]);
    if server.get("url").is_none() && misspelled.next().is_some() {
        return true;
    }
    for (field, node) in &nodes {
        let reason = "is only for servers with a command, and this one has none";
        let fix = if server.get("url").is_some() {
            format!("remove {field}")
        } else {
            "command: npx".to_owned()
        };
        let problem = Problem::new(node.line, &node.path, reason);
        findings.errors.push(problem.fix(fix));
    }
    !nodes.is_empty()
}

/// Reads one server.
struct StdioReader<'a> {
    server: &'a Node,
    folder: &'a Path,
    variables: &'a Variables<'a>,
}

impl StdioReader<'_> {
    /// `None` if the server has no name, which the filter reports, or if a value is wrong.
    fn read(&self, findings: &mut Findings) -> Option<StdioServer> {
        for field in URL_FIELDS {
            if let Some(node) = self.server.get(field) {
                let reason = "is only for servers with a URL, but this one has a command";
                let problem = Problem::new(node.line, &node.path, reason);
                findings
                    .errors
                    .push(problem.fix(format!("remove {field}, or command")));
            }
        }
        let command = self.command(self.server.get("command")?, findings);
        // All values are read, so that all errors are reported.
        let args = self.list("args", findings).iter();
        let args: Vec<_> = args.map(|arg| self.word(arg, findings)).collect();
        let env = self.env(findings);
        let cwd = match self.server.get("cwd") {
            Some(node) => Some(self.path(node, findings)?),
            None => None,
        };
        Some(StdioServer {
            name: self.server.text(&["name"])?.to_owned(),
            command: command?,
            args: args.into_iter().collect::<Option<_>>()?,
            env: env?,
            cwd,
        })
    }

    /// Warns if a command and its arguments are in one text, since no shell splits it.
    fn command(&self, node: &Node, findings: &mut Findings) -> Option<String> {
        if let Some((program, args)) = node.items().split_first() {
            let args: Vec<Value> = args.iter().map(Node::value).collect();
            let (program, args) = (program.value(), Value::from(args));
            let problem = Problem::new(node.line, &node.path, "must be a string");
            let fix = format!("\"command\": {program}, \"args\": {args}");
            findings.errors.push(problem.fix(fix));
            return None;
        }
        let command = self.word(node, findings)?;
        let mut words = command.split_whitespace();
        if let Some(program) = words.next().filter(|program| *program != command)
            && !Path::new(&command).exists()
        {
            let args: Vec<_> = words.map(|word| format!("{word:?}")).collect();
            let reason = format!("{command:?} is read as the name of one program");
            let warning = Problem::new(node.line, &node.path, reason);
            findings.warnings.push(warning.fix(format!(
                "\"command\": {program:?}, \"args\": [{}, …]",
                args.join(", ")
            )));
        }
        Some(command)
    }

    fn list(&self, field: &str, findings: &mut Findings) -> &[Node] {
        match self.server.get(field).map(|node| (node, &node.kind)) {
            Some((_, NodeKind::List(items))) => items,
            Some((node, _)) => {
                let words: Vec<&str> = node.text(&[]).unwrap_or("…").split_whitespace().collect();
                let problem = Problem::new(node.line, &node.path, "must be a list of strings");
                let fix = format!("\"{field}\": {}", Value::from(words));
                findings.errors.push(problem.fix(fix));
                &[]
            }
            None => &[],
        }
    }

    /// The variables of `envFile`, and then those of `env`, which have priority.
    fn env(&self, findings: &mut Findings) -> Option<Vec<(String, String)>> {
        let mut env = match self.server.get("envFile") {
            Some(node) => env_file::read(&self.path(node, findings)?, node, findings),
            None => Vec::new(),
        };
        let Some(node) = self.server.get("env") else {
            return Some(env);
        };
        let NodeKind::Object(members) = &node.kind else {
            let reason = "must be an object of strings";
            let problem = Problem::new(node.line, &node.path, reason);
            findings.errors.push(problem.fix("env: { NAME: value }"));
            return None;
        };
        // In VS Code, `null` means that the variable has the value that it has for `run`.
        let read = members
            .iter()
            .filter(|(_, value)| !matches!(value.kind, NodeKind::Scalar(Value::Null)))
            .map(|(name, value)| Some((name.clone(), self.value(value, findings)?)));
        let read: Vec<_> = read.collect();
        let own: Vec<_> = read.into_iter().collect::<Option<_>>()?;
        env.retain(|(name, _)| own.iter().all(|(other, _)| other != name));
        env.extend(own);
        Some(env)
    }

    /// The path `node`. `~` is the user's home, as in a shell.
    fn path(&self, node: &Node, findings: &mut Findings) -> Option<PathBuf> {
        Some(self.folder.join(self.word(node, findings)?))
    }

    fn word(&self, node: &Node, findings: &mut Findings) -> Option<String> {
        if let Some(text) = plain(node) {
            return Some(text);
        }
        let word = self.variables.word(node, findings)?;
        let home = word.strip_prefix("~/").zip(env::home_dir());
        Some(home.map_or(word.clone(), |(rest, home)| {
            home.join(rest).display().to_string()
        }))
    }

    fn value(&self, node: &Node, findings: &mut Findings) -> Option<String> {
        plain(node).or_else(|| self.variables.of_environment(node, findings))
    }
}

/// A number or a boolean as text.
fn plain(node: &Node) -> Option<String> {
    match &node.kind {
        NodeKind::Scalar(value @ (Value::Number(_) | Value::Bool(_))) => Some(value.to_string()),
        _ => None,
    }
}

/// Errors about `servers`, which cannot be started where the configuration is rendered for.
pub(crate) fn not_rendered(config: &Node, servers: &[StdioServer]) -> Vec<Problem> {
    let nodes = config.get("servers").map_or(&[][..], Node::items);
    let problem = |(at, server): (usize, &StdioServer)| {
        let name = &server.name;
        let node = nodes.iter().find(|node| node.text(&["name"]) == Some(name));
        let (line, path) = node.map_or((0, ""), |node| (node.line, &node.path));
        let port = 8001 + at;
        let words = [&server.command].into_iter().chain(&server.args);
        let words: Vec<_> = words.map(|word| shell::word(word)).collect();
        let names: Vec<&str> = server.env.iter().map(|(name, _)| &**name).collect();
        let with = match names.as_slice() {
            [] => String::new(),
            names => format!(" with its env ({})", names.join(", ")),
        };
        let bridge = format!(
            "npx -y supergateway --stdio {} --outputTransport streamableHttp --port {port}",
            shell::word(&words.join(" "))
        );
        let reason = format!(
            "stdio servers cannot be rendered, since Envoy starts no programs; {name:?} is one"
        );
        Problem::new(line, path, reason).fix(format!(
            "start a bridge{with}: {bridge}\n       and write url: http://127.0.0.1:{port}/mcp"
        ))
    };
    servers.iter().enumerate().map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::tree;
    use crate::variables::inputs::Inputs;
    use crate::variables::placeholder::Placeholders;
    use serde_json::json;

    fn taken(text: &str) -> (Node, Vec<StdioServer>, Findings) {
        let mut config = tree::documents(text).unwrap().remove(0);
        let mut findings = Findings::default();
        let folder = Path::new("/home/u/project");
        let variables = Variables {
            placeholders: Placeholders::Resolve,
            workspace: folder,
            inputs: &Inputs::default(),
        };
        let servers = take(&mut config, folder, &variables, &mut findings);
        (config, servers, findings)
    }

    #[test]
    fn its_fields_are_taken_and_its_entry_stays() {
        let text = "servers:\n- name: time\n  command: uvx\n  args: [mcp-server-time, --port, 80]\n  env: { TZ: UTC, N: 1 }\n  cwd: data\n  toolPrefix: t_\n- { name: off, command: '${NOT_SET_X}', enabled: false }\n- { name: web, url: 'http://w.example/mcp' }\n";
        let (config, servers, findings) = taken(text);
        assert_eq!(findings.errors, []);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = StdioServer {
            name: "time".to_owned(),
            command: "uvx".to_owned(),
            args: ["mcp-server-time", "--port", "80"]
                .map(str::to_owned)
                .into(),
            env: vec![pair("TZ", "UTC"), pair("N", "1")],
            cwd: Some("/home/u/project/data".into()),
        };
        assert_eq!(servers, [expected]);
        let rest = json!({"servers": [
            {"name": "time", "url": "http://127.0.0.1:1/mcp", "toolPrefix": "t_"},
            {"name": "off", "url": "http://127.0.0.1:2/mcp", "enabled": false},
            {"name": "web", "url": "http://w.example/mcp"},
        ]});
        assert_eq!(config.value(), rest);
    }

    #[test]
    fn each_wrong_value_is_told() {
        let text = "servers:\n- name: a\n  command: [x]\n  args: y\n  env: [z]\n  cwd: {}\n  url: http://a.example/\n";
        let (_, servers, findings) = taken(text);
        assert_eq!(servers, []);
        let said = findings.errors.iter();
        let said: Vec<_> = said.map(|it| format!("{}: {}", it.line, it.path)).collect();
        let expected = [
            "7: servers[0].url",
            "3: servers[0].command",
            "4: servers[0].args",
            "5: servers[0].env",
            "6: servers[0].cwd",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_command_that_is_missing_or_has_its_arguments_in_it_is_told() {
        let text = "servers:\n- { name: a, args: [x] }\n- { name: b, url: 'http://b/', cwd: x }\n- { name: c, command: npx -y x, env: { A: null } }\n";
        let (_, servers, findings) = taken(text);
        let fixes = |problems: &[Problem]| -> Vec<String> {
            problems.iter().filter_map(|it| it.fix.clone()).collect()
        };
        assert_eq!(fixes(&findings.errors), ["command: npx", "remove cwd"]);
        assert_eq!(
            fixes(&findings.warnings),
            [r#""command": "npx", "args": ["-y", "x", …]"#]
        );
        assert_eq!((servers.len(), servers[0].env.len()), (1, 0));
    }

    #[test]
    fn a_misspelled_command_is_left_to_the_check_of_the_fields() {
        let (config, servers, findings) = taken("servers:\n- { name: a, comand: x, args: [y] }\n");
        assert_eq!((findings.errors, servers), (vec![], vec![]));
        let rest = json!({"servers": [
            {"name": "a", "url": "http://127.0.0.1:1/mcp", "comand": "x"},
        ]});
        assert_eq!(config.value(), rest);
    }

    #[test]
    fn words_of_a_command_in_the_wrong_place_are_told_with_the_right_one() {
        let text = "servers:\n- { name: a, command: npx, args: -y  some-server }\n- { name: b, command: [npx, -y, x] }\n";
        let (_, _, findings) = taken(text);
        let fixes: Vec<_> = findings.errors.into_iter().map(|it| it.fix).collect();
        let expected = [
            r#""args": ["-y","some-server"]"#,
            r#""command": "npx", "args": ["-y","x"]"#,
        ];
        assert_eq!(fixes, expected.map(|fix| Some(fix.to_owned())));
    }

    #[test]
    fn a_bridge_is_told_as_a_shell_reads_it() {
        let text = "servers:\n- { name: a, command: npx, args: [-y, some server, \"it's\"] }\n";
        let (config, servers, _) = taken(text);
        let problems = not_rendered(&config, &servers);
        let fix = problems[0].fix.as_deref().unwrap_or_default();
        let bridge = fix.split_once("start a bridge: ").unwrap().1;
        let command = bridge.split_once('\n').unwrap().0;
        let printed = command.replace("npx -y supergateway", "printf '%s\\n'");
        let output = std::process::Command::new("sh")
            .args(["-c", &printed])
            .output();
        let output = String::from_utf8(output.unwrap().stdout).unwrap();
        let inner = output.lines().nth(1).unwrap();
        assert_eq!(inner, r"npx -y 'some server' 'it'\''s'");
    }
}
