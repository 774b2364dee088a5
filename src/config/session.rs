//! `session`: the sessions of legacy clients.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::duration::DurationSpec;
use super::fields::{Fields, FromValue, NonEmptyVec, OptionalFields};
use super::metadata_key::MetadataKeySpec;
use super::text::HttpToken;
use super::{ConfigError, Gateway, Protocol, secret};
use crate::mcp::{self, param_header};
use crate::policy::export;
use crate::seal::{KEY, Keys};

/// The longest session id that clients get, in bytes.
pub const LONGEST_SESSION_ID: usize = 6144;

/// The sessions of legacy clients.
#[derive(Debug, Clone)]
pub struct Sessions {
    /// The keys that seal them; `None` where each process makes its own key.
    pub keys: Option<Keys>,
    /// How long a session is valid.
    pub ttl: Duration,
    /// Where the filter finds the identity of a request's caller.
    pub identity: Option<Identity>,
}

/// The bytes that a session id needs in addition to the servers' parts: its end, its owner, and the
/// client's capabilities and `clientInfo`, with their usual lengths.
const CLIENTS_SHARE: usize = 600;

/// The bytes that a session id needs for each server in addition to the server's own session id.
const PART: usize = 6;

/// The bytes that should be available for each server's own session id; if there are fewer, there
/// is a warning. Many servers give ids of 32 characters or UUIDs, which take less.
const ENOUGH: usize = 32;

/// A warning if the session ids of the servers may not fit into the session ids of clients. It is
/// only needed with configured keys: without them, the gateway keeps the ids that do not fit.
pub(super) fn warning(gateway: &Gateway) -> Option<String> {
    gateway.sessions.keys.as_ref()?;
    let legacy = |gateway: &Gateway| {
        let servers = gateway.servers.iter();
        let legacy = servers.filter(|server| server.protocol != Protocol::Modern);
        legacy.count()
    };
    // A session has only the servers of one endpoint.
    let most = gateway.views.iter().map(legacy).max();
    let count = most.unwrap_or_else(|| legacy(gateway));
    // Base64 turns three bytes into four.
    let bytes = (LONGEST_SESSION_ID / 4 * 3).saturating_sub(CLIENTS_SHARE);
    let room = bytes.checked_div(count)?.saturating_sub(PART);
    (room < ENOUGH).then(|| {
        format!(
            "session: with keys, the session id of a client contains the session ids of {count} servers, in at most {LONGEST_SESSION_ID} bytes: about {room} bytes for each server. If the ids of the servers are longer, the gateway refuses initialize. To avoid this, set protocol: MODERN for servers without sessions, use fewer servers, or, if there is only one replica, remove keys"
        )
    })
}

impl Sessions {
    /// Whether the header `name`, in lower case, has the identity of the caller.
    pub fn is_identity_header(&self, name: &str) -> bool {
        matches!(&self.identity, Some(Identity::Header(header)) if header == name)
    }
}

/// Where the filter finds the identity of a request's caller.
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

/// The sessions of legacy clients (MCP up to 2025-11-25). The session id that a
/// client gets holds the whole session, encrypted. Nothing is stored, so every
/// replica with the same keys can serve it.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields, default)
)]
pub(super) struct SessionSpec {
    /// The keys that encrypt session ids: 32 bytes each, in base64, as
    /// `openssl rand -base64 32` prints them. The first key encrypts, every key
    /// decrypts. To change a key, add the new one as the second on every replica,
    /// then make it the first, then remove the old one. Not together with
    /// `keysFromEnv`.
    ///
    /// Default: each Envoy process makes a key at its start and logs a warning.
    keys: Option<NonEmptyVec<SessionKey>>,
    /// The environment variable that holds the keys, with commas between them.
    /// `vm_config.environment_variables` in Envoy must set it. Not together with
    /// `keys`.
    keys_from_env: Option<String>,
    /// How long a session is valid.
    ttl: DurationSpec,
    /// Where the filter finds the caller's identity in a request. With this, a session
    /// works only for the caller that began it. A request without an identity, or with
    /// two, gets 403. The gateway also keeps one session per caller with a legacy
    /// server for modern clients.
    ///
    /// Default: sessions are not bound to a caller.
    identity: Option<IdentitySpec>,
}

impl Default for SessionSpec {
    fn default() -> Self {
        Self {
            keys: None,
            keys_from_env: None,
            ttl: DurationSpec::from_secs(86_400),
            identity: None,
        }
    }
}

/// Where the filter finds the caller's identity in a request: exactly one of `header`
/// and `metadata`.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields)
)]
struct IdentitySpec {
    /// The name of a request header. An earlier filter must set it, so that no
    /// client can. Not one of the `x-mcp-*` headers that this filter sets itself,
    /// and not `mcp-method`, `mcp-name` or `mcp-param-*`.
    header: Option<HttpToken>,
    /// A value in the dynamic metadata that an earlier filter, such as
    /// `jwt_authn`, left.
    metadata: Option<MetadataKeySpec>,
}

/// A key: 32 bytes in base64, not all of them 0.
#[derive(Clone, Copy)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct SessionKey(
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", regex(pattern = r"^[A-Za-z0-9+/]{43}=$"))
    )]
    [u8; KEY],
);

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey")
    }
}

impl OptionalFields for SessionSpec {
    fn read(&mut self, fields: &mut Fields<'_>) {
        fields.set("keys", &mut self.keys);
        fields.set("keysFromEnv", &mut self.keys_from_env);
        fields.set("ttl", &mut self.ttl);
        fields.set("identity", &mut self.identity);
    }
}

impl OptionalFields for IdentitySpec {
    fn read(&mut self, fields: &mut Fields<'_>) {
        fields.set("header", &mut self.header);
        fields.set("metadata", &mut self.metadata);
    }
}

impl IdentitySpec {
    fn check(&self) -> Result<Identity, ConfigError> {
        match (&self.header, &self.metadata) {
            (Some(name), None) => identity_header(name.as_str()),
            (None, Some(key)) => Ok(Identity::Metadata {
                namespace: key.namespace(),
                path: key.path(),
            }),
            _ => Err(ConfigError::new(
                "session.identity",
                "must have either header or metadata",
            )),
        }
    }
}

/// The identity from the header `name`.
///
/// # Errors
/// Clients set this header, or this filter removes it from their requests.
fn identity_header(name: &str) -> Result<Identity, ConfigError> {
    let lower = name.to_ascii_lowercase();
    let is_mcp = [mcp::METHOD_HEADER, mcp::NAME_HEADER].contains(&lower.as_str())
        || lower.starts_with(param_header::PREFIX);
    if is_mcp || export::HEADERS.contains(&lower.as_str()) {
        return Err(ConfigError::new(
            "session.identity.header",
            format!("{name:?} is a header that this filter removes: choose another one"),
        ));
    }
    Ok(Identity::Header(lower))
}

impl FromValue for SessionKey {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        Self::decode(path, &String::from_value(path, value)?)
    }
}

impl SessionKey {
    /// Reads the key `text`. Errors do not show it.
    fn decode(path: &str, text: &str) -> Result<Self, ConfigError> {
        let bytes = STANDARD.decode(text).ok();
        let key = bytes
            .and_then(|bytes| <[u8; KEY]>::try_from(bytes).ok())
            .ok_or_else(|| {
                ConfigError::new(
                    path,
                    "must be 32 bytes in base64, as `openssl rand -base64 32` prints them",
                )
            })?;
        if key == [0; KEY] {
            return Err(ConfigError::new(
                path,
                "is all zeros, so everybody can guess it: make a key with `openssl rand -base64 32`",
            ));
        }
        Ok(Self(key))
    }
}

impl SessionSpec {
    /// Checks the section, and reads the keys from the environment variable if it names one.
    ///
    /// # Errors
    /// There are keys in both places, the variable has none, or a key is not valid.
    pub(super) fn check(
        &self,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Sessions, ConfigError> {
        Ok(Sessions {
            keys: self.keys(variable)?,
            ttl: self.ttl.get(),
            identity: self
                .identity
                .as_ref()
                .map(IdentitySpec::check)
                .transpose()?,
        })
    }

    fn keys(&self, variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Keys>, ConfigError> {
        let keys = match (&self.keys, &self.keys_from_env) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(ConfigError::new(
                    "session",
                    "must not have both keys and keysFromEnv",
                ));
            }
            (Some(keys), None) => keys.as_slice().to_vec(),
            (None, Some(name)) => keys_from_env(name, variable)?,
        };
        let keys = Keys::new(keys.into_iter().map(|key| key.0).collect());
        let unusable = || ConfigError::new("session", "has no key that can be used");
        keys.map(Some).ok_or_else(unusable)
    }
}

fn keys_from_env(
    name: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<SessionKey>, ConfigError> {
    let path = "session.keysFromEnv";
    let list = secret::from_env(path, name, variable)?;
    let texts = list.expose().split(',').map(str::trim).enumerate();
    let keys = texts.map(|(at, text)| SessionKey::decode(&format!("{path}[{at}]"), text));
    keys.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use wasm_bindgen_test::wasm_bindgen_test;

    const ONE: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    const TWO: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
    const ZEROS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

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
    fn many_servers_with_keys_are_warned_of() {
        let warnings = |count: usize, rest: &str, session: &str| {
            let server = |at| format!(r#"{{"name":"s{at}"{rest}}}"#);
            let servers: Vec<String> = (0..count).map(server).collect();
            let config = format!(r#"{{"servers":[{}]{session}}}"#, servers.join(","));
            Config::parse(config.as_bytes()).unwrap().warnings
        };
        let keys = format!(r#","session":{{"keys":["{ONE}"]}}"#);
        let modern = r#","protocol":"MODERN""#;
        for (count, rest, session) in [
            (100, "", &*keys),
            (200, "", ""),
            (200, modern, &keys),
            (0, "", ""),
        ] {
            let warnings = warnings(count, rest, session);
            assert!(warnings.is_empty(), "{count} {rest}: {warnings:?}");
        }
        let warnings = warnings(120, "", &keys);
        assert_eq!(warnings.len(), 1);
        let said =
            "the session ids of 120 servers, in at most 6144 bytes: about 27 bytes for each server";
        assert!(warnings[0].contains(said), "{warnings:?}");
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
            // The first key seals, and both keys open.
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
        let missing = r#"session.keysFromEnv: the variable "KEYS" is not set or is empty: set it in vm_config.environment_variables"#;
        let named = r#"{"keysFromEnv":"KEYS"}"#;
        let zeros_in_keys = "session.keys[1]: is all zeros, so everybody can guess it: make a key with `openssl rand -base64 32`";
        let zeros_in_variable = "session.keysFromEnv[0]: is all zeros, so everybody can guess it: make a key with `openssl rand -base64 32`";
        for (session, variable, expected) in [
            (
                list(&[]).as_str(),
                "",
                "session.keys: must have at least one entry",
            ),
            (&list(&[short]), "", &*in_keys),
            (&list(&[ONE, ZEROS]), "", zeros_in_keys),
            (named, ZEROS, zeros_in_variable),
            (&list(&[""]), "", &in_keys),
            (&list(&[unpadded]), "", &in_keys),
            (&list(&[&loose]), "", &in_keys),
            (&list(&[url_safe]), "", &in_keys),
            (&list(&[&format!("{ONE} ")]), "", &in_keys),
            (&list(&[ONE, short]), "", &in_keys.replace("[0]", "[1]")),
            (r#"{"keys":"x"}"#, "", "session.keys: must be a list"),
            (
                &format!(r#"{{"keys":["{ONE}"],"keysFromEnv":"KEYS"}}"#),
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
                "session.identity.header: must not be empty",
            ),
            (
                r#"{"identity":{"header":":path"}}"#,
                "",
                "session.identity.header: \":path\" must be letters, digits and !#$%&'*+-.^_`|~, as HTTP has them in names",
            ),
            (
                r#"{"identity":{"header":"a b"}}"#,
                "",
                "session.identity.header: \"a b\" must be letters, digits and !#$%&'*+-.^_`|~, as HTTP has them in names",
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
                "session.identity.metadata.path: must have at least one entry",
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
            "session: has no effect without servers: remove it, or add servers"
        );
    }
}
