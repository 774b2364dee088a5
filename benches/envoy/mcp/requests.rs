//! The messages of clients.

use super::{LEGACY_VERSION, SESSION, VERSION};
use crate::Result;
use crate::client::{Client, Message};

/// A request of a modern client. `params` end with a comma, or are empty.
pub(crate) fn modern(method: &str, params: &str) -> Result<Message> {
    let meta = format!(
        r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"{VERSION}","io.modelcontextprotocol/clientInfo":{{"name":"bench","version":"1.0.0"}},"io.modelcontextprotocol/clientCapabilities":{{}}}}"#
    );
    Message::new(request(method, &format!("{params}{meta}")))
        .header("mcp-protocol-version", VERSION)?
        .header("mcp-method", method)
}

/// A request of a legacy client, without the id of its session.
pub(crate) fn legacy(method: &str, params: &str) -> Result<Message> {
    Message::new(request(method, params)).header("mcp-protocol-version", LEGACY_VERSION)
}

fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#)
}

/// The first message of a legacy client.
pub(crate) fn initialize() -> Message {
    Message::new(format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{LEGACY_VERSION}","capabilities":{{}},"clientInfo":{{"name":"bench","version":"1.0.0"}}}}}}"#
    ))
}

/// The second message of a legacy client, in this session.
pub(crate) fn initialized(session: &str) -> Result<Message> {
    let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    Message::new(body)
        .header("mcp-protocol-version", LEGACY_VERSION)?
        .header(SESSION, session)
}

/// Begins a session, and gives its id.
pub(crate) async fn begin(client: &mut Client) -> Result<String> {
    let (head, body) = client.answer(initialize()).await?;
    let Some(id) = head.headers.get(SESSION) else {
        let text = String::from_utf8_lossy(&body);
        return Err(format!("began no session: {} {text}", head.status).into());
    };
    let id = id.to_str()?.to_owned();
    client.post(initialized(&id)?).await?;
    Ok(id)
}
