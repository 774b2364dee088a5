//! `migrate` rewrites the files of every version of an older gateway. The files are in
//! `files/kuadrant`. `NAME.expected.yaml` is what `migrate` must print for `NAME.yaml`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::harness::process::{Output, run};
use crate::harness::server::Server;
use crate::harness::setup;
use crate::program::{ENDED_WITHIN, folder, program, says};

fn sample(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/cli/files").join(name)
}

/// Runs `migrate` with `files` of the folder of samples.
fn migrate(files: &[&str], options: &[&str]) -> Output {
    let files = files.iter().map(|name| sample(name));
    run(
        program().arg("migrate").args(files).args(options),
        ENDED_WITHIN,
    )
}

fn lines(text: &str) -> Vec<String> {
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect()
}

const CALLERS: [&str; 6] = [
    "--jwt-issuer",
    "https://keycloak.example.com/realms/mcp",
    "--jwt-audience",
    "mcp",
    "--jwks-uri",
    "https://keycloak.example.com/certs",
];
const GATEWAY: [&str; 2] = ["--gateway", "gateway-system/mcp"];

/// A version of the older gateway.
struct Version<'a> {
    files: &'a [&'a str],
    options: &'a [&'a [&'a str]],
    /// The file with the text that `migrate` prints on stdout.
    expected: &'a str,
    /// Lines that the report must contain. Spaces in a row count as one space.
    said: &'a [&'a str],
}

const VERSIONS: &[Version<'_>] = &[
    Version {
        files: &["kuadrant/mcpgateway.yaml"],
        options: &[],
        expected: "kuadrant/mcpgateway.expected.yaml",
        said: &[
            "MCPGateway mcp-system/ai-tools becomes MCPServer mcp-system/weather-route",
            "yes spec.targetRefs[0].toolPrefix toolPrefix: weather_",
            "yes spec.toolPrefix toolPrefix: ai_",
            "do: a ReferenceGrant in docs that lets MCPServers of mcp-system name its HTTPRoutes; add the HTTPRoutes to the files, so that the server gets the host name that it has now: kubectl get httproutes,services -A -o yaml",
            "note: no MCPGateway is written: --gateway NAMESPACE/NAME makes one, and lets the servers name it",
        ],
    },
    Version {
        files: &["kuadrant/mcpserver-list.yaml"],
        options: &[&GATEWAY, &["--listener", "tools", "--anonymous"]],
        expected: "kuadrant/mcpserver-list.expected.yaml",
        said: &[
            "yes spec.targetRefs[0].toolPrefix toolPrefix: weather_",
            "yes without a prefix toolPrefix: \"\", so that tools keep their names",
        ],
    },
    Version {
        files: &["kuadrant/mcpserver.yaml"],
        options: &[],
        expected: "kuadrant/mcpserver.expected.yaml",
        said: &[
            "yes spec.targetRef targetRef: HTTPRoute weather-route; hostname: weather.mcp.local",
            "yes spec.path path: /v1/special/mcp",
            "do: mcp-gateway migrate --share-credentials, if every client may use it",
            "yes without a prefix toolPrefix: \"\", so that tools keep their names",
            "note: the MCPServers have the group, the kind and the names of the older ones, and replace them: stop the older gateway's controller before you apply them; its broker continues to serve",
            "5 fields carry over (yes), 1 not (no), 0 have no effect here (–).",
        ],
    },
    Version {
        files: &["kuadrant/registration-kagenti.yaml"],
        options: &[&GATEWAY, &CALLERS],
        expected: "kuadrant/registration-kagenti.expected.yaml",
        said: &[
            "MCPGatewayExtension mcp-system/mcp-gateway-extension becomes MCPGateway gateway-system/mcp-gateway-extension",
            "yes spec.targetRef targetRef: Gateway mcp, as --gateway says",
            "MCPServerRegistration mcp-test/weather becomes MCPServer mcp-test/weather",
        ],
    },
    Version {
        files: &["kuadrant/registration-v1alpha1.yaml"],
        options: &[],
        expected: "kuadrant/registration-v1alpha1.expected.yaml",
        said: &[
            "– spec.category the gateway has no search by this field",
            "– spec.hint the gateway has no search by this field",
            "no spec.timeouts the gateway sets no time limit for calls",
            "no spec.tokenURLElicitation the gateway does not ask clients for tokens",
            "no mcp.kuadrant.io/guardrails-config-ids the gateway does not call guardrails",
            "MCPVirtualServer mcp-system/dev-tools does not carry over",
            "no spec the gateway has no virtual servers that clients choose by a header",
        ],
    },
    Version {
        files: &["kuadrant/registration-v1.yaml", "kuadrant/routes.yaml"],
        options: &[&GATEWAY, &CALLERS, &["--share-credentials"]],
        expected: "kuadrant/registration-v1.expected.yaml",
        said: &[
            "yes hostname of the listener hostnames: [mcp.example.com]",
            "– spec.privateHost nothing goes through the gateway twice",
            "– spec.protocolMode clients and servers of all versions work at the same time",
            "– spec.urlElicitation is off",
            "– spec.sessionStore each session is encrypted in its id, and nothing is stored",
            "no spec.trustedHeadersKey the gateway decides by rules which tools a caller sees and calls",
            "no spec.caCertBundleRef each server names its own authorities",
            "no mcp.kuadrant.io/guardrails-ref the gateway does not call guardrails",
            "yes spec.maxBodyBytes config: maxRequestBodySize: 2097152",
            "yes spec.oauthProtectedResource config: oauth, with the same fields",
            "yes spec.targetRef targetRef: HTTPRoute github-route; hostname: api.githubcopilot.com",
            "yes spec.credentialRef headers: authorization, for every client, from token of Secret github-token",
            "yes spec.state enabled: true, which is the default",
            "no spec.userSpecificList without a header of the client, the server does not know which client asks for the list",
            "do: name the header in `passthroughHeaders` of the server",
            "– spec.tags the gateway has no search by this field",
            "yes spec.state enabled: false",
            "yes spec.caCertSecretRef tls: caCertificateRefs: ConfigMap payroll-ca",
            "do: kubectl create configmap payroll-ca -n hr --from-literal=ca.crt=\"$(kubectl get secret payroll-ca -n hr -o jsonpath='{.data.ca\\.crt}' | base64 -d)\"",
            "– spec.userSpecificList is off",
            "MCPVirtualServer mcp-system/dev-tools does not carry over",
            "AuthPolicy gateway-system/mcp-auth-policy does not carry over",
        ],
    },
    Version {
        files: &["kuadrant-old.yaml"],
        options: &[],
        expected: "kuadrant/kuadrant-old.expected.yaml",
        said: &[
            "mcp-test/server1 becomes mcp-test.server1",
            "yes enabled enabled: true",
            "yes toolPrefix toolPrefix: test_",
            "yes without a prefix toolPrefix: \"\", so that tools keep their names",
        ],
    },
    Version {
        files: &["kuadrant-new.yaml"],
        options: &[&["--share-credentials"]],
        expected: "kuadrant/kuadrant-new.expected.yaml",
        said: &[
            "yes prefix toolPrefix: github_",
            "yes credential headers: authorization from the variable MCP_TEST_GITHUB_ROUTE_CREDENTIAL",
            "do: export MCP_TEST_GITHUB_ROUTE_CREDENTIAL='…' with the value of line 7, where Envoy runs",
            "no userSpecificList without a header of the client, the server does not know which client asks for the list",
            "no caCert Envoy trusts the authorities of its own file, see --ca-file",
            "yes state enabled: false",
            "do: export MCP_TEST_OLD_ROUTE_CREDENTIAL='Bearer …' with the token of line 21, where Envoy runs",
            "no virtualServers the gateway has no virtual servers",
            "no guardrails the gateway does not call guardrails",
        ],
    },
];

#[test]
fn each_version_becomes_what_this_gateway_takes() {
    for version in VERSIONS {
        let output = migrate(version.files, &version.options.concat());
        let files = version.files;
        assert!(output.success, "{files:?}: {}", output.stderr);
        let expected = fs::read_to_string(sample(version.expected)).expect("a file");
        assert_eq!(output.stdout, expected, "{files:?}");
        let said = lines(&output.stderr);
        for line in version.said {
            let is_said = said
                .iter()
                .any(|said| said == line || said.starts_with(&format!("{line}, ")));
            assert!(is_said, "{files:?}: no {line:?} in\n{}", output.stderr);
        }
        let both = output.stdout + &output.stderr;
        for secret in ["ghp_example", "BEGIN CERTIFICATE", "token: example"] {
            assert!(!both.contains(secret), "{files:?}: {both}");
        }
    }
}

#[test]
fn the_configuration_of_each_servers_file_is_valid() {
    for name in ["kuadrant-old.yaml", "kuadrant-new.yaml"] {
        let folder = folder();
        let path = folder.to_str().expect("UTF-8");
        let output = migrate(&[name], &["-o", path, "--share-credentials"]);
        let file = folder.join("servers.yaml");
        let file = file.to_str().expect("UTF-8");
        assert_eq!(output.stdout, format!("{file}\n"), "{}", output.stderr);
        let mut check = program();
        check
            .args(["check", file])
            .env("MCP_TEST_GITHUB_ROUTE_CREDENTIAL", "Bearer a")
            .env("MCP_TEST_OLD_ROUTE_CREDENTIAL", "Bearer b");
        let checked = run(&mut check, ENDED_WITHIN);
        assert_eq!((checked.success, &*checked.stderr), (true, ""), "{name}");
        assert!(checked.stdout.contains("valid: "), "{}", checked.stdout);
        let rendered = says(&["render", "--target", "envoy", file]);
        assert!(rendered.success, "{}", rendered.stderr);
    }
}

#[test]
fn without_the_option_no_server_gets_a_credential() {
    for files in [
        &["kuadrant-new.yaml"][..],
        &["kuadrant/mcpserver.yaml"],
        &["kuadrant/registration-v1alpha1.yaml"],
    ] {
        let output = migrate(files, &[]);
        assert!(output.success, "{}", output.stderr);
        for word in ["headers", "authorization", "credential"] {
            assert!(
                !output.stdout.contains(word),
                "{files:?}: {}",
                output.stdout
            );
        }
        let reason = "older gateways send it only with requests for lists; here the server would get it with every call of every client";
        assert!(output.stderr.contains(reason), "{}", output.stderr);
    }
}

/// The names of the tools at `place`, which is a URL or a file of servers.
fn names(place: &str) -> Vec<String> {
    let output = program()
        .args(["tools", place, "--output", "json"])
        .env("ENVOY", setup::envoy())
        .env("MCP_GATEWAY_WASM", setup::filter())
        .output()
        .expect("the program");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{place}: {said}");
    let tools: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let name = |tool: &Value| tool["name"].as_str().expect("a name").to_owned();
    tools.iter().map(name).collect()
}

#[test]
fn tools_are_called_as_before() {
    let weather = Server::start("weather");
    let calendar = Server::start("calendar");
    let url = |server: &Server| format!("http://{}/mcp", server.address);
    let file = folder().join("older.yaml");
    let text = format!(
        "servers:\n- {{ name: mcp-test/weather, url: '{}', hostname: 127.0.0.1, prefix: weather_, state: Enabled }}\n- {{ name: mcp-test/calendar, url: '{}', hostname: 127.0.0.1, state: Enabled }}\n",
        url(&weather),
        url(&calendar)
    );
    fs::write(&file, text).expect("a file");
    let new = folder();
    let output = says(&[
        "migrate",
        file.to_str().expect("UTF-8"),
        "-o",
        new.to_str().expect("UTF-8"),
    ]);
    assert!(output.success, "{}", output.stderr);
    // The older gateway puts the server's prefix, if it has one, before the name of each
    // tool.
    let prefixed = names(&url(&weather))
        .into_iter()
        .map(|name| format!("weather_{name}"));
    let mut expected: Vec<String> = prefixed.chain(names(&url(&calendar))).collect();
    let mut after = names(new.join("servers.yaml").to_str().expect("UTF-8"));
    expected.sort();
    after.sort();
    assert!(after.len() > 3, "{after:?}");
    assert_eq!(after, expected);
}

const ROUTE: &str = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: r, namespace: n }\nspec:\n  rules:\n  - backendRefs: [{ name: b, kind: Bucket }]\n";
const EXTENSION: &str = "apiVersion: mcp.kuadrant.io/v1\nkind: MCPGatewayExtension\nmetadata: { name: e, namespace: n }\nspec:\n  targetRef: { name: g, sectionName: mcp }\n";

fn registration(spec: &str) -> String {
    format!(
        "apiVersion: mcp.kuadrant.io/v1\nkind: MCPServerRegistration\nmetadata: {{ name: a, namespace: n }}\nspec:\n  {spec}\n"
    )
}

/// The text of a file, the options, the exit status, and parts of the error messages.
type Failure<'a> = (String, &'a [&'a str], i32, &'a [&'a str]);

#[test]
fn what_is_wrong_is_told_with_its_place_and_a_fix() {
    let other = "apiVersion: toolhive.stacklok.dev/v1\nkind: MCPServer\nmetadata: { name: a }\n";
    let cases: &[Failure<'_>] = &[
        (
            registration("prefix: a_"),
            &[],
            1,
            &[
                ":1: MCPServerRegistration a: spec.targetRef: is missing",
                "  fix: targetRef: {",
            ],
        ),
        (
            registration("targetRef: { name: r, kind: Service }"),
            &[],
            1,
            &[
                ":5: MCPServerRegistration a: spec.targetRef.kind: must be HTTPRoute",
                "  fix: kind: HTTPRoute",
            ],
        ),
        (
            registration("targetRef: { name: r }\n  prefix: 'a b'"),
            &[],
            1,
            &[
                ":6: MCPServerRegistration a: spec.prefix: \"a b\" must be at most 64 letters",
                "  fix: toolPrefix: a-b",
            ],
        ),
        (
            registration("targetRef: { name: r }\n  state: Off"),
            &[],
            1,
            &[
                ":6: MCPServerRegistration a: spec.state: must be Enabled or Disabled",
                "  fix: state: Enabled",
            ],
        ),
        (
            registration("targetRef: { name: r }") + ROUTE,
            &[],
            1,
            &[
                "MCPServerRegistration a: HTTPRoute r: has a backend of kind \"Bucket\"",
                "  fix: kind: Service",
            ],
        ),
        (
            [
                registration("targetRef: { name: r }"),
                registration("targetRef: { name: s }"),
            ]
            .join("---\n"),
            &[],
            1,
            &[
                "MCPServerRegistration a: metadata.name: there are two servers \"a\" in namespace \"n\"",
                "  fix: rename one",
            ],
        ),
        (
            EXTENSION.to_owned() + "---\n" + &registration("targetRef: { name: r }"),
            &[],
            1,
            &[
                ":1: MCPGatewayExtension e: does not say who may call, and an MCPGateway has to",
                "  fix: --jwt-issuer ISSUER --jwt-audience AUDIENCE --jwks-uri URL, or --anonymous",
                ":1: MCPGatewayExtension e: becomes an MCPGateway, which needs a Gateway",
                "  fix: --gateway NAMESPACE/NAME; another one than n/g lets both serve",
            ],
        ),
        (
            registration("targetRef: { name: r }"),
            &GATEWAY,
            2,
            &[
                "--gateway makes an MCPGateway, which needs to know who may call: --jwt-issuer ISSUER",
            ],
        ),
        (
            registration("targetRef: { name: r }"),
            &["--gateway", "mcp", "--anonymous"],
            2,
            &["must be NAMESPACE/NAME, such as gateway-system/mcp"],
        ),
        (
            registration("targetRef: { name: r }"),
            &["--gateway", "a/b", "--anonymous", "--jwt-issuer", "i"],
            2,
            &["cannot be used with"],
        ),
        (
            other.to_owned(),
            &[],
            1,
            &[
                "the file has Kubernetes documents (MCPServer of toolhive.stacklok.dev), but no MCPServer or MCPServerRegistration of an older gateway",
                "  fix: add the output of: kubectl get mcpserverregistrations,httproutes -A -o yaml",
            ],
        ),
        (
            "{\"mcpServers\": {\"a\": {\"url\": \"http://a/mcp\"}}}".to_owned(),
            &[],
            1,
            &[":1: has no list `servers`", "  fix: name its file"],
        ),
        (
            "servers:\n- { name: a, url: 'http://a/mcp', state: Off }\n".to_owned(),
            &[],
            1,
            &[":2: servers[0].state: must be Enabled or Disabled"],
        ),
        (
            "servers:\n- { name: a, url: 'http://a/mcp' }\n".to_owned(),
            &["--gateway", "a/b", "--anonymous"],
            2,
            &["are for Kubernetes objects, and this is a `servers:` file"],
        ),
        ("servers: [\n".to_owned(), &[], 1, &["not YAML"]),
    ];
    for (text, options, status, said) in cases {
        let file = folder().join("older.yaml");
        fs::write(&file, text).expect("a file");
        let output = program()
            .arg("migrate")
            .arg(&file)
            .args(*options)
            .output()
            .expect("the program");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*status), "{text}\n{err}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{text}");
        for line in *said {
            assert!(err.contains(line), "{text}\nno {line:?} in\n{err}");
        }
    }
}

#[test]
fn files_come_from_a_folder_and_from_stdin() {
    let expected = migrate(
        &["kuadrant/registration-v1.yaml", "kuadrant/routes.yaml"],
        &[&GATEWAY[..], &CALLERS].concat(),
    );
    assert!(expected.success, "{}", expected.stderr);
    let folder = folder();
    let mut all = String::new();
    for name in ["registration-v1.yaml", "routes.yaml"] {
        let text = fs::read_to_string(sample("kuadrant").join(name)).expect("a file");
        fs::write(folder.join(name), &text).expect("a file");
        all = [&*all, &text].join("---\n");
    }
    fs::write(folder.join("notes.txt"), "not read").expect("a file");
    let of_folder = run(
        program()
            .arg("migrate")
            .arg(&folder)
            .args(GATEWAY)
            .args(CALLERS),
        ENDED_WITHIN,
    );
    assert_eq!(of_folder.stdout, expected.stdout, "{}", of_folder.stderr);
    let mut child = program()
        .args(["migrate", "-"])
        .args(GATEWAY)
        .args(CALLERS)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program");
    let mut input = child.stdin.take().expect("its input");
    input.write_all(all.as_bytes()).expect("a pipe");
    drop(input);
    let output = child.wait_with_output().expect("its output");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected.stdout);
    let mixed = migrate(&["kuadrant/mcpserver.yaml", "kuadrant-old.yaml"], &[]);
    assert!(mixed.stderr.contains("kuadrant-old.yaml: is no file with Kubernetes objects: a `servers:` file is migrated alone"), "{}", mixed.stderr);
}

/// `migrate` does not change its own output. The first versions of the older gateway use
/// the same group and kind, so `migrate` must distinguish their objects from its own.
#[test]
fn what_is_of_this_gateway_stays_as_it_is() {
    let text = "apiVersion: mcp.kagenti.com/v1alpha1\nkind: MCPServer\nmetadata:\n  name: a\n  namespace: ns\nspec:\n  targetRef:\n    kind: Service\n    name: a\n    port: 80\n  enabled: false\n";
    let file = folder().join("new.yaml");
    fs::write(&file, text).expect("a file");
    let output = says(&["migrate", file.to_str().expect("UTF-8")]);
    assert!(output.success, "{}", output.stderr);
    assert_eq!(output.stdout, text);
    assert!(
        output
            .stderr
            .contains("MCPServer ns/a is of this gateway already"),
        "{}",
        output.stderr
    );
}
