//! Envoy accepts the configuration that `render` writes, and the gateway works with it.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::process::run;
use crate::harness::server::Server;
use crate::harness::setup;
use crate::load::Asker;
use crate::program::{folder, says};
use serde_json::json;

const VALIDATED_WITHIN: Duration = Duration::from_secs(60);

/// The configuration that `render` prints for `servers`.
fn rendered(servers: &str, more: &[&str]) -> String {
    let file = folder().join("servers.yaml");
    fs::write(&file, servers).expect("a file");
    let wasm = setup::filter();
    let fixed = [
        "render",
        "--target",
        "envoy",
        "--wasm",
        wasm.to_str().expect("UTF-8"),
        file.to_str().expect("UTF-8"),
    ];
    let output = says(&[&fixed, more].concat());
    assert!(output.success, "{}", output.stderr);
    output.stdout
}

#[test]
fn it_warns_where_the_filter_is_not_there() {
    let file = folder().join("servers.yaml");
    fs::write(
        &file,
        "servers:\n- name: a\n  url: http://127.0.0.1:1/mcp\n",
    )
    .expect("a file");
    let file = file.to_str().expect("UTF-8");
    let there = setup::filter();
    let there = there.to_str().expect("UTF-8");
    let nowhere = "/nowhere/f.wasm";
    let warning = format!(
        "{file}: warning: --wasm: there is no {nowhere} here\n  fix: --wasm PATH, the path of mcp_gateway.wasm where Envoy runs; releases have this file\n"
    );
    for (wasm, stderr) in [(there, ""), (nowhere, &*warning)] {
        let output = says(&["render", "--target", "envoy", "--wasm", wasm, file]);
        assert!(output.success, "{}", output.stderr);
        assert!(output.stdout.contains(wasm), "{}", output.stdout);
        assert_eq!(output.stderr, stderr);
    }
}

#[test]
fn the_output_must_be_a_folder() {
    let file = folder().join("servers.yaml");
    let servers = "servers:\n- name: a\n  url: http://127.0.0.1:1/mcp\n";
    fs::write(&file, servers).expect("a file");
    let path = file.to_str().expect("UTF-8");
    let output = says(&["render", "--target", "envoy", "-o", path, path]);
    assert!(!output.success);
    let expected = "servers.yaml: is a file: name a folder for the files with --output\n";
    assert!(output.stderr.ends_with(expected), "{}", output.stderr);
    assert_eq!(fs::read_to_string(&file).expect("the file"), servers);
}

/// The same configuration, in which the operating system chooses the port of the admin
/// interface.
fn bootstrap(text: &str) -> Bootstrap {
    let other = Bootstrap::policy(([127, 0, 0, 1], 1).into());
    let whole = other.text().to_owned();
    other
        .replace(&whole, text)
        .replace("port_value: 9901", "port_value: 0")
}

#[test]
fn envoy_takes_it() {
    for servers in [
        "servers:\n- name: a\n  url: http://127.0.0.1:1/mcp\n",
        "servers:\n- { name: a, url: 'https://mcp.example.com/mcp' }\n- { name: b, url: 'https://[::1]:8443', cluster: 'x:y' }\n- { name: c, url: 'http://localhost:9/x', toolPrefix: '' }\nsession: { keysFromEnv: SESSION_KEYS_OF_A_TEST }\nmaxRequestBodySize: 0\n",
        "{\"servers\": [{\"name\": \"a\", \"url\": \"http://a.example:80\"}], \"cors\": {\"allowOrigins\": [\"*\"]}}",
    ] {
        let file = folder().join("envoy.yaml");
        fs::write(&file, rendered(servers, &[])).expect("a file");
        let mut envoy = Command::new(setup::envoy());
        envoy.env(
            "SESSION_KEYS_OF_A_TEST",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        );
        envoy.args(["--mode", "validate", "-l", "warn", "-c"]);
        let output = run(envoy.arg(&file), VALIDATED_WITHIN);
        assert!(output.success, "{servers}\n{}", output.stderr);
        // The filter itself warns that no session keys are set. The test does not need
        // them.
        let warned = output
            .stderr
            .lines()
            .find(|line| line.contains("[warning]") && !line.contains("session.keys"));
        assert_eq!(warned, None, "{servers}");
    }
}

#[tokio::test]
async fn servers_are_behind_it() {
    let (weather, calendar) = (Server::start("weather"), Server::start("calendar"));
    let servers = format!(
        "servers:\n- name: weather\n  url: http://{}/mcp\n- name: calendar\n  url: http://localhost:{}/mcp\n  toolPrefix: cal_\n",
        weather.address,
        calendar.address.port()
    );
    let text = rendered(&servers, &["--port", "0"]);
    let envoy = Envoy::start("rendered", &bootstrap(&text));
    let asker = Asker::new(envoy.address);
    let tools = asker.tools().await.expect("a list");
    assert_eq!(tools.len(), 6, "{tools:?}");
    let found = asker
        .call("cal_list_events", json!({"day": "monday"}))
        .await;
    found.expect("a call by name");
}

/// Another Envoy accepts TLS for an example server, and is the server of the gateway.
#[tokio::test]
async fn tls_is_spoken_where_the_url_says_so_and_certificates_are_checked() {
    let weather = Server::start("weather");
    let folder = folder();
    let (key, certificate) = (folder.join("key.pem"), folder.join("cert.pem"));
    let mut openssl = Command::new("openssl");
    openssl
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
        ])
        .arg(&key)
        .arg("-out")
        .arg(&certificate);
    assert!(run(&mut openssl, VALIDATED_WITHIN).success, "openssl");
    let path = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let socket = json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates": [{"certificate_chain": {"filename": path(&certificate)}, "private_key": {"filename": path(&key)}}],
            },
        },
    });
    let front = rendered(
        &format!(
            "servers:\n- name: weather\n  url: http://{}/mcp\n  toolPrefix: ''\n",
            weather.address
        ),
        &["--port", "0"],
    );
    let front = front.replace(
        "    filter_chains:\n    - filters:",
        &format!("    filter_chains:\n    - transport_socket: {socket}\n      filters:"),
    );
    let front = Envoy::start("tls-server", &bootstrap(&front));
    let port = front.address.port();
    for (host, ca, works) in [
        ("localhost", path(&certificate), true),
        // In these two cases, the certificate is for another name, or no trusted authority
        // has signed it.
        ("127.0.0.1", path(&certificate), false),
        (
            "localhost",
            "/etc/ssl/certs/ca-certificates.crt".to_owned(),
            false,
        ),
    ] {
        let servers = format!("servers:\n- name: weather\n  url: https://{host}:{port}/mcp\n");
        let text = rendered(&servers, &["--port", "0", "--ca-file", &ca]);
        let envoy = Envoy::start("tls-client", &bootstrap(&text));
        let answer = Asker::new(envoy.address).tools().await;
        assert_eq!(answer.is_ok(), works, "{host} {ca}: {answer:?}");
        if works {
            assert_eq!(answer.expect("tools")[0], "weather__get_forecast");
            assert!(envoy.stat("cluster.weather.upstream_cx_http2_total") > 0);
        }
    }
}
