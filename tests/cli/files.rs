//! What `check`, `render` and `run` print for the configuration files of other products.
//! The files in the folder `files` have the form that the documentation of each product
//! shows.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::harness::process::{POLL_EVERY, run};
use crate::program::{ENDED_WITHIN, folder, program, says};

/// A file, the last line that `check` prints for it, and parts of its other lines.
type FileCase<'a> = (&'a str, &'a str, &'a [&'a str]);

const FILES: &[FileCase] = &[
    (
        "claude-code.mcp.json",
        "valid: 2 servers (weather, local-time), 1 of them started by run",
        &[
            "10: note: mcpServers.local_time: \"local_time\" is \"local-time\" in logs and in URIs of resources; its tools are called local_time__…",
        ],
    ),
    (
        "claude-desktop.json",
        "valid: 1 server (filesystem), started by run",
        &[],
    ),
    (
        "cursor.json",
        "valid: 2 servers (issues, python), 1 of them started by run",
        &[
            "warning: mcpServers.issues.headers.Authorization: the environment variable ISSUES_TOKEN is not set here: `run` does not start without it",
            "13: warning: mcpServers.python.envFile: ",
        ],
    ),
    ("windsurf.json", "valid: 1 server (remote-http-mcp)", &[]),
    (
        "vscode.json",
        "valid: 2 servers (github, perplexity), 1 of them started by run",
        &[
            "21: warning: servers.GitHub.url: the environment variable REGION is not set here: `run` asks for \"region\" on the terminal",
            "28: warning: servers.Perplexity.env.PERPLEXITY_API_KEY: the environment variable PERPLEXITY_KEY is not set here: `run` asks for \"perplexity-key\" on the terminal",
            "its tools are called GitHub__…",
        ],
    ),
    (
        "cline.json",
        "valid: 1 server (local-server), started by run",
        &[
            "20: warning: mcpServers.remote-server.timeout: is 60 milliseconds, since it has no unit",
            "fix: \"timeout\": \"60s\"",
        ],
    ),
    (
        "gemini.json",
        "valid: 2 servers (httpserverwithauth, pythontools), 1 of them started by run",
        &[
            "warning: mcpServers.httpServerWithAuth.headers.Authorization: the environment variable MY_API_TOKEN is not set here: `run` does not start without it",
            "10: warning: mcpServers.httpServerWithAuth.timeout: is 5000 milliseconds, since it has no unit",
            "21: warning: mcpServers.pythonTools.timeout: is 15000 milliseconds",
            "warning: mcpServers.pythonTools.env.API_KEY: the environment variable EXTERNAL_API_KEY is not set here: `run` does not start without it",
            "warning: mcpServers.pythonTools.env.DATABASE_URL: the environment variable DB_CONNECTION_STRING is not set here: `run` does not start without it",
            "its tools are called pythonTools__…",
        ],
    ),
    (
        "codex.toml",
        "valid: 2 servers (context7, figma), 1 of them started by run",
        &[
            "14: warning: mcp_servers.figma.bearer_token_env_var: the environment variable FIGMA_OAUTH_TOKEN is not set here: `run` does not start without it",
            "fix: export FIGMA_OAUTH_TOKEN=\"the value\"",
        ],
    ),
    (
        "zed.json",
        "valid: 1 server (some-context-server), started by run",
        &[],
    ),
    (
        "kuadrant-old.yaml",
        "valid: 2 servers (mcp-test.server1, mcp-test.server2)",
        &[
            "7: warning: servers[1]: \"mcp-test/server2\" has no prefix: its tools are called mcp-test_server2__…",
            "fix: toolPrefix: \"\", or the option --compatible for all servers",
        ],
    ),
    (
        "kuadrant-registration.yaml",
        "valid: 1 server (github)",
        &[
            "1: warning: MCPServerRegistration github: \"github\" has no prefix: its tools are called github__…",
            "12: warning: MCPServerRegistration github: spec.credentialRef: is left out: older gateways send it only with requests for lists",
        ],
    ),
    (
        "kuadrant-new.yaml",
        "valid: 1 server (mcp-test.github-route)",
        &[
            "warning: servers[0].credential: is left out: ",
            "fix: headers: [{ name: authorization, valueFromEnv: … }]",
            "warning: servers[0].caCert: is left out: ",
            "warning: servers[0].tokenURLElicitation: is left out: ",
            "warning: servers[0].userSpecificList: is left out: without a header of the client, the server does not know",
            "warning: servers[0].guardrailsConfigIDs: is left out: ",
            "warning: servers[1].auth: is left out: ",
            "warning: guardrails: is left out: ",
            "warning: virtualServers: is left out: ",
        ],
    ),
];

fn sample(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/cli/files").join(name)
}

/// Runs the program with `arguments` for `file`. Returns its output, in which the path is
/// shortened to the name of the file, and whether it succeeds.
fn said(arguments: &[&str], file: &Path) -> (String, bool) {
    let path = file.to_str().expect("UTF-8");
    let name = file.file_name().and_then(|it| it.to_str()).expect("UTF-8");
    let output = says(&[arguments, &[path]].concat());
    let said = output.stderr + &output.stdout;
    (said.replace(path, name), output.success)
}

#[test]
fn the_files_of_each_product_are_read() {
    for (name, summary, lines) in FILES {
        let (said, is_valid) = said(&["check"], &sample(name));
        assert!(is_valid, "{name}: {said}");
        assert!(said.ends_with(&format!("{name}: {summary}\n")), "{said}");
        for line in *lines {
            assert!(said.contains(line), "{name} has no {line:?} in\n{said}");
        }
        let warnings = lines.iter().filter(|line| line.contains("warning: "));
        let told = said.matches(" warning: ").count();
        assert_eq!(told, warnings.count(), "{name}: {said}");
    }
}

/// With `--compatible`, tools keep the names that they have in Kuadrant's gateway.
#[test]
fn older_names_of_tools_can_be_kept() {
    let (said, is_valid) = said(&["check", "--compatible"], &sample("kuadrant-old.yaml"));
    assert!(is_valid && !said.contains("warning"), "{said}");
    let (rendered, is_valid) = self::said(
        &["render", "--target", "envoy", "--compatible"],
        &sample("kuadrant-old.yaml"),
    );
    assert!(
        is_valid && rendered.contains("prefixMode: NEVER"),
        "{rendered}"
    );
}

#[test]
fn a_stdio_server_is_not_rendered_and_a_bridge_is_told() {
    for target in ["envoy", "envoy-gateway", "istio", "standalone"] {
        let (said, is_rendered) = said(
            &["render", "--target", target, "-o", "target/never"],
            &sample("claude-code.mcp.json"),
        );
        assert!(!is_rendered, "{said}");
        for line in [
            "claude-code.mcp.json:10: mcpServers.local_time: stdio servers cannot be rendered",
            "  fix: export LOG_LEVEL with the values of the file, and start a bridge: npx -y supergateway --stdio 'uvx mcp-server-time --local-timezone ",
            " --outputTransport streamableHttp --port 8001\n       and write \"url\": \"http://127.0.0.1:8001/mcp\" in place of command, args and env\n",
        ] {
            assert!(said.contains(line), "no {line:?} in\n{said}");
        }
    }
}

/// Files of kinds that the program does not read, and a part of its error message for each.
const FOREIGN: &[(&str, &str)] = &[
    (
        "static_resources:\n  listeners: []\nadmin: {}\n",
        "this is Envoy's own configuration",
    ),
    (
        "{\"name\": \"x\", \"version\": \"1.0.0\", \"dependencies\": {}}",
        "this is a package.json",
    ),
    (
        "apiVersion: apps/v1\nkind: Deployment\n",
        "Kubernetes documents (Deployment), but no MCPServer",
    ),
    (
        "{\"globalShortcut\": \"\"}",
        "there is no `mcpServers` in it",
    ),
    ("{}", "there is no `mcpServers` in it"),
    (
        "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"disabled\": true}}}",
        "mcpServers: all servers of the file are disabled\n  fix: enable one of them\n",
    ),
    ("[]", "is a list, not an object with servers"),
    (
        "- name: a\n  url: http://a/\n",
        "the servers have to be below `servers`",
    ),
    (
        "{\"a\": {\"url\": \"http://a/\"}}",
        "the servers have to be below `mcpServers`",
    ),
    (
        "[package]\nname = \"x\"\n",
        "the file has no servers, and this program knows none of its fields (package)",
    ),
    (
        "{\"mcpServer\": {\"a\": {\"url\": \"http://a/\"}}}",
        "mcpServer: unknown field: servers are below `mcpServers`",
    ),
    ("[mcp_servers]\n", "the file has no servers"),
    ("model = \n", "not TOML: "),
    (
        "{\"mcpServers\": {\n  \"a\": {\"url\": \"http://a/\"\n}",
        "not JSON: ",
    ),
    ("hello\n", "is a text, not an object with servers"),
    (
        "services: { web: { image: nginx } }\n",
        "this is a file of Docker Compose",
    ),
];

#[test]
fn a_file_that_is_something_else_is_told_what_it_is() {
    let folder = folder();
    let file = folder.join("file");
    for (text, reason) in FOREIGN {
        fs::write(&file, text).expect("a file");
        let (said, is_valid) = said(&["check"], &file);
        assert!(!is_valid && said.contains(reason), "{text}\n{said}");
    }
    fs::write(&file, [0xff, 0xfe, 0, 1]).expect("a file");
    for (path, reason) in [
        (&file, "is not a text in UTF-8"),
        (
            &folder,
            "is a directory: name the file with the servers in it",
        ),
    ] {
        let (said, is_valid) = said(&["check"], path);
        assert!(!is_valid && said.contains(reason), "{said}");
    }
}

/// Files without stdio servers. (`render` refuses stdio servers, but `check` accepts them.)
const VERDICTS: &[&str] = &[
    "servers: [{ name: a, url: 'http://a/mcp' }]",
    "servers: [{ name: a }]",
    "servers: [{ name: a, hostname: a.example, cluster: c }]",
    "servers: [{ name: a, url: 'http://a:0/mcp' }]",
    "servers: [{ name: a, url: 'http://user@a/mcp' }]",
    "servers: [{ name: a, url: 'http://a:70000/mcp' }]",
    "servers: [{ name: a, url: '' }]",
    "servers: [{ name: a, url: 'http://a/mcp' }, { name: b, url: '${NOT_SET_X}', enabled: false }]",
    "servers: [{ name: a, url: 'http://${file/mcp' }]",
    "servers: [{ name: a, url: 'http://a/mcp', enabled: false }]",
    "servers: [{ name: a, url: 'http://a/mcp' }, { name: b, enabled: false }]",
    "servers: [{ name: a, url: 'http://a/mcp' }, { name: b, cluster: a, url: 'http://b/mcp' }]",
    "servers: [{ name: a, url: 'http://a/mcp' }, { name: b, cluster: a, url: 'http://a/other' }]",
    "servers: [{ name: a, url: 'http://a/mcp' }, { name: a, url: 'http://b/mcp' }]",
    "servers: [{ name: A_b, url: 'http://a/mcp' }, { name: a-b, url: 'http://b/mcp' }]",
    "servers: [{ name: A_b, url: 'http://a/mcp', toolPrefix: '' }]",
    "servers: [{ name: 7, url: 'http://a/mcp' }]",
    "servers: [{ name: '', url: 'http://a/mcp' }]",
    "servers: [{ name: a, url: 'http://a/mcp', headers: { X-A: b, X-C: '${NOT_SET_X}' } }]",
    "servers: [{ name: a, url: 'http://a/mcp', headers: { X-A: [] } }]",
    "servers: [{ name: a, url: 'http://a/mcp', headers: { '': b } }]",
    "servers: [{ name: a, url: 'http://a/mcp', headers: b }]",
    "servers: [{ name: a, url: 'http://a/mcp', state: Off }]",
    "servers: [{ name: a, url: 'http://a/mcp', prefix: 'a b' }]",
    "servers: { a: { url: 'http://a/mcp' } }",
    "servers: { a: { type: sse, url: 'http://a/sse' } }",
    "servers: { a: { url: 'http://a/sse' }, b: { type: sse, url: 'http://b/sse' } }",
    "mcpServers: { a: { url: 'http://a/mcp', timeout: 0 } }",
    "mcpServers: { a: { url: 'http://a/mcp', disabled: true } }",
    "mcpServers: { a: { url: a } }",
    "mcpServers: { a: 7, b: { url: 'http://a/mcp' } }",
    "mcpServers: { 'A b': { url: 'http://a/mcp' }, 'a_b': { url: 'http://b/mcp' } }",
    "mcpServers: { '': { url: 'http://a/mcp' } }",
    "servers: 1",
    "{}",
    "session: { keysFromEnv: NOT_SET_X }\nservers: [{ name: a, url: 'http://a/mcp' }]",
    "prefixMode: CONDITIONAL\nservers: [{ name: A_b, url: 'http://a/mcp' }]",
];

/// `render` writes URLs, so it needs the values in them. `check` only warns.
#[test]
fn render_needs_the_values_in_urls() {
    let file = folder().join("file");
    fs::write(
        &file,
        "servers: [{ name: a, url: 'http://${NOT_SET_X}/mcp' }]",
    )
    .expect("a file");
    let (checked, is_valid) = said(&["check"], &file);
    assert!(is_valid, "{checked}");
    let (rendered, is_rendered) = said(&["render", "--target", "envoy"], &file);
    let told = "servers[0].url: the environment variable NOT_SET_X is not set here, and `render`";
    assert!(!is_rendered && rendered.contains(told), "{rendered}");
}

/// `render` accepts exactly the files that `check` accepts, if their URLs have values.
#[test]
fn check_and_render_agree() {
    let folder = folder();
    let (mut valid, mut wrong) = (0, 0);
    let samples = ["windsurf.json", "kuadrant-old.yaml", "kuadrant-new.yaml"];
    let samples = samples.map(|name| fs::read_to_string(sample(name)).expect("a file"));
    let texts = VERDICTS
        .iter()
        .copied()
        .chain(samples.iter().map(String::as_str));
    let file = folder.join("file");
    for text in texts {
        fs::write(&file, text).expect("a file");
        let (checked, is_valid) = said(&["check"], &file);
        let (rendered, is_rendered) = said(&["render", "--target", "envoy"], &file);
        assert_eq!(is_valid, is_rendered, "{text}\n{checked}\n{rendered}");
        valid += usize::from(is_valid);
        wrong += usize::from(!is_valid);
    }
    assert!(valid >= 13 && wrong >= 20, "{valid} {wrong}");
}

/// Without a terminal, `run` cannot ask the user for a value. So it must report each
/// variable that is not set.
#[test]
fn run_names_each_variable_that_is_not_set() {
    let mut command = program();
    command.args(["run", "--port", "0", "--envoy", "/none"]);
    let output = run(command.arg(sample("vscode.json")), ENDED_WITHIN);
    assert!(!output.success);
    for line in [
        "vscode.json:21: servers.GitHub.url: there is no terminal to ask for \"region\", and the environment variable REGION is not set",
        "  fix: export REGION=\"the value\"",
        "vscode.json:28: servers.Perplexity.env.PERPLEXITY_API_KEY: there is no terminal to ask for \"perplexity-key\"",
        "  fix: export PERPLEXITY_KEY=\"the value\"",
    ] {
        assert!(
            output.stderr.contains(line),
            "no {line:?} in\n{}",
            output.stderr
        );
    }
}

/// What `run` asks on a terminal, and what the user types. For an empty text, the user
/// types nothing.
const QUESTIONS: &[(&str, &str)] = &[
    (
        "  1. http://eu/mcp\r\n  2. us\r\nRegion [http://eu/mcp]: ",
        "3",
    ),
    ("Type one of the numbers or of the options.", ""),
    ("Region [http://eu/mcp]: ", "2"),
    ("API key: ", "nobody-sees-this"),
];

/// Waits until this terminal does not show what the user types.
fn until_hidden(terminal: &str) {
    let deadline = Instant::now() + ENDED_WITHIN;
    let is_hidden = || {
        let stty = Command::new("stty").args(["-aF", terminal]).output();
        let said = stty.expect("stty").stdout;
        String::from_utf8_lossy(&said).contains(" -echo ")
    };
    while !is_hidden() {
        assert!(Instant::now() < deadline, "the terminal shows the key");
        thread::sleep(POLL_EVERY);
    }
}

/// The tool `script` runs the program in a terminal. The value that the user chooses is no URL, and the
/// other one is, so that the error shows the choice. No message shows a value.
#[test]
fn run_asks_for_inputs_on_a_terminal() {
    let file = folder().join("mcp.json");
    let text = r#"{
        "inputs": [
            { "type": "pickString", "id": "region", "description": "Region", "options": ["http://eu/mcp", "us"], "default": "http://eu/mcp" },
            { "type": "promptString", "id": "key", "description": "API key", "password": true }
        ],
        "servers": { "a": { "url": "${input:region}", "headers": { "X-Key": "k ${input:key}" } } }
    }"#;
    fs::write(&file, text).expect("a file");
    let program = env!("CARGO_BIN_EXE_mcp-gateway");
    // `tty` tells the terminal of the program.
    let name = file.with_extension("tty");
    let command = format!(
        "tty > {}; exec {program} run --port 0 {}",
        name.display(),
        file.display()
    );
    let mut terminal = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env_remove("REGION")
        .env_remove("KEY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script, of util-linux");
    let mut keyboard = terminal.stdin.take().expect("its input");
    let mut screen = terminal.stdout.take().expect("its output");
    let mut shown = String::new();
    let mut seen = 0;
    for (question, answer) in QUESTIONS {
        let behind = loop {
            if let Some(at) = shown[seen..].find(question) {
                break seen + at + question.len();
            }
            let mut bytes = [0; 1024];
            let read = screen.read(&mut bytes).expect("the screen");
            assert!(read > 0, "no {question:?} in\n{shown}");
            shown.push_str(&String::from_utf8_lossy(&bytes[..read]));
        };
        seen = behind;
        if !answer.is_empty() {
            if question.starts_with("API key") {
                let terminal = fs::read_to_string(&name).expect("its name");
                until_hidden(terminal.trim());
            }
            writeln!(keyboard, "{answer}").expect("a keyboard");
        }
    }
    screen.read_to_string(&mut shown).expect("the screen");
    terminal.wait().expect("script");
    assert!(
        shown.contains("\"${input:region}\" must be an absolute http or https URL"),
        "{shown}"
    );
    assert!(!shown.contains("nobody-sees-this"), "{shown}");
}
