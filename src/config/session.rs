//! `session`: as it is written, and checked.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::fields::{Fields, Read};
use super::{ConfigError, duration};
use crate::http::headers::is_token;
use crate::seal::{KEY, Keys};

/// The sessions of legacy clients.
#[derive(Debug, Clone)]
pub struct Sessions {
    /// What they are sealed with; without, a process makes its own.
    pub keys: Option<Keys>,
    /// How long one is good.
    pub ttl: Duration,
    /// What says whose one is.
    pub identity: Option<Identity>,
}

/// Where a request says who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// In this header, by its name in lower case.
    Header(String),
    /// In the dynamic metadata of an earlier filter.
    Metadata {
        /// The filter's namespace.
        namespace: String,
        /// The keys that lead to the value.
        path: Vec<String>,
    },
}

/// `session` as it is written. Not to be shown: it holds the keys.
pub(super) struct Session {
    keys: Option<Vec<String>>,
    keys_from_env: Option<String>,
    ttl: Option<String>,
    identity: Option<Identity>,
}

impl Read for Session {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            Ok(Self {
                keys: fields.take("keys")?,
                keys_from_env: fields.take("keysFromEnv")?,
                ttl: fields.take("ttl")?,
                identity: fields.take("identity")?,
            })
        })
    }
}

impl Read for Identity {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        let (header, metadata) = Fields::read(path, value, |fields| {
            Ok((
                fields.take::<String>("header")?,
                fields.take::<Metadata>("metadata")?,
            ))
        })?;
        match (header, metadata) {
            (Some(name), None) if is_token(&name) => Ok(Self::Header(name.to_ascii_lowercase())),
            (Some(name), None) => Err(ConfigError::new(
                format!("{path}.header"),
                format!("{name:?} is not the name of a header"),
            )),
            (None, Some(Metadata { namespace, path })) => Ok(Self::Metadata { namespace, path }),
            _ => Err(ConfigError::new(
                path,
                "must have either header or metadata",
            )),
        }
    }
}

/// A place in dynamic metadata.
pub(super) struct Metadata {
    pub(super) namespace: String,
    pub(super) path: Vec<String>,
}

impl Read for Metadata {
    fn read(at: &str, value: Value) -> Result<Self, ConfigError> {
        let (namespace, path) = Fields::read(at, value, |fields| {
            Ok((
                fields.required::<String>("namespace")?,
                fields.required::<Vec<String>>("path")?,
            ))
        })?;
        let empty = |name: &str| Err(ConfigError::new(name, "must not be empty"));
        if namespace.is_empty() {
            return empty(&format!("{at}.namespace"));
        }
        if path.is_empty() {
            return empty(&format!("{at}.path"));
        }
        if let Some(place) = path.iter().position(String::is_empty) {
            return empty(&format!("{at}.path[{place}]"));
        }
        Ok(Self { namespace, path })
    }
}

/// The sessions as configured, or with every default.
pub(super) fn check(
    wire: Option<&Session>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Sessions, ConfigError> {
    let ttl = wire.and_then(|wire| wire.ttl.as_deref()).unwrap_or("24h");
    Ok(Sessions {
        keys: wire.map(|wire| keys(wire, variable)).transpose()?.flatten(),
        ttl: duration::parse("session.ttl", ttl)?,
        identity: wire.and_then(|wire| wire.identity.clone()),
    })
}

/// No error shows a key, nor what is meant to be one.
fn keys(
    wire: &Session,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Keys>, ConfigError> {
    let (path, texts) = match (&wire.keys, &wire.keys_from_env) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(ConfigError::new(
                "session",
                "must not have both keys and keysFromEnv",
            ));
        }
        (Some(keys), None) => ("session.keys", keys.clone()),
        (None, Some(name)) => ("session.keysFromEnv", listed(name, variable)?),
    };
    let mut keys = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let bytes: Option<[u8; KEY]> = STANDARD.decode(text).ok().and_then(|it| it.try_into().ok());
        keys.push(bytes.ok_or_else(|| {
            ConfigError::new(
                format!("{path}[{at}]"),
                "must be 32 bytes in base64, as `openssl rand -base64 32` prints them",
            )
        })?);
    }
    match Keys::new(keys) {
        Some(keys) => Ok(Some(keys)),
        None => Err(ConfigError::new(path, "must have at least one key")),
    }
}

/// What the variable `name` lists.
fn listed(
    name: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<String>, ConfigError> {
    match variable(name) {
        Some(list) if !list.trim().is_empty() => {
            let texts = list.split(',').map(|text| text.trim().to_owned());
            Ok(texts.collect())
        }
        _ => Err(ConfigError::new(
            "session.keysFromEnv",
            format!(
                "the variable {name:?} is not there or empty: vm_config.environment_variables must give it"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use wasm_bindgen_test::wasm_bindgen_test;

    const ONE: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    const TWO: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

    fn parse(session: &str, variable: Option<&str>) -> Result<Sessions, ConfigError> {
        let config = format!(r#"{{"servers":[{{"name":"a"}}]{session}}}"#);
        let variable = |name: &str| variable.filter(|_| name == "KEYS").map(str::to_owned);
        let config = Config::parse_with(config.as_bytes(), &variable)?;
        Ok(config.gateway.unwrap().sessions)
    }

    fn key(byte: u8) -> Keys {
        Keys::new(vec![[byte; KEY]]).unwrap()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn each_gateway_has_sessions() {
        for session in ["", r#","session":{}"#, r#","session":null"#] {
            let sessions = parse(session, Some(ONE)).unwrap();
            assert!(sessions.keys.is_none() && sessions.identity.is_none());
            assert_eq!(sessions.ttl, Duration::from_secs(86_400));
        }
        let sessions = parse(r#","session":{"ttl":"90m"}"#, None).unwrap();
        assert_eq!(sessions.ttl, Duration::from_secs(5400));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn keys_come_from_the_configuration_or_from_a_variable() {
        let listed = format!(r#","session":{{"keys":["{ONE}","{TWO}"]}}"#);
        let named = r#","session":{"keys_from_env":"KEYS"}"#.to_owned();
        for (session, variable) in [
            (&listed, None),
            (&named, Some(format!("{ONE},{TWO}"))),
            (&named, Some(format!(" {ONE} ,\t{TWO}\n"))),
        ] {
            let keys = parse(session, variable.as_deref()).unwrap().keys.unwrap();
            // The first seals, both open.
            assert_eq!(keys.tag(&[b"x"]), key(1).tag(&[b"x"]));
            assert!(keys.verifies(&[b"x"], &key(2).tag(&[b"x"])));
            assert!(!keys.verifies(&[b"x"], &key(3).tag(&[b"x"])));
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn identity_is_a_header_or_metadata() {
        let identity = |text: &str| {
            let session = format!(r#","session":{{"identity":{text}}}"#);
            parse(&session, None).unwrap().identity.unwrap()
        };
        assert_eq!(
            identity(r#"{"header":"X-User-Id"}"#),
            Identity::Header("x-user-id".into())
        );
        assert_eq!(
            identity(
                r#"{"metadata":{"namespace":"envoy.filters.http.jwt_authn","path":["payload","sub"]}}"#
            ),
            Identity::Metadata {
                namespace: "envoy.filters.http.jwt_authn".into(),
                path: vec!["payload".into(), "sub".into()],
            }
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_no_session_is_refused_without_showing_a_key() {
        let short = "c2VjcmV0";
        let unpadded = ONE.trim_end_matches('=');
        let loose = ONE.replace("QE=", "QF=");
        let url_safe = "__________________________________________8=";
        let list = |keys: &[&str]| format!(r#"{{"keys":{keys:?}}}"#);
        let keys = "must be 32 bytes in base64, as `openssl rand -base64 32` prints them";
        let in_keys = format!("session.keys[0]: {keys}");
        let in_variable = format!("session.keysFromEnv[1]: {keys}");
        let missing = r#"session.keysFromEnv: the variable "KEYS" is not there or empty: vm_config.environment_variables must give it"#;
        let named = r#"{"keysFromEnv":"KEYS"}"#;
        for (session, variable, expected) in [
            (
                list(&[]).as_str(),
                "",
                "session.keys: must have at least one key",
            ),
            (&list(&[short]), "", &*in_keys),
            (&list(&[""]), "", &in_keys),
            (&list(&[unpadded]), "", &in_keys),
            (&list(&[&loose]), "", &in_keys),
            (&list(&[url_safe]), "", &in_keys),
            (&list(&[&format!("{ONE} ")]), "", &in_keys),
            (&list(&[ONE, short]), "", &in_keys.replace("[0]", "[1]")),
            (r#"{"keys":"x"}"#, "", "session.keys: must be a list"),
            (
                r#"{"keys":[],"keysFromEnv":"KEYS"}"#,
                ONE,
                "session: must not have both keys and keysFromEnv",
            ),
            (
                r#"{"keysFromEnv":"OTHER"}"#,
                ONE,
                &missing.replace("KEYS", "OTHER"),
            ),
            (r#"{"keysFromEnv":""}"#, ONE, &missing.replace("KEYS", "")),
            (named, "", missing),
            (named, " ", missing),
            (named, &format!("{ONE},{short}"), &in_variable),
            (named, &format!("{ONE},"), &in_variable),
            (
                r#"{"ttl":"0s"}"#,
                "",
                "session.ttl: \"0s\" must be at least 1ms",
            ),
            (
                r#"{"ttl":"1 day"}"#,
                "",
                "session.ttl: \"1 day\" is not a duration such as \"5s\", \"250ms\" or \"1.5s\"",
            ),
            (
                r#"{"key":[]}"#,
                "",
                "session.key: unknown field, expected one of keys, keysFromEnv, ttl, identity",
            ),
            (
                r#"{"identity":{}}"#,
                "",
                "session.identity: must have either header or metadata",
            ),
            (
                r#"{"identity":{"header":"a","metadata":{"namespace":"n","path":["p"]}}}"#,
                "",
                "session.identity: must have either header or metadata",
            ),
            (
                r#"{"identity":{"header":""}}"#,
                "",
                "session.identity.header: \"\" is not the name of a header",
            ),
            (
                r#"{"identity":{"header":":path"}}"#,
                "",
                "session.identity.header: \":path\" is not the name of a header",
            ),
            (
                r#"{"identity":{"header":"a b"}}"#,
                "",
                "session.identity.header: \"a b\" is not the name of a header",
            ),
            (
                r#"{"identity":{"metadata":{"path":["p"]}}}"#,
                "",
                "session.identity.metadata: missing field `namespace`",
            ),
            (
                r#"{"identity":{"metadata":{"namespace":"","path":["p"]}}}"#,
                "",
                "session.identity.metadata.namespace: must not be empty",
            ),
            (
                r#"{"identity":{"metadata":{"namespace":"n","path":[]}}}"#,
                "",
                "session.identity.metadata.path: must not be empty",
            ),
            (
                r#"{"identity":{"metadata":{"namespace":"n","path":["p",""]}}}"#,
                "",
                "session.identity.metadata.path[1]: must not be empty",
            ),
            (
                r#"{"identity":{"metadata":{"namespace":"n","path":"p"}}}"#,
                "",
                "session.identity.metadata.path: must be a list",
            ),
        ] {
            let error = parse(&format!(r#","session":{session}"#), Some(variable));
            assert_eq!(error.expect_err(session).to_string(), expected, "{session}");
        }
        let error = Config::parse(br#"{"session":{}}"#).expect_err("policy mode");
        assert_eq!(
            error.to_string(),
            "session: needs servers: only a gateway has sessions"
        );
    }
}
