//! `run` serves the servers of a file, and reloads the file when it changes.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::harness::legacy::Legacy;
use crate::harness::server::Server;
use crate::harness::setup;
use crate::load::{Asker, Load, client};
use crate::program::{Running, folder, overwrite, program, save, says};
use crate::slow::Slow;

#[tokio::test]
async fn tools_are_there_at_the_start_and_the_table_tells_of_all_servers() {
    let (weather, calendar) = (Server::start("weather"), Server::start("calendar"));
    let file = folder().join("servers.yaml");
    save(
        &file,
        &format!(
            "servers:\n- {{ name: weather, url: 'http://{}/mcp' }}\n- {{ name: calendar, url: 'http://{}/mcp', protocol: LEGACY, toolPrefix: '' }}\n- {{ name: gone, url: 'http://127.0.0.1:1/mcp' }}\n",
            weather.address, calendar.address
        ),
    );
    let running = Running::start(&file);
    let tools = Asker::new(running.address).tools().await.expect("a list");
    assert_eq!(tools.len(), 6, "{tools:?}");
    // The program ignores other files in the directory.
    save(&file.with_extension("other"), "servers: 1");
    running.says("down: ", 1);
    let said = running.said();
    let row = |name: &str| {
        let line = said
            .lines()
            .find(|line| line.trim_start().starts_with(name));
        line.unwrap_or_else(|| panic!("no {name} in\n{said}"))
            .split_whitespace()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        row("weather "),
        ["weather", "weather__", "modern", "3", "up"]
    );
    assert_eq!(
        row("calendar "),
        ["calendar", "–", "legacy", "2025-11-25", "3", "up"]
    );
    assert_eq!(row("gone ")[..5], ["gone", "gone__", "–", "–", "down:"]);
    let address = running.address;
    assert!(running.end(), "the program failed after Ctrl-C");
    assert!(
        std::net::TcpStream::connect(address).is_err(),
        "Envoy still listens"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_servers_come_and_go() {
    let (weather, calendar) = (Server::start("weather"), Server::start("calendar"));
    let one = format!(
        "servers:\n- {{ name: weather, url: 'http://{}/mcp' }}\n",
        weather.address
    );
    let two = format!(
        "{one}- {{ name: calendar, url: 'http://{}/mcp', toolPrefix: cal_ }}\n",
        calendar.address
    );
    let file = folder().join("servers.yaml");
    save(&file, &one);
    let running = Running::start(&file);
    let asker = Asker::new(running.address);
    asker.tools().await.expect("a list");
    let load = Load::start(running.address);
    let is_there = |tools: &[String]| tools.iter().any(|tool| tool.starts_with("cal_"));
    let mut slowest = Duration::ZERO;
    let mut refused = 0;
    for round in 0..4 {
        // The test saves the file in both ways, by turns.
        let write = if round % 2 == 0 { save } else { overwrite };
        write(&file, &two);
        slowest = slowest.max(asker.until(is_there).await);
        asker
            .call("cal_list_events", json!({"day": "monday"}))
            .await
            .expect("the new server");
        // If the file has an error, `run` keeps the last valid configuration.
        for broken in [
            "servers:\n- name: [\n",
            "servers:\n- { name: a, toolPrefix: 'we ather', url: 'http://a/' }\n",
            &one.replace("mcp'", "mcp', x: 1"),
        ] {
            write(&file, broken);
            refused += 1;
            running.says("keeps the last valid configuration", refused);
            assert!(is_there(&asker.tools().await.expect("a list")));
        }
        write(&file, &one);
        slowest = slowest.max(asker.until(|tools| !is_there(tools)).await);
    }
    let (asked, failed) = load.end().await;
    println!(
        "{asked} requests, {} failed, visible after {slowest:?} at most",
        failed.len()
    );
    assert!(
        failed.is_empty(),
        "{} of {asked} failed: {:?}",
        failed.len(),
        failed.first()
    );
    assert!(asked > 50, "only {asked} requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_gets_the_value_of_a_variable() {
    let server = Legacy::start("a").await;
    let file = folder().join("servers.yaml");
    save(
        &file,
        &format!(
            "servers:\n- name: a\n  url: 'http://{}/mcp'\n  headers: [{{ name: x-key, valueFromEnv: KEY_OF_A }}]\n",
            server.address
        ),
    );
    let running = Running::with_variables(&file, &[("KEY_OF_A", "from the variable")]);
    let tools = Asker::new(running.address).tools().await.expect("a list");
    assert!(tools.iter().any(|tool| tool == "a__t"), "{tools:?}");
    running.says(" up", 1);
    // Both the gateway's requests and the requests with which `run` finds out whether the
    // server is up have the header.
    for asked in server.take() {
        assert_eq!(
            asked.header("x-key"),
            Some("from the variable"),
            "{asked:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_of_a_client_is_served() {
    let server = Legacy::start("a").await;
    let file = folder().join(".mcp.json");
    save(
        &file,
        &format!(
            r#"{{"mcpServers":{{"My_Server":{{"type":"http","url":"http://{}/mcp","headers":{{"X-Key":"Bearer ${{KEY_OF_A}}"}}}}}}}}"#,
            server.address
        ),
    );
    let running = Running::with_variables(&file, &[("KEY_OF_A", "secret")]);
    let tools = Asker::new(running.address).tools().await.expect("a list");
    assert!(tools.iter().any(|tool| tool == "My_Server__t"), "{tools:?}");
    for asked in server.take() {
        assert_eq!(asked.header("x-key"), Some("Bearer secret"), "{asked:?}");
    }
}

#[test]
fn a_port_that_is_in_use_is_an_error_that_names_the_option() {
    let file = folder().join("servers.yaml");
    save(
        &file,
        "servers:\n- { name: a, url: 'http://127.0.0.1:1/mcp' }\n",
    );
    let running = Running::start(&file);
    let port = running.address.port().to_string();
    let said = says(&["run", "--port", &port, file.to_str().expect("UTF-8")]);
    assert!(!said.success);
    let line = format!("port {port} of 127.0.0.1 is in use");
    assert!(
        said.stderr.contains(&line) && said.stderr.contains("--port"),
        "{}",
        said.stderr
    );
}

#[test]
fn a_variable_that_is_not_set_is_an_error_that_names_it() {
    let file = folder().join("servers.yaml");
    save(
        &file,
        "servers:\n- name: a\n  url: http://127.0.0.1:1/mcp\n  headers: [{ name: x-key, valueFromEnv: NOBODY_HAS_SET_THIS }]\n",
    );
    let path = file.to_str().expect("UTF-8");
    let said = says(&["run", "--port", "0", path]);
    assert!(!said.success);
    let line = "servers[0].headers[0].valueFromEnv: the environment variable NOBODY_HAS_SET_THIS is not set here";
    assert!(said.stderr.contains(line), "{}", said.stderr);
}

/// The status of the response to `tools/list` if a web page of this origin sends the
/// request.
async fn status_for(origin: &str, running: &Running) -> u16 {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}});
    let answer = client()
        .post(format!("http://{}/mcp", running.address))
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/list")
        .header("origin", origin)
        .json(&body)
        .send();
    answer.await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn a_web_page_calls_no_tools_unless_the_file_lists_its_origin() {
    let weather = Server::start("weather");
    let servers = format!(
        "servers:\n- {{ name: weather, url: 'http://{}/mcp' }}\n",
        weather.address
    );
    let file = folder().join("servers.yaml");
    for (cors, origin, status) in [
        ("", "http://evil.example", 403),
        ("", "http://localhost:6274", 200),
        (
            "cors: { allowOrigins: ['http://localhost:3000'] }",
            "http://localhost:3000",
            200,
        ),
        (
            "cors: { allowOrigins: ['http://localhost:3000'] }",
            "http://localhost:6274",
            403,
        ),
        ("cors: {}", "http://evil.example", 200),
    ] {
        save(&file, &format!("{servers}{cors}\n"));
        let running = Running::start(&file);
        assert_eq!(
            status_for(origin, &running).await,
            status,
            "{cors} {origin}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_is_answered_when_its_server_goes() {
    let weather = Server::start("weather");
    let slow = Slow::start().await;
    let one = format!(
        "servers:\n- {{ name: weather, url: 'http://{}/mcp' }}\n",
        weather.address
    );
    let two = format!(
        "{one}- {{ name: slow, url: 'http://{}/mcp', timeout: 30s }}\n",
        slow.address
    );
    let file = folder().join("servers.yaml");
    fs::write(&file, &two).expect("a file");
    let running = Running::start(&file);
    let asker = Asker::new(running.address);
    assert_eq!(asker.tools().await.expect("a list").len(), 4);
    slow.answers(false);
    let under_way = {
        let asker = asker.clone();
        tokio::spawn(
            async move { tokio::join!(asker.call("slow__wait", json!({})), asker.tools()) },
        )
    };
    slow.until_waiting(2).await;
    save(&file, &one);
    running.says("Reloaded in", 1);
    assert!(
        !under_way.is_finished(),
        "the requests ended before the reload"
    );
    asker.until(|tools| tools.len() == 3).await;
    slow.answers(true);
    let (call, list) = under_way.await.expect("a task");
    assert_eq!(call.expect("the call")["content"][0]["text"], "waited");
    assert_eq!(list.expect("the list").len(), 4);
}

/// Nobody reads the output of `run`, for example, after the user has closed the terminal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn run_goes_on_when_nobody_reads_what_it_says() {
    let (weather, calendar) = (Server::start("weather"), Server::start("calendar"));
    let row = |name: &str, server: &Server| {
        format!(
            "- {{ name: {name}, url: 'http://{}/mcp' }}\n",
            server.address
        )
    };
    let one = format!("servers:\n{}", row("weather", &weather));
    let file = folder().join("servers.yaml");
    save(&file, &one);
    let mut child = program()
        .args(["run", "--port", "0"])
        .arg(&file)
        .env("ENVOY", setup::envoy())
        .env("MCP_GATEWAY_WASM", setup::filter())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program");
    let mut said = BufReader::new(child.stdout.take().expect("its stdout")).lines();
    let first = said.next().expect("a line").expect("UTF-8");
    let (_, address) = first.split_once("http://").expect("a URL");
    let address = address
        .trim_end_matches("/mcp")
        .parse()
        .expect("an address");
    drop(said);

    let asker = Asker::new(address);
    save(&file, &format!("{one}{}", row("calendar", &calendar)));
    let is_there = |tools: &[String]| tools.iter().any(|tool| tool.starts_with("calendar__"));
    asker.until(is_there).await;
    assert!(
        child.try_wait().expect("a child").is_none(),
        "the program has ended"
    );
    let id = child.id().to_string();
    let stopped = Command::new("kill").args(["-INT", &id]).status();
    assert!(stopped.expect("kill").success());
    assert!(child.wait().expect("a child").success());
}
