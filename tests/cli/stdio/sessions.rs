//! The messages between a client and a stdio server that `run` has started.

use serde_json::{Value, json};

use super::{Session, client_file, fixture, is_running, said, start_two, until, write};
use crate::harness::http::{Answer, Request};
use crate::harness::message::{call, legacy};
use crate::harness::setup;
use crate::load::{self, Asker};
use crate::program::{Running, folder, save};

#[tokio::test]
async fn a_server_of_each_era_is_there_when_the_endpoint_is() {
    let weather = setup::example("weather");
    let file = client_file(&json!({
        "weather": {"command": weather, "args": ["--stdio"]},
        "old": fixture(&["old"]),
        "strict": fixture(&["--strict"]),
    }));
    let running = Running::start(&file);
    let asker = Asker::new(running.address);
    let tools = asker.tools().await.expect("a list");
    for tool in ["weather__get_weather", "old__pid", "strict__pid"] {
        assert!(tools.iter().any(|it| it == tool), "{tool}: {tools:?}");
    }
    let weather = asker.call("weather__get_weather", json!({"city": "Tokyo"}));
    let weather = weather.await.expect("a call");
    assert_eq!(weather["structuredContent"]["celsius"], 22);
    running.says(" up", 3);
}

#[tokio::test]
async fn nothing_of_a_list_is_lost() {
    let file = client_file(&json!({"a": fixture(&["a"])}));
    let running = Running::start(&file);
    let session = Session::begin(running.address).await;
    let list = session.send(legacy("1", "tools/list", "{}")).await;
    // The gateway keeps a member that MCP does not define.
    assert!(
        list.text().contains(r#""x-unknown": 1.1"#) || list.text().contains(r#""x-unknown":1.1"#),
        "{list:?}"
    );
}

#[tokio::test]
async fn each_session_has_a_process_with_the_capabilities_of_its_client() {
    let running = start_two();
    let plain = Session::begin(running.address).await;
    let asked = Session::begin_with_elicitation(running.address).await;
    assert_eq!(plain.call("a__capabilities").await, "{}");
    assert!(asked.call("a__capabilities").await.contains("elicitation"));
    let (one, two) = (plain.call("a__pid").await, asked.call("a__pid").await);
    assert_ne!(one, two);
    assert_eq!(
        plain.call("a__pid").await,
        one,
        "another process in the same session"
    );

    let end = Request::new("DELETE", "/mcp").header("mcp-session-id", &plain.id);
    assert_eq!(end.send(running.address).await.status, 200);
    until("ended", async || !is_running(&one)).await;
    assert!(is_running(&two));
}

#[tokio::test]
async fn a_server_tells_of_its_progress_on_the_stream_of_the_call() {
    let running = start_two();
    let session = Session::begin(running.address).await;
    let count = r#"{"name":"a__count","arguments":{},"_meta":{"progressToken":"p"}}"#;
    let counted = session.send(legacy("\"c\"", "tools/call", count)).await;
    let messages = events(&counted);
    let seen: Vec<_> = messages
        .iter()
        .map(|it| (&it["method"], &it["params"]["progressToken"]))
        .collect();
    let progress = json!("notifications/progress");
    let (token, log) = (json!("p"), json!("notifications/message"));
    let expected = [
        (&progress, &token),
        (&log, &Value::Null),
        (&progress, &token),
        (&log, &Value::Null),
        (&Value::Null, &Value::Null),
    ];
    assert_eq!(seen, expected, "{counted:?}");
    assert_eq!(messages[4]["id"], "c");
}

#[tokio::test]
async fn a_call_whose_process_ends_after_its_progress_ends_with_an_error() {
    let running = start_two();
    let session = Session::begin(running.address).await;
    let count = r#"{"name":"a__count","arguments":{"crash":true},"_meta":{"progressToken":"p"}}"#;
    let counted = session.send(legacy("\"c\"", "tools/call", count)).await;
    let messages = events(&counted);
    assert_eq!(messages.len(), 5, "{counted:?}");
    assert_eq!(messages[4]["id"], "c");
    assert_eq!(messages[4]["error"]["code"], -32603);
    let said = messages[4]["error"]["message"].as_str();
    let said = said.expect("a message");
    assert!(said.starts_with("ended (exit status: 7)"), "{said}");
}

#[tokio::test]
async fn nothing_is_lost_of_many_messages_at_once() {
    let running = start_two();
    let session = Session::begin(running.address).await;
    let burst = r#"{"name":"a__burst","arguments":{},"_meta":{"progressToken":"p"}}"#;
    let burst = session.send(legacy("1", "tools/call", burst)).await;
    let progress = burst.text().matches("notifications/progress").count();
    assert_eq!(progress, 5000);
    assert!(
        burst.text().contains(r#""text": "burst""#),
        "the response is lost"
    );
}

#[tokio::test]
async fn a_server_asks_the_client_whose_call_it_works_on() {
    let running = start_two();
    let session = Session::begin_with_elicitation(running.address).await;
    let client = load::client();
    let post = |body: Value| {
        client
            .post(format!("http://{}/mcp", running.address))
            .header("accept", "application/json, text/event-stream")
            .header("mcp-session-id", &session.id)
            .json(&body)
            .send()
    };
    let ask = json!({"jsonrpc": "2.0", "id": 8, "method": "tools/call",
        "params": {"name": "a__ask", "arguments": {}}});
    let mut stream = post(ask).await.expect("a stream");
    let mut next = async || {
        let chunk = stream.chunk().await.expect("a chunk").expect("a message");
        let text = String::from_utf8_lossy(&chunk).into_owned();
        let data = text.lines().find_map(|line| line.strip_prefix("data: "));
        serde_json::from_str::<Value>(data.expect("an event")).expect("JSON")
    };
    let question = next().await;
    assert_eq!(question["method"], "elicitation/create");
    let result = json!({"action": "accept", "content": {"which": "this"}});
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": result});
    assert_eq!(post(answer).await.expect("an answer").status(), 202);
    let told = next().await;
    let told = told["result"]["content"][0]["text"]
        .as_str()
        .expect("a text");
    assert_eq!(serde_json::from_str::<Value>(told).expect("JSON"), result);
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_at_the_server() {
    let running = start_two();
    let session = Session::begin(running.address).await;
    let wait = legacy("9", "tools/call", r#"{"name":"a__wait","arguments":{}}"#);
    let wait = wait.header("mcp-session-id", &session.id);
    let gateway = running.address;
    let waiting = tokio::spawn(async move { wait.send(gateway).await });
    until("waiting", async || session.call("a__waits").await == "1").await;
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}"#;
    assert_eq!(session.send(Request::post(cancel)).await.status, 202);
    until("cancelled", async || {
        session.call("a__was_cancelled").await == "1"
    })
    .await;
    let ended = waiting.await.expect("a task");
    assert!(!ended.text().contains("waited"), "{ended:?}");
}

#[tokio::test]
async fn a_process_has_what_the_file_says() {
    let folder = folder();
    let data = folder.join("data");
    std::fs::create_dir(&data).expect("a folder");
    let file = folder.join(".mcp.json");
    let mut server = fixture(&["${WHO}"]);
    server["env"] = json!({"TOKEN": "${SECRET_OF_TEST}", "PLAIN": "x"});
    server["cwd"] = "data".into();
    write(&file, &json!({"a": server}));
    let variables = [
        ("SECRET_OF_TEST", "s3cret"),
        ("WHO", "me"),
        ("INHERITED", "yes"),
    ];
    let running = Running::with_variables(&file, &variables);
    for (tool, arguments, expected) in [
        ("environment", r#"{"name":"TOKEN"}"#, "s3cret"),
        ("environment", r#"{"name":"PLAIN"}"#, "x"),
        ("environment", r#"{"name":"INHERITED"}"#, "yes"),
        ("name", "{}", "me"),
        ("folder", "{}", data.to_str().expect("UTF-8")),
    ] {
        let call = call("1", &format!("a__{tool}"), arguments);
        let answer = call.send(running.address).await;
        assert_eq!(said(&answer), expected, "{tool} {arguments}");
    }
}

#[tokio::test]
async fn editing_the_file_ends_no_session() {
    let (a, b) = (fixture(&["a"]), fixture(&["b"]));
    let file = client_file(&json!({"a": a}));
    let running = Running::start(&file);
    let session = Session::begin(running.address).await;
    let pid = session.call("a__pid").await;

    write(&file, &json!({"b": b, "a": a}));
    running.says("Reloaded in", 1);
    until("joined", async || session.call("b__name").await == "b").await;
    assert_eq!(
        session.call("a__pid").await,
        pid,
        "the process was replaced"
    );

    write(&file, &json!({"b": b, "a": fixture(&["other"])}));
    running.says("Reloaded in", 2);
    until("replaced", async || {
        session.call("a__name").await == "other"
    })
    .await;
    until("ended", async || !is_running(&pid)).await;

    let pid = session.call("b__pid").await;
    write(&file, &json!({"a": a}));
    until("removed", async || !is_running(&pid)).await;
    assert_eq!(session.call("a__capabilities").await, "{}");
    save(&file, "{\"mcpServers\": 1}");
    running.says("keeps the last valid configuration", 1);
    assert_eq!(session.call("a__capabilities").await, "{}");
}

/// The messages of an event stream.
fn events(answer: &Answer) -> Vec<Value> {
    answer
        .text()
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect()
}
