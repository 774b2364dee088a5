//! The MCP servers behind the gateways, and the requests of clients.

use std::sync::Arc;

use hyper::body::Bytes;
use serde_json::value::RawValue;

use super::cases::{Ask, Case, Era, Lists, TOOLS_PER_SERVER};
use crate::Result;
use crate::client::Message;
use crate::mcp::answers::{self, Asked, SAID};
use crate::mcp::requests;
use crate::upstream::{Answers, Said};

/// The server and the tool that clients call, by their indexes.
const CALLED: (usize, usize) = (2, 7);

/// The name of a server and of its cluster, and the prefix of its tools.
pub(crate) fn name(server: usize) -> String {
    format!("server{server}")
}

/// The answers of a server.
pub(super) fn answers(case: &Case) -> Answers {
    serve(&Serves {
        eras: &[case.server],
        tools: TOOLS_PER_SERVER,
        tool_bytes: case.tool_bytes,
        lists: case.lists,
    })
}

/// What a server is and has.
pub(crate) struct Serves<'a> {
    pub(crate) eras: &'a [Era],
    pub(crate) tools: usize,
    pub(crate) tool_bytes: usize,
    pub(crate) lists: Lists,
}

/// The answers of such a server. Everything but the id is prepared.
pub(crate) fn serve(serves: &Serves<'_>) -> Answers {
    let hints = serves.lists.cache_hints();
    let discovered = answers::discovered(hints);
    let tools: Vec<String> = (0..serves.tools)
        .map(|number| tool(number, serves.tool_bytes))
        .collect();
    let listed = answers::listed(&tools, hints);
    let (called, begun) = (answers::called(), answers::begun());
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
            _ => return Said::Message(answers::unknown_method(id)),
        };
        let message = answers::response(id, said).into();
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
    let (method, name, params) = match ask {
        Ask::List => ("tools/list", None, String::new()),
        Ask::Call => {
            let params = format!(r#""name":"{tool}","arguments":{{"city":"Zurich","days":3}},"#);
            ("tools/call", Some(tool), params)
        }
    };
    if client == Era::Legacy {
        return requests::legacy(method, params.trim_end_matches(','));
    }
    let message = requests::modern(method, &params)?;
    match name {
        Some(name) => message.header("mcp-name", name),
        None => Ok(message),
    }
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
        Ask::List => (r#""inputSchema""#, tools),
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
