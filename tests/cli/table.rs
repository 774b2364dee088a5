//! The table that `run` prints: the states of servers, and when it is printed again.

use std::time::{Duration, Instant};

use crate::failing;
use crate::harness::legacy::Legacy;
use crate::harness::server::Server;
use crate::program::{Running, folder, save};
use crate::tls::{self, Authority};

/// The lines about the server `name` in the output, with single spaces: one line of each table.
fn lines(running: &Running, name: &str) -> Vec<String> {
    let said = running.said();
    let is_about = |line: &&str| line.split_whitespace().next() == Some(name);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    said.lines().filter(is_about).map(words).collect()
}

/// Waits until the line about `name` ends with `state`.
fn becomes(running: &Running, name: &str, state: &str) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while lines(running, name)
        .last()
        .is_none_or(|line| !line.ends_with(state))
    {
        assert!(
            Instant::now() < deadline,
            "{name}: no {state:?} in\n{}",
            running.said()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_down_says_why() {
    let weather = Server::start("weather");
    let folder = folder();
    let authority = Authority::new(&folder);
    let good = authority.server("localhost", weather.address).await;
    let wrong = authority.server("other.example", weather.address).await;
    let expired = authority.expired("localhost", weather.address).await;
    let unknown = tls::self_signed("localhost", weather.address).await;
    let html = failing::with_status(200, "text/html", "<html>").await;
    let json = failing::with_status(200, "application/json", "{\"ok\":true}").await;
    let credentials = failing::with_status(401, "text/plain", "who?").await;
    let forbidden = failing::with_status(403, "text/plain", "not you").await;
    let missing = failing::with_status(404, "text/plain", "").await;
    let get_only = failing::with_status(405, "text/plain", "").await;
    let broken = failing::with_status(500, "text/plain", "a bug").await;
    let busy = failing::with_status(503, "text/plain", "maintenance").await;
    let moved = failing::moved().await;
    let old = failing::old_transport().await;
    let (_listener, silent) = failing::silent();
    let local = |port: u16| format!("https://localhost:{port}/mcp");
    let plain = |address: std::net::SocketAddr| format!("http://{address}/mcp");
    let cases = [
        ("good", local(good.port()), "modern 3 up"),
        (
            "wrong",
            local(wrong.port()),
            "down: TLS: the certificate is not for its host, but for other.example",
        ),
        (
            "expired",
            local(expired.port()),
            "down: TLS: the certificate has expired",
        ),
        (
            "unknown",
            local(unknown.port()),
            "down: TLS: the certificate is self-signed; to trust it, name it with --ca-file",
        ),
        (
            "no-tls",
            local(weather.address.port()),
            "down: TLS: the server does not speak TLS at this port; write http:// in its url",
        ),
        (
            "needs-tls",
            plain(good),
            "down: the server does not speak HTTP at this port; it may need https:// in its url",
        ),
        (
            "refused",
            plain(([127, 0, 0, 1], 1).into()),
            "down: connection refused",
        ),
        (
            "nobody",
            "http://nobody.invalid/mcp".to_owned(),
            "down: DNS has no address for its host",
        ),
        (
            "html",
            plain(html.address),
            "down: not MCP: the answer is an HTML page; check the path \"/mcp\" of its url",
        ),
        (
            "json",
            plain(json.address),
            "down: not MCP: the answer is JSON, but not JSON-RPC; check the path \"/mcp\" of its url",
        ),
        (
            "credentials",
            plain(credentials.address),
            "down: requires credentials (HTTP 401); set its headers",
        ),
        (
            "forbidden",
            plain(forbidden.address),
            "down: refuses access (HTTP 403): not you; set its headers",
        ),
        (
            "missing",
            plain(missing.address),
            "down: nothing at this path (HTTP 404); check the path \"/mcp\" of its url",
        ),
        (
            "get-only",
            plain(get_only.address),
            "down: does not accept POST at this path (HTTP 405); check the path \"/mcp\" of its url",
        ),
        (
            "broken",
            plain(broken.address),
            "down: fails (HTTP 500): a bug",
        ),
        (
            "busy",
            plain(busy.address),
            "down: fails (HTTP 503): maintenance",
        ),
        (
            "moved",
            plain(moved.address),
            "down: redirects (HTTP 308) to https://other.example/mcp",
        ),
        (
            "old",
            plain(old.address),
            "down: speaks the old transport HTTP+SSE of MCP 2024-11-05",
        ),
        ("silent", plain(silent), "down: no answer within 5 s"),
    ];
    let servers: String = cases
        .iter()
        .map(|(name, url, _)| format!("- {{ name: {name}, url: '{url}' }}\n"))
        .collect();
    let file = folder.join("servers.yaml");
    save(&file, &format!("servers:\n{servers}"));
    let authority = authority.file.to_str().expect("UTF-8");
    let running = Running::with_variables(&file, &[("SSL_CERT_FILE", authority)]);
    // `run` prints the table before the server `silent` has answered.
    running.says("no answer yet", 1);
    for (name, _, state) in cases {
        becomes(&running, name, state);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_follows_a_server_that_goes_and_comes() {
    let weather = Server::start("weather");
    let address = weather.address;
    let file = folder().join("servers.yaml");
    save(
        &file,
        &format!("servers:\n- {{ name: weather, url: 'http://{address}/mcp' }}\n"),
    );
    let running = Running::start(&file);
    becomes(&running, "weather", "modern 3 up");
    drop(weather);
    becomes(&running, "weather", "down: connection refused");
    let _weather = Server::start_on("weather", address.port());
    becomes(&running, "weather", "modern 3 up");
    // `run` has printed a table only when the state was another one. On a busy machine, the server may
    // have had more than three states.
    let lines = lines(&running, "weather");
    assert!(lines.len() >= 3, "{lines:?}");
    assert!(lines.windows(2).all(|two| two[0] != two[1]), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_legacy_server_is_asked_again_in_the_same_session() {
    let server = Legacy::start("a").await;
    let file = folder().join("servers.yaml");
    save(
        &file,
        &format!(
            "servers:\n- name: a\n  url: 'http://{}/mcp'\n  headers: [{{ name: x-key, value: k }}]\n",
            server.address
        ),
    );
    let running = Running::start(&file);
    becomes(&running, "a", "legacy 2025-11-25 1 up");
    server
        .until("a ping", |it| !it.with(r#""method":"ping""#).is_empty())
        .await;
    assert_eq!(server.sessions(), (1, 1));
    // After the server has lost the session, `run` must begin a new one. It must end this session
    // even if Ctrl-C comes before the server's answer.
    server.answer_after(Duration::from_millis(100));
    server.forget();
    server
        .until("another session", |it| it.sessions() == (2, 1))
        .await;
    assert!(running.end(), "the program failed after Ctrl-C");
    assert_eq!(server.sessions(), (2, 0), "the session was not ended");
    for request in server.take() {
        assert_eq!(request.header("x-key"), Some("k"), "{request:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_tells_which_tools_clients_miss() {
    let (weather, calendar) = (Server::start("weather"), Server::start("calendar"));
    let file = folder().join("servers.yaml");
    let (weather, calendar) = (url(&weather), url(&calendar));
    let long = "x".repeat(60);
    save(
        &file,
        &format!(
            "servers:
- {{ name: none, url: '{weather}', tools: {{ include: [gone] }} }}
- {{ name: some, url: '{weather}', tools: {{ exclude: [list_cities] }} }}
- {{ name: one, url: '{calendar}', toolPrefix: cal_ }}
- {{ name: two, url: '{calendar}', toolPrefix: cal_ }}
- {{ name: long, url: '{weather}', toolPrefix: {long} }}
"
        ),
    );
    let running = Running::start(&file);
    becomes(
        &running,
        "none",
        "modern 0 of 3 up, but 0 tools: include hides 3",
    );
    becomes(&running, "some", "modern 2 of 3 up");
    running.says(
        "3 tools are missing from two, because one has tools of the same names (cal_",
        1,
    );
    running.says(
        &format!(
            "3 tools have names that are too long for some clients (limit 64 characters) ({long}"
        ),
        1,
    );
}

fn url(server: &Server) -> String {
    format!("http://{}/mcp", server.address)
}
