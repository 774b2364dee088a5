//! A modern client's request to a legacy server, in a session of the gateway.

use std::rc::Rc;

use crate::gateway::translate::ids;
use crate::gateway::translate::result::{self, ModernFields};
use crate::gateway::translate::server_message::{MessageKind, ServerMessage, UnreadableMessage};
use crate::gateway::translate::translated::{Translated, id_edits, is_error_without_id};
use crate::gateway::upstream::protocol::UpstreamSession;
use crate::gateway::worker::session_pool::SessionLease;
use crate::mcp::json::edit::Edit;
use crate::mcp::json::object::push_object;
use crate::mcp::{jsonrpc, method};

/// The code of an error for a method that the receiver does not have (JSON-RPC 2.0
/// section 5.1).
const METHOD_NOT_FOUND: i64 = -32601;

/// A request in a session that other requests may use at the same time.
pub(super) struct PooledRequest {
    /// The JSON text of the request's id in the session.
    pub(super) id: String,
    /// The JSON text of the request's id as the client knows it.
    pub(super) client_id: String,
    /// The JSON texts of the progress token in the session, and of the client's;
    /// `None` where the client asked for no progress.
    pub(super) progress_token: Option<(String, String)>,
    /// The client asked for log messages.
    pub(super) wants_log_messages: bool,
    /// Whether the result must say how long clients may cache it.
    pub(super) needs_cache_hints: bool,
    /// The JSON text of the gateway's `serverInfo`.
    pub(super) server_info: String,
    /// The session, until the request is over; `None` where the server has none.
    pub(super) lease: Option<SessionLease>,
}

impl PooledRequest {
    /// About how many bytes of the client's data it holds.
    pub(super) fn size(&self) -> usize {
        let token = self.progress_token.as_ref();
        let token = token.map_or(0, |(_, client)| client.len());
        let headers = self.lease.as_ref().map_or(0, |it| it.headers.size());
        let ids = self.client_id.len().saturating_add(token);
        ids.saturating_add(headers)
    }

    /// The session.
    pub(super) fn session(&self) -> Option<&Rc<UpstreamSession>> {
        self.lease.as_ref().map(|lease| &lease.session)
    }

    /// Translates a message of the legacy server for the modern client. Other requests may use the
    /// same session at the same time, so the client gets a message only if the message surely
    /// belongs to this request.
    ///
    /// # Errors
    /// It is not a message that each client reads in the same way.
    pub(super) fn translate(
        &self,
        message: ServerMessage<'_>,
    ) -> Result<Translated, UnreadableMessage> {
        let edits = match &message.kind {
            MessageKind::Request(method) => {
                let reply = message.id.map(|id| reply_to_server(method, id));
                return Ok(Translated::Withheld { reply });
            }
            MessageKind::Notification(name) if name == method::PROGRESS => {
                let token = self.progress_token.as_ref();
                token.and_then(|(pooled, client)| ids::progress_edits(&message, pooled, client))
            }
            MessageKind::Notification(name) if name == method::MESSAGE => {
                self.wants_log_messages.then(Vec::new)
            }
            MessageKind::Notification(_) => None,
            MessageKind::Response | MessageKind::Error => self.response_edits(&message)?,
        };
        let Some(edits) = edits else {
            return Ok(Translated::Withheld { reply: None });
        };
        let is_error = message.kind == MessageKind::Error;
        Ok(Translated::Forwarded {
            is_answer: is_error || message.kind == MessageKind::Response,
            is_error,
            changed: message.edited(edits),
        })
    }

    /// The edits that make `message` the response to the client's request; `None` where
    /// it answers another request.
    fn response_edits(
        &self,
        message: &ServerMessage<'_>,
    ) -> Result<Option<Vec<Edit>>, UnreadableMessage> {
        // The server could not read the request, so it sent the error without an id. The error
        // answers this request.
        if is_error_without_id(message) {
            return Ok(Some(id_edits(message, &self.client_id)));
        }
        let Some(id) = ids::response_id_edit(message, &self.id, &self.client_id) else {
            return Ok(None);
        };
        let fields = ModernFields {
            needs_cache_hints: self.needs_cache_hints,
            server_info: &self.server_info,
        };
        let edits = result::to_modern(message, fields);
        let mut edits = edits.map_err(|_| UnreadableMessage::NotOneMessage)?;
        edits.push(id);
        Ok(Some(edits))
    }

    /// The notification that tells the server that the client does not wait any more (MCP
    /// 2025-11-25, "Cancellation").
    pub(super) fn cancellation(&self) -> Vec<u8> {
        let mut params = Vec::new();
        push_object(&mut params, |params| {
            params.json("requestId", &self.id);
            params.string("reason", "the client is gone");
        });
        jsonrpc::notification(method::CANCELLED, params)
    }
}

/// The gateway's response to a server's own request for `method` with this `id`, a JSON text. A
/// session of the gateway belongs to no client that could answer the request.
fn reply_to_server(method: &str, id: &str) -> Vec<u8> {
    if method == method::PING {
        return jsonrpc::result(id, 2, |out| out.extend_from_slice(b"{}"));
    }
    let text = format!("Method not found: {method}: this client declared no such capability");
    jsonrpc::error(Some(id), METHOD_NOT_FOUND, &text, None)
}
