//! `mcp-gateway client`: what it prints for each MCP client, and how it changes the files
//! of clients.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::harness::process::{Output, run};
use crate::program::{ENDED_WITHIN, folder, program};

/// Runs `client` for a user whose home directory is `home`.
fn client(home: &Path, arguments: &[&str]) -> Output {
    let mut program = program();
    for variable in [
        "XDG_CONFIG_HOME",
        "CLAUDE_CONFIG_DIR",
        "CODEX_HOME",
        "GEMINI_CLI_HOME",
    ] {
        program.env_remove(variable);
    }
    let program = program.env("HOME", home).arg("client").args(arguments);
    run(program, ENDED_WITHIN)
}

fn write(home: &Path, arguments: &[&str]) -> String {
    let output = client(home, &[arguments, &["--write"]].concat());
    assert!(output.success, "{arguments:?}: {}", output.stderr);
    output.stdout
}

const URL: &str = "http://127.0.0.1:10000/mcp";

/// The folder in which apps keep their configuration, relative to the home directory.
const APPS: &str = if cfg!(target_os = "macos") {
    "Library/Application Support"
} else {
    ".config"
};

/// The MCP clients whose file the program writes: the name of the client, the path of the
/// file, and the text that the program writes.
fn files() -> Vec<(&'static str, String, String)> {
    let json = |list: &str, members: &[&str]| {
        let members = members.join(",\n      ");
        format!("{{\n  \"{list}\": {{\n    \"gateway\": {{\n      {members}\n    }}\n  }}\n}}\n")
    };
    let at = str::to_owned;
    let url = |name: &str| format!("\"{name}\": \"{URL}\"");
    vec![
        (
            "claude-desktop",
            format!("{APPS}/Claude/claude_desktop_config.json"),
            json(
                "mcpServers",
                &[
                    "\"command\": \"npx\"",
                    &format!("\"args\": [\"-y\", \"mcp-remote\", \"{URL}\"]"),
                ],
            ),
        ),
        (
            "cursor",
            at(".cursor/mcp.json"),
            json("mcpServers", &[&url("url")]),
        ),
        (
            "vscode",
            format!("{APPS}/Code/User/mcp.json"),
            json("servers", &["\"type\": \"http\"", &url("url")]),
        ),
        (
            "windsurf",
            at(".codeium/windsurf/mcp_config.json"),
            json("mcpServers", &[&url("serverUrl")]),
        ),
        (
            "codex",
            at(".codex/config.toml"),
            format!("[mcp_servers.gateway]\nurl = \"{URL}\"\n"),
        ),
        (
            "gemini",
            at(".gemini/settings.json"),
            json("mcpServers", &[&url("httpUrl")]),
        ),
    ]
}

#[test]
fn the_entry_is_shown_and_written_in_the_form_of_each_client() {
    let home = folder();
    for (name, file, text) in files() {
        let file = home.join(file);
        let shown = client(&home, &[name]);
        assert!(shown.success, "{name}: {}", shown.stderr);
        assert_eq!(shown.stdout, text, "{name}");
        assert!(shown.stderr.contains(file.to_str().expect("UTF-8")));
        assert!(!file.exists(), "{name} is written without --write");

        let said = write(&home, &[name]);
        assert!(said.contains(&format!("added gateway: {URL}")), "{said}");
        assert_eq!(fs::read_to_string(&file).expect("the file"), text);

        let said = write(&home, &[name]);
        assert!(said.contains("has gateway already"), "{said}");
        assert_eq!(fs::read_to_string(&file).expect("the file"), text);

        let other = "https://mcp.example.com/mcp";
        let said = write(&home, &[name, "--url", other]);
        assert!(
            said.contains(&format!("replaced gateway: {URL} → {other}")),
            "{said}"
        );
        let replaced = text.replace(URL, other);
        assert_eq!(fs::read_to_string(&file).expect("the file"), replaced);
    }
}

#[test]
fn a_project_has_its_own_file() {
    let home = folder();
    let project = home.join("project");
    fs::create_dir(&project).expect("a folder");
    let path = project.to_str().expect("UTF-8");
    for (name, file, list, member) in [
        ("claude-code", ".mcp.json", "mcpServers", "url"),
        ("cursor", ".cursor/mcp.json", "mcpServers", "url"),
        ("vscode", ".vscode/mcp.json", "servers", "url"),
        ("gemini", ".gemini/settings.json", "mcpServers", "httpUrl"),
    ] {
        write(&home, &[name, "--project", path, "--name", "gw_1"]);
        let text = fs::read(project.join(file)).expect("the file");
        let json: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!(json[list]["gw_1"][member], URL, "{name}");
    }
    write(&home, &["codex", "--project", path]);
    let toml = fs::read_to_string(project.join(".codex/config.toml")).expect("the file");
    assert!(toml.contains("[mcp_servers.gateway]\n"), "{toml}");
    let listed = client(&home, &["--project", path]).stdout;
    assert_eq!(listed.matches(URL).count(), 1, "{listed}");
    let command = format!("not connected: mcp-gateway client vscode --project {path} --write\n");
    assert!(listed.contains(&command), "{listed}");
    assert_eq!(listed.matches("not connected: ").count(), 4, "{listed}");
    let no_file = "has no file for a project";
    assert_eq!(listed.matches(no_file).count(), 2, "{listed}");
}

/// The command in the line of a client has the endpoint that the user names.
#[test]
fn the_list_keeps_the_url() {
    let listed = client(&folder(), &["--url", "http://h:1/mcp"]).stdout;
    for command in [
        "mcp-gateway client cursor --url http://h:1/mcp --write\n",
        "mcp-gateway client inspector --url http://h:1/mcp\n",
    ] {
        assert!(listed.contains(command), "{listed}");
    }
}

/// The command in the line of a client connects it.
#[test]
fn the_list_says_how_to_connect_each_client() {
    let home = folder();
    fs::create_dir(home.join(".cursor")).expect("a folder");
    fs::write(home.join(".cursor/mcp.json"), "{}").expect("a file");
    fs::create_dir(home.join(".gemini")).expect("a folder");
    fs::write(home.join(".gemini/settings.json"), "{").expect("a file");
    let listed = client(&home, &["--name", "gw"]).stdout;
    let line = |name: &str| {
        let mut lines = listed.lines();
        let line = lines.find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_else(|| panic!("no {name} in {listed}"))
    };
    for (name, expected) in [
        (
            "cursor",
            "  not connected: mcp-gateway client cursor --name gw --write",
        ),
        (
            "codex",
            "  not connected (no file yet): mcp-gateway client codex --name gw --write",
        ),
        (
            "claude-code",
            "  not connected (no file yet): mcp-gateway client claude-code --name gw",
        ),
        ("inspector", "  mcp-gateway client inspector --name gw"),
    ] {
        assert!(line(name).ends_with(expected), "{listed}");
        let (_, command) = expected
            .split_once("mcp-gateway client ")
            .expect("a command");
        let arguments: Vec<&str> = command.split(' ').collect();
        assert!(client(&home, &arguments).success, "{command}");
    }
    assert!(
        line("gemini").contains("cannot be read, repair it first: not JSON"),
        "{listed}"
    );
    let listed = client(&home, &["--name", "gw"]).stdout;
    assert_eq!(listed.matches(URL).count(), 2, "{listed}");
}

#[test]
fn what_is_in_a_file_stays() {
    let home = folder();
    let file = home.join(".cursor/mcp.json");
    fs::create_dir(home.join(".cursor")).expect("a folder");
    let own = "{\n\t// mine\n\t\"mcpServers\": {\n\t\t\"b\": {\"command\": \"b\"}, // last\n\t},\n\t\"x\": [1,2]\n}";
    fs::write(&file, own).expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a mode");
    write(&home, &["cursor"]);
    let entry = format!("\t\t\"gateway\": {{\n\t\t\t\"url\": \"{URL}\",\n\t\t}},\n\t}},\n");
    let expected = own.replace("\t},\n", &entry);
    assert_eq!(fs::read_to_string(&file).expect("the file"), expected);
    let mode = fs::metadata(&file).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let entries = fs::read_dir(home.join(".cursor")).expect("a folder");
    assert_eq!(entries.count(), 1, "another file is left over");
}

#[test]
fn an_entry_that_says_more_stays_and_one_that_is_replaced_is_told() {
    let home = folder();
    let file = home.join(".cursor/mcp.json");
    fs::create_dir(home.join(".cursor")).expect("a folder");
    let more = format!(
        "{{\"mcpServers\":{{\"gateway\":{{\"url\":\"{URL}\",\"headers\":{{\"x\":\"secret\"}}}}}}}}"
    );
    fs::write(&file, &more).expect("a file");
    let said = write(&home, &["cursor"]);
    assert!(said.contains("has gateway already"), "{said}");
    assert_eq!(fs::read_to_string(&file).expect("the file"), more);

    let said = write(&home, &["cursor", "--url", "http://127.0.0.1:7/mcp"]);
    assert!(said.contains("The old entry also had: headers."), "{said}");
    assert!(!said.contains("secret"), "{said}");

    let desktop = home.join(APPS).join("Claude/claude_desktop_config.json");
    fs::create_dir_all(desktop.parent().expect("a folder")).expect("a folder");
    let with_token = format!(
        "{{\"mcpServers\":{{\"gateway\":{{\"command\":\"npx\",\"args\":[\"-y\",\"mcp-remote\",\"{URL}\",\"--header\",\"Authorization: secret\"]}}}}}}"
    );
    fs::write(&desktop, &with_token).expect("a file");
    let said = write(&home, &["claude-desktop"]);
    assert!(said.contains("has gateway already"), "{said}");
    assert_eq!(fs::read_to_string(&desktop).expect("the file"), with_token);
    let said = write(
        &home,
        &["claude-desktop", "--url", "http://127.0.0.1:7/mcp"],
    );
    assert!(said.contains("The old entry also had: args."), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn a_file_that_is_broken_is_left_alone() {
    let home = folder();
    for folder in [".cursor", ".codex"] {
        fs::create_dir(home.join(folder)).expect("a folder");
    }
    for (name, file, text, reason) in [
        (
            "cursor",
            ".cursor/mcp.json",
            "{\"mcpServers\": {",
            "not JSON: ",
        ),
        (
            "cursor",
            ".cursor/mcp.json",
            "[1]",
            "must hold a JSON object",
        ),
        (
            "cursor",
            ".cursor/mcp.json",
            "{\"mcpServers\": 1}",
            "mcpServers: must be an object",
        ),
        ("codex", ".codex/config.toml", "a = \n", "not TOML: "),
    ] {
        fs::write(home.join(file), text).expect("a file");
        let output = client(&home, &[name, "--write"]);
        assert!(!output.success, "{text}");
        for expected in [reason, file, "The file has not been changed."] {
            assert!(output.stderr.contains(expected), "{}", output.stderr);
        }
        let kept = fs::read_to_string(home.join(file)).expect("the file");
        assert_eq!(kept, text);
        let listed = client(&home, &[]);
        assert!(listed.success);
        assert!(
            listed.stdout.contains("cannot be read, repair it first: "),
            "{}",
            listed.stdout
        );
    }
}

#[test]
fn a_link_to_a_file_stays_a_link() {
    let home = folder();
    fs::create_dir(home.join(".cursor")).expect("a folder");
    let (real, link) = (home.join("dotfiles.json"), home.join(".cursor/mcp.json"));
    fs::write(&real, "{}\n").expect("a file");
    symlink(&real, &link).expect("a link");
    write(&home, &["cursor"]);
    assert!(link.is_symlink());
    assert!(fs::read_to_string(&real).expect("the file").contains(URL));
}

#[test]
fn clients_without_a_file_get_a_command() {
    let home = folder();
    for (name, command) in [
        (
            "claude-code",
            format!("claude mcp add --transport http --scope user gateway {URL}\n"),
        ),
        (
            "inspector",
            format!("npx @modelcontextprotocol/inspector --transport http --server-url {URL}\n"),
        ),
    ] {
        let shown = client(&home, &[name]);
        assert_eq!(shown.stdout, command);
        let refused = client(&home, &[name, "--write"]);
        assert!(!refused.success);
        let fix = format!("run `{}`", command.trim());
        assert!(refused.stderr.contains(&fix), "{}", refused.stderr);
    }
    let url = "https://mcp.example.com/mcp?a=1&b='2'";
    let shown = client(&home, &["claude-code", "--url", url]).stdout;
    assert!(
        shown.ends_with(" 'https://mcp.example.com/mcp?a=1&b=%272%27'\n"),
        "{shown}"
    );
}

#[test]
fn what_the_user_names_wrongly_is_an_error_with_a_fix() {
    let home = folder();
    for (arguments, fix) in [
        (&["curser"][..], "a similar value exists: 'cursor'"),
        (
            &["cursor", "--url", "127.0.0.1:10000"],
            "http://127.0.0.1:10000/mcp",
        ),
        (&["cursor", "--name", "my gateway"], "such as gateway"),
        (&["windsurf", "--project", "."], "leave out --project"),
        (
            &["cursor", "--project", "no/folder"],
            "create it or name another",
        ),
        (&["--write"], "<NAME>"),
    ] {
        let output = client(&home, arguments);
        assert!(!output.success, "{arguments:?}");
        assert!(
            output.stderr.contains(fix),
            "{arguments:?}: {}",
            output.stderr
        );
    }
    let plain = client(
        &home,
        &["claude-desktop", "--url", "http://gateway.lan/mcp"],
    );
    assert!(
        plain.stdout.contains("\"--allow-http\""),
        "{}",
        plain.stdout
    );
}
