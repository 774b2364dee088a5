//! What the servers can do together, as far as the gateway delivers it: the
//! results of `server/discover` (MCP 2026-07-28, "Discovery") and `initialize`
//! (MCP 2025-11-25, "Initialization").

use std::rc::Rc;

use super::merged_list;
use crate::gateway::upstream::discovered::ServerDescription;
use crate::mcp::cache_hints::CacheHints;
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::json;
use crate::mcp::version;

/// A server that has said what it can do.
#[derive(Debug)]
pub struct DiscoveredServer<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it said.
    pub discovered: Rc<ServerDescription>,
    /// It is of another era than the client.
    pub is_bridged: bool,
}

impl DiscoveredServer<'_> {
    /// What it offers to that client: levels of its log are a session's in one
    /// era and a request's in the other.
    pub fn offers(&self) -> ServerCapabilities {
        let offers = self.discovered.offers;
        if self.is_bridged {
            offers.without(ServerCapabilities::LOGGING)
        } else {
            offers
        }
    }
}

/// The gateway's own `DiscoverResult`, from the servers that answered, no
/// fresher than `start`. A `sole` server's capabilities are the gateway's, where
/// all of its messages pass.
pub fn merge(
    servers: &[DiscoveredServer<'_>],
    sole: bool,
    start: CacheHints,
    server_info: &str,
) -> Vec<u8> {
    let mut out = br#"{"resultType":"complete","supportedVersions":"#.to_vec();
    json::push_strings(&mut out, version::MODERN);
    out.push(b',');
    push_common(&mut out, servers, sole);
    out.push(b',');
    servers
        .iter()
        .fold(start, |all, server| all.and(server.discovered.cache_hints))
        .push_json(&mut out);
    merged_list::push_server_info(&mut out, server_info);
    out.push(b'}');
    out
}

/// The gateway's own `InitializeResult`, in the `version` that it speaks with
/// the client (MCP 2025-11-25, "Initialization").
pub fn initialized(
    servers: &[DiscoveredServer<'_>],
    sole: bool,
    version: &str,
    server_info: &str,
) -> Vec<u8> {
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
fn push_common(out: &mut Vec<u8>, servers: &[DiscoveredServer<'_>], sole: bool) {
    out.extend_from_slice(br#""capabilities":"#);
    match servers {
        [server] if sole && !server.is_bridged => {
            out.extend_from_slice(server.discovered.capabilities.as_bytes());
        }
        _ => {
            let offers = servers.iter().map(DiscoveredServer::offers);
            let united = offers.fold(ServerCapabilities::NONE, ServerCapabilities::union);
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
fn instructions(servers: &[DiscoveredServer<'_>]) -> String {
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
    use crate::mcp::list::ListKind;
    use serde_json::{Value, json};
    use wasm_bindgen_test::wasm_bindgen_test;

    fn result(capabilities: &str, rest: &str) -> String {
        format!(
            r#"{{"resultType":"complete","supportedVersions":["2025-11-25","2026-07-28"],"capabilities":{capabilities}{rest}}}"#
        )
    }

    fn met(servers: &[(&'static str, Rc<ServerDescription>)]) -> Vec<DiscoveredServer<'static>> {
        let met = servers.iter().map(|(name, discovered)| DiscoveredServer {
            name,
            discovered: Rc::clone(discovered),
            is_bridged: false,
        });
        met.collect()
    }

    fn merged(servers: &[(&'static str, Rc<ServerDescription>)], sole: bool) -> Value {
        let info = r#"{"name":"g","version":"1"}"#;
        serde_json::from_slice(&merge(&met(servers), sole, CacheHints::ALL, info)).unwrap()
    }

    fn read(text: &str) -> Rc<ServerDescription> {
        Rc::new(ServerDescription::read(text).unwrap())
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
        assert!(a.has(ListKind::Tools) && !a.has(ListKind::Prompts) && !a.has(ListKind::Resources));
        assert!(
            !b.has(ListKind::Tools) && b.has(ListKind::Templates) && b.has(ListKind::Resources)
        );
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
            CacheHints::ALL,
            "{}",
        );
        let merged = String::from_utf8(merged).unwrap();
        let expected = format!(r#""capabilities":{capabilities},"#);
        assert!(merged.contains(&expected), "{merged}");
    }
}
