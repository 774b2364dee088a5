//! `oauth`: checked, and the metadata document made, but for the one value that
//! depends on the request.

use super::{ConfigError, Endpoints, wire};
use crate::http::protected_resource::ProtectedResource;
use crate::mcp::json;

/// The variables that stand for the first five fields.
const VARIABLES: [&str; 5] = [
    "OAUTH_RESOURCE_NAME",
    "OAUTH_RESOURCE",
    "OAUTH_AUTHORIZATION_SERVERS",
    "OAUTH_BEARER_METHODS_SUPPORTED",
    "OAUTH_SCOPES_SUPPORTED",
];

/// The protected resource, by configuration and, where that is silent, by
/// `variable`; none when both are.
pub(super) fn check(
    wire: Option<&wire::Oauth>,
    variable: &dyn Fn(&str) -> Option<String>,
    endpoints: &Endpoints,
) -> Result<Option<ProtectedResource>, ConfigError> {
    let wire = match wire {
        Some(wire::Oauth::Off) => return Ok(None),
        Some(wire::Oauth::On(wire)) => Some(&**wire),
        None => None,
    };
    let variables = VARIABLES.map(variable);
    if wire.is_none() && variables.iter().all(Option::is_none) {
        return Ok(None);
    }
    let absent = wire::Resource::default();
    let wire = wire.unwrap_or(&absent);
    let [name, resource, servers, methods, scopes] = variables;
    let name = text(wire.resource_name.as_ref(), name, "MCP Server");
    let resource = text(
        wire.resource.as_ref(),
        resource,
        default_resource(endpoints),
    );
    let servers = list(wire.authorization_servers.as_ref(), servers, &[]);
    let methods = list(wire.bearer_methods_supported.as_ref(), methods, &["header"]);
    let scopes = list(wire.scopes_supported.as_ref(), scopes, &["basic"]);

    if !is_url(&resource) && !is_path(&resource) {
        return Err(refused(
            "resource",
            &resource,
            "must be an absolute http or https URL, or a path",
        ));
    }
    each(
        "authorizationServers",
        &servers,
        is_url,
        "must be an absolute http or https URL",
    )?;
    let is_method = |method: &str| matches!(method, "header" | "body" | "query");
    each(
        "bearerMethodsSupported",
        &methods,
        is_method,
        "must be header, body or query",
    )?;
    each(
        "scopesSupported",
        &scopes,
        is_scope,
        "must be visible ASCII without blanks, quotes and backslashes",
    )?;

    let mut before = Document::default();
    before.text("resource_name", Some(&name));
    before.name("resource");
    let mut after = Document::default();
    after.texts("authorization_servers", Some(&servers));
    after.texts("bearer_methods_supported", Some(&methods));
    after.texts("scopes_supported", Some(&scopes));
    others(wire, &mut after)?;
    let text = |document: Document| String::from_utf8(document.0).unwrap_or_default();
    Ok(Some(ProtectedResource {
        resource,
        per_endpoint: !matches!(endpoints, Endpoints::Listed(paths) if paths.len() == 1),
        before: format!("{{{}", text(before)),
        after: format!(",{}}}", text(after)),
        scope: scopes.join(" "),
    }))
}

/// RFC 9728 section 2, what is left of it.
fn others(wire: &wire::Resource, document: &mut Document) -> Result<(), ConfigError> {
    for (path, name, value) in [
        ("jwksUri", "jwks_uri", &wire.jwks_uri),
        (
            "resourceDocumentation",
            "resource_documentation",
            &wire.resource_documentation,
        ),
        (
            "resourcePolicyUri",
            "resource_policy_uri",
            &wire.resource_policy_uri,
        ),
        ("resourceTosUri", "resource_tos_uri", &wire.resource_tos_uri),
    ] {
        if let Some(url) = value
            && !is_url(url)
        {
            return Err(refused(path, url, "must be an absolute http or https URL"));
        }
        document.text(name, value.as_deref());
    }
    document.texts(
        "resource_signing_alg_values_supported",
        wire.resource_signing_alg_values_supported.as_deref(),
    );
    document.texts(
        "authorization_details_types_supported",
        wire.authorization_details_types_supported.as_deref(),
    );
    document.texts(
        "dpop_signing_alg_values_supported",
        wire.dpop_signing_alg_values_supported.as_deref(),
    );
    document.flag(
        "tls_client_certificate_bound_access_tokens",
        wire.tls_client_certificate_bound_access_tokens,
    );
    document.flag(
        "dpop_bound_access_tokens_required",
        wire.dpop_bound_access_tokens_required,
    );
    document.text("signed_metadata", wire.signed_metadata.as_deref());
    Ok(())
}

/// `/mcp`, unless that is no endpoint: clients refuse metadata of another
/// resource than the one they called. The location without a path is that of
/// `/`, where this is an endpoint.
fn default_resource(endpoints: &Endpoints) -> &str {
    match endpoints {
        Endpoints::Listed(paths) if paths.iter().any(String::is_empty) => "/",
        Endpoints::Listed(paths) if !endpoints.contains(b"/mcp") => paths
            .first()
            .map_or("/", |path| if path.is_empty() { "/" } else { path }),
        _ => "/mcp",
    }
}

fn text(configured: Option<&String>, variable: Option<String>, default: &str) -> String {
    let variable = variable.map(|value| value.trim().to_owned());
    configured
        .cloned()
        .or(variable.filter(|value| !value.is_empty()))
        .unwrap_or_else(|| default.to_owned())
}

fn list(
    configured: Option<&Vec<String>>,
    variable: Option<String>,
    default: &[&str],
) -> Vec<String> {
    let variable = variable.map(|value| {
        let items = value
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty());
        items.map(str::to_owned).collect::<Vec<_>>()
    });
    configured
        .cloned()
        .or(variable.filter(|items| !items.is_empty()))
        .unwrap_or_else(|| default.iter().map(|item| (*item).to_owned()).collect())
}

fn each(
    path: &str,
    values: &[String],
    fits: impl Fn(&str) -> bool,
    reason: &str,
) -> Result<(), ConfigError> {
    match values.iter().enumerate().find(|(_, value)| !fits(value)) {
        Some((at, value)) => Err(refused(&format!("{path}[{at}]"), value, reason)),
        None => Ok(()),
    }
}

/// The variable is named by its field: they mean the same.
fn refused(path: &str, value: &str, reason: &str) -> ConfigError {
    ConfigError::new(format!("oauth.{path}"), format!("{value:?} {reason}"))
}

/// What needs no escapes, neither in JSON nor in a quoted string.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
}

fn is_url(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    is_plain(text)
        && !text.contains(['#', '@'])
        && host.is_some_and(|host| !host.is_empty() && !host.starts_with(['/', '?', ':']))
}

fn is_path(text: &str) -> bool {
    is_plain(text) && text.starts_with('/') && !text.starts_with("//") && !text.contains('#')
}

/// `scope-token` of RFC 6749 section 3.3.
pub(super) fn is_scope(text: &str) -> bool {
    !text.is_empty() && is_plain(text)
}

/// The members of a JSON object.
#[derive(Default)]
struct Document(Vec<u8>);

impl Document {
    fn name(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.push(b',');
        }
        json::push_string(&mut self.0, name);
        self.0.push(b':');
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.name(name);
            json::push_string(&mut self.0, value);
        }
    }

    fn texts(&mut self, name: &str, values: Option<&[String]>) {
        let Some(values) = values else { return };
        self.name(name);
        json::push_strings(&mut self.0, values);
    }

    fn flag(&mut self, name: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.name(name);
            self.0
                .extend_from_slice(if value { b"true" } else { b"false" });
        }
    }
}

#[cfg(test)]
mod tests {
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
}
