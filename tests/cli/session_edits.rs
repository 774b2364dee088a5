//! A legacy client's session goes on while the file of servers changes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::http::Answer;
use crate::harness::legacy::Legacy;
use crate::harness::message::{initialize, legacy};
use crate::harness::port;
use crate::harness::server::Server;
use crate::program::{Running, folder, save};

const VISIBLE_WITHIN: Duration = Duration::from_secs(60);

/// A legacy client that never begins a new session, as many clients do.
struct Client {
    gateway: SocketAddr,
    session: String,
}

impl Client {
    async fn begin(gateway: SocketAddr) -> Self {
        let begun = initialize().send(gateway).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        let session = begun.header("mcp-session-id").expect("a session");
        Self {
            gateway,
            session: session.to_owned(),
        }
    }

    /// Sends a request in the session. Expects the status 200, since an error status could
    /// end the session for the client.
    async fn ask(&self, method: &str, params: &str) -> Answer {
        let request = legacy("1", method, params).header("mcp-session-id", &self.session);
        let answer = request.send(self.gateway).await;
        assert_eq!(answer.status, 200, "{method} {params}: {answer:?}");
        answer
    }

    async fn tools(&self) -> Vec<String> {
        let answer = self.ask("tools/list", "{}").await;
        let tools = answer.json()["result"]["tools"].clone();
        let tools = tools.as_array().expect("a list").clone();
        let name = |tool: &Value| tool["name"].as_str().map(str::to_owned);
        tools.iter().filter_map(name).collect()
    }

    /// Lists the tools until the list has tools of each of these servers, and no others.
    async fn sees(&self, servers: &[&str]) {
        let deadline = Instant::now() + VISIBLE_WITHIN;
        // The workers of Envoy take the new configuration at different times. After 20
        // right answers in a row, all workers are assumed to have it.
        let mut seen = 0;
        while seen < 20 {
            let tools = self.tools().await;
            let has = |server: &&str| {
                tools
                    .iter()
                    .any(|tool| tool.starts_with(&format!("{server}__")))
            };
            let known = |tool: &String| {
                servers
                    .iter()
                    .any(|server| tool.starts_with(&format!("{server}__")))
            };
            if servers.iter().all(has) && tools.iter().all(known) {
                seen += 1;
            } else {
                seen = 0;
            }
            assert!(
                Instant::now() < deadline,
                "{tools:?} instead of those of {servers:?}"
            );
        }
    }

    /// Calls the tool until the answer of each worker says this. At first, some workers may still
    /// have the previous configuration.
    async fn calls_soon(&self, tool: &str, says: &str) {
        let deadline = Instant::now() + VISIBLE_WITHIN;
        let params = format!(r#"{{"name":"{tool}","arguments":{{}}}}"#);
        let mut seen = 0;
        while seen < 20 {
            let answer = self.ask("tools/call", &params).await;
            let is_right = answer.text().contains(says);
            seen = if is_right { seen + 1 } else { 0 };
            assert!(Instant::now() < deadline, "{tool}: {answer:?}");
        }
    }

    async fn calls(&self, tool: &str, arguments: &str, says: &str) {
        let params = format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#);
        let answer = self.ask("tools/call", &params).await;
        assert!(answer.text().contains(says), "{tool}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_come_and_go_and_the_session_of_a_client_goes_on() {
    let (one, two) = (Legacy::start("one").await, Legacy::start("two").await);
    let weather = Server::start("weather");
    let row = |name: &str, address: SocketAddr| {
        format!("- {{ name: {name}, url: 'http://{address}/mcp' }}\n")
    };
    let (one_row, two_row) = (row("one", one.address), row("two", two.address));
    let weather_row = row("weather", weather.address);
    let file = folder().join("servers.yaml");
    let write = |rows: &[&String]| {
        let rows: String = rows.iter().map(|row| row.as_str()).collect();
        save(&file, &format!("servers:\n{rows}"));
    };
    write(&[&one_row]);
    let running = Running::start(&file);
    let client = Client::begin(running.address).await;
    client.sees(&["one"]).await;

    write(&[&two_row, &one_row]);
    client.sees(&["two", "one"]).await;
    client.calls("two__t", "{}", "two").await;
    client.calls("one__t", "{}", "one").await;
    // For this client, the gateway has opened only one session with each server, also with
    // the server that joined later. All workers use it.
    let begun = |server: &Legacy| server.with(r#""clientInfo":{"name":"test""#).len();
    assert_eq!((begun(&one), begun(&two)), (1, 1));

    write(&[&weather_row, &two_row]);
    client.sees(&["weather", "two"]).await;
    client
        .calls("weather__get_weather", r#"{"city":"Tokyo"}"#, "22")
        .await;
    client.calls("two__t", "{}", "two").await;

    write(&[&one_row, &weather_row]);
    client.sees(&["one", "weather"]).await;
    client.calls("one__t", "{}", "one").await;
    assert_eq!(
        begun(&one),
        1,
        "the gateway began a new session with a server whose session was still valid"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_began_while_a_server_was_down_gets_its_tools_later() {
    let one = Legacy::start("one").await;
    let (_reserved, address) = port::reserved();
    let file = folder().join("servers.yaml");
    save(
        &file,
        &format!(
            "servers:\n- {{ name: one, url: 'http://{}/mcp' }}\n- {{ name: late, url: 'http://{address}/mcp' }}\nfailedServerTtl: 1s\n",
            one.address
        ),
    );
    let running = Running::start(&file);
    let client = Client::begin(running.address).await;
    client.sees(&["one"]).await;
    let _late = Legacy::start_at("late", address).await;
    client.sees(&["one", "late"]).await;
    client.calls("late__t", "{}", "late").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_move_and_change_their_names_and_the_session_goes_on() {
    let (one, two) = (Legacy::start("one").await, Legacy::start("two").await);
    let file = folder().join("servers.yaml");
    let write = |first: SocketAddr, second: SocketAddr| {
        let rows = [("a", first), ("b", second)];
        let rows = rows.map(|(name, it)| format!("- {{ name: {name}, url: 'http://{it}/mcp' }}\n"));
        save(&file, &format!("servers:\n{}", rows.concat()));
    };
    write(one.address, two.address);
    let running = Running::start(&file);
    let client = Client::begin(running.address).await;
    client.sees(&["a", "b"]).await;
    client.calls("a__t", "{}", "one").await;
    for (round, (first, second)) in [(&two, &one), (&one, &two)].into_iter().enumerate() {
        write(first.address, second.address);
        running.says("Reloaded in", round + 1);
        let expected = if round == 0 { "two" } else { "one" };
        client.calls_soon("a__t", expected).await;
        client.sees(&["a", "b"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_does_not_ask_itself() {
    let one = Legacy::start("one").await;
    let (_reserved, address) = port::reserved();
    let port = address.port().to_string();
    let file = folder().join(".mcp.json");
    save(
        &file,
        &format!(
            r#"{{"mcpServers":{{"one":{{"url":"http://{}/mcp"}},"gateway":{{"url":"http://127.0.0.1:{port}/mcp"}}}}}}"#,
            one.address
        ),
    );
    let running = Running::with(&file, &["--port", &port], &[]);
    let client = Client::begin(running.address).await;
    client.sees(&["one"]).await;
    running.says("is this gateway itself: it is left out", 1);
}
