//! What `check` says.

use std::fs;

use crate::program::{folder, says};

/// The text of a file, the exit status, and lines of what is said.
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
fn each_file_is_called_good_or_wrong_in_the_right_line() {
    let cases: &[Case] = &[
        (
            OLD,
            0,
            &[
                "servers.yaml:7: warning: servers[1].name: \"mcp-test/calendar\" is taken as \"mcp-test.calendar\": no name has a slash",
                "servers.yaml: good: 1 server (weather-service)",
            ],
        ),
        (
            "trafficMode: REJECT_NO_MCP\n",
            0,
            &["good: a policy, without servers"],
        ),
        (
            "{\n\t\"servers\": [{ \"name\": \"a\" }]\n}\n",
            0,
            &["good: 1 server (a)"],
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
                "  fix: toolPrefix: …",
                "servers.yaml:4: servers[1]: missing field `name`",
                "  fix: name: …",
            ],
        ),
        (
            "{\n  \"servers\": [\n    { \"name\": \"a\" },\n    { \"name\": \"a\" }\n  ]\n}\n",
            1,
            &[
                "servers.yaml:4: servers[1].name: \"a\" stands twice",
                "  fix: name: a-2",
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
            &["servers.yaml:4: a second document"],
        ),
        ("# nothing\n", 1, &["servers.yaml: nothing is in this file"]),
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
            assert!(
                said.contains(line),
                "{text}\nis called\n{said}\nand not\n{line}"
            );
        }
        assert!(
            !said.contains('\x1b'),
            "colours, although nobody sees them: {said}"
        );
    }
}

#[test]
fn the_status_tells_a_wrong_file_from_a_missing_one() {
    let folder = folder();
    let file = folder.join("servers.yaml");
    fs::write(&file, "servers: 1\n").expect("a file");
    let missing = folder.join("nothing.yaml");
    for (arguments, status) in [
        (&["check", file.to_str().expect("UTF-8")][..], 1),
        (&["check", missing.to_str().expect("UTF-8")], 2),
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
