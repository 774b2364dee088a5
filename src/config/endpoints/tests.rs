use super::*;
use crate::config::{Config, Gateway, NameFilters};
use wasm_bindgen_test::wasm_bindgen_test;

const SERVERS: &str = r#""servers":[{"name":"a"},{"name":"b_1","toolPrefix":""},{"name":"c"},{"name":"off","enabled":false}]"#;

fn parse(endpoints: &str, rest: &str) -> Result<Config, String> {
    let config = format!(r#"{{{SERVERS},"endpoints":[{endpoints}]{rest}}}"#);
    Config::parse(config.as_bytes()).map_err(|error| error.to_string())
}

fn gateway(endpoints: &str, rest: &str) -> Gateway {
    parse(endpoints, rest).unwrap().gateway.unwrap()
}

#[wasm_bindgen_test(unsupported = test)]
fn a_request_is_for_the_endpoint_of_its_path_and_host() {
    let endpoints = parse(
        r#"{"name":"any","path":"/mcp/"},{"name":"host","path":"/mcp","hosts":["A.example:80","[::1]:9"]},{"path":"/other","hosts":["b.example"]},{"path":"/"}"#,
        "",
    )
    .unwrap()
    .endpoints;
    for (path, host, expected) in [
        ("/mcp", "a.example", Some(1)),
        ("/mcp/?x=/other", "a.EXAMPLE:8080", Some(1)),
        ("/mcp", "[::1]", Some(1)),
        ("/mcp", "[::1]:10000", Some(1)),
        ("/mcp", "[::2]:9", Some(0)),
        ("/mcp", "a.example.", Some(0)),
        ("/mcp", "a.example:x", Some(0)),
        ("/mcp", "user@a.example", Some(0)),
        ("/mcp", "", Some(0)),
        ("/mcp//", "a.example", None),
        ("/other", "b.example:1", Some(2)),
        ("/other", "c.example", None),
        ("/other", "b.example:1:1", None),
        ("/", "a.example", Some(3)),
        ("", "a.example", Some(3)),
        ("/x", "a.example", None),
    ] {
        let found = endpoints.find(path.as_bytes(), host.as_bytes());
        assert_eq!(found.map(EndpointId::index), expected, "{path} {host}");
    }
    assert_eq!(endpoints.paths(), Some(vec!["/mcp", "/other", ""]));
    assert!(endpoints.contains(b"/other/") && !endpoints.contains(b"/x"));
}

#[wasm_bindgen_test(unsupported = test)]
fn an_endpoint_has_its_servers_as_its_clients_see_them() {
    let whole = gateway(
        r#"{"path":"/one","servers":["c","off"]},{"name":"two","path":"/two","servers":["c","a"],"tools":{"exclude":["x"]},"serverInfo":{"name":"t"}},{"path":"/all"}"#,
        r#","prefixMode":"CONDITIONAL""#,
    );
    let seen: Vec<Vec<(&str, &str)>> = whole
        .views
        .iter()
        .map(|view| {
            let servers = view.servers.iter();
            servers.map(|it| (&*it.name, &*it.tool_prefix)).collect()
        })
        .collect();
    assert_eq!(
        seen,
        [
            vec![("c", "")],
            vec![("a", "a__"), ("c", "c__")],
            vec![("a", "a__"), ("b_1", ""), ("c", "c__")],
        ]
    );
    let [one, two, all] = whole.views.as_slice() else {
        panic!()
    };
    assert_eq!(whole.servers.len(), 3);
    for view in [one, two, all] {
        assert_eq!(view.all_servers, 3);
        for server in &view.servers {
            assert_eq!(whole.server(server.id).unwrap().name, server.name);
            let id = server.view.unwrap();
            assert_eq!(
                whole.with_view(Some(id)).unwrap().server(server.id),
                Some(server)
            );
        }
    }
    assert_eq!(
        (one.single_server().is_some(), two.single_server()),
        (true, None)
    );
    assert_eq!(one.server(whole.servers[0].id), None);
    assert!(two.server_info.starts_with(r#"{"name":"t","#));
    assert_eq!(
        (&two.client_info, &all.server_info),
        (&whole.server_info, &whole.server_info)
    );
    assert_eq!(one.binding(b"/x?y"), b"/one");
    assert_eq!(
        (two.binding(b"/x"), whole.binding(b"/x/?y")),
        (&b"two"[..], &b"/x"[..])
    );
    let tool = |view: &Gateway, name| {
        let server = &view.servers[0];
        server.allows(crate::mcp::list::ListKind::Tools, name)
    };
    assert!(!tool(two, "x") && tool(two, "y") && tool(all, "x"));
}

/// A page that was read for one endpoint is used for another endpoint only if both show the same.
#[wasm_bindgen_test(unsupported = test)]
fn endpoints_with_the_same_view_of_a_server_share_it() {
    let views = |endpoints: &str, rest: &str| {
        let whole = gateway(endpoints, rest);
        let of = |view: &Gateway| view.servers[0].view.unwrap().index();
        whole.views.iter().map(of).collect::<Vec<_>>()
    };
    let filters = r#"{"path":"/1"},{"path":"/2","tools":{"include":["x"]}},{"path":"/3","tools":{"include":["x"]}},{"path":"/4","prompts":{"include":["x"]}},{"path":"/5","servers":["a"]}"#;
    assert_eq!(views(filters, ""), [0, 1, 1, 3, 0]);
    let prefixes =
        r#"{"path":"/1"},{"path":"/2","servers":["a"]},{"path":"/3","servers":["a","c"]}"#;
    assert_eq!(views(prefixes, r#","prefixMode":"CONDITIONAL""#), [0, 1, 0]);
    let config = Config::parse(br#"{"servers":[{"name":"a"}]}"#).unwrap();
    let gateway = config.gateway.unwrap();
    let server = &gateway.servers[0];
    assert_eq!(
        (server.view, &server.at_endpoint),
        (None, &NameFilters::default())
    );
    assert!(gateway.at(EndpointId::from_index(7).unwrap()).is_some());
}

#[wasm_bindgen_test(unsupported = test)]
fn what_no_endpoint_has_is_a_warning() {
    let config = parse(
        r#"{"path":"/1","servers":["a"],"resources":{"exclude":["f:a b"]}},{"path":"/2","servers":["c"]}"#,
        "",
    );
    let warnings = config.unwrap().warnings;
    let starts = [
        "endpoints[0].resources.exclude[0]: ",
        "servers[1]: no endpoint",
    ];
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    for (warning, start) in warnings.iter().zip(starts) {
        assert!(warning.starts_with(start), "{warning}");
    }
    assert_eq!(parse(r#"{"path":"/1"}"#, "").unwrap().warnings, [""; 0]);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_rule_names_endpoints_or_paths() {
    let rules = |rules: &str, rest: &str| {
        let config = format!(r#"{{"authorization":{{"rules":[{rules}]}},{rest}}}"#);
        let config = Config::parse(config.as_bytes()).map_err(|error| error.to_string())?;
        let rules = config.authorization.unwrap().rules;
        Ok::<_, String>((rules[0].endpoints.clone(), config.warnings.len()))
    };
    let named = format!(
        r#"{SERVERS},"endpoints":[{{"name":"n","path":"/a"}},{{"path":"/b/"}},{{"path":"/"}}]"#
    );
    let paths = r#""paths":["/a","/b/"]"#;
    for (rule, rest, expected) in [
        (r#"["/b","n"]"#, &*named, Ok(vec![1, 0])),
        (r#"["/b/","/"]"#, &*named, Ok(vec![1, 2])),
        (
            r#"["/a"]"#,
            &*named,
            Err("\"/a\" is not an endpoint: the endpoints are n, /b, /"),
        ),
        (r#"["/b"]"#, paths, Ok(vec![1])),
        (
            r#"["/c"]"#,
            paths,
            Err("\"/c\" is not an endpoint: the endpoints are /a, /b"),
        ),
        (
            r#"["/b","/b/"]"#,
            paths,
            Err("\"/b/\" is in this list twice"),
        ),
        (r#"["*"]"#, r#""paths":["*"]"#, Ok(vec![0])),
        (r#"["/mcp"]"#, SERVERS, Ok(vec![0])),
    ] {
        let found = rules(&format!(r#"{{"action":"DENY","endpoints":{rule}}}"#), rest);
        match (found, expected) {
            (Ok((found, _)), expected) => {
                let found = found.into_iter().map(EndpointId::index).collect();
                assert_eq!(Ok::<Vec<_>, _>(found), expected, "{rule}");
            }
            (Err(error), Err(expected)) => assert!(error.ends_with(expected), "{error}"),
            (Err(error), Ok(_)) => panic!("{error}"),
        }
    }
    // A rule for one endpoint does not hide later rules for other endpoints.
    let two = r#"{"action":"DENY","endpoints":["/a"]},{"action":"DENY","endpoints":["/b"]}"#;
    assert_eq!(rules(two, paths).unwrap().1, 0);
    let same = r#"{"action":"DENY","endpoints":["/a"]},{"action":"DENY","endpoints":["/a"]}"#;
    assert_eq!(rules(same, paths).unwrap().1, 1);
}
