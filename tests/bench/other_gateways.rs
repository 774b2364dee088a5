//! The benchmark `peers`: its options, and what it writes for other gateways and reads from them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::args::{self, Command, Options};
use crate::peers::variants::Variant;
use crate::peers::{answer, config, program, tree};

fn options(arguments: &[&str]) -> Options {
    let arguments = ["--bench"].iter().chain(arguments);
    match args::parse(arguments.map(|argument| (*argument).to_owned())) {
        Ok(Command::Run(options)) => *options,
        Ok(_) => panic!("no benchmark runs"),
        Err(error) => panic!("{error}"),
    }
}

fn error(arguments: &[&str]) -> String {
    let arguments = ["--bench"].iter().chain(arguments);
    match args::parse(arguments.map(|argument| (*argument).to_owned())) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    }
}

fn names(arguments: &[&str]) -> Vec<String> {
    let all = Variant::all(&options(arguments).peers);
    all.into_iter().map(Variant::name).collect()
}

fn servers() -> Vec<(String, SocketAddr)> {
    let server = |(name, port): (&str, u16)| {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        (name.to_owned(), address)
    };
    [("server0", 4000), ("server1", 4001)].map(server).to_vec()
}

#[test]
fn a_run_without_a_name_takes_minutes_and_needs_no_other_gateways() {
    assert_eq!(options(&[]).benchmarks, ["policy", "gateway", "memory"]);
    assert_eq!(options(&["peers"]).benchmarks, ["peers"]);
}

#[test]
fn only_gateways_with_a_path_take_part() {
    let always = [
        "plain route",
        "native",
        "ours, small",
        "ours, rendered",
        "ours, small, lists kept",
        "ours, rendered, lists kept",
    ];
    assert_eq!(names(&["peers"]), always);
    assert!(!options(&["peers"]).peers.has_peers());

    let arguments = [
        "peers",
        "--agentgateway=/bin/agentgateway",
        "--aigw",
        "bin/aigw",
        "--aigw-iterations",
        "1",
    ];
    let peers = options(&arguments).peers;
    assert_eq!(
        peers.agentgateway.as_deref(),
        Some(Path::new("/bin/agentgateway"))
    );
    assert_eq!(peers.aigw.as_deref(), Some(Path::new("bin/aigw")));
    assert_eq!(peers.aigw_iterations, Some(1));
    assert!(peers.has_peers());
    assert_eq!(names(&arguments)[6..], ["Envoy AI Gateway", "agentgateway"]);
    assert_eq!(
        names(&["peers", "--kuadrant-broker", "x"])[6..],
        ["Kuadrant"]
    );
}

#[test]
fn each_part_is_left_out_in_a_variant_of_its_own() {
    let shown = names(&["peers", "--without", "access-log, together"]);
    let expected = [
        "ours, rendered without access-log, lists kept",
        "ours, rendered without together, lists kept",
    ];
    assert_eq!(shown[6..], expected);
    assert_eq!(names(&["peers", "--without", "all"]).len(), 12);
}

#[test]
fn wrong_options_are_errors() {
    assert!(error(&["peers", "--without", "filters"]).contains("there are access-log, "));
    assert!(error(&["peers", "--aigw"]).starts_with("--aigw needs a value"));
    assert!(error(&["peers", "--aigw-iterations", "0"]).contains("not a number from 1 to"));
}

#[test]
fn help_names_each_option() {
    let usage = args::usage();
    for option in [
        "\n  --aigw PATH",
        "\n  --aigw-iterations N",
        "\n  --kuadrant-broker PATH",
        "\n  --agentgateway PATH",
        "\n  --without PART",
    ] {
        assert!(usage.contains(option), "{option:?}");
    }
}

#[test]
fn aigw_gets_the_file_of_an_mcp_client() {
    let expected = json!({
        "mcpServers": {
            "server0": { "type": "http", "url": "http://127.0.0.1:4000/mcp" },
            "server1": { "type": "http", "url": "http://127.0.0.1:4001/mcp" },
        },
    });
    assert_eq!(config::aigw(&servers()), expected);
}

#[test]
fn agentgateway_gets_one_backend_with_all_servers() {
    let config = config::agentgateway(&servers(), 3000);
    assert_eq!(config["binds"][0]["port"], 3000);
    let targets = &config["binds"][0]["listeners"][0]["routes"][0]["backends"][0]["mcp"]["targets"];
    let expected = json!([
        { "name": "server0", "mcp": { "host": "http://127.0.0.1:4000/mcp" } },
        { "name": "server1", "mcp": { "host": "http://127.0.0.1:4001/mcp" } },
    ]);
    assert_eq!(*targets, expected);
}

/// Kuadrant's router changes the host of a request to the host of the chosen server. So
/// Envoy must have a virtual host for each server.
#[test]
fn envoy_has_a_route_for_each_host_that_kuadrants_router_writes() {
    let broker = SocketAddr::from(([127, 0, 0, 1], 5000));
    let router = SocketAddr::from(([127, 0, 0, 1], 5001));
    let file = config::kuadrant(&servers());
    let mut bootstrap =
        config::kuadrant_envoy(&servers(), (broker, router), 6000).expect("a bootstrap");
    let listener = &bootstrap["static_resources"]["listeners"][0];
    assert_eq!(listener["address"]["socket_address"]["port_value"], 6000);

    let manager = crate::peers::parts::manager(&mut bootstrap)
        .expect("a manager")
        .clone();
    let hosts = manager["route_config"]["virtual_hosts"]
        .as_array()
        .expect("hosts");
    for server in file["servers"].as_array().expect("servers") {
        let host = hosts
            .iter()
            .find(|host| host["domains"][0] == server["hostname"]);
        let cluster = &host.expect("a host")["routes"][0]["route"]["cluster"];
        assert_eq!(*cluster, server["name"]);
    }
    // Requests with any other host must go to the broker.
    let last = hosts.last().expect("a host");
    assert_eq!(
        (&last["domains"][0], &last["name"]),
        (&json!("*"), &json!("broker"))
    );

    let clusters = &bootstrap["static_resources"]["clusters"];
    let with_http2 = |cluster: &&Value| cluster.get("typed_extension_protocol_options").is_some();
    let grpc: Vec<&Value> = clusters
        .as_array()
        .expect("clusters")
        .iter()
        .filter(with_http2)
        .collect();
    assert_eq!(grpc.len(), 1);
    assert_eq!(grpc[0]["name"], "router");
}

#[test]
fn the_file_for_this_gateway_keeps_lists_only_where_it_is_asked_to() {
    assert_eq!(
        config::ours(&servers(), false)["servers"][1].get("listTtl"),
        None
    );
    assert_eq!(
        config::ours(&servers(), true)["servers"][1]["listTtl"],
        "24h"
    );
}

#[test]
fn the_name_of_a_tool_is_found_in_any_form_of_a_list() {
    let message = r#"{"tools":[{"name":"server1__tool07"},{"name":"server2__tool07"}]}"#;
    assert_eq!(
        answer::shown_name(message, "server2", "tool07"),
        Some("server2__tool07")
    );
    let stream = format!("event: message\ndata: {}\n\n", message.replace("__", "_"));
    assert_eq!(
        answer::shown_name(&stream, "server2", "tool07"),
        Some("server2_tool07")
    );
    assert_eq!(answer::shown_name(message, "server3", "tool07"), None);
}

#[test]
fn the_children_of_children_belong_to_a_program() {
    let all = [(30, 20), (20, 10), (40, 1), (10, 1), (21, 10)];
    assert_eq!(tree::below(10, &all), BTreeSet::from([10, 20, 21, 30]));
    assert_eq!(tree::parent("12 (a) b) c) S 7 12 12 0 -1"), Some(7));
    assert_eq!(tree::parent("12 (gone"), None);
}

#[test]
fn go_writes_the_version_of_the_module_into_a_program() {
    let said = "broker: go1.25.5\n\tpath\tgithub.com/someone/gateway/cmd/broker\n\
                \tmod\tgithub.com/someone/gateway\tv0.6.1\th1:abc=\n\tdep\tother\tv1.0.0\th1:def=\n";
    assert_eq!(program::module_version(said).as_deref(), Some("v0.6.1"));
    assert_eq!(program::module_version("broker: not a Go program"), None);
}
