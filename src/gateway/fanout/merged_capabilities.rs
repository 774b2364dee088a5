//! The capabilities of all servers together, as far as the gateway supports them: the results of
//! `server/discover` (MCP 2026-07-28, "Discovery") and of `initialize` (MCP 2025-11-25,
//! "Lifecycle").

use std::rc::Rc;

use crate::gateway::fanout::task_capability;
use crate::gateway::upstream::server_description::ServerDescription;
use crate::mcp::cache_hints::CacheHints;
use crate::mcp::capabilities::{EXTENSIONS, ServerCapabilities};
use crate::mcp::era::Era;
use crate::mcp::json;
use crate::mcp::json::edit;
use crate::mcp::json::object::{ObjectWriter, push_object};
use crate::mcp::{SERVER_INFO_KEY, version};

/// A server that has described itself.
pub struct DiscoveredServer<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its description of itself.
    pub description: Rc<ServerDescription>,
    /// The server is of another era than the client.
    pub is_bridged: bool,
}

impl DiscoveredServer<'_> {
    /// The capabilities of the server that the client can use. A legacy client sets a log level for
    /// its session, a modern client for each request. The gateway does not translate between these.
    pub fn capabilities(&self) -> ServerCapabilities {
        let capabilities = self.description.capabilities;
        if self.is_bridged {
            capabilities.without(ServerCapabilities::LOGGING)
        } else {
            capabilities
        }
    }
}

/// Writes the gateway's own `DiscoverResult` at the end of `out`. Clients may keep it for as long
/// as all `servers` and `start` allow. If there is only a `single_server`, the gateway offers all
/// capabilities of that server, since it passes all messages.
pub fn push_discover_result(
    out: &mut Vec<u8>,
    servers: &[DiscoveredServer<'_>],
    single_server: bool,
    start: CacheHints,
    server_info: &str,
) {
    let hints = servers.iter().map(|server| server.description.cache_hints);
    let hints = hints.fold(start, CacheHints::and);
    push_object(out, |result| {
        result.string("resultType", "complete");
        json::push_strings(result.member("supportedVersions"), version::MODERN);
        write_common(result, servers, single_server, Era::Modern);
        hints.write(result);
        write_server_info(result, server_info);
    });
}

/// Writes the gateway's own `InitializeResult` at the end of `out`, in the `version`
/// that the gateway speaks with the client.
pub fn push_initialize_result(
    out: &mut Vec<u8>,
    servers: &[DiscoveredServer<'_>],
    single_server: bool,
    version: &str,
    server_info: &str,
) {
    push_object(out, |result| {
        result.string("protocolVersion", version);
        write_common(result, servers, single_server, Era::Legacy);
        result.json("serverInfo", server_info);
    });
}

/// Adds the member `_meta` with the gateway's `serverInfo`.
pub fn write_server_info(result: &mut ObjectWriter<'_>, server_info: &str) {
    result.object("_meta", |meta| meta.json(SERVER_INFO_KEY, server_info));
}

/// Adds the members `capabilities` and `instructions`, for a client of this `era`.
fn write_common(
    result: &mut ObjectWriter<'_>,
    servers: &[DiscoveredServer<'_>],
    single_server: bool,
    era: Era,
) {
    match servers {
        [server] if single_server && !server.is_bridged => {
            result.json("capabilities", &server.description.capabilities_json);
        }
        _ => {
            let all = servers.iter().map(DiscoveredServer::capabilities);
            let united = all.fold(ServerCapabilities::NONE, ServerCapabilities::union);
            let more = task_capability::merged(servers, era);
            let more = with_extensions(more, united);
            let mut members = united.members();
            members.extend(more.iter().map(|(name, value)| (*name, value.as_str())));
            result.json("capabilities", edit::object(&members));
        }
    }
    let instructions = instructions(servers);
    if !instructions.is_empty() {
        result.string("instructions", &instructions);
    }
}

/// The capabilities for tasks and for extensions: names, and values as JSON texts. `tasks` is the
/// one for tasks; `united` are those of all servers. Extensions have no settings, for example not
/// `directoryRead` of skills (SEP-2640): the gateway does not support `resources/directory/read`.
fn with_extensions(
    tasks: Option<(&'static str, String)>,
    united: ServerCapabilities,
) -> Vec<(&'static str, String)> {
    const MEMBER: &str = "extensions";
    let mut members: Vec<_> = tasks.into_iter().collect();
    let offered = EXTENSIONS.iter().filter(|(_, it)| united.contains(*it));
    for (extension, _) in offered {
        let start = format!("{{\"{extension}\":{{}}");
        match members.iter_mut().find(|(name, _)| *name == MEMBER) {
            // There is another extension already, so a comma follows the new one.
            Some((_, others)) => *others = others.replacen('{', &format!("{start},"), 1),
            None => members.push((MEMBER, format!("{start}}}"))),
        }
    }
    members
}

/// The instructions of all servers. Where there are several servers, each text has the name of its
/// server.
fn instructions(servers: &[DiscoveredServer<'_>]) -> String {
    let given = servers
        .iter()
        .filter_map(|server| Some((server.name, server.description.instructions.as_deref()?)));
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
        let met = servers.iter().map(|(name, description)| DiscoveredServer {
            name,
            description: Rc::clone(description),
            is_bridged: false,
        });
        met.collect()
    }

    fn merged(servers: &[(&'static str, Rc<ServerDescription>)], single_server: bool) -> Value {
        let info = r#"{"name":"g","version":"1"}"#;
        let mut result = Vec::new();
        push_discover_result(
            &mut result,
            &met(servers),
            single_server,
            CacheHints::ALL,
            info,
        );
        serde_json::from_slice(&result).unwrap()
    }

    fn read(text: &str) -> Rc<ServerDescription> {
        Rc::new(ServerDescription::read_discover(text, version::MODERN).unwrap())
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
                "supportedVersions": version::MODERN,
                "capabilities": {"tools": {}, "resources": {}, "completions": {}, "logging": {}},
                "instructions": "a: Use a.\n\nb: Use b.",
                "ttlMs": 5,
                "cacheScope": "public",
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "g", "version": "1"}},
            })
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn skills_are_offered_beside_tasks_and_without_directories() {
        const SKILLS: &str = r#""io.modelcontextprotocol/skills":{"directoryRead":true}"#;
        const TASKS: &str = r#""io.modelcontextprotocol/tasks":{}"#;
        let skills = || read(&result(&format!(r#"{{"extensions":{{{SKILLS}}}}}"#), ""));
        let both = || {
            let text = format!(r#"{{"extensions":{{{TASKS},{SKILLS}}}}}"#);
            read(&result(&text, ""))
        };
        let none = || read(&result(r#"{"extensions":{"x/y":{}}}"#, ""));
        let offered = |a, b| {
            let merged = merged(&[("a", a), ("b", b)], false);
            merged["capabilities"]["extensions"].clone()
        };
        let only_skills = json!({"io.modelcontextprotocol/skills": {}});
        assert_eq!(offered(none(), skills()), only_skills);
        assert_eq!(
            offered(skills(), both()),
            json!({"io.modelcontextprotocol/skills": {}, "io.modelcontextprotocol/tasks": {}})
        );
        assert_eq!(offered(none(), none()), Value::Null);
        // The gateway translates skills between the eras, but not tasks.
        let bridged = [DiscoveredServer {
            name: "a",
            description: both(),
            is_bridged: true,
        }];
        let mut result = Vec::new();
        push_discover_result(&mut result, &bridged, true, CacheHints::ALL, "{}");
        let result: Value = serde_json::from_slice(&result).unwrap();
        assert_eq!(result["capabilities"]["extensions"], only_skills);
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
    fn the_capabilities_of_a_single_server_are_the_gateways() {
        let capabilities = r#"{"tools":{"listChanged":true},"extensions":{"x/y":{"n":1.10}}}"#;
        let servers = met(&[("a", read(&result(capabilities, "")))]);
        let mut merged = Vec::new();
        push_discover_result(&mut merged, &servers, true, CacheHints::ALL, "{}");
        let merged = String::from_utf8(merged).unwrap();
        let expected = format!(r#""capabilities":{capabilities},"#);
        assert!(merged.contains(&expected), "{merged}");
    }
}
