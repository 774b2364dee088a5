//! Tests which configurations are accepted, their defaults, and the errors of the others.

use super::*;
use crate::http::cors::{Origin, Origins};
use crate::policy::glob::Filter;
use std::time::Duration;
use wasm_bindgen_test::wasm_bindgen_test;

mod refused;
mod refused_endpoints;
mod refused_tools;

fn parse(text: &str) -> Config {
    Config::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> String {
    Config::parse(text.as_bytes()).expect_err(text).to_string()
}

#[wasm_bindgen_test(unsupported = test)]
fn an_empty_configuration_is_policy_mode_with_every_default() {
    for text in ["", "{}", " \n"] {
        let config = parse(text);
        assert_eq!(config.endpoints, Endpoints::All);
        assert_eq!(config.traffic_mode, TrafficMode::PassThrough);
        assert_eq!(config.max_request_body_size, Some(1_048_576));
        assert_eq!(
            config.storage,
            Storage {
                dynamic_metadata: true,
                filter_state: true
            }
        );
        assert!(!config.clear_route_cache);
        assert!(config.cors.is_none() && config.gateway.is_none());
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn servers_make_a_gateway_with_its_defaults() {
    let config = parse(r#"{"servers":[{"name":"weather"}]}"#);
    assert_eq!(config.endpoints, Endpoints::Listed(vec!["/mcp".into()]));
    assert_eq!(config.traffic_mode, TrafficMode::RejectNoMcp);
    assert!(config.clear_route_cache);
    let gateway = config.gateway.unwrap();
    assert_eq!(gateway.failure_mode, FailureMode::BestEffort);
    assert_eq!(
        (
            gateway.max_list_pages,
            gateway.max_list_bytes,
            gateway.max_response_bytes
        ),
        (64, 8_388_608, 8_388_608)
    );
    assert!(
        gateway
            .server_info
            .starts_with(r#"{"name":"mcp-gateway","version":""#)
    );
    assert_eq!(
        gateway.servers,
        [Server {
            id: ServerId::from_index(0).unwrap(),
            name: "weather".into(),
            cluster: "weather".into(),
            authority: "weather".into(),
            rewrites_authority: true,
            path: "/mcp".into(),
            tool_prefix: "weather__".into(),
            uri_prefix: UriPrefix::of("weather"),
            protocol: Protocol::Auto,
            share_session: false,
            timeout: Duration::from_secs(5),
            list_ttl: None,
            tools: Filter::default(),
            tool_views: Vec::new(),
            names: None,
            prompts: Filter::default(),
            resources: Filter::default(),
            at_endpoint: NameFilters::default(),
            view: None,
            fingerprint: gateway.servers[0].fingerprint,
            passthrough: Vec::new(),
            headers: Vec::new(),
            pins: None,
        }]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn the_servers_file_of_older_gateways_is_valid_as_it_stands() {
    let config = parse(
        r#"{"servers":[
        {"name":"weather","url":"http://weather.example:9001/v1/mcp?x=1","hostname":"weather.mcp.local","enabled":true,"toolPrefix":"w_"},
        {"name":"off","url":"http://off.example","enabled":false,"toolPrefix":"w_"}
    ]}"#,
    );
    let servers = config.gateway.unwrap().servers;
    assert_eq!(servers.len(), 1);
    assert_eq!(
        (
            servers[0].authority.as_str(),
            servers[0].path.as_str(),
            servers[0].tool_prefix.as_str()
        ),
        ("weather.mcp.local", "/v1/mcp?x=1", "w_")
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_url_gives_path_and_hostname_where_those_are_absent() {
    for (server, authority, path) in [
        (
            r#"{"name":"a","url":"https://h.example:8443"}"#,
            "h.example:8443",
            "/mcp",
        ),
        (
            r#"{"name":"a","url":"https://h.example/x#frag"}"#,
            "h.example",
            "/x",
        ),
        (
            r#"{"name":"a","url":"https://h.example/x","path":"/y"}"#,
            "h.example",
            "/y",
        ),
        (r#"{"name":"a","cluster":"c"}"#, "c", "/mcp"),
    ] {
        let servers = parse(&format!(r#"{{"servers":[{server}]}}"#))
            .gateway
            .unwrap()
            .servers;
        assert_eq!(
            (servers[0].authority.as_str(), servers[0].path.as_str()),
            (authority, path),
            "{server}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_prefix_mode_decides_on_default_prefixes_only() {
    let prefixes = |mode: &str, servers: &str| -> Vec<String> {
        let config = parse(&format!(
            r#"{{"prefixMode":"{mode}","servers":[{servers}]}}"#
        ));
        config
            .gateway
            .unwrap()
            .servers
            .into_iter()
            .map(|server| server.tool_prefix)
            .collect()
    };
    assert_eq!(prefixes("ALWAYS", r#"{"name":"a"}"#), ["a__"]);
    assert_eq!(prefixes("CONDITIONAL", r#"{"name":"a"}"#), [""]);
    assert_eq!(
        prefixes(
            "CONDITIONAL",
            r#"{"name":"a"},{"name":"b","enabled":false}"#
        ),
        [""]
    );
    assert_eq!(
        prefixes("CONDITIONAL", r#"{"name":"a"},{"name":"b"}"#),
        ["a__", "b__"]
    );
    assert_eq!(prefixes("NEVER", r#"{"name":"a"}"#), [""]);
    assert_eq!(
        prefixes("NEVER", r#"{"name":"a"},{"name":"b","toolPrefix":"x"}"#),
        ["", "x"]
    );
    assert_eq!(
        prefixes("ALWAYS", r#"{"name":"a","toolPrefix":""},{"name":"b"}"#),
        ["", "b__"]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn servers_may_share_a_prefix_and_only_those_with_one_need_a_name_that_starts_uris() {
    let config = r#"{"prefixMode":"NEVER","servers":[{"name":"My_Server"},{"name":"b"}]}"#;
    let servers = parse(config).gateway.unwrap().servers;
    assert!(
        servers
            .iter()
            .all(|server| server.tool_prefix.is_empty() && server.uri_prefix.is_empty())
    );
    let config = r#"{"servers":[{"name":"a","toolPrefix":"x"},{"name":"b","toolPrefix":"x"}]}"#;
    let servers = parse(config).gateway.unwrap().servers;
    assert_eq!(
        [0, 1].map(|at| servers[at].uri_prefix.as_str()),
        ["a+", "b+"]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn snake_case_and_camel_case_say_the_same() {
    let config = parse(
        r#"{"traffic_mode":"REJECT_NO_MCP","max_request_body_size":0,"clear_route_cache":true,"request_storage_mode":"FILTER_STATE"}"#,
    );
    assert_eq!(config.traffic_mode, TrafficMode::RejectNoMcp);
    assert_eq!(config.max_request_body_size, None);
    assert!(config.clear_route_cache);
    assert_eq!(
        config.storage,
        Storage {
            dynamic_metadata: false,
            filter_state: true
        }
    );
    let servers = parse(r#"{"servers":[{"name":"a","tool_prefix":"x_"}]}"#)
        .gateway
        .unwrap()
        .servers;
    assert_eq!(servers[0].tool_prefix, "x_");
}

#[wasm_bindgen_test(unsupported = test)]
fn endpoints_are_compared_exactly_without_query_and_with_one_slash_tolerated() {
    let config = parse(r#"{"paths":["/mcp","/a/b/"]}"#);
    for (path, is_endpoint) in [
        ("/mcp", true),
        ("/mcp/", true),
        ("/mcp?x=1", true),
        ("/mcp/?x", true),
        ("/a/b", true),
        ("/a/b/", true),
        ("/mcp//", false),
        ("/mcpx", false),
        ("/mcp/x", false),
        ("/MCP", false),
        ("/", false),
        ("", false),
        ("/%6dcp", false),
    ] {
        assert_eq!(
            config.endpoints.contains(path.as_bytes()),
            is_endpoint,
            "{path}"
        );
    }
    assert!(parse(r#"{"paths":["/"]}"#).endpoints.contains(b"/"));
    assert!(parse(r#"{"paths":["*"]}"#).endpoints.contains(b"/anything"));
}

#[wasm_bindgen_test(unsupported = test)]
fn cors_has_its_defaults() {
    let cors = parse(r#"{"cors":{}}"#).cors.unwrap();
    assert_eq!(cors.origins, Origins::Any);
    assert_eq!(cors.methods, "GET, POST, DELETE, OPTIONS");
    assert_eq!(
        cors.headers,
        "content-type, accept, authorization, mcp-session-id, mcp-protocol-version, last-event-id, mcp-method, mcp-name"
    );
    assert_eq!(
        cors.expose,
        "Mcp-Session-Id, WWW-Authenticate, Mcp-Protocol-Version"
    );
    assert_eq!((cors.max_age, cors.credentials), (86_400, false));
    let cors = parse(r#"{"cors":{"allowOrigins":["https://a.example","http://*.b.example:8080"],"allowCredentials":true,"maxAge":"10m"}}"#).cors.unwrap();
    assert_eq!(
        cors.origins,
        Origins::Listed(vec![
            Origin::Exact("https://a.example".into()),
            Origin::Pattern("http://".into(), ".b.example:8080".into()),
        ])
    );
    assert_eq!((cors.max_age, cors.credentials), (600, true));
}

#[wasm_bindgen_test(unsupported = test)]
fn an_error_names_the_path_and_the_reason() {
    let configurations = [
        refused::CONFIGURATIONS,
        refused_endpoints::CONFIGURATIONS,
        refused_tools::CONFIGURATIONS,
    ];
    for (text, error) in configurations.concat() {
        let said = refused(text);
        assert!(
            said.starts_with(error),
            "{text}\n  said     {said}\n  expected {error}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_the_user_writes_shows_no_secret() {
    let key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let text = format!(
        r#"{{"servers":[{{"name":"a","headers":[{{"name":"x-key","value":"s3cret"}}]}}],"session":{{"keys":["{key}"]}}}}"#
    );
    let spec = ConfigSpec::from_value("", source::tree(text.as_bytes()).unwrap()).unwrap();
    let config = Config::check(&spec, &|_| None).unwrap();
    for shown in [format!("{spec:?}"), format!("{config:?}")] {
        assert!(shown.contains("x-key"), "{shown}");
        for secret in ["s3cret", key, "1, 1, 1"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_native_filters_own_fields_are_read() {
    let config = parse(
        r#"{"attribute_source":"HEADERS","reject_duplicate_keys":true,"propagate_trace_context":{},"propagate_baggage":true,"hold_request_headers":true,
            "parser_config":{"group_metadata_key":"g","methods":[{"method":"tools/call","group":"x","extraction_rules":[{"path":"params.a.b"}]}]}}"#,
    );
    assert_eq!(config.attribute_source, AttributeSource::Headers);
    assert!(config.reject_duplicate_keys && config.hold);
    assert!(config.propagation.trace_context && config.propagation.baggage);
    assert_eq!(config.rules.group_key.as_deref(), Some("g"));
    assert_eq!(config.rules.group("tools/call"), "x");
    assert_eq!(config.rules.methods[0].paths, [["a", "b"]]);
    assert!(config.metrics.requests("x").is_some());
}

#[wasm_bindgen_test(unsupported = test)]
fn the_era_of_a_server_may_be_said() {
    for (said, protocol, share_session) in [
        ("", Protocol::Auto, false),
        (r#","protocol":"AUTO""#, Protocol::Auto, false),
        (
            r#","protocol":"LEGACY","share_session":true"#,
            Protocol::Legacy,
            true,
        ),
        (r#","protocol":"MODERN""#, Protocol::Modern, false),
    ] {
        let config = parse(&format!(r#"{{"servers":[{{"name":"a"{said}}}]}}"#));
        let gateway = config.gateway.unwrap();
        let server = &gateway.servers[0];
        assert_eq!(
            (server.protocol, server.share_session),
            (protocol, share_session),
            "{said}"
        );
    }
}
