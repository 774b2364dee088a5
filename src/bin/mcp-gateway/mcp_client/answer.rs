//! Reads the answers of a server: JSON, or an event stream.

use std::collections::VecDeque;

use mcp_gateway::mcp::sse::{Data, Parser};
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use serde_json::Value;

use super::error::ClientError;

/// The most bytes of one message that are read.
const LONGEST_MESSAGE: usize = 32 * 1024 * 1024;
/// The most characters of the text of a failure that are shown.
const LONGEST_DETAIL: usize = 400;

/// The media type of `response`, without its parameters.
pub(super) fn media_type(response: &Response) -> String {
    let value = response.headers().get(CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok());
    let media_type = text.and_then(|text| text.split(';').next());
    media_type.unwrap_or_default().trim().to_lowercase()
}

pub(super) fn is_event_stream(response: &Response) -> bool {
    media_type(response) == "text/event-stream"
}

/// The JSON-RPC message that is the whole body of `response`.
///
/// # Errors
/// There is none, or it is too long.
pub(super) async fn message(response: Response) -> Result<Value, ClientError> {
    let status = response.status();
    let media_type = media_type(&response);
    let location = response.headers().get(LOCATION);
    let location = location.and_then(|value| Some(value.to_str().ok()?.to_owned()));
    let body = body(response).await?;
    let message = serde_json::from_slice::<Value>(&body).ok();
    if let Some(message) = message.filter(|it| it.get("jsonrpc").is_some()) {
        return Ok(message);
    }
    if status.is_success() {
        return Err(ClientError::NotMcp(described(&media_type, &body)));
    }
    Err(ClientError::Status {
        code: status.as_u16(),
        detail: location.or_else(|| detail(&media_type, &body)),
    })
}

async fn body(mut response: Response) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len().saturating_add(chunk.len()) > LONGEST_MESSAGE {
            return Err(ClientError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A description of an answer that is not MCP.
fn described(media_type: &str, body: &[u8]) -> String {
    match media_type {
        _ if body.is_empty() => "empty".to_owned(),
        "text/html" | "application/xhtml+xml" => "an HTML page".to_owned(),
        "application/json" => "JSON, but not JSON-RPC".to_owned(),
        "" => "without a content type".to_owned(),
        other => format!("of the type {other}"),
    }
}

/// The start of a body, if people can read it.
fn detail(media_type: &str, body: &[u8]) -> Option<String> {
    if media_type == "text/html" {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    let line = text.lines().find(|line| !line.trim().is_empty())?;
    Some(line.trim().chars().take(LONGEST_DETAIL).collect())
}

/// Reads the messages of an event stream.
pub(super) struct StreamedMessages {
    response: Response,
    parser: Parser,
    messages: VecDeque<String>,
    /// The id of the last event that had one.
    pub(super) last_event: Option<Vec<u8>>,
}

impl StreamedMessages {
    pub(super) fn new(response: Response) -> Self {
        Self {
            response,
            parser: Parser::new(LONGEST_MESSAGE),
            messages: VecDeque::new(),
            last_event: None,
        }
    }

    /// The next message; `None` at the end of the stream. Events without JSON are skipped.
    ///
    /// # Errors
    /// The connection breaks, or a message is too long.
    pub(super) async fn next(&mut self) -> Result<Option<Value>, ClientError> {
        loop {
            while let Some(text) = self.messages.pop_front() {
                if let Ok(message) = serde_json::from_str(&text) {
                    return Ok(Some(message));
                }
            }
            let Some(chunk) = self.response.chunk().await? else {
                return Ok(None);
            };
            let (messages, last_event) = (&mut self.messages, &mut self.last_event);
            let taken = self.parser.push(&chunk, |event| {
                if let Some(id) = event.id() {
                    *last_event = Some(id.to_vec());
                }
                if let (true, Data::Text(text)) = (event.is_message(), event.data()) {
                    messages.push_back(text.into_owned());
                }
            });
            taken.map_err(|_| ClientError::TooLong)?;
        }
    }
}

/// Whether `response`, to a GET, is the event stream at the beginning of the old transport
/// HTTP+SSE: its first event contains the endpoint for messages.
pub(super) async fn is_old_transport(mut response: Response) -> bool {
    if !response.status().is_success() || !is_event_stream(&response) {
        return false;
    }
    let mut parser = Parser::new(LONGEST_MESSAGE);
    let mut first = None;
    while first.is_none() {
        let Ok(Some(chunk)) = response.chunk().await else {
            return false;
        };
        let taken = parser.push(&chunk, |event| {
            if first.is_none() && event.data() != Data::Empty {
                first = Some(String::from_utf8_lossy(event.raw).into_owned());
            }
        });
        if taken.is_err() {
            return false;
        }
    }
    let is_endpoint = |line: &str| line.replace(' ', "") == "event:endpoint";
    first.is_some_and(|event| event.lines().any(is_endpoint))
}
