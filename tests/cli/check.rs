//! The output and the exit status of `check`.

use std::fs;

use crate::program::{folder, says};

/// The text of a file, the exit status of `check`, and lines that its output must contain.
type Case<'a> = (&'a str, i32, &'a [&'a str]);

const OLD: &str = "servers:
  - name: weather-service
    url: http://weather.example.com:8080
    hostname: weather.example.com
    enabled: true
    toolPrefix: \"weather_\"
  - name: mcp-test/calendar
    url: https://calendar.example.com/mcp
    enabled: false
    toolPrefix: cal_
";

#[test]
fn each_file_is_valid_or_has_errors_with_their_lines() {
    let cases: &[Case] = &[
        (
            OLD,
            0,
            &[
                "servers.yaml:7: note: servers[1].name: \"mcp-test/calendar\" is \"mcp-test.calendar\" in logs and in URIs of resources; its tools are called cal_…",
                "servers.yaml: valid: 1 server (weather-service)",
            ],
        ),
        (
            "trafficMode: REJECT_NO_MCP\n",
            0,
            &["servers.yaml: valid: a policy without servers"],
        ),
        (
            "{\n\t\"servers\": [{ \"name\": \"a\", \"url\": \"http://a/mcp\" }]\n}\n",
            0,
            &["servers.yaml: valid: 1 server (a)"],
        ),
        (
            &OLD.replace("toolPrefix: cal_", "toolPrefix: \"c l\""),
            1,
            &[
                "servers.yaml:10: servers[1].toolPrefix: \"c l\" must be at most 64 letters, digits, \"_\", \".\" or \"-\"",
                "  fix: toolPrefix: c-l",
            ],
        ),
        (
            "servers:\n- name: a\n  tool_prefixx: b\n- nam: c\n",
            1,
            &[
                "servers.yaml:3: servers[0].tool_prefixx: unknown field",
                "  fix: toolPrefix: b",
                "servers.yaml:4: servers[1].nam: unknown field\n",
                "  fix: name: c\n",
                "servers.yaml:2: servers[0].url: is missing: Envoy needs the address of the server",
            ],
        ),
        (
            "servers:\n- name: a\n  comand: uvx\n  args: [x]\n",
            1,
            &[
                "servers.yaml:3: servers[0].comand: unknown field\n",
                "  fix: command: uvx\n",
            ],
        ),
        (
            "servers:\n- name: a\n  cmd: uvx\n  arguments: [x]\n",
            1,
            &[
                "servers.yaml:3: servers[0].cmd: unknown field\n  fix: command: uvx\n",
                "servers.yaml:4: servers[0].arguments: unknown field\n  fix: args: [x]\n",
            ],
        ),
        (
            "servers:\n- name: a\n  endpoint: http://a/mcp\n  disabled: true\n  tools: [x]\n  headers:\n  - X-Key: a-secret\n",
            1,
            &[
                "servers.yaml:3: servers[0].endpoint: unknown field\n  fix: url: http://a/mcp\n",
                "servers.yaml:4: servers[0].disabled: unknown field\n  fix: enabled: false\n",
                "servers.yaml:5: servers[0].tools: must be an object\n  fix: tools: { include: [x] }\n",
                "servers.yaml:7: servers[0].headers[0]: missing field `name`\n  fix: - { name: NAME, value: value }\n",
            ],
        ),
        (
            "Servers:\n- name: a\n  url: http://a/mcp\n",
            1,
            &[
                "servers.yaml:1: Servers: unknown field\n  fix: servers: [{ name: a, url: http://a/mcp }]\n",
            ],
        ),
        (
            "servers:\n\t- name: a\n",
            1,
            &[
                "servers.yaml:2: not YAML: tabs",
                "  fix: indent with spaces, not with tabs\n",
            ],
        ),
        (
            "servers:\n- name: a\n\turl: http://a/mcp\n",
            1,
            &["  fix: indent with spaces, not with tabs\n"],
        ),
        (
            "{\"servers\": [{\n\"name\": \"a\", \"url\": \"http://a/mcp\",\n\"token\": \"a-secret\" }, {\n\"name\": \"b\", \"url\": \"http://b/mcp\", \"headers\": \"a-secret\" }]}\n",
            1,
            &[
                "  fix: \"headers\": { \"Authorization\": \"Bearer ${TOKEN}\" }\n",
                "  fix: \"headers\": [{ \"name\": \"NAME\", \"value\": \"value\" }]\n",
            ],
        ),
        (
            "servers:\n- name: @a\n",
            1,
            &["  fix: put a text that starts with @"],
        ),
        (
            "servers:\n- name: a\n  url http://h\n  toolPrefix: x\n",
            1,
            &["  fix: write `: ` after the name of the field"],
        ),
        (
            "servers:\n- name: a\n  url: ${NOT_SET_X}\n- name: b\n  url: http://${NOT_SET_X}:${NOT_SET_Y}/mcp\n",
            0,
            &[
                "servers.yaml:3: warning: servers[0].url: the environment variable NOT_SET_X is not set here: `run` does not start without it",
                "servers.yaml:5: warning: servers[1].url: the environment variable NOT_SET_X is not set",
                "servers.yaml:5: warning: servers[1].url: the environment variable NOT_SET_Y is not set",
            ],
        ),
        (
            "servers:\n- name: a\n url: http://a/mcp\n",
            1,
            &["  fix: indent all fields of an object with the same number of spaces\n"],
        ),
        (
            "{ \"mcpServers\": { \"a\": { \"comand\": \"uvx\" } } }\n",
            1,
            &["  fix: write command in place of comand\n"],
        ),
        (
            "{\"servers\": [{\n\"name\": \"a\", \"url\": \"a/mcp\",\n\"tool_prefixx\": \"b\" }]}\n",
            1,
            &[
                "  fix: \"url\": \"http://a/mcp\"\n",
                "  fix: \"toolPrefix\": \"b\"\n",
            ],
        ),
        (
            "[[servers]]\nname = 'a'\nurl = 'a/mcp'\n",
            1,
            &[
                "servers.yaml:3: servers[0].url",
                "  fix: url = \"http://a/mcp\"\n",
            ],
        ),
        (
            "servers:\n- name: a\n  command: npx -y x\n",
            0,
            &[
                "servers.yaml:3: warning: servers[0].command: \"npx -y x\" is read as the name of one program",
                "  fix: command: npx\n       args: [-y, x]\n",
            ],
        ),
        (
            "{\"mcpServers\": {\"a\": {\"command\": \"npx -y x\"}}}\n",
            0,
            &["  fix: \"command\": \"npx\", \"args\": [\"-y\", \"x\"]\n"],
        ),
        (
            "[mcp_servers.a]\ncommand = 'npx -y x'\n",
            0,
            &["  fix: command = \"npx\"\n       args = [\"-y\", \"x\"]\n"],
        ),
        (
            "{\n  \"servers\": [\n    { \"name\": \"a\" },\n    { \"name\": \"a\" }\n  ]\n}\n",
            1,
            &[
                "servers.yaml:4: servers[1].name: \"a\" is used twice",
                "  fix: \"name\": \"a-2\"",
            ],
        ),
        (
            "servers:\n- name: a\n  - b\n",
            1,
            &["servers.yaml:3: not YAML: "],
        ),
        (
            "servers:\n- name: a\nservers: []\n",
            1,
            &["servers.yaml:3: not YAML: "],
        ),
        (
            "servers:\n- name: a\n---\nservers: []\n",
            1,
            &[
                "servers.yaml:4: the file has a second YAML document, but a configuration is one",
                "  fix: remove the `---` before it, or all of it",
            ],
        ),
        (
            "# nothing\n",
            1,
            &[
                "servers.yaml: the file is empty",
                "  fix: servers: [{ name: weather, url: http://127.0.0.1:9001/mcp }]",
            ],
        ),
        (
            "apiVersion: mcp.kagenti.com/v1alpha1\nkind: MCPServer\nmetadata: { name: weather }\nspec:\n  targetRef: { name: weather }\n",
            1,
            &[
                "servers.yaml:5: MCPServer weather: spec.targetRef: HTTPRoute \"weather\" of namespace \"default\" is not in this file",
                "  fix: add it: kubectl get httproute weather -n default -o yaml",
            ],
        ),
        (
            "apiVersion: mcp.kagenti.com/v1alpha1\nkind: MCPServer\nmetadata: { name: weather }\nspec:\n  toolPrefix: \"w w\"\n  targetRef: { name: weather }\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: weather }\nspec:\n  rules:\n  - backendRefs: [{ name: weather, port: 80 }]\n",
            1,
            &["servers.yaml:5: MCPServer weather: spec.toolPrefix: \"w w\" must be"],
        ),
    ];
    let folder = folder();
    let file = folder.join("servers.yaml");
    let path = file.to_str().expect("UTF-8");
    for (text, status, lines) in cases {
        fs::write(&file, text).expect("a file");
        let output = says(&["check", path]);
        let said = (output.stdout + &output.stderr).replace(path, "servers.yaml");
        assert_eq!(output.success, *status == 0, "{text}\n{said}");
        for line in *lines {
            assert!(said.contains(line), "{text}\nno {line:?} in\n{said}");
        }
        assert!(
            !said.contains('\x1b'),
            "colours, although the output is not a terminal: {said}"
        );
    }
}

#[test]
fn the_exit_status_of_a_wrong_file_differs_from_that_of_a_missing_one() {
    let folder = folder();
    let file = folder.join("servers.yaml");
    fs::write(&file, "servers: 1\n").expect("a file");
    let missing = folder.join("nothing.yaml");
    for (arguments, status) in [
        (&["check", file.to_str().expect("UTF-8")][..], 1),
        (&["check", missing.to_str().expect("UTF-8")], 2),
        (&["check", "http://127.0.0.1:1/mcp"], 2),
        (&["check"], 2),
        (
            &["render", file.to_str().expect("UTF-8"), "--target", "envoy"],
            1,
        ),
        (&["check", "envoy/gateway.yaml"], 1),
        (&["--help"], 0),
    ] {
        let ended = crate::program::program()
            .args(arguments)
            .output()
            .expect("the program");
        assert_eq!(ended.status.code(), Some(status), "{arguments:?}");
    }
}
