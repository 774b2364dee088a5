//! `server/discover`: what the servers can do together, as far as the gateway
//! delivers it (MCP 2026-07-28, "Discovery").

use std::rc::Rc;

use super::failure::Failure;
use super::freshness::Freshness;
use super::kind::Kind;
use super::list;
use super::offers::Offers;
use crate::mcp::json::{self, Shape};
use crate::mcp::version;

/// What the gateway reads of one server's `DiscoverResult`.
#[derive(Debug, PartialEq, Eq)]
pub struct Discovered {
    offers: Offers,
    /// The JSON text of `capabilities`.
    capabilities: String,
    instructions: Option<String>,
    freshness: Freshness,
}

impl Discovered {
    /// Reads the `result` of `server/discover`.
    ///
    /// # Errors
    /// It is no such result, or the server speaks no version that is spoken here.
    pub fn read(result: &str) -> Result<Self, Failure> {
        const NONSENSE: Failure = Failure::Nonsense("no result of server/discover");
        let (mut versions, mut capabilities, mut instructions, mut ttl, mut scope) =
            (None, None, None, None, None);
        let shape = json::members(result, |name, value| match name.as_ref() {
            "supportedVersions" => versions = Some(value),
            "capabilities" => capabilities = Some(value),
            "instructions" => instructions = Some(value),
            "ttlMs" => ttl = Some(value),
            "cacheScope" => scope = Some(value),
            _ => {}
        });
        let (Ok(Shape::Object { unique: true }), Some(versions), Some(capabilities)) =
            (shape, versions, capabilities)
        else {
            return Err(NONSENSE);
        };
        let mut spoken = false;
        let listed = json::elements(versions, |version| {
            spoken |= json::string(version)
                .is_some_and(|version| version::MODERN.contains(&version.as_ref()));
        });
        if listed.is_err() || !spoken {
            return Err(Failure::Version);
        }
        let freshness = Freshness::read(ttl, scope);
        Self::new(capabilities, instructions, freshness).ok_or(NONSENSE)
    }

    /// What a server says with these members, each as it stands, of either era;
    /// `None` when that are no capabilities.
    pub fn new(
        capabilities: &str,
        instructions: Option<&str>,
        freshness: Freshness,
    ) -> Option<Self> {
        Some(Self {
            offers: Offers::read(capabilities)?,
            capabilities: capabilities.to_owned(),
            instructions: instructions
                .and_then(json::string)
                .map(std::borrow::Cow::into_owned),
            freshness,
        })
    }

    /// What the server offers.
    pub fn offers(&self) -> Offers {
        self.offers
    }

    /// Whether the server has lists of this kind.
    pub fn has(&self, kind: Kind) -> bool {
        self.offers.has(kind)
    }
}

/// A server that has said what it can do.
#[derive(Debug)]
pub struct Met<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it said.
    pub discovered: Rc<Discovered>,
    /// It is of another era than the client.
    pub is_bridged: bool,
}

impl Met<'_> {
    /// What it offers to that client: levels of its log are a session's in one
    /// era and a request's in the other.
    pub fn offers(&self) -> Offers {
        let offers = self.discovered.offers;
        if self.is_bridged {
            offers.without(Offers::LOGGING)
        } else {
            offers
        }
    }
}

/// The gateway's own `DiscoverResult`, from the servers that answered, no
/// fresher than `start`. A `sole` server's capabilities are the gateway's, where
/// all of its messages pass.
pub fn merge(servers: &[Met<'_>], sole: bool, start: Freshness, server_info: &str) -> Vec<u8> {
    let mut out = br#"{"resultType":"complete","supportedVersions":"#.to_vec();
    json::push_strings(&mut out, version::MODERN);
    out.push(b',');
    push_common(&mut out, servers, sole);
    out.push(b',');
    servers
        .iter()
        .fold(start, |all, server| all.and(server.discovered.freshness))
        .push_json(&mut out);
    list::push_server_info(&mut out, server_info);
    out.push(b'}');
    out
}

/// The gateway's own `InitializeResult`, in the `version` that it speaks with
/// the client (MCP 2025-11-25, "Initialization").
pub fn initialized(servers: &[Met<'_>], sole: bool, version: &str, server_info: &str) -> Vec<u8> {
    let mut out = br#"{"protocolVersion":"#.to_vec();
    json::push_string(&mut out, version);
    out.push(b',');
    push_common(&mut out, servers, sole);
    out.extend_from_slice(br#","serverInfo":"#);
    out.extend_from_slice(server_info.as_bytes());
    out.push(b'}');
    out
}

/// Appends the members `capabilities` and `instructions`.
fn push_common(out: &mut Vec<u8>, servers: &[Met<'_>], sole: bool) {
    out.extend_from_slice(br#""capabilities":"#);
    match servers {
        [server] if sole && !server.is_bridged => {
            out.extend_from_slice(server.discovered.capabilities.as_bytes());
        }
        _ => {
            let offers = servers.iter().map(Met::offers);
            let united = offers.fold(Offers::NONE, Offers::union);
            out.extend_from_slice(united.json().as_bytes());
        }
    }
    let instructions = instructions(servers);
    if !instructions.is_empty() {
        out.extend_from_slice(br#","instructions":"#);
        json::push_string(out, &instructions);
    }
}

/// The instructions of all servers, each under its name where there are several.
fn instructions(servers: &[Met<'_>]) -> String {
    let given = servers
        .iter()
        .filter_map(|server| Some((server.name, server.discovered.instructions.as_deref()?)));
    let parts: Vec<String> = given
        .map(|(name, text)| {
            if servers.len() > 1 {
                format!("{name}: {text}")
            } else {
                text.to_owned()
            }
        })
        .collect();
    parts.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use wasm_bindgen_test::wasm_bindgen_test;

    fn result(capabilities: &str, rest: &str) -> String {
        format!(
            r#"{{"resultType":"complete","supportedVersions":["2025-11-25","2026-07-28"],"capabilities":{capabilities}{rest}}}"#
        )
    }

    fn met(servers: &[(&'static str, Rc<Discovered>)]) -> Vec<Met<'static>> {
        let met = servers.iter().map(|(name, discovered)| Met {
            name,
            discovered: Rc::clone(discovered),
            is_bridged: false,
        });
        met.collect()
    }

    fn merged(servers: &[(&'static str, Rc<Discovered>)], sole: bool) -> Value {
        let info = r#"{"name":"g","version":"1"}"#;
        serde_json::from_slice(&merge(&met(servers), sole, Freshness::ALL, info)).unwrap()
    }

    fn read(text: &str) -> Rc<Discovered> {
        Rc::new(Discovered::read(text).unwrap())
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn capabilities_are_united_and_restricted_to_what_is_delivered() {
        let a = read(&result(
            r#"{"tools":{"listChanged":true},"logging":{},"extensions":{"x/y":{}}}"#,
            r#","instructions":"Use a.","ttlMs":9,"cacheScope":"public""#,
        ));
        let b = read(&result(
            r#"{"resources":{"subscribe":true},"completions":{},"prompts":null}"#,
            r#","instructions":"Use b.","ttlMs":5,"cacheScope":"public""#,
        ));
        assert!(a.has(Kind::Tools) && !a.has(Kind::Prompts) && !a.has(Kind::Resources));
        assert!(!b.has(Kind::Tools) && b.has(Kind::Templates) && b.has(Kind::Resources));
        assert_eq!(
            merged(&[("a", a), ("b", b)], false),
            json!({
                "resultType": "complete",
                "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {}, "resources": {}, "completions": {}, "logging": {}},
                "instructions": "a: Use a.\n\nb: Use b.",
                "ttlMs": 5,
                "cacheScope": "public",
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "g", "version": "1"}},
            })
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_no_server_has_is_not_promised() {
        let a = read(&result(r#"{"tools":null}"#, ""));
        let merged = merged(&[("a", a)], false);
        assert_eq!(merged["capabilities"], json!({}));
        assert_eq!(
            (&merged["ttlMs"], &merged["cacheScope"]),
            (&json!(0), &json!("private"))
        );
        assert!(merged.get("instructions").is_none());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_sole_servers_capabilities_are_the_gateways() {
        let capabilities = r#"{"tools":{"listChanged":true},"extensions":{"x/y":{"n":1.10}}}"#;
        let merged = merge(
            &met(&[("a", read(&result(capabilities, "")))]),
            true,
            Freshness::ALL,
            "{}",
        );
        let merged = String::from_utf8(merged).unwrap();
        let expected = format!(r#""capabilities":{capabilities},"#);
        assert!(merged.contains(&expected), "{merged}");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_no_discover_result_is_told_so() {
        for text in [
            "{}",
            "[]",
            "1",
            r#"{"supportedVersions":["2026-07-28"]}"#,
            r#"{"supportedVersions":["2026-07-28"],"capabilities":[]}"#,
        ] {
            assert_eq!(
                Discovered::read(text),
                Err(Failure::Nonsense("no result of server/discover")),
                "{text}"
            );
        }
        for text in [
            r#"{"supportedVersions":["2025-11-25"],"capabilities":{}}"#,
            r#"{"supportedVersions":"2026-07-28","capabilities":{}}"#,
        ] {
            assert_eq!(Discovered::read(text), Err(Failure::Version), "{text}");
        }
    }
}
