//! The commands `tools`, `call`, `prompts` and `resources`, with servers and gateways of
//! both eras.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use crate::failing;
use crate::harness::capture::Capture;
use crate::harness::fake::{self, Answers};
use crate::harness::legacy::Legacy;
use crate::harness::process::POLL_EVERY;
use crate::harness::server::Server;
use crate::harness::setup;
use crate::program::{Running, folder, program, save};
use crate::tls::{self, Authority};

fn url(address: SocketAddr) -> String {
    format!("http://{address}/mcp")
}

/// The program with `arguments`. It finds only the running gateways that are registered in
/// the folder `runtime`, and no others on this machine.
fn command(arguments: &[&str], runtime: &Path) -> Command {
    let mut command = program();
    command
        .args(arguments)
        .env("XDG_RUNTIME_DIR", runtime)
        .env("ENVOY", setup::envoy())
        .env("MCP_GATEWAY_WASM", setup::filter())
        .env_remove("SSL_CERT_FILE")
        .stdin(Stdio::null());
    command
}

fn ask(arguments: &[&str]) -> Output {
    let output = command(arguments, &folder()).output();
    output.expect("the program")
}

/// Runs the program, expects that it succeeds without warnings, and returns its stdout.
fn answer(arguments: &[&str]) -> String {
    let output = ask(arguments);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {out}{err}");
    assert_eq!(err, "", "{arguments:?}");
    out
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// The lines of `text` with single spaces.
fn lines(text: &str) -> Vec<String> {
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect()
}

const TOOLS: &[&str] = &[
    "tool needs description",
    "get_forecast city, days Weather forecast",
    "get_weather city Current weather",
    "list_cities – Known cities",
];

#[test]
fn a_server_lists_its_tools_and_runs_them() {
    let server = Server::start("weather");
    let url = url(server.address);
    assert_eq!(lines(&answer(&["tools", &url])), TOOLS);
    let json = answer(&["tools", &url, "--json"]);
    assert_eq!(json, answer(&["tools", &url, "--output", "json"]));
    let tools: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(tools[1]["name"], "get_weather");
    assert_eq!(tools[1]["inputSchema"]["required"], json!(["city"]));
    let weather = answer(&["call", &url, "get_weather", "--arg", "city=Tokyo"]);
    let weather: Value = serde_json::from_str(&weather).expect("JSON");
    assert_eq!(weather["celsius"], 22);
    let raw = [
        "call",
        &url,
        "get_weather",
        "--args",
        r#"{"city":"Tokyo"}"#,
        "--json",
    ];
    let raw: Value = serde_json::from_str(&answer(&raw)).expect("JSON");
    assert_eq!(raw["structuredContent"]["city"], "Tokyo");
    // The schema of `days` wants a number, so the program must send `2` as a number.
    let days = [
        "call",
        &url,
        "get_forecast",
        "--arg",
        "city=Lima",
        "--arg",
        "days=2",
    ];
    assert!(answer(&days).contains("Lima"));
}

#[test]
fn what_a_tool_says_that_failed_goes_to_stderr() {
    let server = Server::start("weather");
    let url = url(server.address);
    let call = ["call", &url, "get_weather", "--arg", "city=Nowhere"];
    let output = ask(&call);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    assert!(text(&output.stderr).starts_with("no weather for `Nowhere`; try "));
    let output = ask(&[&call[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let raw: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(raw["isError"], true);
}

#[test]
fn arguments_are_checked_before_the_call() {
    let server = Server::start("weather");
    let url = url(server.address);
    let forecast = ["call", &*url, "get_forecast", "--arg", "city=Lima"];
    for (arguments, expected) in [
        (
            &["call", &url, "get_wether"][..],
            "there is no tool \"get_wether\"; the nearest is \"get_weather\"",
        ),
        (
            &["call", &url, "cities"],
            "there is no tool \"cities\"; the nearest is \"list_cities\"",
        ),
        (
            &["call", &url],
            "the name of the tool is missing: write it after http://",
        ),
        (
            &["tools", "ftp://a/mcp"],
            "no such file; if it is an address, it must begin with http:// or https://",
        ),
        (
            &["call", &url, "x"],
            &format!("there is no tool \"x\"; `mcp-gateway tools {url}` lists them"),
        ),
        (
            &["call", "get_weather", "city=Lima"],
            "\"city=Lima\" is an argument: write --arg 'city=Lima'",
        ),
        (
            &["call", "get_weather", "{\"city\": 1}"],
            "write --args '{\"city\": 1}'",
        ),
        (
            &["call", "get_weather", "Lima"],
            "get_weather: no such file; arguments of a tool are given as --arg NAME=VALUE",
        ),
        (
            &["call", &url, "get_weather", "city=Lima"],
            "\"city=Lima\" is an argument: write --arg 'city=Lima'",
        ),
        (
            &["call", &url, "get_forecast", "city=Lima", "days=2"],
            "\"city=Lima\", \"days=2\" are arguments: write --arg 'city=Lima' --arg 'days=2'",
        ),
        (
            &["call", &url, "get_weather", "Lima"],
            "\"Lima\": arguments of a tool are given as --arg NAME=VALUE",
        ),
        (
            &["call", &url, "get_weather", "--arg", "town=Lima"],
            "--arg town: no such argument; the arguments are city (required)",
        ),
        (
            &forecast,
            "the argument \"days\" is missing: add --arg days=VALUE",
        ),
        (
            &[&forecast[..], &["--arg", "days=two"]].concat(),
            "--arg days=two: must be an integer",
        ),
        (
            &["call", &url, "get_weather", "--arg", "city"],
            "must be NAME=VALUE",
        ),
        (
            &["call", &url, "get_weather", "--args", "[1]"],
            "must be a JSON object",
        ),
        (
            &["tools", &url, "--json", "--output", "text"],
            "'--json' cannot be used with '--output <FORMAT>'",
        ),
        (
            &["tools", &url, "--header", "no colon"],
            "must be \"name: value\"",
        ),
    ] {
        let output = ask(arguments);
        let said = text(&output.stderr);
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_legacy_session_begins_and_ends() {
    let server = Legacy::start("a").await;
    let url = url(server.address);
    let header = ["--header", "Authorization: Bearer t"];
    let call = [&["call", &*url, "t"][..], &header].concat();
    assert_eq!(answer(&call), "a\n");
    assert_eq!(server.sessions(), (1, 0));
    for request in server.take() {
        assert_eq!(
            request.header("authorization"),
            Some("Bearer t"),
            "{request:?}"
        );
    }
}

/// A legacy server whose tools answer in streams. `ask` sends requests to the client before
/// its result. `early` ends the first stream without a result, so the client must get the
/// rest with a GET request.
async fn streaming() -> Capture {
    Capture::start(|request| {
        let stream = |events: String| {
            ([("content-type", "text/event-stream")], events).into_response()
        };
        let result = |id: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"done"}}]}}}}"#)
        };
        if request.method == "GET" {
            return stream(format!("data: {}\n\n", result("4")));
        }
        let message = request.json();
        let id = message["id"].to_string();
        match (message["method"].as_str(), message["params"]["name"].as_str()) {
            (Some("initialize"), _) => request.result(
                r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}"#,
            ),
            (Some("tools/list"), _) => {
                request.result(r#"{"tools":[{"name":"ask"},{"name":"early"}]}"#)
            }
            (_, Some("ask")) => stream(format!(
                "data: {{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"elicitation/create\"}}\n\ndata: {{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}}\n\ndata: {}\n\n",
                result(&id)
            )),
            (_, Some("early")) => stream("id: e1\ndata:\n\n".to_owned()),
            (Some(_), _) => StatusCode::BAD_REQUEST.into_response(),
            (None, _) => StatusCode::ACCEPTED.into_response(),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_the_server_is_refused_and_told() {
    let server = streaming().await;
    let output = ask(&["call", &url(server.address), "ask"]);
    assert_eq!(text(&output.stdout), "done\n", "{output:?}");
    let told = "the server asked for elicitation/create, which this program does not answer";
    assert!(text(&output.stderr).contains(told), "{output:?}");
    assert!(!text(&output.stderr).contains("ping"), "{output:?}");
    let posted: Vec<Value> = server.take().iter().map(|it| it.json()).collect();
    let answer = |id: &str| posted.iter().find(|it| it["id"] == id).expect("an answer");
    assert_eq!(answer("q")["error"]["code"], -32601);
    assert_eq!(answer("p")["result"], json!({}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rest_of_an_answer_is_asked_for() {
    let server = streaming().await;
    assert_eq!(answer(&["call", &url(server.address), "early"]), "done\n");
    let asked = server.take();
    let rest = asked.iter().find(|it| it.method == "GET").expect("a GET");
    assert_eq!(rest.header("last-event-id"), Some("e1"));
    assert_eq!(rest.header("mcp-protocol-version"), Some("2025-06-18"));
}

const ANSWERS: Answers = &[
    (
        "tools/list",
        r#"{"resultType":"complete","tools":[{"name":"one","inputSchema":{"type":"object"}}],"nextCursor":"2"}"#,
    ),
    (
        "tools/list#2",
        r#"{"resultType":"complete","tools":[{"name":"two","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}]}"#,
    ),
    (
        "tools/call",
        r#"{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{}}}}"#,
    ),
    (
        "prompts/list",
        r#"{"resultType":"complete","prompts":[{"name":"greet","arguments":[{"name":"who","required":true}]}]}"#,
    ),
    (
        "prompts/get",
        r#"{"resultType":"complete","messages":[{"role":"user","content":{"type":"text","text":"hello"}}]}"#,
    ),
    (
        "resources/list",
        r#"{"resultType":"complete","resources":[{"uri":"file:///a","name":"A","mimeType":"text/plain"}]}"#,
    ),
    (
        "resources/templates/list",
        r#"{"resultType":"complete","resourceTemplates":[{"uriTemplate":"file:///{x}","name":"X"}]}"#,
    ),
    (
        "resources/read",
        r#"{"resultType":"complete","contents":[{"uri":"file:///a","text":"content"},{"uri":"file:///b","blob":"AAAA","mimeType":"image/png"}]}"#,
    ),
];

/// A modern server with fixed answers.
async fn modern() -> Capture {
    fake::start(r#"{"tools":{},"prompts":{},"resources":{}}"#, ANSWERS).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_list_and_its_entries_are_shown() {
    let server = modern().await;
    let url = url(server.address);
    for (arguments, expected) in [
        (
            &["tools", &*url][..],
            &["tool needs description", "one – one", "two – two"][..],
        ),
        (
            &["prompts", &url],
            &["prompt needs description", "greet who greet"],
        ),
        (
            &["prompts", &url, "--get", "greet", "--arg", "who=me"],
            &["user: hello"],
        ),
        (
            &["resources", &url],
            &[
                "resource type description",
                "file:///a text/plain A",
                "",
                "template type description",
                "file:///{x} – X",
            ],
        ),
        (
            &["resources", &url, "--read", "file:///a"],
            &["content", "[resource file:///b: image/png, 3 bytes]"],
        ),
    ] {
        assert_eq!(lines(&answer(arguments)), expected, "{arguments:?}");
    }
    let asked = server.take();
    let sent = |method: &str| -> Value {
        let (_, answer) = ANSWERS
            .iter()
            .find(|(name, _)| *name == method)
            .expect(method);
        serde_json::from_str(answer).expect("JSON")
    };
    let both = json!([
        sent("tools/list")["tools"][0],
        sent("tools/list#2")["tools"][0]
    ]);
    for (arguments, expected) in [
        (&["tools", &*url][..], both),
        (&["prompts", &url], sent("prompts/list")["prompts"].clone()),
        (
            &["prompts", &url, "--get", "greet", "--arg", "who=me"],
            sent("prompts/get"),
        ),
        (
            &["resources", &url],
            json!({
                "resources": sent("resources/list")["resources"],
                "resourceTemplates": sent("resources/templates/list")["resourceTemplates"],
            }),
        ),
        (
            &["resources", &url, "--read", "file:///a"],
            sent("resources/read"),
        ),
    ] {
        let printed = answer(&[arguments, &["--json"]].concat());
        let printed: Value = serde_json::from_str(&printed).expect("JSON");
        assert_eq!(printed, expected, "{arguments:?}");
    }
    server.take();
    let read = asked.last().expect("requests");
    assert_eq!(read.header("mcp-name"), Some("file:///a"));
    assert_eq!(read.header("mcp-method"), Some("resources/read"));
    let missing = ask(&["prompts", &url, "--get", "greet"]);
    assert!(text(&missing.stderr).contains("the argument \"who\" is missing"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_that_needs_its_user_is_an_error_and_headers_repeat_arguments() {
    let server = modern().await;
    let url = url(server.address);
    let output = ask(&["call", &url, "two", "--arg", "region=eu"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("asks for elicitation/create first"), "{said}");
    let asked = server.take();
    let call = asked.last().expect("requests");
    assert_eq!(call.header("mcp-param-region"), Some("eu"));
    assert_eq!(call.header("mcp-name"), Some("two"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_without_mcp_is_an_error_that_says_what_to_do() {
    let html = failing::with_status(200, "text/html", "<html>").await;
    let credentials = failing::with_status(401, "text/plain", "").await;
    let missing = failing::with_status(404, "text/plain", "").await;
    let broken = failing::with_status(500, "text/plain", "a bug").await;
    let moved = failing::moved().await;
    let old = failing::old_transport().await;
    let (_listener, silent) = failing::silent();
    for (url, expected) in [
        (
            url(([127, 0, 0, 1], 1).into()),
            "nothing listens at http://127.0.0.1:1/mcp: start it, as with `mcp-gateway run FILE`",
        ),
        (
            "http://nobody.invalid/mcp".to_owned(),
            "DNS has no address for its host",
        ),
        (
            url(html.address),
            "the answer is an HTML page\n  fix: check the URL",
        ),
        (
            url(credentials.address),
            "requires credentials (HTTP 401)\n  fix: send credentials: --header \"authorization: Bearer TOKEN\"",
        ),
        (
            url(missing.address),
            "nothing at this path (HTTP 404)\n  fix: check the path of the URL",
        ),
        (url(broken.address), "fails (HTTP 500): a bug"),
        (
            url(moved.address),
            "redirects (HTTP 308) to https://other.example/mcp\n  fix: use that URL",
        ),
        (url(old.address), "speaks the old transport HTTP+SSE"),
        (
            url(silent),
            "no answer within 1 s\n  fix: wait longer with --timeout SECONDS",
        ),
        (
            "-".to_owned(),
            "the gateway reloads its file when it changes, so the file cannot be stdin: name a file",
        ),
        (
            silent.to_string(),
            "no such file; if it is an address, write http://127.0.0.1:",
        ),
    ] {
        // Only one of them must not answer in time.
        let time_limit = if expected.contains("within 1 s") {
            "1"
        } else {
            "60"
        };
        let output = ask(&["tools", &url, "--timeout", time_limit]);
        let said = text(&output.stderr);
        assert!(said.contains(expected), "{url}: {said}");
        assert_eq!(output.status.code(), Some(2), "{said}");
    }
    let header = ["--header", "authorization: Bearer x"];
    let refused = ask(&[&["tools", &url(credentials.address)][..], &header].concat());
    let said = text(&refused.stderr);
    assert!(said.contains("does not accept these credentials"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_named_when_it_is_wrong() {
    let weather = Server::start("weather");
    let folder = folder();
    let authority = Authority::new(&folder);
    let file = authority.file.to_str().expect("UTF-8");
    let good = authority.server("localhost", weather.address).await;
    let wrong = authority.server("other.example", weather.address).await;
    let expired = authority.expired("localhost", weather.address).await;
    let unknown = tls::self_signed("localhost", weather.address).await;
    let local = |address: SocketAddr| format!("https://localhost:{}/mcp", address.port());
    for (address, expected) in [
        (
            wrong,
            "TLS: the certificate is not for localhost, but for other.example",
        ),
        (expired, "TLS: the certificate has expired"),
        (
            unknown,
            "TLS: the certificate is from an authority that is not trusted here\n  fix: name a file with the authority's certificate: --ca-file FILE",
        ),
        (
            weather.address,
            "TLS: the server does not speak TLS at this port\n  fix: write http:// instead of https://",
        ),
    ] {
        let output = ask(&["tools", &local(address), "--ca-file", file]);
        let said = text(&output.stderr);
        assert!(said.contains(expected), "{said}");
        assert_eq!(output.status.code(), Some(2));
    }
    assert_eq!(
        lines(&answer(&["tools", &local(good), "--ca-file", file])),
        TOOLS
    );
    let output = command(&["tools", &local(good)], &folder)
        .env("SSL_CERT_FILE", file)
        .output()
        .expect("the program");
    assert_eq!(lines(&text(&output.stdout)), TOOLS);
    let servers = folder.join("servers.yaml");
    let url = local(good);
    save(
        &servers,
        &format!("servers:\n- {{ name: weather, url: '{url}' }}\n"),
    );
    let servers = servers.to_str().expect("UTF-8");
    let tools = answer(&["tools", servers, "--ca-file", file]);
    assert!(tools.contains("weather__get_weather"), "{tools}");
    let empty = folder.join("empty.pem");
    save(&empty, "");
    let output = ask(&[
        "tools",
        &local(good),
        "--ca-file",
        empty.to_str().expect("UTF-8"),
    ]);
    assert!(
        text(&output.stderr).contains("has no certificates in PEM"),
        "{output:?}"
    );
}

fn servers(weather: &Server) -> String {
    format!(
        "servers:\n- {{ name: weather, url: '{}' }}\n",
        url(weather.address)
    )
}

#[test]
fn a_file_is_asked_through_a_gateway_of_its_own() {
    let weather = Server::start("weather");
    let file = folder().join("servers.yaml");
    save(&file, &servers(&weather));
    let path = file.to_str().expect("UTF-8");
    let tools = answer(&["tools", path]);
    assert!(tools.contains("weather__get_weather"), "{tools}");
    let older = answer(&["tools", path, "--compatible"]);
    assert!(older.contains("\nget_weather"), "{older}");
    let call = ["call", path, "weather__get_weather", "--arg", "city=Lima"];
    assert!(answer(&call).contains("Peru"));
    save(&file, "servers: [{ nam: a }]\n");
    let output = ask(&["tools", path]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains("servers[0].nam: unknown field"), "{said}");
}

#[test]
fn the_servers_of_a_file_that_are_down_are_named() {
    let weather = Server::start("weather");
    let file = folder().join("servers.yaml");
    let down = "- { name: down, url: 'http://127.0.0.1:9/mcp' }\n";
    save(&file, &format!("{}{down}", servers(&weather)));
    let path = file.to_str().expect("UTF-8");
    let reason = "mcp-gateway: down is down: connection refused\n";
    let weather = ["weather__get_weather", "--arg", "city=Lima"];
    let call = |words: &[&'static str]| [&["call", path], words].concat();
    for (arguments, status, expected) in [
        (vec!["tools", path], 0, reason.to_owned()),
        (vec!["prompts", path], 0, reason.to_owned()),
        (vec!["resources", path], 0, reason.to_owned()),
        (call(&weather), 0, String::new()),
        (
            call(&["down__x"]),
            2,
            format!(
                "{reason}mcp-gateway: there is no tool \"down__x\"; `mcp-gateway tools {path}` lists them\n"
            ),
        ),
    ] {
        let output = ask(&arguments);
        assert_eq!(text(&output.stderr), expected, "{arguments:?}");
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
    }
}

#[rustfmt::skip]
const WITHOUT_TWO: Answers = &[
    ("tools/list", r#"{"tools":[{"name":"a__x","inputSchema":{"properties":{"city":{}},"required":["city"]}}],"_meta":{"io.github.mcp-gateway/missingServers":["b","c\u001b[2J"]}}"#),
    ("prompts/list", r#"{"prompts":[]}"#),
    ("tools/call", r#"{"content":[{"type":"text","text":"done"}]}"#),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_that_a_list_lacks_are_named() {
    let gateway = fake::start(r#"{"tools":{},"prompts":{}}"#, WITHOUT_TWO).await;
    let url = url(gateway.address);
    let line = "mcp-gateway: the gateway got no answer from these servers: b, c\u{fffd}[2J\n";
    for (arguments, status, said) in [
        (vec!["tools", &url], 0, line.to_owned()),
        (vec!["tools", &url, "--output", "json"], 0, line.to_owned()),
        (vec!["prompts", &url], 0, String::new()),
        (
            vec!["call", &url, "a__x", "--arg", "city=x"],
            0,
            String::new(),
        ),
        (
            vec!["call", &url, "b__y"],
            2,
            format!(
                "{line}mcp-gateway: there is no tool \"b__y\"; `mcp-gateway tools {url}` lists them\n"
            ),
        ),
        (
            vec!["call", &url, "a__x", "--arg", "b=c"],
            2,
            "mcp-gateway: --arg b: no such argument; the arguments are city (required)\n"
                .to_owned(),
        ),
    ] {
        let output = ask(&arguments);
        assert_eq!(text(&output.stderr), said, "{arguments:?}");
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
    }
}

#[test]
fn ctrl_c_ends_the_gateway_of_a_question() {
    let (_listener, silent) = failing::silent();
    let folder = folder();
    let file = folder.join("servers.yaml");
    save(
        &file,
        &format!(
            "servers:\n- {{ name: a, url: '{}', timeout: 60s }}\n",
            url(silent)
        ),
    );
    let left = || {
        let entries = std::fs::read_dir(&folder).expect("a folder").flatten();
        let names = entries.map(|entry| entry.file_name().into_string().expect("UTF-8"));
        names
            .filter(|name| name.starts_with("mcp-gateway-"))
            .count()
    };
    let mut asking = command(&["tools", file.to_str().expect("UTF-8")], &folder)
        .env("TMPDIR", &folder)
        .spawn()
        .expect("the program");
    let deadline = Instant::now() + Duration::from_secs(180);
    while left() == 0 {
        assert!(Instant::now() < deadline, "no files of a gateway");
        std::thread::sleep(POLL_EVERY);
    }
    let id = asking.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status();
    assert!(sent.expect("kill").success());
    let status = asking.wait().expect("a child");
    // If the gateway is still starting, the program ends at once with 130, and the watchdog
    // removes the files. Otherwise the command fails with 2.
    assert!(matches!(status.code(), Some(2 | 130)), "{status}");
    while left() > 0 {
        assert!(Instant::now() < deadline, "files of the gateway are left");
        std::thread::sleep(POLL_EVERY);
    }
}

#[test]
fn the_gateway_on_this_machine_is_found() {
    let weather = Server::start("weather");
    let folder = folder();
    let (one, two) = (folder.join("one.yaml"), folder.join("two.yaml"));
    let down = "- { name: down, url: 'http://127.0.0.1:9/mcp' }\n";
    save(&one, &format!("{}{down}", servers(&weather)));
    save(&two, &servers(&weather));
    let runtime = folder.to_str().expect("UTF-8");
    let tools = || command(&["tools"], &folder).output().expect("the program");
    let fails = |expected: &[&str]| {
        let output = tools();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(expected.iter().all(|part| said.contains(part)), "{said}");
    };
    fails(&["no gateway runs on this machine: start one with `mcp-gateway run FILE`"]);
    let first = Running::with_variables(&one, &[("XDG_RUNTIME_DIR", runtime)]);
    let found = tools();
    assert!(
        text(&found.stdout).contains("weather__get_weather"),
        "{found:?}"
    );
    let said = "these servers: down; the table that `mcp-gateway run` prints says why\n";
    assert!(text(&found.stderr).ends_with(said), "{found:?}");
    let second = Running::with_variables(&two, &[("XDG_RUNTIME_DIR", runtime)]);
    fails(&[
        "several gateways run on this machine",
        &url(first.address),
        "one.yaml",
        &url(second.address),
        "two.yaml",
    ]);
    assert!(second.end());
    assert!(tools().status.success());
    assert!(first.end());
    fails(&["no gateway runs on this machine"]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let weather = Server::start("weather");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = command(&["tools", &url(weather.address)], &folder())
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .expect("the program");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stderr), "");
}
