//! Servers that are programs on this machine. The filter supports only servers over HTTP, so `run`
//! puts a bridge in front of each of these.

use std::env;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::config_file::{ConfigFile, advice};
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
            let variables = &variables.unused();
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
        let problem = Problem::new(node.line, &node.path, reason);
        findings.errors.push(if server.get("url").is_some() {
            problem.fix(format!("remove {field}"))
        } else {
            problem.members([("command", "npx".into())])
        });
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
            let problem = Problem::new(node.line, &node.path, "must be a string");
            let members = self.with_args(program.value(), args);
            findings.errors.push(problem.members(members));
            return None;
        }
        let command = self.word(node, findings)?;
        let mut words = command.split_whitespace();
        if let Some(program) = words.next().filter(|program| *program != command)
            && !Path::new(&command).exists()
        {
            let args = words.map(Value::from).collect();
            let reason = format!("{command:?} is read as the name of one program");
            let warning = Problem::new(node.line, &node.path, reason);
            let members = self.with_args(program.into(), args);
            findings.warnings.push(warning.members(members));
        }
        Some(command)
    }

    /// The members for `program` with `args` before those that the server has already.
    fn with_args(&self, program: Value, mut args: Vec<Value>) -> [(&'static str, Value); 2] {
        let own = self.server.get("args").map_or(&[][..], Node::items);
        args.extend(own.iter().map(Node::value));
        [("command", program), ("args", args.into())]
    }

    fn list(&self, field: &str, findings: &mut Findings) -> &[Node] {
        match self.server.get(field).map(|node| (node, &node.kind)) {
            Some((_, NodeKind::List(items))) => items,
            Some((node, _)) => {
                let words: Vec<&str> = node.text(&[]).unwrap_or("…").split_whitespace().collect();
                let problem = Problem::new(node.line, &node.path, "must be a list of strings");
                findings
                    .errors
                    .push(problem.members([(field, words.into())]));
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
            // The values may be secrets, so they are not shown.
            let items = node.items().iter();
            let names = items.filter_map(|it| Some(it.text(&[])?.split_once('=')?.0.to_owned()));
            let mut names: Vec<String> = names.collect();
            if names.is_empty() {
                names.push("NAME".to_owned());
            }
            let example: Value = names.into_iter().map(|it| (it, json!("value"))).collect();
            findings.errors.push(problem.members([("env", example)]));
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
        let word = self.word(node, findings)?;
        // A variable without a value here may be an absolute path.
        let is_complete = word.starts_with("${");
        Some(if is_complete {
            word.into()
        } else {
            self.folder.join(word)
        })
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

/// Errors about the stdio servers of `file`, which cannot be started where the configuration is
/// rendered for.
pub(crate) fn not_rendered(file: &ConfigFile) -> Vec<Problem> {
    let nodes = file.tree.get("servers").map_or(&[][..], Node::items);
    let problem = |(at, server): (usize, &StdioServer)| {
        let name = &server.name;
        let node = nodes.iter().find(|node| node.text(&["name"]) == Some(name));
        let (line, path) = node.map_or((0, ""), |node| (node.line, &node.path));
        let port = 8001 + at;
        let url = format!("http://127.0.0.1:{port}/mcp");
        let url = file.language.member("url", &url.into());
        let reason = format!(
            "stdio servers cannot be rendered, since Envoy starts no programs; {name:?} is one"
        );
        Problem::new(line, path, reason).fix(format!(
            "{}\nand write {url} in place of {}",
            server.bridge(port),
            server.fields()
        ))
    };
    file.stdio.iter().enumerate().map(problem).collect()
}

impl StdioServer {
    /// How to start a bridge to this server at `port`. The words of the server have their variables
    /// in the syntax of a shell.
    fn bridge(&self, port: usize) -> String {
        let words = [&self.command].into_iter().chain(&self.args);
        let words: Vec<_> = words.map(|word| shell::with_variables(word)).collect();
        let has_variables = |value: &String| value.contains("${");
        let (shown, hidden): (Vec<_>, Vec<_>) =
            self.env.iter().partition(|(_, value)| has_variables(value));
        // Other values may be secrets, so they are not shown.
        let hidden: Vec<&str> = hidden.iter().map(|(name, _)| &**name).collect();
        let before = match hidden.as_slice() {
            [] => String::new(),
            names => format!("export {} with the values of the file, and ", and(names)),
        };
        let folder = self.cwd.as_ref().map(|cwd| {
            let folder = shell::with_variables(&cwd.display().to_string());
            format!("cd {folder} && ")
        });
        let variables = shown
            .iter()
            .map(|(name, value)| format!("{name}={} ", shell::with_variables(value)));
        format!(
            "{before}start a bridge: {}{}npx -y supergateway --stdio {} --outputTransport streamableHttp --port {port}",
            folder.unwrap_or_default(),
            variables.collect::<String>(),
            shell::word(&words.join(" "))
        )
    }

    /// The fields that this server has in the file.
    fn fields(&self) -> String {
        let mut fields = vec!["command"];
        fields.extend((!self.args.is_empty()).then_some("args"));
        fields.extend((!self.env.is_empty()).then_some("env"));
        fields.extend(self.cwd.is_some().then_some("cwd"));
        and(&fields)
    }
}

/// `words` with commas, and with `and` before the last one.
fn and(words: &[&str]) -> String {
    match words {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        words => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_file::{self, ReadOptions};
    use crate::syntax::tree;
    use crate::variables::inputs::Inputs;
    use crate::variables::placeholder::Placeholders;

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
        assert_eq!(fixes(&findings.warnings), ["command: npx\nargs: [-y, x]"]);
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
        let expected = ["args: [-y, some-server]", "command: npx\nargs: [-y, x]"];
        assert_eq!(fixes, expected.map(|fix| Some(fix.to_owned())));
    }

    #[test]
    fn words_before_the_arguments_of_a_server_stay_before_them() {
        let (_, _, findings) =
            taken("servers:\n- { name: a, command: npx -y some-server, args: [--port, 80] }\n");
        let fixes: Vec<_> = findings.warnings.into_iter().map(|it| it.fix).collect();
        let expected = "command: npx\nargs: [-y, some-server, --port, 80]";
        assert_eq!(fixes, [Some(expected.to_owned())]);
    }

    /// The fixes for the stdio servers of `text`, for an Envoy elsewhere.
    fn bridges(text: &str) -> Vec<String> {
        let options = ReadOptions::new(Path::new("/home/u/servers"), Placeholders::Keep);
        let file = config_file::read(text, &options).unwrap_or_else(|told| panic!("{told:?}"));
        let problems = not_rendered(&file).into_iter();
        problems.map(|it| it.fix.unwrap()).collect()
    }

    /// Runs the command of a fix with `printenv` and `printf` in place of the bridge, and returns
    /// what the bridge would get: its folder, its variables, and the command of the server as the
    /// shell of the bridge reads it.
    fn started(fix: &str, variables: &[&str]) -> Vec<String> {
        let command = fix.split_once("start a bridge: ").unwrap().1;
        let command = command.split_once('\n').unwrap().0;
        let (before, words) = command.split_once("npx -y supergateway --stdio ").unwrap();
        let words = words.split_once(" --outputTransport").unwrap().0;
        let print = format!("pwd; printenv {}; ", variables.join(" "));
        let inner = r#"sh -c "$(printf "printf '%%s\\n' %s" "$1")""#;
        let script = format!("{before}sh -c {} sh {words}", shell::word(&(print + inner)));
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .env("KEY", "a b")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_bridge_starts_the_server_as_run_would() {
        let text = "servers:\n- name: a\n  command: npx\n  args: [-y, some server, \"it's\", '--key=${KEY}', '$KEY']\n  env: { TOKEN: 'Bearer ${KEY}', OTHER: $KEY }\n  cwd: /tmp\n- { name: b, command: uvx }\n";
        let fixes = bridges(text);
        let expected = [
            "/tmp",
            "Bearer a b",
            "a b",
            "npx",
            "-y",
            "some server",
            "it's",
            "--key=a b",
            "$KEY",
        ];
        assert_eq!(
            started(&fixes[0], &["TOKEN", "OTHER"]),
            expected,
            "{}",
            fixes[0]
        );
        let written =
            "\nand write url: http://127.0.0.1:8001/mcp in place of command, args, env and cwd";
        assert!(fixes[0].ends_with(written), "{}", fixes[0]);
        assert_eq!(
            fixes[1],
            "start a bridge: npx -y supergateway --stdio uvx --outputTransport streamableHttp --port 8002\nand write url: http://127.0.0.1:8002/mcp in place of command"
        );
    }

    #[test]
    fn a_fix_shows_no_value_of_the_environment() {
        let text = r#"{"mcpServers":{"a":{"command":"npx","args":["x"],"env":{"KEY":"secret","ZONE":"secret"}}}}"#;
        assert_eq!(
            bridges(text),
            [
                "export KEY and ZONE with the values of the file, and start a bridge: npx -y supergateway --stdio 'npx x' --outputTransport streamableHttp --port 8001\nand write \"url\": \"http://127.0.0.1:8001/mcp\" in place of command, args and env"
            ]
        );
    }
}
