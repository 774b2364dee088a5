//! Who may call a gateway that `run` has started, and the options of `run` that change
//! this.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use crate::harness::http::Request;
use crate::harness::message::modern;
use crate::harness::port;
use crate::harness::server::Server;
use crate::program::{Running, folder, program, save, says};

/// A gateway with one server and these options.
fn start(options: &[&str]) -> (Server, Running) {
    let weather = Server::start("weather");
    let servers = format!(
        "servers:\n- {{ name: weather, url: 'http://{}/mcp' }}\n",
        weather.address
    );
    let file = folder().join("servers.yaml");
    save(&file, &servers);
    let running = Running::with(&file, options, &[]);
    (weather, running)
}

fn list() -> Request {
    modern("1", "tools/list")
}

/// Only the user may read the folder with Envoy's files. They contain the headers for
/// servers, which may be credentials, and the URLs of the bridges to stdio servers, which
/// contain a secret.
#[test]
fn nobody_else_reads_the_files_of_envoy() {
    let (_weather, running) = start(&[]);
    running.says("Press Ctrl-C to stop.", 1);
    let said = running.said();
    let log = said.split_once("The log is ").expect("the log").1;
    let log = Path::new(log.split_once(". ").expect("a sentence").0);
    let folder = log.parent().expect("a folder");
    assert!(folder.join("filter.json").exists(), "{said}");
    let mode = fs::metadata(folder).expect("a folder").mode();
    assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
}

#[tokio::test]
async fn only_requests_to_this_machine_are_answered() {
    let (_weather, running) = start(&["--allow-origin", "https://*.tunnel.example"]);
    let port = running.address.port();
    let own = [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1",
        "[::1]",
        "[::1]:80",
        "a.localhost",
    ];
    let own = own.map(|host| (host.to_owned(), 200));
    let others = [
        (format!("localhost:{port}"), 200),
        ("x.tunnel.example".to_owned(), 200),
        ("evil.example".to_owned(), 403),
        (format!("evil.example:{port}"), 403),
        ("localhost.evil.example".to_owned(), 403),
        ("127.0.0.1.evil.example".to_owned(), 403),
        ("evillocalhost".to_owned(), 403),
        ("tunnel.example".to_owned(), 403),
        ("127.0.0.2".to_owned(), 403),
    ];
    for (host, status) in own.into_iter().chain(others) {
        let answer = list().header("host", &host).send(running.address).await;
        assert_eq!(answer.status, status, "{host}: {answer:?}");
        if status == 403 {
            let message = answer.json()["error"]["message"].to_string();
            assert!(message.contains("--allow-origin"), "{message}");
        }
    }
}

#[tokio::test]
async fn only_pages_of_this_machine_may_call_and_can_read_the_answer() {
    let (_weather, running) = start(&["--allow-origin", "https://app.example"]);
    for (origin, status) in [
        ("http://localhost:6274", 200),
        ("http://127.0.0.1:5173", 200),
        ("http://[::1]:1", 200),
        ("http://localhost", 200),
        ("https://app.example", 200),
        ("http://evil.example", 403),
        ("https://localhost.evil.example", 403),
        ("null", 403),
    ] {
        let answer = list().header("origin", origin).send(running.address).await;
        assert_eq!(answer.status, status, "{origin}: {answer:?}");
        let readable = answer.header("access-control-allow-origin");
        let expected = (status == 200).then_some(origin);
        assert_eq!(readable, expected, "{origin}");
        if status == 200 {
            let preflight = Request::new("OPTIONS", "/mcp")
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "mcp-method");
            let preflight = preflight.send(running.address).await;
            assert_eq!(preflight.status, 204, "{origin}: {preflight:?}");
        }
    }
}

#[test]
fn ctrl_c_ends_the_program_also_where_it_waits_for_something() {
    // The file is a named pipe, so that the program waits while it reads the file. In the
    // same way, it could wait for the answer to a question or for a download.
    let file = folder().join("servers.yaml");
    let made = Command::new("mkfifo").arg(&file).status();
    assert!(made.expect("mkfifo").success());
    let mut waiting = program().arg("run").arg(&file).spawn().expect("a program");
    let writer = fs::OpenOptions::new().write(true).open(&file);
    let _writer = writer.expect("the program reads");
    let id = waiting.id().to_string();
    let signalled = Command::new("kill").args(["-INT", &id]).status();
    assert!(signalled.expect("kill").success());
    assert_eq!(waiting.wait().expect("its end").code(), Some(130));
}

#[tokio::test]
async fn the_admin_interface_has_a_port_where_one_is_asked_for() {
    let (_reserved, address) = port::reserved();
    let port = address.port().to_string();
    let (_weather, running) = start(&["--admin-port", &port]);
    running.says(
        &format!("Envoy's admin interface: http://127.0.0.1:{port}"),
        1,
    );
    let admin = format!("127.0.0.1:{port}").parse().expect("an address");
    let ready = Request::new("GET", "/ready");
    let answer = ready.send(admin).await;
    assert_eq!((answer.status, answer.text()), (200, "LIVE\n"));
    let rebound = Request::new("GET", "/ready").header("host", "evil.example");
    assert_eq!(rebound.send(admin).await.status, 404);
    for (origin, status) in [
        ("https://evil.example".to_owned(), 404),
        (format!("http://localhost.evil.example:{port}"), 404),
        (format!("http://127.0.0.1:{port}"), 200),
    ] {
        let request = Request::new("POST", "/healthcheck/ok").header("origin", &origin);
        assert_eq!(request.send(admin).await.status, status, "{origin}");
    }
}

#[tokio::test]
async fn verbose_shows_what_the_filter_does_and_a_log_is_kept() {
    let log = folder().join("run.log");
    let (_weather, running) = start(&["--verbose", "--log", log.to_str().expect("UTF-8")]);
    assert_eq!(list().send(running.address).await.status, 200);
    running.says("wasm log mcp-gateway", 1);
    assert!(running.end());
    let log = fs::read_to_string(log).expect("the log is kept");
    assert!(log.contains("wasm log mcp-gateway"), "{log}");
}

/// A file with one server, at which nothing listens.
const GONE: &str = "servers: [{ name: gone, url: 'http://127.0.0.1:1/mcp' }]\n";

#[test]
fn a_hangup_ends_the_program_unless_it_is_to_ignore_it() {
    let file = folder().join("servers.yaml");
    save(&file, GONE);
    let running = Running::start(&file);
    running.signal("HUP");
    running.says("Stopping.", 1);
    drop(running);
    if cfg!(target_os = "linux") {
        let running = Running::without_hangup(&file);
        running.signal("HUP");
        save(&file, &GONE.replace("gone", "other"));
        running.says("Reloaded in ", 1);
        assert!(!running.said().contains("Stopping."), "{}", running.said());
        assert!(running.end(), "the program failed after Ctrl-C");
    }
}

#[test]
fn a_file_that_is_gone_is_told_once() {
    let file = folder().join("servers.yaml");
    save(&file, GONE);
    let running = Running::start(&file);
    fs::remove_file(&file).expect("a file");
    let told = "servers.yaml: no such file\nThe gateway keeps the last valid configuration.\n";
    running.says(told, 1);
    // Another file changes, which is an event, too.
    save(&file.with_extension("other"), "");
    save(&file, &GONE.replace("gone", "other"));
    running.says("Reloaded in ", 1);
    assert_eq!(running.said().matches(told).count(), 1);
}

#[test]
fn wrong_options_say_what_to_do() {
    let file = folder().join("servers.yaml");
    save(
        &file,
        "servers:\n- { name: a, url: 'https://a.example/mcp' }\n",
    );
    let file = file.to_str().expect("UTF-8");
    let busy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let busy = busy.local_addr().expect("an address").port().to_string();
    // A valid Wasm module that is not the filter.
    let wasm = folder().join("other.wasm");
    fs::write(&wasm, b"\0asm\x01\0\0\0").expect("a file");
    let wasm = wasm.to_str().expect("UTF-8");
    for (options, expected) in [
        (["--ca-file", "/no/such.pem"], "/no/such.pem: No such file"),
        (
            ["--ca-file", "/no/such.pem"],
            "set --ca-file or $SSL_CERT_FILE",
        ),
        (
            ["--ca-file", file],
            "servers.yaml: has no certificates in PEM; set --ca-file or $SSL_CERT_FILE",
        ),
        (
            ["--wasm", file],
            "servers.yaml: is no WebAssembly module; set --wasm or $MCP_GATEWAY_WASM",
        ),
        (
            ["--envoy", "/usr/bin/true"],
            "Its log is empty: set --envoy or $ENVOY to the path of Envoy",
        ),
        (
            ["--log", "/no/such/folder/log"],
            "set --log to another file",
        ),
        (
            ["--address", "my-laptop"],
            "must be localhost or an IP address",
        ),
        (
            ["--allow-origin", "app.example"],
            "must be an origin such as",
        ),
        (
            ["--allow-origin", "https://app.example/"],
            "must not have a path",
        ),
        (
            ["--admin-port", &busy],
            "name another port with --admin-port",
        ),
        (
            ["--wasm", wasm],
            "Is the filter of the same version as this program?",
        ),
    ] {
        let ended = says(&[&["run", "--port", "0", file][..], &options].concat());
        assert!(!ended.success, "{options:?}");
        assert!(
            ended.stderr.contains(expected),
            "{options:?}: {}",
            ended.stderr
        );
    }
}
