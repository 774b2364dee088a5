//! The MCP servers behind the gateways, and the requests of clients.

use std::fmt::Write as _;
use std::sync::Arc;

use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::cases::{Ask, Case, Era, TOOLS_PER_SERVER};
use crate::Result;
use crate::client::Message;
use crate::upstream::{Answers, Said};

const VERSION: &str = "2026-07-28";
const LEGACY_VERSION: &str = "2025-11-25";
/// The server and the tool that clients call, by their indexes.
const CALLED: (usize, usize) = (2, 7);
const SAID: &str = "It is sunny, and 22 degrees.";

/// The name of a server and of its cluster, and the prefix of its tools.
pub(crate) fn name(server: usize) -> String {
    format!("server{server}")
}

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: &'a str,
}

/// The answers of a server.
pub(super) fn answers(case: &Case) -> Answers {
    serve(&Serves {
        eras: &[case.server],
        tools: TOOLS_PER_SERVER,
        tool_bytes: case.tool_bytes,
        may_be_kept: case.ask == Ask::CachedList,
    })
}

/// What a server is and has.
pub(crate) struct Serves<'a> {
    pub(crate) eras: &'a [Era],
    pub(crate) tools: usize,
    pub(crate) tool_bytes: usize,
    /// Whether it allows all clients to keep the list.
    pub(crate) may_be_kept: bool,
}

/// The answers of such a server. Everything but the id is prepared.
pub(crate) fn serve(serves: &Serves<'_>) -> Answers {
    let hints = match serves.may_be_kept {
        true => r#""ttlMs":3600000,"cacheScope":"public""#,
        false => r#""ttlMs":0,"cacheScope":"private""#,
    };
    let discovered = format!(
        r#"{{"resultType":"complete","supportedVersions":["{VERSION}"],"capabilities":{{"tools":{{}}}},"_meta":{{"io.modelcontextprotocol/serverInfo":{{"name":"bench","version":"1.0.0"}}}},{hints}}}"#
    );
    let tools: Vec<String> = (0..serves.tools)
        .map(|number| tool(number, serves.tool_bytes))
        .collect();
    let tools = tools.join(",");
    let listed = format!(r#"{{"resultType":"complete","tools":[{tools}],{hints}}}"#);
    let called = format!(
        r#"{{"resultType":"complete","content":[{{"type":"text","text":"{SAID}"}}],"isError":false}}"#
    );
    let begun = format!(
        r#"{{"protocolVersion":"{LEGACY_VERSION}","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"bench","version":"1.0.0"}}}}"#
    );
    let modern = serves.eras.contains(&Era::Modern);
    let legacy = serves.eras.contains(&Era::Legacy);
    Arc::new(move |body| {
        let Ok(Asked { id, method }) = serde_json::from_slice(body) else {
            return Said::Message(Bytes::from_static(
                br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"not JSON"}}"#,
            ));
        };
        let Some(id) = id.map(RawValue::get) else {
            return Said::Taken;
        };
        let said = match method {
            "server/discover" if modern => discovered.as_str(),
            "initialize" if legacy => begun.as_str(),
            "ping" if legacy => "{}",
            "tools/list" => listed.as_str(),
            "tools/call" => called.as_str(),
            _ => {
                let error = r#"{"code":-32601,"message":"no such method"}"#;
                let message = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
                return Said::Message(message.into());
            }
        };
        let message = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{said}}}"#).into();
        match method {
            "initialize" => Said::Begun(message),
            _ => Said::Message(message),
        }
    })
}

/// A tool of exactly this many bytes, if it does not need more.
fn tool(number: usize, bytes: usize) -> String {
    let with = |description: &str| {
        format!(
            r#"{{"name":"tool{number:02}","title":"Tool {number}","description":"{description}","inputSchema":{{"type":"object","properties":{{"city":{{"type":"string","description":"Name of the city"}},"days":{{"type":"integer","minimum":1,"maximum":7}}}},"required":["city"]}},"annotations":{{"readOnlyHint":true}}}}"#
        )
    };
    let room = bytes.saturating_sub(with("").len());
    let text: String = "Tells the weather in a city, day by day. "
        .chars()
        .cycle()
        .take(room)
        .collect();
    with(&text)
}

/// The name of the server whose tool clients call, and the server's name for this tool.
pub(crate) fn called() -> (String, String) {
    let (server, number) = CALLED;
    (name(server), format!("tool{number:02}"))
}

/// The message of a client.
pub(super) fn message(case: &Case) -> Result<Message> {
    let (server, tool) = called();
    ask(case.ask, case.client, &format!("{server}__{tool}"))
}

/// The message of a client of this era, for whom the tool to call has this name.
pub(crate) fn ask(ask: Ask, client: Era, tool: &str) -> Result<Message> {
    let (method, name, mut params) = match ask {
        Ask::List | Ask::CachedList => ("tools/list", None, String::new()),
        Ask::Call => {
            let name = tool.to_owned();
            let params = format!(r#""name":"{name}","arguments":{{"city":"Zurich","days":3}},"#);
            ("tools/call", Some(name), params)
        }
    };
    if client == Era::Legacy {
        let params = params.trim_end_matches(',');
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#);
        return Message::new(body).header("mcp-protocol-version", LEGACY_VERSION);
    }
    // Writing to a String cannot fail.
    let _ = write!(
        params,
        r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"{VERSION}","io.modelcontextprotocol/clientInfo":{{"name":"bench","version":"1.0.0"}},"io.modelcontextprotocol/clientCapabilities":{{}}}}"#
    );
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#);
    let message = Message::new(body)
        .header("mcp-protocol-version", VERSION)?
        .header("mcp-method", method)?;
    match name {
        Some(name) => message.header("mcp-name", &name),
        None => Ok(message),
    }
}

/// The first two messages of a legacy client.
pub(crate) fn beginning() -> (Message, Message) {
    let initialize = format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{LEGACY_VERSION}","capabilities":{{}},"clientInfo":{{"name":"bench","version":"1.0.0"}}}}}}"#
    );
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    (Message::new(initialize), Message::new(initialized))
}

/// Whether this is a right answer with the tools of this many servers: a proxy may answer a failed
/// request with 200.
pub(super) fn check(case: &Case, servers: usize, body: &[u8]) -> Result<()> {
    let tools = servers * TOOLS_PER_SERVER;
    check_answer(case.ask, tools, body)
}

/// The same, for this number of tools.
pub(crate) fn check_answer(ask: Ask, tools: usize, body: &[u8]) -> Result<()> {
    let (part, wanted) = match ask {
        Ask::List | Ask::CachedList => (r#""inputSchema""#, tools),
        Ask::Call => (SAID, 1),
    };
    let text = String::from_utf8_lossy(body);
    let found = text.matches(part).count();
    if found == wanted {
        return Ok(());
    }
    let shown: String = text.chars().take(400).collect();
    Err(format!("answered with {found} of {part:?} instead of {wanted}: {shown}").into())
}
