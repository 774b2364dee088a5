//! What `render` writes for Kubernetes. The gateway requires tokens unless the user allows
//! anonymous clients. The configuration of the target `standalone` also runs in real Envoy.

use std::fs;

use saphyr::{LoadableYamlNode as _, Yaml};

use crate::harness::bootstrap::Bootstrap;
use crate::harness::envoy::Envoy;
use crate::harness::http::Request;
use crate::harness::message::{call, initialize, modern};
use crate::harness::server::Server;
use crate::harness::setup;
use crate::program::{folder, says};
use crate::token::{Key, access};

const ISSUER: &str = "https://login.example.com";
const AUDIENCE: &str = "https://mcp.example.com/mcp";
const ORIGIN: &str = "https://app.example.com";
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource/mcp";
const TARGETS: [&str; 4] = ["envoy-gateway", "istio", "standalone", "kustomize"];

/// The path of a new file with this text.
fn file(text: &str) -> String {
    let file = folder().join("servers.yaml");
    fs::write(&file, text).expect("a file");
    file.to_str().expect("UTF-8").to_owned()
}

const SERVERS: &str = "servers:\n- { name: weather, url: 'http://weather.mcp.svc:80/mcp' }\n";

#[test]
fn who_may_call_must_be_said() {
    let file = file(SERVERS);
    let token = [
        "--jwt-issuer",
        ISSUER,
        "--jwt-audience",
        AUDIENCE,
        "--jwks-uri",
        "https://login.example.com/jwks.json",
    ];
    for target in TARGETS {
        let render = |more: &[&str]| says(&[&["render", "--target", target, &file], more].concat());
        let refused = render(&[]);
        assert!(!refused.success && refused.stdout.is_empty(), "{target}");
        for option in [
            "--jwt-issuer",
            "--jwt-audience",
            "--jwks-uri",
            "--anonymous",
        ] {
            assert!(refused.stderr.contains(option), "{}", refused.stderr);
        }
        let open = render(&["--anonymous"]);
        assert!(open.success && !open.stdout.contains("jwt"), "{target}");
        let closed = render(&token);
        assert!(closed.success, "{}", closed.stderr);
        assert!(closed.stdout.contains(ISSUER), "{}", closed.stdout);
        // The options for tokens are only valid together, and not with `--anonymous`.
        for (options, reason) in [
            (&token[..2], "--jwt-audience"),
            (&token[..4], "--jwks-uri"),
            (&token[2..], "--jwt-issuer"),
            (&[&token[..], &["--anonymous"]].concat(), "cannot be used"),
        ] {
            let refused = render(options);
            assert!(!refused.success, "{options:?}");
            assert!(refused.stderr.contains(reason), "{}", refused.stderr);
        }
    }
}

#[test]
fn keys_that_are_none_are_refused() {
    let file = file(SERVERS);
    let no_keys = folder().join("keys.json");
    fs::write(&no_keys, "{}").expect("a file");
    let no_keys = no_keys.to_str().expect("UTF-8");
    for (keys, reason) in [
        (["--jwks-uri", "login.example.com"], "must be a URL"),
        (["--jwks", "/nowhere.json"], "/nowhere.json"),
        (["--jwks", no_keys], "is not a JSON Web Key Set"),
    ] {
        let options = ["--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE];
        let target = ["render", "--target", "standalone", &file];
        let refused = says(&[&target[..], &options, &keys].concat());
        assert!(!refused.success && refused.stdout.is_empty());
        assert!(refused.stderr.contains(reason), "{}", refused.stderr);
    }
}

/// `render --target envoy` cannot make Envoy check tokens. So it must refuse the options
/// for tokens; otherwise a user would believe that the gateway requires a token.
#[test]
fn envoy_alone_takes_no_options_for_tokens() {
    let file = file(SERVERS);
    let refused = says(&[
        "render",
        "--target",
        "envoy",
        &file,
        "--jwt-issuer",
        ISSUER,
        "--jwt-audience",
        AUDIENCE,
        "--jwks-uri",
        "https://login.example.com/jwks.json",
    ]);
    assert!(!refused.success && refused.stderr.contains("--jwt-issuer is for Kubernetes"));
}

#[test]
fn a_folder_gets_files_that_kustomize_reads() {
    let (file, to) = (file(SERVERS), folder().join("made"));
    let to_text = to.to_str().expect("UTF-8");
    for target in TARGETS {
        let options = ["--anonymous", "-o", to_text];
        let output = says(&[&["render", "--target", target, &file][..], &options].concat());
        assert!(output.success, "{}", output.stderr);
        let text = fs::read_to_string(to.join("kustomization.yaml")).expect("a file");
        let kustomization = Yaml::load_from_str(&text).expect("YAML").remove(0);
        let resources = kustomization["resources"].as_sequence().expect("a list");
        for resource in resources {
            assert!(to.join(resource.as_str().expect("a name")).exists());
        }
    }
}

/// Envoy's configuration in the ConfigMap of the target `standalone`, with ports and paths
/// for this machine.
fn standalone(servers: &str, options: &[&str]) -> Bootstrap {
    let file = file(servers);
    let target = ["render", "--target", "standalone", &file];
    let output = says(&[&target[..], options].concat());
    assert!(output.success, "{}", output.stderr);
    let objects = Yaml::load_from_str(&output.stdout).expect("YAML");
    let config_map = objects
        .iter()
        .find(|object| object["kind"].as_str() == Some("ConfigMap"))
        .expect("a ConfigMap");
    let text = config_map["data"]["envoy.yaml"].as_str().expect("text");
    let other = Bootstrap::policy(([127, 0, 0, 1], 1).into());
    let whole = other.text().to_owned();
    let wasm = setup::filter();
    other
        .replace(&whole, text)
        .replace("port_value: 9901", "port_value: 0")
        .replace(
            r#"address: "0.0.0.0", port_value: 10000"#,
            "address: 127.0.0.1, port_value: 0",
        )
        .replace_all("/filter/plugin.wasm", wasm.to_str().expect("UTF-8"))
}

#[tokio::test]
async fn standalone_serves_who_has_a_token_and_says_where_to_get_one() {
    let weather = Server::start("weather");
    let servers = format!(
        "servers:\n- {{ name: weather, url: 'http://{}/mcp' }}\ncors: {{ allowOrigins: ['{ORIGIN}'] }}\n",
        weather.address
    );
    let keys = Key::new(1).jwks("standalone.json");
    let keys = keys.to_str().expect("UTF-8");
    let options = [
        "--jwt-issuer",
        ISSUER,
        "--jwt-audience",
        AUDIENCE,
        "--jwks",
        keys,
    ];
    let envoy = Envoy::start("standalone", &standalone(&servers, &options));
    let to = envoy.address;

    let token = |key: u8, audience: &str| {
        let token = Key::new(key).sign(&access(ISSUER, audience, ""));
        format!("Bearer {token}")
    };
    let good = token(1, AUDIENCE);
    let get_weather = call("1", "weather__get_weather", r#"{"city":"Berlin"}"#);
    for request in [modern("1", "tools/list"), get_weather, initialize()] {
        let answer = request
            .clone()
            .header("authorization", &good)
            .send(to)
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        // Without a token; with a token that another key has signed; with a token for
        // another audience.
        let others = [None, Some(token(2, AUDIENCE)), Some(token(1, "other"))];
        for other in others {
            let mut request = request.clone().header("origin", ORIGIN);
            if let Some(other) = other {
                request = request.header("authorization", other);
            }
            let answer = request.send(to).await;
            assert_eq!(answer.status, 401, "{answer:?}");
            assert_eq!(answer.json()["error"]["code"], 401);
            let challenge = answer.header("www-authenticate").expect("a challenge");
            let place = format!("resource_metadata=\"http://{to}{WELL_KNOWN}\"");
            assert!(challenge.contains(&place), "{challenge}");
            assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
        }
    }
    let metadata = Request::new("GET", WELL_KNOWN).send(to).await;
    assert_eq!(metadata.status, 200);
    assert_eq!(metadata.json()["authorization_servers"][0], ISSUER);
    let preflight = Request::new("OPTIONS", "/mcp")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "POST");
    assert_eq!(preflight.send(to).await.status, 204);
    // A client cannot choose a server with its own `x-mcp-cluster` header.
    let forged = modern("1", "tools/list").header("x-mcp-cluster", "weather");
    assert_eq!(forged.clone().target("/other").send(to).await.status, 401);
    let forged = forged.target("/other").header("authorization", &good);
    assert_eq!(forged.send(to).await.status, 404);
}

#[tokio::test]
async fn standalone_serves_everyone_if_told_so() {
    let weather = Server::start("weather");
    let servers = format!(
        "servers:\n- {{ name: weather, url: 'http://{}/mcp' }}\n",
        weather.address
    );
    let envoy = Envoy::start("standalone-open", &standalone(&servers, &["--anonymous"]));
    let answer = modern("1", "tools/list").send(envoy.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let metadata = Request::new("GET", WELL_KNOWN).send(envoy.address).await;
    assert_eq!(metadata.status, 404);
}
