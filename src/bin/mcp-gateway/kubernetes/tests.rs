//! Tests of the objects for a wanted state.

use serde_json::{Map, Value, json};

use super::model::{
    Attachment, Authentication, Backend, BackendReference, JwtAuthentication, JwtKeys, Listener,
    Platform, ProxyVariable, ServerTls, WantedGateway, WantedServer,
};
use super::object::Object;
use super::{names, objects};

const PLATFORMS: [Platform; 3] = [
    Platform::EnvoyGateway,
    Platform::Istio,
    Platform::Standalone,
];

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => panic!("{value} is no object"),
    }
}

fn service(namespace: &str, name: &str, port: u16) -> Backend {
    Backend::References(vec![BackendReference {
        group: String::new(),
        kind: "Service".into(),
        namespace: namespace.into(),
        name: name.into(),
        port: Some(port),
        weight: None,
    }])
}

fn host(host: &str, port: u16) -> Backend {
    let host = host.to_owned();
    Backend::Host { host, port }
}

fn server(name: &str, backend: Backend) -> WantedServer {
    WantedServer {
        namespace: "mcp".into(),
        name: name.into(),
        backend: Some(backend),
        tls: None,
        config: Map::new(),
        written: None,
    }
}

fn with_tls(mut server: WantedServer, hostname: &str, authorities: Option<&str>) -> WantedServer {
    server.tls = Some(ServerTls {
        hostname: hostname.into(),
        authorities: authorities.map(str::to_owned),
    });
    server
}

fn jwt() -> Authentication {
    Authentication::Jwt(JwtAuthentication {
        issuer: "https://login.example.com".into(),
        audiences: vec!["https://mcp.example.com/mcp".into()],
        keys: JwtKeys::Uri("https://login.example.com/jwks.json".into()),
    })
}

fn gateway(platform: Platform, servers: Vec<WantedServer>) -> WantedGateway {
    WantedGateway {
        namespace: "mcp".into(),
        name: "mcp".into(),
        platform,
        attachment: Attachment {
            gateway: "edge".into(),
            section: None,
            listeners: vec![Listener {
                name: "http".into(),
                port: 8080,
            }],
        },
        hostnames: Vec::new(),
        image: "registry.example/mcp:1".into(),
        config: Map::new(),
        authentication: jwt(),
        servers,
        variables: Vec::new(),
        variables_version: String::new(),
    }
}

fn made(gateway: &WantedGateway) -> Vec<Object> {
    objects(gateway).unwrap()
}

fn of<'a>(objects: &'a [Object], kind: &str, name: &str) -> &'a Value {
    let found = objects
        .iter()
        .map(Object::value)
        .find(|it| it["kind"] == kind && it["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn kinds<'a>(objects: &'a [Object], kind: &str) -> Vec<&'a Value> {
    let values = objects.iter().map(Object::value);
    values.filter(|it| it["kind"] == kind).collect()
}

/// The servers in the filter's configuration.
fn sections(objects: &[Object]) -> Value {
    let config = match kinds(objects, "EnvoyExtensionPolicy").first() {
        Some(policy) => policy["spec"]["wasm"][0]["config"].clone(),
        None => istio_config(objects, 0),
    };
    config["servers"].clone()
}

/// The configuration of the filter in the patch with the index `at`.
fn istio_config(objects: &[Object], at: usize) -> Value {
    let patches = &kinds(objects, "EnvoyFilter")[0]["spec"]["configPatches"];
    let wasm = &patches[at]["patch"]["value"]["typed_config"]["config"];
    serde_json::from_str(wasm["configuration"]["value"].as_str().unwrap()).unwrap()
}

#[test]
fn every_object_has_a_namespace_a_name_of_its_own_and_labels() {
    for platform in PLATFORMS {
        let mut servers = vec![
            server("a_b", host("a.example", 80)),
            server("a-b", host("a.example", 80)),
            server("A-b", service("apps", "b", 80)),
            server("endpoint", service("mcp", "e", 80)),
            server(&"x".repeat(64), host("10.0.0.7", 80)),
        ];
        for server in &mut servers {
            server.config = members(json!({"toolPrefix": ""}));
        }
        let objects = made(&gateway(platform, servers));
        let mut seen = Vec::new();
        for object in &objects {
            let metadata = &object.value()["metadata"];
            let namespace = metadata["namespace"].as_str().unwrap();
            assert!(!namespace.is_empty());
            assert!(object.name().len() <= 63, "{}", object.name());
            let labels = &metadata["labels"];
            assert_eq!(labels["app.kubernetes.io/managed-by"], "mcp-gateway");
            assert_eq!(labels[names::GATEWAY_LABEL], "mcp");
            seen.push((object.value()["kind"].clone(), object.name().to_owned()));
        }
        let all = seen.len();
        seen.sort_by_key(|it| format!("{it:?}"));
        seen.dedup();
        assert_eq!(seen.len(), all, "{platform:?}");
        assert!(kinds(&objects, "GatewayClass").is_empty());
    }
}

#[test]
fn the_order_of_the_servers_is_that_of_the_configuration() {
    for platform in [Platform::EnvoyGateway, Platform::Istio] {
        let names = ["c", "a", "b"];
        let servers = names.map(|name| server(name, host("a.example", 80)));
        let sections = sections(&made(&gateway(platform, servers.to_vec())));
        let sections = sections.as_array().unwrap();
        let found: Vec<&str> = sections
            .iter()
            .filter_map(|it| it["name"].as_str())
            .collect();
        assert_eq!(found, names);
    }
}

#[test]
fn a_cluster_is_that_of_the_servers_route() {
    for (platform, expected) in [
        (
            Platform::EnvoyGateway,
            [
                "httproute/mcp/mcp.weather/rule/0",
                "httproute/mcp/mcp.old/rule/0",
            ],
        ),
        (
            Platform::Istio,
            [
                "outbound|8080||weather.apps.svc.cluster.local",
                "outbound|81||mcp.10-0-0-7-130e4daba9.mcp.internal",
            ],
        ),
    ] {
        let servers = vec![
            server("weather", service("apps", "weather", 8080)),
            server("old", host("10.0.0.7", 81)),
        ];
        let objects = made(&gateway(platform, servers));
        let sections = sections(&objects);
        let clusters = [&sections[0]["cluster"], &sections[1]["cluster"]];
        assert_eq!(json!(clusters), json!(expected));
        // Each server gets its own host.
        let hosts = [&sections[0]["hostname"], &sections[1]["hostname"]];
        let expected = json!(["weather.apps.svc.cluster.local:8080", "10.0.0.7:81"]);
        assert_eq!(json!(hosts), expected);
        let rule = &of(&objects, "HTTPRoute", "mcp.weather")["spec"]["rules"][0];
        // The match is the server's path, which has priority over that of the endpoint.
        let header = json!([{"name": "x-mcp-servername", "value": "weather"}]);
        let path = json!({"type": "Exact", "value": "/mcp"});
        assert_eq!(rule["matches"], json!([{"path": path, "headers": header}]));
        assert_eq!(
            rule["backendRefs"],
            json!([{"group": "", "kind": "Service", "name": "weather", "namespace": "apps", "port": 8080}])
        );
        assert_eq!(rule["timeouts"], json!({"request": "0s"}));
    }
}

#[test]
fn a_host_that_the_author_names_stays() {
    for platform in [Platform::EnvoyGateway, Platform::Istio] {
        for (config, expected) in [
            (json!({"hostname": "localhost"}), json!("localhost")),
            (json!({"url": "http://x/mcp"}), Value::Null),
        ] {
            let mut weather = server("weather", service("apps", "weather", 80));
            weather.config = members(config);
            let sections = sections(&made(&gateway(platform, vec![weather])));
            assert_eq!(sections[0]["hostname"], expected);
        }
    }
}

#[test]
fn a_service_of_another_namespace_is_granted_by_its_own_author_only() {
    for platform in [Platform::EnvoyGateway, Platform::Istio] {
        for (author, granted) in [("apps", true), ("mcp", false), ("other", false)] {
            let mut weather = server("weather", service("apps", "weather", 80));
            weather.namespace = author.into();
            let objects = made(&gateway(platform, vec![weather]));
            let grants = kinds(&objects, "ReferenceGrant");
            assert_eq!(grants.len(), usize::from(granted), "{author}");
            for grant in grants {
                assert_eq!(grant["metadata"]["namespace"], "apps");
                assert_eq!(grant["spec"]["from"][0]["namespace"], "mcp");
                assert_eq!(grant["spec"]["to"][0]["name"], "weather");
            }
        }
    }
}

#[test]
fn a_server_that_is_off_is_named_and_has_no_objects() {
    for platform in PLATFORMS {
        let mut off = server("off", host("off.example", 80));
        off.config = members(json!({"enabled": false}));
        let mut unknown = server("unknown", host("unknown.example", 80));
        unknown.backend = None;
        let servers = vec![off, unknown, server("on", host("on.example", 80))];
        let objects = made(&gateway(platform, servers));
        for name in ["off", "unknown"] {
            assert!(objects.iter().all(|it| it.server() != Some(name)));
        }
        if platform != Platform::Standalone {
            let sections = sections(&objects);
            let enabled = [&sections[0]["enabled"], &sections[1]["enabled"]];
            assert_eq!(json!(enabled), json!([false, false]));
            assert_eq!(sections[2]["enabled"], Value::Null);
        }
    }
}

/// Without any server, the filter would be in policy mode, which lets many requests pass.
#[test]
fn a_gateway_without_servers_stays_a_gateway() {
    for (platform, cluster) in [
        (Platform::EnvoyGateway, "httproute/mcp/mcp.endpoint/rule/0"),
        (
            Platform::Istio,
            "outbound|9||mcp.192-0-2-1-37fcff24bf.mcp.internal",
        ),
    ] {
        let section = json!({"name": "no-server-yet-", "cluster": cluster, "timeout": "100ms"});
        let mut off = server("off", host("off.example", 80));
        off.backend = None;
        for servers in [Vec::new(), vec![off]] {
            let sections = sections(&made(&gateway(platform, servers)));
            assert_eq!(sections.as_array().unwrap().last(), Some(&section));
        }
    }
}

#[test]
fn what_the_filter_refuses_is_an_error_with_its_field() {
    for platform in PLATFORMS {
        let mut wanted = gateway(platform, vec![server("a", host("a.example", 80))]);
        wanted.config = members(json!({"failureMode": "SOMETIMES"}));
        let error = objects(&wanted).unwrap_err();
        assert!(error.starts_with("failureMode"), "{error}");
    }
}

#[test]
fn envoy_gateway_asks_for_a_token_before_the_filter() {
    let mut wanted = gateway(Platform::EnvoyGateway, Vec::new());
    wanted.config = members(json!({"cors": {"allowOrigins": [
        "https://app.example.com", "https://*.example.com", "https://a.*.example.com", "http://localhost:*"
    ]}}));
    wanted.attachment.section = Some("http".into());
    let objects = made(&wanted);
    let target = json!({
        "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge", "sectionName": "http"
    });
    for kind in [
        "SecurityPolicy",
        "ClientTrafficPolicy",
        "BackendTrafficPolicy",
        "EnvoyExtensionPolicy",
    ] {
        let policy = of(&objects, kind, "mcp");
        assert_eq!(policy["spec"]["targetRefs"], json!([target]), "{kind}");
    }
    let policy = &of(&objects, "SecurityPolicy", "mcp")["spec"];
    assert_eq!(
        policy["jwt"],
        json!({"providers": [{
            "name": "login",
            "issuer": "https://login.example.com",
            "audiences": ["https://mcp.example.com/mcp"],
            "remoteJWKS": {"uri": "https://login.example.com/jwks.json"},
        }]})
    );
    let origins = json!(["https://app.example.com", "https://*.example.com"]);
    assert_eq!(policy["cors"]["allowOrigins"], origins);
    let open = &of(&objects, "SecurityPolicy", "mcp.metadata")["spec"];
    assert_eq!(open["targetRefs"][0]["name"], "mcp.metadata");
    assert_eq!(open["jwt"], Value::Null);
    let paths = &of(&objects, "HTTPRoute", "mcp.metadata")["spec"]["rules"][0]["matches"];
    let paths: Vec<_> = paths
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["path"]["value"])
        .collect();
    let expected = [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
    ];
    assert_eq!(json!(paths), json!(expected));
}

#[test]
fn envoy_gateway_challenges_who_has_no_token() {
    for (oauth, location) in [
        (
            json!({"authorizationServers": ["https://login.example.com"]}),
            "%REQ(X-FORWARDED-PROTO)%://%REQ(:AUTHORITY)%/.well-known/oauth-protected-resource%PATH(NQ)%",
        ),
        (
            json!({"resource": "https://mcp.example.com/a%20b", "scopesSupported": ["x", "y"]}),
            "https://mcp.example.com/.well-known/oauth-protected-resource/a%%20b",
        ),
    ] {
        let mut wanted = gateway(Platform::EnvoyGateway, Vec::new());
        wanted.config = members(json!({"oauth": oauth}));
        let objects = made(&wanted);
        let patches = &of(&objects, "EnvoyPatchPolicy", "mcp")["spec"]["jsonPatches"];
        assert_eq!(patches[0]["name"], "mcp/edge/http");
        let mapper = &patches[2]["operation"]["value"]["mappers"][0];
        let value = mapper["headers_to_add"][0]["header"]["value"]
            .as_str()
            .unwrap();
        let expected = format!("resource_metadata=\"{location}\"");
        assert!(value.contains(&expected), "{value}");
        assert_eq!(
            value.contains("scope=\"x y\""),
            location.starts_with("https")
        );
        assert_eq!(mapper["status_code"], 401);
    }
}

#[test]
fn who_serves_everyone_has_no_login() {
    for platform in PLATFORMS {
        let mut wanted = gateway(platform, vec![server("a", host("a.example", 80))]);
        wanted.authentication = Authentication::Anonymous;
        let objects = made(&wanted);
        for kind in [
            "SecurityPolicy",
            "RequestAuthentication",
            "AuthorizationPolicy",
        ] {
            assert!(kinds(&objects, kind).is_empty(), "{kind}");
        }
        let text = objects.iter().map(|it| it.value().to_string());
        assert!(
            !text.collect::<String>().contains("jwt_authn"),
            "{platform:?}"
        );
    }
}

/// Listeners of the Gateway with the same port are one listener of Envoy.
#[test]
fn the_patch_is_for_the_listeners_that_are_meant() {
    let listener = |name: &str, port| Listener {
        name: name.into(),
        port,
    };
    for (section, expected) in [
        (None, json!(["mcp/edge/a", "mcp/edge/c"])),
        (Some("b"), json!(["mcp/edge/a"])),
        (Some("c"), json!(["mcp/edge/c"])),
    ] {
        let mut wanted = gateway(Platform::EnvoyGateway, Vec::new());
        wanted.attachment.listeners =
            vec![listener("a", 80), listener("b", 80), listener("c", 443)];
        wanted.attachment.section = section.map(str::to_owned);
        let objects = made(&wanted);
        let patches = &of(&objects, "EnvoyPatchPolicy", "mcp")["spec"]["jsonPatches"];
        let mut names: Vec<_> = patches
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["name"])
            .collect();
        names.dedup();
        assert_eq!(json!(names), expected);
    }
}

#[test]
fn tls_is_checked_against_the_system_or_a_config_map() {
    for platform in [Platform::EnvoyGateway, Platform::Istio] {
        let servers = vec![
            with_tls(server("a", host("a.example", 443)), "a.example", None),
            with_tls(
                server("b", service("apps", "b", 443)),
                "b.example",
                Some("ca"),
            ),
            server("c", service("apps", "c", 80)),
        ];
        let objects = made(&gateway(platform, servers));
        let policies = kinds(&objects, "BackendTLSPolicy");
        let seen: Vec<_> = policies
            .iter()
            .map(|it| {
                let target = &it["spec"]["targetRefs"][0]["kind"];
                let mut validation = members(it["spec"]["validation"].clone());
                let names = validation.remove("subjectAltNames").unwrap();
                let name = json!({"type": "Hostname", "hostname": validation["hostname"]});
                assert_eq!(names, json!([name]));
                json!([it["metadata"]["namespace"], target, validation])
            })
            .collect();
        let own = if platform == Platform::Istio {
            "ServiceEntry"
        } else {
            "Backend"
        };
        assert_eq!(
            json!(seen),
            json!([
                ["mcp", own, {"hostname": "a.example", "wellKnownCACertificates": "System"}],
                ["apps", "Service", {
                    "hostname": "b.example",
                    "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}],
                }],
            ])
        );
    }
}

#[test]
fn istio_has_each_host_once_with_all_its_ports() {
    let servers = vec![
        with_tls(server("a", host("a.example", 443)), "a.example", None),
        with_tls(server("b", host("a.example", 443)), "a.example", None),
        server("c", host("a.example", 80)),
        server("d", host("10.0.0.7", 80)),
    ];
    let objects = made(&gateway(Platform::Istio, servers));
    let entries = kinds(&objects, "ServiceEntry");
    let seen: Vec<_> = entries
        .iter()
        .map(|it| {
            let ports = it["spec"]["ports"].as_array().unwrap();
            let ports: Vec<_> = ports.iter().map(|it| &it["number"]).collect();
            json!([it["spec"]["resolution"], ports, it["spec"]["endpoints"]])
        })
        .collect();
    assert_eq!(
        json!(seen),
        json!([
            ["STATIC", [80], [{"address": "10.0.0.7"}]],
            ["STATIC", [9], [{"address": "192.0.2.1"}]],
            ["DNS", [80, 443], null],
        ])
    );
    let policies = kinds(&objects, "BackendTLSPolicy");
    assert_eq!(policies.len(), 1);
    assert_eq!(
        policies[0]["spec"]["targetRefs"][0]["sectionName"],
        "http-443"
    );
}

#[test]
fn istio_has_the_filter_on_both_sides_of_authentication() {
    let mut wanted = gateway(Platform::Istio, vec![server("a", host("a.example", 80))]);
    wanted.variables = vec![ProxyVariable {
        name: "KEY".into(),
        secret: "s".into(),
        key: "k".into(),
        is_told: true,
    }];
    let objects = made(&wanted);
    let patches = kinds(&objects, "EnvoyFilter")[0]["spec"]["configPatches"]
        .as_array()
        .unwrap();
    let inserted: Vec<_> = patches
        .iter()
        .filter(|it| it["applyTo"] == "HTTP_FILTER")
        .map(|it| {
            let next = it.pointer("/match/listener/filterChain/filter/subFilter/name");
            json!([it["patch"]["operation"], it["patch"]["value"]["name"], next])
        })
        .collect();
    let rbac = "envoy.filters.http.rbac";
    assert_eq!(
        json!(inserted),
        json!([
            ["INSERT_FIRST", "mcp-gateway.mcp.front", null],
            ["INSERT_BEFORE", "mcp-token-required", rbac],
            ["INSERT_BEFORE", "mcp-gateway.mcp", rbac],
        ])
    );
    let front = istio_config(&objects, 1);
    assert_eq!(front["trafficMode"], "NOOP");
    assert_eq!(front["oauth"]["requireToken"], true);
    assert_eq!(front["servers"], Value::Null);
    // Only the filter instance with the servers sees secrets.
    let vm = |at: usize| &patches[at]["patch"]["value"]["typed_config"]["config"]["vm_config"];
    assert_eq!(
        vm(0)["environment_variables"],
        json!({"host_env_keys": ["KEY"]})
    );
    assert_eq!(vm(1)["environment_variables"], Value::Null);
}

#[test]
fn no_tool_runs_twice() {
    let servers = || vec![server("a", host("a.example", 80))];
    let objects = made(&gateway(Platform::EnvoyGateway, servers()));
    let retry = &of(&objects, "BackendTrafficPolicy", "mcp")["spec"]["retry"];
    let triggers = json!(["connect-failure", "refused-stream"]);
    assert_eq!(
        retry,
        &json!({"numRetries": 1, "retryOn": {"triggers": triggers}})
    );
    let objects = made(&gateway(Platform::Istio, servers()));
    let patches = kinds(&objects, "EnvoyFilter")[0]["spec"]["configPatches"]
        .as_array()
        .unwrap();
    let route = patches
        .iter()
        .find(|it| it["applyTo"] == "HTTP_ROUTE")
        .unwrap();
    let name = &route["match"]["routeConfiguration"]["vhost"]["route"]["name"];
    assert_eq!(name, "mcp.mcp.a.0");
    assert_eq!(
        route["patch"]["value"]["route"]["retry_policy"],
        json!({"retry_on": "connect-failure,refused-stream", "num_retries": 1})
    );
}

#[test]
fn variables_come_from_secrets() {
    let variable = json!([{
        "name": "MCP_SESSION_KEYS",
        "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}},
    }]);
    for platform in PLATFORMS {
        let mut wanted = gateway(platform, Vec::new());
        wanted.config = members(json!({"session": {"keysFromEnv": "MCP_SESSION_KEYS"}}));
        wanted.variables = vec![ProxyVariable {
            name: "MCP_SESSION_KEYS".into(),
            secret: "keys".into(),
            key: "k".into(),
            is_told: true,
        }];
        wanted.variables_version = "7".into();
        let objects = made(&wanted);
        let (env, annotations) = match platform {
            Platform::EnvoyGateway => {
                let proxy = &of(&objects, "EnvoyProxy", "mcp-proxy")["spec"]["provider"];
                let deployment = &proxy["kubernetes"]["envoyDeployment"];
                let wasm = &of(&objects, "EnvoyExtensionPolicy", "mcp")["spec"]["wasm"][0];
                assert_eq!(wasm["env"]["hostKeys"], json!(["MCP_SESSION_KEYS"]));
                (
                    deployment["container"]["env"].clone(),
                    deployment["pod"]["annotations"].clone(),
                )
            }
            Platform::Istio => {
                let overlay = &of(&objects, "ConfigMap", "mcp-proxy")["data"]["deployment"];
                let overlay = crate::syntax::tree::documents(overlay.as_str().unwrap()).unwrap();
                let template = overlay[0].value()["spec"]["template"].clone();
                let container = &template["spec"]["containers"][0];
                assert_eq!(container["name"], "istio-proxy");
                (
                    container["env"].clone(),
                    template["metadata"]["annotations"].clone(),
                )
            }
            Platform::Standalone => {
                let template = &of(&objects, "Deployment", "mcp")["spec"]["template"];
                let env = template["spec"]["containers"][0]["env"].clone();
                (env, template["metadata"]["annotations"].clone())
            }
        };
        assert_eq!(env, variable);
        assert_eq!(annotations["mcp.kagenti.com/variables-version"], "7");
    }
}

#[test]
fn standalone_is_envoy_with_a_login_as_nobody() {
    let servers = vec![
        with_tls(server("a", host("a.example", 443)), "a.example", None),
        with_tls(
            server("b", service("mcp", "b", 8443)),
            "b.example",
            Some("ca"),
        ),
    ];
    let objects = made(&gateway(Platform::Standalone, servers));
    let text = of(&objects, "ConfigMap", "mcp")["data"]["envoy.yaml"]
        .as_str()
        .unwrap();
    let envoy = crate::syntax::tree::documents(text).unwrap()[0].value();
    let resources = &envoy["static_resources"];
    let chain = &resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let filters: Vec<_> = chain["http_filters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(
        json!(filters[..3]),
        json!([
            "mcp-gateway-front",
            "envoy.filters.http.jwt_authn",
            "mcp-gateway"
        ])
    );
    let authorities = |at: usize| {
        let tls = &resources["clusters"][at]["transport_socket"]["typed_config"];
        tls["common_tls_context"]["validation_context"]["trusted_ca"]["filename"].clone()
    };
    assert_eq!(authorities(0), "/etc/ssl/certs/ca-certificates.crt");
    assert_eq!(authorities(1), "/authorities/0/ca.crt");
    assert_eq!(resources["clusters"][2]["name"], "mcp-gateway/token-keys");
    let pod = &of(&objects, "Deployment", "mcp")["spec"]["template"]["spec"];
    let volume = &pod["volumes"][2]["configMap"]["name"];
    assert_eq!(volume, "ca");
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    let image = pod["containers"][0]["image"].as_str().unwrap();
    assert!(!image.contains("latest"), "{image}");
    let service = &of(&objects, "Service", "mcp")["spec"]["ports"][0]["port"];
    assert_eq!(service, 8080);
}

/// The keys that sign tokens come from the cluster of the login, whatever the servers' names are.
#[test]
fn no_server_takes_the_place_of_the_keys_of_tokens() {
    let names = ["mcp-gateway-token-keys", "mcp-gateway-nowhere"];
    let servers = names.map(|name| server(name, host("intruder.example", 80)));
    let objects = made(&gateway(Platform::Standalone, servers.into()));
    let text = of(&objects, "ConfigMap", "mcp")["data"]["envoy.yaml"]
        .as_str()
        .unwrap();
    let envoy = crate::syntax::tree::documents(text).unwrap()[0].value();
    let resources = &envoy["static_resources"];
    let chain = &resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let login = &chain["http_filters"][1]["typed_config"]["providers"]["login"];
    let cluster = &login["remote_jwks"]["http_uri"]["cluster"];
    let clusters = resources["clusters"].as_array().unwrap();
    let found: Vec<_> = clusters
        .iter()
        .filter(|it| it["name"] == *cluster)
        .map(|it| &it["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"])
        .map(|it| &it["address"]["socket_address"]["address"])
        .collect();
    assert_eq!(found, ["login.example.com"]);
}

#[test]
fn another_configuration_is_other_pods() {
    let config = |name: &str| {
        let servers = vec![server(name, host("a.example", 80))];
        let objects = made(&gateway(Platform::Standalone, servers));
        let template = &of(&objects, "Deployment", "mcp")["spec"]["template"];
        template["metadata"]["annotations"]["mcp.kagenti.com/config"].clone()
    };
    assert_eq!(config("a"), config("a"));
    assert_ne!(config("a"), config("b"));
}

#[test]
fn two_hundred_servers_have_a_route_each() {
    for platform in [Platform::EnvoyGateway, Platform::Istio] {
        let servers = (0..200).map(|at| server(&format!("s{at}"), host("a.example", 80)));
        let objects = made(&gateway(platform, servers.collect()));
        let routes = kinds(&objects, "HTTPRoute");
        assert_eq!(routes.len(), 202);
        for route in routes {
            assert!(route["spec"]["rules"].as_array().unwrap().len() <= 16);
        }
    }
}

#[test]
fn many_paths_are_more_than_one_route() {
    let mut wanted = gateway(Platform::EnvoyGateway, Vec::new());
    let paths: Vec<String> = (0..40).map(|at| format!("/{at}")).collect();
    wanted.config = members(json!({"paths": paths}));
    wanted.hostnames = vec!["mcp.example.com".into()];
    let objects = made(&wanted);
    let first = &of(&objects, "HTTPRoute", "mcp.endpoint")["spec"];
    assert_eq!(first["rules"][0]["matches"].as_array().unwrap().len(), 64);
    assert_eq!(first["hostnames"], json!(["mcp.example.com"]));
    let second = &of(&objects, "HTTPRoute", "mcp.endpoint-2")["spec"];
    assert_eq!(second["rules"][0]["matches"].as_array().unwrap().len(), 16);
}

#[test]
fn each_endpoint_has_a_route_and_the_servers_that_are_there() {
    for platform in [Platform::EnvoyGateway, Platform::Istio] {
        let servers = vec![
            server("a", host("a.example", 80)),
            server("b", host("b.example", 80)),
        ];
        let mut wanted = gateway(platform, servers);
        wanted.config = members(json!({"endpoints": [
            {"name": "all", "path": "/mcp"},
            {"path": "/team/", "hosts": ["team.example.com"], "servers": ["b", "gone"]},
            {"path": "/later", "servers": ["gone"]},
        ]}));
        let objects = made(&wanted);
        let rule = &of(&objects, "HTTPRoute", "mcp.endpoint")["spec"]["rules"][0];
        let paths: Vec<&Value> = rule["matches"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["path"]["value"])
            .collect();
        assert_eq!(
            paths,
            ["/mcp", "/mcp/", "/team", "/team/", "/later", "/later/"]
        );
        let config = |at| match platform {
            Platform::Istio => istio_config(&objects, at),
            _ => of(&objects, "EnvoyExtensionPolicy", "mcp")["spec"]["wasm"][at]["config"].clone(),
        };
        // The filter in front of authentication has no servers.
        let all: Vec<Value> = (0..2).map(config).collect();
        let front = all.iter().find(|it| it["trafficMode"] == "NOOP");
        if let Some(front) = front {
            assert_eq!(front["paths"], json!(["/mcp", "/team", "/later"]));
            assert!(front.get("endpoints").is_none());
        }
        let whole = all.iter().find(|it| it["endpoints"].is_array()).unwrap();
        assert_eq!(whole["endpoints"][1]["servers"], json!(["b"]));
        assert_eq!(whole["endpoints"][2]["servers"], json!(["no-server-yet-"]));
        assert_eq!(whole["servers"].as_array().unwrap().len(), 3);
    }
}

/// Envoy chooses the virtual host by `:authority`. So the request keeps the host of the endpoint until
/// the route is chosen: in the virtual host of the server's name, a route of another tenant could get
/// it, without the authentication of this route.
#[test]
fn the_host_of_a_server_chooses_no_route() {
    for (hostname, host) in [
        ("private.example.com", "private.example.com"),
        ("localhost:8000", "localhost:8000"),
        ("10.0.0.7", "10.0.0.7"),
        (r"a\1", r"a\1"),
    ] {
        for platform in PLATFORMS {
            let mut a = server("a", service("apps", "a", 80));
            a.config = members(json!({"hostname": hostname}));
            let mut wanted = gateway(platform, vec![a]);
            wanted.hostnames = vec!["mcp.example.com".into()];
            let objects = made(&wanted);
            let config = match platform {
                Platform::Standalone => continue,
                Platform::Istio => istio_config(&objects, 0),
                Platform::EnvoyGateway => {
                    of(&objects, "EnvoyExtensionPolicy", "mcp")["spec"]["wasm"][0]["config"].clone()
                }
            };
            assert_eq!(config["rewriteAuthority"], false);
            let route = &of(&objects, "HTTPRoute", "mcp.a")["spec"];
            assert_eq!(route["hostnames"], json!(["mcp.example.com"]));
            let set = if platform == Platform::Istio {
                let patches = &kinds(&objects, "EnvoyFilter")[0]["spec"]["configPatches"];
                let mut patches = patches.as_array().unwrap().iter();
                let of_route = patches.find(|it| it["applyTo"] == "HTTP_ROUTE").unwrap();
                of_route["patch"]["value"]["route"]["host_rewrite_literal"].clone()
            } else {
                let reference = &route["rules"][0]["filters"][1]["extensionRef"];
                assert_eq!(reference["kind"], "HTTPRouteFilter");
                assert_eq!(reference["name"], "mcp.a");
                let rewrite = &of(&objects, "HTTPRouteFilter", "mcp.a")["spec"]["urlRewrite"];
                assert_eq!(rewrite["appendXForwardedHost"], false);
                let set = &rewrite["hostname"]["pathRegex"]["substitution"];
                json!(set.as_str().unwrap().replace(r"\\", r"\"))
            };
            assert_eq!(set, host);
        }
    }
}
