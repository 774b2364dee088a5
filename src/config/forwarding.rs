//! Which headers go to servers: `passthroughHeaders`, and a server's own
//! `headers`; as they are written, and checked.

use std::fmt;

use serde_json::Value;

use super::fields::{Fields, Read};
use super::{ConfigError, Server, wire};
use crate::http::headers::is_token;
use crate::policy::export;

/// A header of a client's that goes on to a server; names in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// What the client calls it.
    pub name: String,
    /// What the server gets it as.
    pub target: String,
    /// A request without it is refused.
    pub required: bool,
}

/// A value that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Headers that say whose the request is: they go only where
/// `allowCredentialHeaders` lets them.
const CREDENTIALS: &[&str] = &["authorization", "cookie"];

/// Headers that belong to one connection, say where the request came from, or
/// are written for each server by the gateway itself.
const RESTRICTED: &[&str] = &[
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "last-event-id",
    "origin",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-real-ip",
];

/// What the names of others of them start with; `:` are pseudo-headers.
const RESTRICTED_STARTS: &[&str] = &[":", "mcp-", "proxy-", "x-envoy-", "x-forwarded-"];

fn is_restricted(name: &str) -> bool {
    RESTRICTED.contains(&name)
        || export::HEADERS.contains(&name)
        || RESTRICTED_STARTS
            .iter()
            .any(|start| name.starts_with(start))
}

/// An entry of `passthroughHeaders` as it is written.
pub(super) struct Entry {
    name: String,
    target: Option<String>,
    required: bool,
}

impl Read for Entry {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        match value {
            Value::String(name) => Ok(Self {
                name,
                target: None,
                required: false,
            }),
            Value::Object(_) => Fields::read(path, value, |fields| {
                Ok(Self {
                    name: fields.required("name")?,
                    target: fields.take("as")?,
                    required: fields.or("required", false)?,
                })
            }),
            _ => Err(ConfigError::new(path, "must be a name or an object")),
        }
    }
}

/// A header of a server's own as it is written. Not to be shown.
pub(super) struct Field {
    name: String,
    value: Option<String>,
    value_from_env: Option<String>,
}

impl Read for Field {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            Ok(Self {
                name: fields.required("name")?,
                value: fields.take("value")?,
                value_from_env: fields.take("valueFromEnv")?,
            })
        })
    }
}

/// What all servers get, and what each is checked by.
pub(super) struct Forwarding<'a> {
    global: Vec<Forwarded>,
    has_oauth: bool,
    variable: &'a dyn Fn(&str) -> Option<String>,
}

/// What a server gets: of a client's headers, and of its own.
type Checked = (Vec<Forwarded>, Vec<(String, Secret)>);

/// Names that a server gets already, and what gives them.
type Taken = Vec<(String, String)>;

impl<'a> Forwarding<'a> {
    /// The global `passthroughHeaders`. Credentials go to every server then, so
    /// every one has to allow them. With `oauth` the client's token is for this
    /// gateway, and nobody else gets it.
    pub(super) fn new(
        wire: &wire::Config,
        has_oauth: bool,
        variable: &'a dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let mut enabled = wire.servers.iter().filter(|server| server.enabled);
        let all_allow = !wire.servers.is_empty() && enabled.all(|it| it.allow_credential_headers);
        let (path, entries) = ("passthroughHeaders", &wire.passthrough_headers);
        Ok(Self {
            global: checked(path, entries, (all_allow, has_oauth), &mut Taken::new())?,
            has_oauth,
            variable,
        })
    }

    /// What goes to the server at the path `at`: of a client's headers, and of
    /// its own. Values of one that is disabled are not looked for.
    pub(super) fn of(&self, at: &str, wire: &wire::Server) -> Result<Checked, ConfigError> {
        let global = self.global.iter().enumerate();
        let mut taken: Taken = global
            .map(|(at, it)| (it.target.clone(), format!("passthroughHeaders[{at}]")))
            .collect();
        let path = format!("{at}.passthroughHeaders");
        let allowed = (wire.allow_credential_headers, self.has_oauth);
        let own = checked(&path, &wire.passthrough_headers, allowed, &mut taken)?;
        let passed: Vec<Forwarded> = self.global.iter().cloned().chain(own).collect();
        if wire.enabled && wire.list_ttl.is_some() && !passed.is_empty() {
            return Err(ConfigError::new(
                format!("{at}.listTtl"),
                "cannot go with passthroughHeaders: what one caller is shown would be kept for all",
            ));
        }
        let mut fields = Vec::with_capacity(wire.headers.len());
        for (place, field) in wire.headers.iter().enumerate() {
            let path = format!("{at}.headers[{place}]");
            let name = named(&path, &field.name, true, "set")?;
            take(&mut taken, &path, &name)?;
            if wire.enabled {
                fields.push((name, self.value(&path, field)?));
            }
        }
        Ok((passed, fields))
    }

    /// The value of a server's own header. No error shows it.
    fn value(&self, path: &str, field: &Field) -> Result<Secret, ConfigError> {
        let (member, value) = match (&field.value, &field.value_from_env) {
            (Some(value), None) => ("value", value.clone()),
            (None, Some(name)) => {
                let value = (self.variable)(name).filter(|value| !value.is_empty());
                let missing = || {
                    let reason = format!(
                        "the variable {name:?} is not there or empty: vm_config.environment_variables must give it"
                    );
                    ConfigError::new(format!("{path}.valueFromEnv"), reason)
                };
                ("valueFromEnv", value.ok_or_else(missing)?)
            }
            _ => {
                return Err(ConfigError::new(
                    path,
                    "must have either value or valueFromEnv",
                ));
            }
        };
        if is_value(&value) {
            Ok(Secret(value))
        } else {
            Err(ConfigError::new(
                format!("{path}.{member}"),
                "must give visible ASCII, with blanks only between",
            ))
        }
    }

    /// What clients call the headers that go on to `servers`, each once.
    pub(super) fn names(&self, servers: &[Server]) -> Vec<String> {
        let own = servers.iter().flat_map(|server| &server.passthrough);
        let mut names: Vec<String> = Vec::new();
        for Forwarded { name, .. } in self.global.iter().chain(own) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }
}

/// What the operator should be told of servers that get their callers' credentials.
pub(super) fn warnings(servers: &[Server]) -> Vec<String> {
    let told = servers.iter().filter_map(|server| {
        let gets = |name: &&&str| {
            let is = |it: &Forwarded| it.name == **name || it.target == **name;
            server.passthrough.iter().any(is)
        };
        let got: Vec<&str> = CREDENTIALS.iter().filter(gets).copied().collect();
        (!got.is_empty()).then(|| {
            format!(
                "server {} gets its callers' {}: allowCredentialHeaders is right only for credentials that were issued to be used there, tokens with it as their audience",
                server.name,
                got.join(" and ")
            )
        })
    });
    told.collect()
}

/// Entries at `path`; with whether credentials may go on, and whether the
/// client's `authorization` is this gateway's own.
fn checked(
    path: &str,
    entries: &[Entry],
    (credentials, has_oauth): (bool, bool),
    taken: &mut Taken,
) -> Result<Vec<Forwarded>, ConfigError> {
    let mut list = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        let path = format!("{path}[{at}]");
        let name = named(&path, &entry.name, credentials, "forwarded")?;
        let target = match &entry.target {
            Some(target) => named(&path, target, credentials, "forwarded")?,
            None => name.clone(),
        };
        if has_oauth && name == "authorization" {
            let reason = format!(
                "{:?} is a restricted header and cannot be forwarded: with oauth its token is for this gateway",
                entry.name
            );
            return Err(ConfigError::new(path, reason));
        }
        take(taken, &path, &target)?;
        list.push(Forwarded {
            name,
            target,
            required: entry.required,
        });
    }
    Ok(list)
}

/// The header's name in lower case, if it may be `done`.
fn named(path: &str, name: &str, credentials: bool, done: &str) -> Result<String, ConfigError> {
    let refused = |reason: String| Err(ConfigError::new(path, reason));
    if name.trim().is_empty() {
        return refused("header name must not be empty".to_owned());
    }
    let lower = name.to_ascii_lowercase();
    if is_restricted(&lower) || (!credentials && CREDENTIALS.contains(&&*lower)) {
        return refused(format!(
            "{name:?} is a restricted header and cannot be {done}"
        ));
    }
    if !is_token(name) {
        return refused(format!("{name:?} is not the name of a header"));
    }
    Ok(lower)
}

/// A server gets each name from one place.
fn take(taken: &mut Taken, path: &str, target: &str) -> Result<(), ConfigError> {
    if let Some((_, by)) = taken.iter().find(|(name, _)| name == target) {
        let reason = format!("{target:?} is sent already, by {by}");
        return Err(ConfigError::new(path, reason));
    }
    taken.push((target.to_owned(), path.to_owned()));
    Ok(())
}

/// A field's value (RFC 9110 section 5.5), without what only some read alike.
fn is_value(text: &str) -> bool {
    let is_blank = |byte: u8| byte == b' ' || byte == b'\t';
    let fits = |byte: u8| byte.is_ascii_graphic() || is_blank(byte);
    !text.is_empty()
        && text.bytes().all(fits)
        && !text.starts_with([' ', '\t'])
        && !text.ends_with([' ', '\t'])
}

#[cfg(test)]
mod tests {
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

    /// The contract's own names, one for each pattern and more.
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
                "servers[0].headers[0].valueFromEnv: the variable {name:?} is not there or empty: vm_config.environment_variables must give it"
            )
        };
        let either = "servers[0].headers[0]: must have either value or valueFromEnv";
        let visible = "must give visible ASCII, with blanks only between";
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
                "passthroughHeaders[1]: \"x\" is sent already, by passthroughHeaders[0]",
            ),
            (
                r#"{"passthroughHeaders":["x",{"name":"y","as":"x"}]}"#.to_owned(),
                "passthroughHeaders[1]: \"x\" is sent already, by passthroughHeaders[0]",
            ),
            (
                r#"{"passthroughHeaders":["y","x"],"servers":[{"name":"b"},{"name":"a","passthroughHeaders":["x"]}]}"#
                    .to_owned(),
                "servers[1].passthroughHeaders[0]: \"x\" is sent already, by passthroughHeaders[1]",
            ),
            (
                own(&format!(r#""passthroughHeaders":["X-Key"],{key}"#)),
                "servers[0].headers[0]: \"x-key\" is sent already, by servers[0].passthroughHeaders[0]",
            ),
            (
                own(r#""headers":[{"name":"x","value":"1"},{"name":"X","value":"2"}]"#),
                "servers[0].headers[1]: \"x\" is sent already, by servers[0].headers[0]",
            ),
            (
                own(r#""listTtl":"1m","passthroughHeaders":["x"]"#),
                "servers[0].listTtl: cannot go with passthroughHeaders: what one caller is shown would be kept for all",
            ),
            (
                r#"{"passthroughHeaders":["x"],"servers":[{"name":"a","listTtl":"1m"}]}"#.to_owned(),
                "servers[0].listTtl: cannot go with passthroughHeaders: what one caller is shown would be kept for all",
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
        // One source may go by several names, names may be swapped, blanks may
        // stand between, and what is not asked needs no value.
        for text in [
            r#"{"passthroughHeaders":["x",{"name":"x","as":"y"}]}"#,
            r#"{"passthroughHeaders":[{"name":"y","as":"x"},{"name":"x","as":"y"}]}"#,
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
        let global = "passthroughHeaders[0]: \"authorization\" is a restricted header and cannot be forwarded";
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
        // In front of authentication there are no servers.
        let first = r#"{"trafficMode":"NOOP","cors":{},"passthroughHeaders":["x-a"]}"#;
        let headers = parse(first).unwrap().cors.unwrap().headers;
        assert!(headers.ends_with(", mcp-name, x-a"), "{headers}");
    }
}
