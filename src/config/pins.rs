//! `pins`: which definitions the tools of a server must have.

use serde_json::Value;

use super::fields::{ByName, Fields, FromValue, one_of};
use super::text::text;
use super::{ConfigError, ConfigSpec};
use crate::seal;

/// Digests of the definitions that the tools of some servers must have. A tool of such a
/// server with a different definition, or without a pin, has changed:
/// `mcp.pins.changed` counts it. `mcp-gateway pin` writes this section. Only with `servers`.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields)
)]
pub(super) struct PinsSpec {
    /// What happens to a tool that has changed.
    policy: PinPolicy,
    /// The pins of each server that the gateway checks, by its name. `tools` has a digest for each
    /// of its tools, by the server's own name of the tool: `sha256:` and 64 hexadecimal
    /// digits, the SHA-256 of the canonical form (RFC 8785) of the object of the `name`,
    /// `title`, `description`, `inputSchema`, `outputSchema` and `annotations` that the
    /// server sends. Servers that are not named here are not checked.
    #[cfg_attr(
        feature = "schema",
        schemars(title = "object of servers", extend("minProperties" = 1))
    )]
    servers: ByName<PinnedServerSpec>,
}

/// The pins of one server.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(inline, rename_all = "camelCase", deny_unknown_fields)
)]
struct PinnedServerSpec {
    /// The digests of its tools, by its own names.
    tools: ByName<PinDigest>,
}

text! {
    /// `sha256:` and 64 hexadecimal digits.
    PinDigest,
    [regex(pattern = r"^sha256:[0-9A-Fa-f]{64}$")],
    |text| digest_of(text).is_some(),
    "must be \"sha256:\" and 64 hexadecimal digits"
}

/// `pins.policy`: what happens to a tool that has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema, serde::Serialize),
    schemars(inline),
    serde(rename_all = "SCREAMING_SNAKE_CASE")
)]
pub enum PinPolicy {
    /// The log has a line for each, once. Lists show it, and calls go to its server.
    Warn,
    /// No list shows it, and a call of it is one of an unknown tool.
    Hide,
    /// Lists show it. A call of it is refused with 403, `tool definition changed`.
    Deny,
}

impl FromValue for PinPolicy {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        let choices = [
            ("WARN", Self::Warn),
            ("HIDE", Self::Hide),
            ("DENY", Self::Deny),
        ];
        one_of(path, value, &choices)
    }
}

impl FromValue for PinsSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            let spec = Self {
                policy: fields.required("policy")?,
                servers: fields.required("servers")?,
            };
            if spec.servers.as_slice().is_empty() {
                let path = format!("{path}.servers");
                return Err(ConfigError::new(path, "must have at least one entry"));
            }
            Ok(spec)
        })
    }
}

impl FromValue for PinnedServerSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            Ok(Self {
                tools: fields.required("tools")?,
            })
        })
    }
}

/// The digest that `text` writes.
fn digest_of(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("sha256:")?;
    let mut digest = [0; 32];
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != digest.len() {
        return None;
    }
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        let value = |digit: u8| char::from(digit).to_digit(16);
        let both = value(*high)?.checked_mul(16)?.checked_add(value(*low)?)?;
        *byte = u8::try_from(both).ok()?;
    }
    Some(digest)
}

/// Checks that all servers in `pins` exist.
///
/// # Errors
/// A server does not exist.
pub(super) fn check(spec: &ConfigSpec) -> Result<(), ConfigError> {
    if spec.servers.is_empty() {
        // Without `servers`, the whole section has no effect. Another check reports that.
        return Ok(());
    }
    let pinned = spec.pins.iter().flat_map(|pins| pins.servers.as_slice());
    let is_there = |name: &str| spec.servers.iter().any(|it| it.name.as_str() == name);
    for (name, _) in pinned {
        if !is_there(name) {
            return Err(ConfigError::new(
                format!("pins.servers.{name}"),
                "no server has this name: correct it, or remove the entry",
            ));
        }
    }
    Ok(())
}

/// The pins of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerPins {
    /// What happens to a tool that has changed.
    pub policy: PinPolicy,
    /// The server's own names of tools, in their order, and the digests.
    tools: Vec<(String, [u8; 32])>,
    /// A digest that is different for other pins, and for other servers.
    pub fingerprint: [u8; 32],
}

impl ServerPins {
    /// The pins of the server with this `name`; `None` where the server has none.
    pub(super) fn of(spec: &ConfigSpec, name: &str) -> Option<Self> {
        let pins = spec.pins.as_ref()?;
        let mut servers = pins.servers.as_slice().iter();
        let (_, server) = servers.find(|(known, _)| known == name)?;
        let mut tools = Vec::new();
        for (name, text) in server.tools.as_slice() {
            tools.push((name.clone(), digest_of(text.as_str())?));
        }
        let policy = format!("{:?}", pins.policy);
        let mut parts = vec![name.as_bytes(), policy.as_bytes()];
        for (name, digest) in &tools {
            parts.extend([name.as_bytes(), digest]);
        }
        let fingerprint = seal::digest(&parts);
        Some(Self {
            policy: pins.policy,
            tools,
            fingerprint,
        })
    }

    /// The index of the pin of the tool that the server calls `own`.
    pub fn place(&self, own: &str) -> Option<usize> {
        let found = self
            .tools
            .binary_search_by(|(name, _)| name.as_str().cmp(own));
        found.ok()
    }

    /// The digest of the pin with the index `place`.
    pub fn digest(&self, place: usize) -> Option<&[u8; 32]> {
        Some(&self.tools.get(place)?.1)
    }

    /// The names of all tools with pins, in the order of their indexes.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tools.iter().map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn pins_belong_to_their_server() {
        let digest = "0f".repeat(32);
        let config = format!(
            r#"{{"servers":[{{"name":"a"}},{{"name":"b"}},{{"name":"off","enabled":false}}],"pins":{{"policy":"HIDE","servers":{{"b":{{"tools":{{"get_x":"sha256:{digest}","getX":"sha256:{}"}}}},"off":{{"tools":{{}}}}}}}}}}"#,
            digest.to_uppercase()
        );
        let servers = Config::parse(config.as_bytes())
            .unwrap()
            .gateway
            .unwrap()
            .servers;
        assert_eq!(servers[0].pins, None);
        let pins = servers[1].pins.as_ref().unwrap();
        assert_eq!(pins.policy, PinPolicy::Hide);
        assert_eq!(pins.names().collect::<Vec<_>>(), ["getX", "get_x"]);
        for name in ["getX", "get_x"] {
            let place = pins.place(name).unwrap();
            assert_eq!(pins.digest(place), Some(&[0x0f; 32]));
        }
        assert_eq!(pins.place("get"), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_digest_is_64_digits_of_sha_256() {
        let digest = |text: &str| digest_of(text);
        assert_eq!(
            digest(&format!("sha256:{}", "aB".repeat(32))),
            Some([0xab; 32])
        );
        for text in [
            String::new(),
            "sha256:".to_owned(),
            "ab".repeat(32),
            format!("sha256:{}", "a".repeat(63)),
            format!("sha256:{}", "a".repeat(65)),
            format!("sha256:{}", "+1".repeat(32)),
            format!("sha256:{}", "é".repeat(32)),
            format!("SHA256:{}", "ab".repeat(32)),
            format!("sha512:{}", "ab".repeat(32)),
        ] {
            assert_eq!(digest(&text), None, "{text}");
        }
    }
}
