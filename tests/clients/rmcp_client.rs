//! A client on the Rust SDK, for the end-to-end tests.

use std::{error::Error, time::Duration};

use rmcp::{
    ClientLifecycleMode, ClientServiceExt,
    model::{CallToolRequestParams, ProtocolVersion},
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::Value;
use tokio::time::timeout;

/// If the gateway does not answer, the test must fail and not wait forever.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How the client finds out which versions of MCP the server supports.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    /// Tries `server/discover`, and `initialize` if the server does not know it.
    Auto,
    /// Sends `initialize` and uses a session, as in versions before 2026-07-28.
    Legacy,
    /// Sends `server/discover`, and fails if the server does not know it.
    Modern,
}

/// What the client has seen.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The version on which the client and the server agreed.
    pub(crate) protocol_version: String,
    /// The names of the tools, in the order of the server.
    pub(crate) tools: Vec<String>,
    /// The text blocks in the result of the call.
    pub(crate) text: Vec<String>,
    /// Whether the result says that the tool failed.
    pub(crate) is_error: bool,
}

/// Connects, lists all tools, calls one and disconnects.
pub(crate) async fn list_and_call(
    url: &str,
    mode: Mode,
    tool: &str,
    args: Value,
) -> Result<Outcome, Box<dyn Error>> {
    list_and_call_as(None, url, mode, tool, args).await
}

/// The same with a bearer token.
pub(crate) async fn list_and_call_as(
    token: Option<&str>,
    url: &str,
    mode: Mode,
    tool: &str,
    args: Value,
) -> Result<Outcome, Box<dyn Error>> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(url);
    if let Some(token) = token {
        config = config.auth_header(token);
    }
    timeout(TIMEOUT, talk(config, mode, tool, args)).await?
}

async fn talk(
    config: StreamableHttpClientTransportConfig,
    mode: Mode,
    tool: &str,
    args: Value,
) -> Result<Outcome, Box<dyn Error>> {
    let Value::Object(args) = args else {
        return Err("the arguments of a tool are a JSON object".into());
    };
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    let lifecycle = match mode {
        Mode::Auto => ClientLifecycleMode::Auto {
            preferred_versions,
            legacy_version: None,
        },
        Mode::Legacy => ClientLifecycleMode::Initialize,
        Mode::Modern => ClientLifecycleMode::Discover { preferred_versions },
    };

    let transport = StreamableHttpClientTransport::from_config(config);
    // `()` is a client without capabilities.
    let client = ().serve_with_lifecycle(transport, lifecycle).await?;
    let server = client
        .peer_info()
        .ok_or("the server said nothing of itself")?;
    let tools = client.list_all_tools().await?;
    let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(args);
    let result = client.call_tool(params).await?;
    // Waits until the client has deleted its legacy session.
    client.cancel().await?;

    let text = result.content.iter().filter_map(|block| block.as_text());
    Ok(Outcome {
        protocol_version: server.protocol_version.to_string(),
        tools: tools
            .into_iter()
            .map(|tool| tool.name.into_owned())
            .collect(),
        text: text.map(|block| block.text.clone()).collect(),
        is_error: result.is_error.unwrap_or(false),
    })
}
