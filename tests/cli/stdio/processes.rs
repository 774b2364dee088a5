//! How `run` starts, replaces and ends the processes of stdio servers.

use std::fs;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::{Session, client_file, fixture, is_running, start_two, until};
use crate::program::Running;

#[tokio::test]
async fn a_process_that_ends_is_replaced_and_its_session_goes_on() {
    let running = start_two();
    let session = Session::begin_with_elicitation(running.address).await;
    let said = session.call("a__crash").await;
    let expected = "ended (exit status: 7); its last output: out of paper";
    assert!(said.contains(expected), "{said}");
    // The next process may start after a short delay. It gets the capabilities that the
    // client of the session has declared.
    until("back", async || {
        session
            .call("a__capabilities")
            .await
            .contains("elicitation")
    })
    .await;
    let pid = session.call("a__pid").await;
    Command::new("kill")
        .args(["-9", &pid])
        .status()
        .expect("kill");
    until("ended", async || !is_running(&pid)).await;
    until("back again", async || {
        session.call("a__pid").await.parse::<u32>().is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_process_that_has_ended_or_reads_nothing_costs_at_most_one_call() {
    let running = start_two();
    let session = Session::begin(running.address).await;
    let pid = session.call("a__pid").await;
    Command::new("kill")
        .args(["-9", &pid])
        .status()
        .expect("kill");
    // After a process has ended at once, the next one may start only after a delay. Two
    // seconds are longer than this delay.
    sleep(Duration::from_secs(2)).await;
    assert_eq!(session.call("a__name").await, "a");

    assert_eq!(session.call("a__deaf").await, "deaf");
    let lost = session.call("a__name").await;
    assert!(lost.contains("ended"), "{lost}");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(session.call("a__name").await, "a");
}

#[tokio::test]
async fn a_server_that_starts_slowly_is_waited_for() {
    let file = client_file(&json!({"slow": fixture(&["--slow"]), "b": fixture(&["b"])}));
    let running = Running::start(&file);
    let session = Session::begin(running.address).await;
    assert_eq!(session.call("slow__capabilities").await, "{}");
    session.call("slow__crash").await;
    until("back", async || {
        session.call("slow__capabilities").await == "{}"
    })
    .await;
    let another = Session::begin(running.address).await;
    until("there", async || {
        another.call("slow__capabilities").await == "{}"
    })
    .await;
}

#[tokio::test]
async fn what_does_not_start_says_why_and_takes_nothing_down() {
    let file = client_file(&json!({
        "a": fixture(&["a"]),
        "dies": fixture(&["--dies"]),
        "missing": {"command": "uvx-is-not-here"},
        "astray": {"command": "python3", "cwd": "/no/such/folder"},
    }));
    let log = file.with_extension("kept");
    let options = ["--log", log.to_str().expect("UTF-8")];
    let running = Running::with(&file, &options, &[]);
    let session = Session::begin(running.address).await;
    assert_eq!(session.call("a__capabilities").await, "{}");
    for text in [
        "down: ended (exit status: 1); its last output: I cannot work",
        "down: uvx-is-not-here is not found; is it installed, and in PATH?",
        "down: cwd /no/such/folder is no directory",
    ] {
        running.says(text, 1);
    }
    assert!(running.end());
    let log = fs::read_to_string(log).expect("the log is kept");
    for line in [
        "[a] hello from a",
        "[a] (on stdout, no JSON-RPC message) Server running on stdio",
        "[dies] I cannot work",
    ] {
        assert!(log.lines().any(|it| it == line), "no {line:?} in\n{log}");
    }
    // The log has the path of each request to the bridge, but not its query, which contains
    // a secret.
    assert!(log.contains(r#""path":"/a""#), "{log}");
}

#[tokio::test]
async fn all_processes_end_with_run_however_it_ends() {
    for signal in ["INT", "TERM", "HUP", "KILL"] {
        let file = client_file(&json!({
            "a": fixture(&["a"]),
            // The shell starts the server as a child process, as npx, uvx and docker do.
            "b": {"command": "sh", "args": ["-c", format!("{}; :", command(&fixture(&["b"])))]},
        }));
        let running = Running::start(&file);
        let session = Session::begin(running.address).await;
        let pids = [session.call("a__pid").await, session.call("b__pid").await];
        assert!(pids.iter().all(|pid| is_running(pid)));
        running.signal(signal);
        for pid in &pids {
            until(&format!("ended by {signal}"), async || !is_running(pid)).await;
        }
        let address = running.address;
        until(&format!("without Envoy after {signal}"), async || {
            TcpStream::connect(address).is_err()
        })
        .await;
    }
}

/// The command of a server, quoted for a shell.
fn command(server: &serde_json::Value) -> String {
    let arguments = server["args"].as_array().expect("a list").iter();
    let arguments = arguments.map(|it| format!("'{}'", it.as_str().expect("a text")));
    let arguments: Vec<_> = arguments.collect();
    format!("python3 {}", arguments.join(" "))
}
