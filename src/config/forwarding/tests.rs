//! Tests which headers are accepted, and which headers servers get.

use super::*;
use crate::config::Config;
use wasm_bindgen_test::wasm_bindgen_test;

fn variable(name: &str) -> Option<String> {
    match name {
        "KEY" => Some("s3cret".into()),
        "EMPTY" => Some(String::new()),
        "BROKEN" => Some("s3cret\r\nx: y".into()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse_with(text.as_bytes(), &variable)
}

fn refused(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

fn server(text: &str) -> Server {
    let config = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    config.gateway.unwrap().servers.swap_remove(0)
}

fn forwarded(name: &str, target: &str, required: bool) -> Forwarded {
    Forwarded {
        name: name.into(),
        target: target.into(),
        required,
    }
}

/// Names that are always refused, at least one for each pattern.
const NEVER: &[&str] = &[
    ":path",
    ":authority",
    ":x",
    "host",
    "Host",
    "x-forwarded-for",
    "X-Forwarded-Proto",
    "x-forwarded-client-cert",
    "forwarded",
    "x-real-ip",
    "connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "content-length",
    "mcp-session-id",
    "mcp-method",
    "Mcp-Param-Region",
    "x-mcp-method",
    "x-mcp-toolname",
    "x-mcp-promptname",
    "x-mcp-resourceuri",
    "x-mcp-servername",
    "x-mcp-cluster",
    "x-mcp-params",
    "x-envoy-original-path",
    "X-Envoy-Upstream-Rq-Timeout-Ms",
    "accept",
    "content-type",
    "content-encoding",
    "last-event-id",
    "origin",
    "Referer",
];

#[wasm_bindgen_test(unsupported = test)]
fn restricted_headers_are_forwarded_under_no_name_and_by_no_server() {
    let not_allowed = ["authorization", "Cookie"];
    for name in NEVER.iter().chain(&not_allowed) {
        let allows = if not_allowed.contains(name) {
            ""
        } else {
            r#","allowCredentialHeaders":true"#
        };
        for entry in [
            format!("{name:?}"),
            format!(r#"{{"name":{name:?}}}"#),
            format!(r#"{{"name":{name:?},"as":"x-fine"}}"#),
            format!(r#"{{"name":"x-fine","as":{name:?},"required":true}}"#),
        ] {
            let global = format!(
                r#"{{"passthroughHeaders":["x-a",{entry}],"servers":[{{"name":"a"{allows}}}]}}"#
            );
            let reason = format!("{name:?} is a restricted header and cannot be forwarded");
            assert_eq!(
                refused(&global),
                format!("passthroughHeaders[1]: {reason}"),
                "{global}"
            );
            let own = format!(
                r#"{{"servers":[{{"name":"a"}},{{"name":"b","passthroughHeaders":[{entry}]{allows}}}]}}"#
            );
            assert_eq!(
                refused(&own),
                format!("servers[1].passthroughHeaders[0]: {reason}"),
                "{own}"
            );
        }
    }
    for name in NEVER {
        let text = format!(
            r#"{{"servers":[{{"name":"a","allowCredentialHeaders":true,"headers":[{{"name":{name:?},"value":"s3cret"}}]}}]}}"#
        );
        let reason = format!("{name:?} is a restricted header and cannot be set");
        assert_eq!(refused(&text), format!("servers[0].headers[0]: {reason}"));
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_all_servers_get_comes_before_what_one_gets() {
    let server = server(
        r#"{"passthrough_headers":["X-Api-Key",{"name":"x-tenant","required":true}],
            "servers":[{"name":"a","passthroughHeaders":[{"name":"x-api-key","as":"X-Key"}],
            "headers":[{"name":"Authorization","value":"Bearer s3cret"},{"name":"cookie","value_from_env":"KEY"}]}]}"#,
    );
    assert_eq!(
        server.passthrough,
        [
            forwarded("x-api-key", "x-api-key", false),
            forwarded("x-tenant", "x-tenant", true),
            forwarded("x-api-key", "x-key", false),
        ]
    );
    let headers = server.headers.iter();
    let headers: Vec<_> = headers.map(|(name, it)| (&**name, it.expose())).collect();
    assert_eq!(
        headers,
        [("authorization", "Bearer s3cret"), ("cookie", "s3cret")]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn names_values_and_what_goes_together_are_checked() {
    let own = |rest: &str| format!(r#"{{"servers":[{{"name":"a",{rest}}}]}}"#);
    let key = r#""headers":[{"name":"x-key","value":"s3cret"}]"#;
    let missing = |name: &str| {
        format!(
            "servers[0].headers[0].valueFromEnv: the variable {name:?} is not set or is empty: set it in vm_config.environment_variables"
        )
    };
    let either = "servers[0].headers[0]: must have either value or valueFromEnv";
    let visible = "must be visible ASCII, with blanks only between";
    let in_value = format!("servers[0].headers[0].value: {visible}");
    for (text, expected) in [
        (
            r#"{"passthroughHeaders":[""]}"#.to_owned(),
            "passthroughHeaders[0]: header name must not be empty",
        ),
        (
            r#"{"passthroughHeaders":["x",{"name":"y","as":" "}]}"#.to_owned(),
            "passthroughHeaders[1]: header name must not be empty",
        ),
        (
            own(r#""passthroughHeaders":[{"name":""}]"#),
            "servers[0].passthroughHeaders[0]: header name must not be empty",
        ),
        (
            own(r#""headers":[{"name":"","value":"s3cret"}]"#),
            "servers[0].headers[0]: header name must not be empty",
        ),
        (
            r#"{"passthroughHeaders":["x y"]}"#.to_owned(),
            "passthroughHeaders[0]: \"x y\" is not the name of a header",
        ),
        (
            r#"{"passthroughHeaders":[{"name":"x","as":"x\n"}]}"#.to_owned(),
            "passthroughHeaders[0]: \"x\\n\" is not the name of a header",
        ),
        (
            r#"{"passthroughHeaders":["é"]}"#.to_owned(),
            "passthroughHeaders[0]: \"é\" is not the name of a header",
        ),
        (
            r#"{"passthroughHeaders":"x"}"#.to_owned(),
            "passthroughHeaders: must be a list",
        ),
        (
            r#"{"passthroughHeaders":[1]}"#.to_owned(),
            "passthroughHeaders[0]: must be a name or an object",
        ),
        (
            r#"{"passthroughHeaders":[{"as":"x"}]}"#.to_owned(),
            "passthroughHeaders[0]: missing field `name`",
        ),
        (
            r#"{"passthroughHeaders":[{"name":"x","requird":true}]}"#.to_owned(),
            "passthroughHeaders[0].requird: unknown field, expected one of name, as, required",
        ),
        (
            r#"{"passthroughHeaders":["x","X"]}"#.to_owned(),
            "passthroughHeaders[1]: \"x\" is already sent by passthroughHeaders[0]",
        ),
        (
            r#"{"passthroughHeaders":["x",{"name":"y","as":"x"}]}"#.to_owned(),
            "passthroughHeaders[1]: \"x\" is already sent by passthroughHeaders[0]",
        ),
        (
            r#"{"passthroughHeaders":["y","x"],"servers":[{"name":"b"},{"name":"a","passthroughHeaders":["x"]}]}"#
                .to_owned(),
            "servers[1].passthroughHeaders[0]: \"x\" is already sent by passthroughHeaders[1]",
        ),
        (
            own(&format!(r#""passthroughHeaders":["X-Key"],{key}"#)),
            "servers[0].headers[0]: \"x-key\" is already sent by servers[0].passthroughHeaders[0]",
        ),
        (
            own(r#""headers":[{"name":"x","value":"1"},{"name":"X","value":"2"}]"#),
            "servers[0].headers[1]: \"x\" is already sent by servers[0].headers[0]",
        ),
        (
            own(r#""listTtl":"1m","passthroughHeaders":["x"]"#),
            "servers[0].listTtl: cannot be used with passthroughHeaders: all callers would get the list of one caller",
        ),
        (
            r#"{"passthroughHeaders":["x"],"servers":[{"name":"a","listTtl":"1m"}]}"#.to_owned(),
            "servers[0].listTtl: cannot be used with passthroughHeaders: all callers would get the list of one caller",
        ),
        (own(r#""headers":[{"name":"x"}]"#), either),
        (
            own(r#""headers":[{"name":"x","value":"s3cret","valueFromEnv":"KEY"}]"#),
            either,
        ),
        (
            own(r#""headers":[{"name":"x","valueFromEnv":"NONE"}]"#),
            &missing("NONE"),
        ),
        (
            own(r#""headers":[{"name":"x","valueFromEnv":"EMPTY"}]"#),
            &missing("EMPTY"),
        ),
        (
            own(r#""headers":[{"name":"x","valueFromEnv":"BROKEN"}]"#),
            &format!("servers[0].headers[0].valueFromEnv: {visible}"),
        ),
        (own(r#""headers":[{"name":"x","value":""}]"#), &in_value),
        (own(r#""headers":[{"name":"x","value":" s3cret"}]"#), &in_value),
        (own(r#""headers":[{"name":"x","value":"s3cret\t"}]"#), &in_value),
        (
            own(r#""headers":[{"name":"x","value":"s3cret\ny"}]"#),
            &in_value,
        ),
        (
            own(r#""headers":[{"name":"x","value":"s3cret\u0000"}]"#),
            &in_value,
        ),
        (own(r#""headers":[{"name":"x","value":"s3crét"}]"#), &in_value),
        (
            own(r#""headers":[{"name":"x","value":7}]"#),
            "servers[0].headers[0].value: must be a string",
        ),
    ] {
        let said = refused(&text);
        assert_eq!(said, expected, "{text}");
        assert!(!said.contains("s3cr"), "{said}");
    }
    // One client header may have several names at the server, names may be swapped, there may be
    // blanks in a value, and servers that are disabled need no value.
    for text in [
        r#"{"passthroughHeaders":["x",{"name":"x","as":"y"}],"servers":[{"name":"a"}]}"#,
        r#"{"passthroughHeaders":[{"name":"y","as":"x"},{"name":"x","as":"y"}],"servers":[{"name":"a"}]}"#,
        r#"{"servers":[{"name":"a","passthroughHeaders":["x"]},{"name":"b","passthroughHeaders":["x"],"listTtl":null}]}"#,
        r#"{"servers":[{"name":"a","headers":[{"name":"x","value":"a b\tc"}]}]}"#,
        r#"{"servers":[{"name":"a"},{"name":"b","enabled":false,"headers":[{"name":"x","valueFromEnv":"NONE"}]}]}"#,
        r#"{"servers":[{"name":"a","listTtl":"1m","headers":[{"name":"x","value":"1"}]}]}"#,
    ] {
        assert!(parse(text).is_ok(), "{text}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn credentials_go_where_each_server_concerned_allows_it_and_the_operator_is_told() {
    let told = |text: &str| -> Vec<String> {
        let warnings = parse(text).unwrap().warnings.into_iter();
        let start = |line: String| line.split(": ").next().unwrap().to_owned();
        warnings.map(start).collect()
    };
    for (text, warned) in [
        (
            r#"{"servers":[{"name":"a"},{"name":"b","allowCredentialHeaders":true,"passthroughHeaders":["authorization"]}]}"#,
            &["server b gets its callers' authorization"][..],
        ),
        (
            r#"{"passthroughHeaders":["Cookie"],"servers":[{"name":"a","allowCredentialHeaders":true},{"name":"b","enabled":false},
                {"name":"c","allow_credential_headers":true,"passthroughHeaders":[{"name":"x-token","as":"Authorization"}]}]}"#,
            &[
                "server a gets its callers' cookie",
                "server c gets its callers' authorization and cookie",
            ],
        ),
        (
            r#"{"oauth":{},"servers":[{"name":"a","allowCredentialHeaders":true,"passthroughHeaders":[{"name":"x-token","as":"authorization"}]}]}"#,
            &["server a gets its callers' authorization"],
        ),
        (
            r#"{"servers":[{"name":"a","allowCredentialHeaders":true,"passthroughHeaders":[{"name":"authorization","as":"x-token"}]}]}"#,
            &["server a gets its callers' authorization"],
        ),
        (
            r#"{"servers":[{"name":"a","allowCredentialHeaders":true,"passthroughHeaders":["x"],"headers":[{"name":"authorization","value":"x"}]}]}"#,
            &[],
        ),
    ] {
        assert_eq!(told(text), warned, "{text}");
    }
    let global =
        "passthroughHeaders[0]: \"authorization\" is a restricted header and cannot be forwarded";
    for text in [
        r#"{"passthroughHeaders":["authorization"],"servers":[{"name":"a","allowCredentialHeaders":true},{"name":"b"}]}"#,
        r#"{"passthroughHeaders":["authorization"]}"#,
    ] {
        assert_eq!(refused(text), global, "{text}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn with_oauth_the_clients_token_is_this_gateways() {
    let text = r#"{"servers":[{"name":"a","allowCredentialHeaders":true,"passthroughHeaders":[{"name":"authorization","as":"x-token"}]}]}"#;
    let expected = "servers[0].passthroughHeaders[0]: \"authorization\" is a restricted header and cannot be forwarded: with oauth its token is for this gateway";
    let oauth = text.replacen('{', r#"{"oauth":{},"#, 1);
    assert_eq!(refused(&oauth), expected);
    let variable = |name: &str| (name == "OAUTH_SCOPES_SUPPORTED").then(|| "x".to_owned());
    let error = Config::parse_with(text.as_bytes(), &variable).expect_err(text);
    assert_eq!(error.to_string(), expected);
    assert!(parse(text).is_ok());
}

#[wasm_bindgen_test(unsupported = test)]
fn no_value_is_shown_and_each_change_is_of_another_identity() {
    let of = |rest: &str| server(&format!(r#"{{"servers":[{{"name":"a"{rest}}}]}}"#));
    let all = [
        "",
        r#","headers":[{"name":"x","value":"s3cret"}]"#,
        r#","headers":[{"name":"x","value":"s3creu"}]"#,
        r#","headers":[{"name":"y","value":"s3cret"}]"#,
        r#","headers":[{"name":"x","value":"y"},{"name":"s3cret","value":"z"}]"#,
        r#","passthroughHeaders":["x"]"#,
        r#","passthroughHeaders":[{"name":"x","as":"y"}]"#,
        r#","passthroughHeaders":[{"name":"y","as":"x"}]"#,
        r#","passthroughHeaders":[{"name":"x","required":true}]"#,
        r#","passthroughHeaders":["x","y"]"#,
    ];
    let identities = all.map(|rest| of(rest).fingerprint);
    for (at, identity) in identities.iter().enumerate() {
        assert!(!identities[..at].contains(identity), "{}", all[at]);
    }
    let named = of(r#","headers":[{"name":"x","valueFromEnv":"KEY"}]"#);
    assert_eq!(named.fingerprint, identities[1]);
    let text = r#"{"servers":[{"name":"a","headers":[{"name":"x","value":"s3cret"}]}]}"#;
    let shown = format!("{:?}", parse(text).unwrap());
    assert!(
        shown.contains("Secret") && !shown.contains("s3cret"),
        "{shown}"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn browsers_may_send_what_goes_on_to_servers() {
    let allowed = |rest: &str| {
        let text = format!(
            r#"{{{rest}"passthroughHeaders":["x-a",{{"name":"X-B","as":"x-c"}}],"servers":[{{"name":"a","allowCredentialHeaders":true,"passthroughHeaders":["authorization","x-d",{{"name":"x-a","as":"x-e"}}]}},{{"name":"off","enabled":false,"passthroughHeaders":["x-f"]}}]}}"#
        );
        parse(&text).unwrap().cors.unwrap().headers
    };
    assert_eq!(
        allowed(r#""cors":{},"#),
        "content-type, accept, authorization, mcp-session-id, mcp-protocol-version, last-event-id, mcp-method, mcp-name, x-a, x-b, x-d"
    );
    assert_eq!(allowed(r#""cors":{"allowHeaders":["x"]},"#), "x");
    // Before authentication there are no servers.
    let first = r#"{"trafficMode":"NOOP","cors":{},"passthroughHeaders":["x-a"]}"#;
    let headers = parse(first).unwrap().cors.unwrap().headers;
    assert!(headers.ends_with(", mcp-name, x-a"), "{headers}");
}
