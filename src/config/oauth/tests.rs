//! Tests of the metadata, with configurations and variables.

use super::*;
use crate::config::Config;
use crate::http::Headers;
use crate::http::protected_resource::RequestedResource;
use wasm_bindgen_test::wasm_bindgen_test;

/// The metadata of a configuration and variables, at this location.
fn metadata(config: &str, variables: &[(&str, &str)], described: &str) -> Option<String> {
    let resource = parse(config, variables).unwrap().oauth?.resource;
    let asked = [(":scheme", "https"), (":authority", "h")];
    let asked = RequestedResource::of(&Headers::from_pairs(asked));
    let document = resource.metadata(&asked, described.as_bytes());
    Some(String::from_utf8(document.unwrap()).unwrap())
}

fn parse(config: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(have, _)| *have == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Config::parse_with(config.as_bytes(), &variable)
}

#[wasm_bindgen_test(unsupported = test)]
fn it_is_off_unless_something_is_said_of_it() {
    assert_eq!(metadata("{}", &[("OTHER", "x")], ""), None);
    let off = metadata(r#"{"oauth":false}"#, &[("OAUTH_RESOURCE_NAME", "x")], "");
    assert_eq!(off, None);
    let defaults = r#"{"resource_name":"MCP Server","resource":"https://h/mcp","authorization_servers":[],"bearer_methods_supported":["header"],"scopes_supported":["basic"]}"#;
    for (config, variables) in [
        (r#"{"oauth":{}}"#, &[][..]),
        ("{}", &[("OAUTH_RESOURCE_NAME", "")]),
        ("{}", &[("OAUTH_SCOPES_SUPPORTED", " , ")]),
        (r#"{"oauth":null}"#, &[("OAUTH_RESOURCE_NAME", "")]),
    ] {
        assert_eq!(
            metadata(config, variables, "").as_deref(),
            Some(defaults),
            "{config}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn each_field_is_the_configurations_before_the_environments() {
    let variables = [
        ("OAUTH_RESOURCE_NAME", " Ours "),
        ("OAUTH_RESOURCE", "https://api.example.com/x"),
        (
            "OAUTH_AUTHORIZATION_SERVERS",
            " https://a.example , https://b.example/t ,",
        ),
        ("OAUTH_BEARER_METHODS_SUPPORTED", "header,query"),
        ("OAUTH_SCOPES_SUPPORTED", "a,b"),
    ];
    assert_eq!(
        metadata("{}", &variables, "/x").unwrap(),
        r#"{"resource_name":"Ours","resource":"https://api.example.com/x","authorization_servers":["https://a.example","https://b.example/t"],"bearer_methods_supported":["header","query"],"scopes_supported":["a","b"]}"#
    );
    let config = r#"{"oauth":{"resource_name":"Mine","resource":"/y","scopesSupported":[]}}"#;
    assert_eq!(
        metadata(config, &variables, "").unwrap(),
        r#"{"resource_name":"Mine","resource":"https://h/y","authorization_servers":["https://a.example","https://b.example/t"],"bearer_methods_supported":["header","query"],"scopes_supported":[]}"#
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn other_fields_follow_in_snake_case() {
    let config = r#"{"oauth":{"signedMetadata":"x.y.z","jwksUri":"https://h/jwks","dpopBoundAccessTokensRequired":true,"tlsClientCertificateBoundAccessTokens":false,
        "resourceDocumentation":"https://h/doc","resourcePolicyUri":"https://h/p","resourceTosUri":"https://h/t","resourceSigningAlgValuesSupported":["ES256"],
        "authorizationDetailsTypesSupported":["a\"b"],"dpopSigningAlgValuesSupported":["ES256"]}}"#;
    let document = metadata(config, &[], "").unwrap();
    let (_, others) = document
        .split_once(r#""scopes_supported":["basic"],"#)
        .unwrap();
    assert_eq!(
        others,
        r#""jwks_uri":"https://h/jwks","resource_documentation":"https://h/doc","resource_policy_uri":"https://h/p","resource_tos_uri":"https://h/t","resource_signing_alg_values_supported":["ES256"],"authorization_details_types_supported":["a\"b"],"dpop_signing_alg_values_supported":["ES256"],"tls_client_certificate_bound_access_tokens":false,"dpop_bound_access_tokens_required":true,"signed_metadata":"x.y.z"}"#
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn the_resource_is_what_clients_call() {
    for (config, described, resource) in [
        (r#"{"oauth":{}}"#, "/any/path", "https://h/any/path"),
        (r#"{"oauth":{},"paths":["/api"]}"#, "", "https://h/api"),
        (r#"{"oauth":{},"paths":["/api"]}"#, "/api", "https://h/api"),
        (r#"{"oauth":{},"paths":["/"]}"#, "", "https://h/"),
        (r#"{"oauth":{},"paths":["/mcp","/"]}"#, "", "https://h/"),
        (
            r#"{"oauth":{},"paths":["/mcp","/"]}"#,
            "/mcp",
            "https://h/mcp",
        ),
        (r#"{"oauth":{},"paths":["/a","/mcp"]}"#, "", "https://h/mcp"),
        (r#"{"oauth":{},"paths":["/a","/mcp"]}"#, "/a", "https://h/a"),
        (
            r#"{"oauth":{"resource":"/b"},"paths":["/a"]}"#,
            "/a",
            "https://h/b",
        ),
        (
            r#"{"oauth":{},"servers":[{"name":"a"}]}"#,
            "/mcp",
            "https://h/mcp",
        ),
    ] {
        let document = metadata(config, &[], described).unwrap();
        let expected = format!(r#""resource":"{resource}","#);
        assert!(
            document.contains(&expected),
            "{config} {described}: {document}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_no_client_could_use_is_refused() {
    for (oauth, said) in [
        (
            r#"{"authorizationServers":["https://a.example","login"]}"#,
            r#"oauth.authorizationServers[1]: "login" must be an absolute"#,
        ),
        (
            r#"{"authorizationServers":["/login"]}"#,
            "oauth.authorizationServers[0]: ",
        ),
        (
            r#"{"authorizationServers":["https://"]}"#,
            "oauth.authorizationServers[0]: ",
        ),
        (
            r#"{"authorizationServers":["https:///x"]}"#,
            "oauth.authorizationServers[0]: ",
        ),
        (
            r#"{"authorizationServers":["https://a.example/#x"]}"#,
            "oauth.authorizationServers[0]: ",
        ),
        (
            r#"{"authorizationServers":["https://a b"]}"#,
            "oauth.authorizationServers[0]: ",
        ),
        (
            r#"{"resourceName":""}"#,
            "oauth.resourceName: must not be empty",
        ),
        (r#"{"resource":""}"#, "oauth.resource: "),
        (r#"{"resource":"mcp"}"#, "oauth.resource: "),
        (r#"{"resource":"//evil.example"}"#, "oauth.resource: "),
        (r#"{"resource":"/a\"b"}"#, "oauth.resource: "),
        (
            r#"{"bearerMethodsSupported":["cookie"]}"#,
            "oauth.bearerMethodsSupported[0]: ",
        ),
        (
            r#"{"scopesSupported":["a b"]}"#,
            "oauth.scopesSupported[0]: ",
        ),
        (r#"{"scopesSupported":[""]}"#, "oauth.scopesSupported[0]: "),
        (r#"{"jwksUri":"jwks"}"#, "oauth.jwksUri: "),
        (r#"{"resourceTosUri":"x"}"#, "oauth.resourceTosUri: "),
        (r#"{"scopes":["a"]}"#, "oauth.scopes: unknown field"),
        (r#"[]"#, "oauth: must be an object, or false"),
        ("true", "oauth: must be an object, or false"),
        (r#"{"resource":"https://a@b"}"#, "oauth.resource: "),
    ] {
        let error = parse(&format!(r#"{{"oauth":{oauth}}}"#), &[])
            .expect_err(oauth)
            .to_string();
        assert!(error.starts_with(said), "{error}");
    }
    let error = parse("{}", &[("OAUTH_AUTHORIZATION_SERVERS", "x")])
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("oauth.authorizationServers[0]: "),
        "{error}"
    );
}
