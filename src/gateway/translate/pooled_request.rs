//! A modern request in a session of the gateway's own with a legacy server.

use std::rc::Rc;

use crate::gateway::translate::ids;
use crate::gateway::translate::result::{self, Extra};
use crate::gateway::translate::server_message::{MessageKind, ServerMessage, UnreadableMessage};
use crate::gateway::translate::translation::Translated;
use crate::gateway::upstream::protocol::UpstreamSession;
use crate::gateway::worker::session_pool::SessionLease;
use crate::mcp::{json, method};

/// A session of the gateway's own, in which a modern request is made.
#[derive(Debug)]
pub(super) struct PooledRequest {
    /// The JSON text of the request's id there.
    pub(super) id: String,
    /// The progress token there, and as the client has it; JSON texts.
    pub(super) token: Option<(String, String)>,
    /// The client wants to hear what the server logs.
    pub(super) logs: bool,
    /// The result has to say how long it may be kept.
    pub(super) hints: bool,
    pub(super) server_info: String,
    pub(super) held: Option<SessionLease>,
}

impl PooledRequest {
    /// The session.
    pub(super) fn link(&self) -> Option<&Rc<UpstreamSession>> {
        self.held.as_ref().map(|held| &held.link)
    }

    /// A message of a legacy server's for a modern client. Others may share the
    /// session: what is not known to be about this request is not passed on.
    ///
    /// # Errors
    /// It is none that every client reads the same way.
    pub(super) fn pass(
        &self,
        read: ServerMessage<'_>,
        client_id: &str,
    ) -> Result<Translated, UnreadableMessage> {
        let edits = match &read.kind {
            MessageKind::Request(method) => {
                return Ok(Translated::Kept(read.id.map(|id| refused(method, id))));
            }
            MessageKind::Notification(name) if name == method::PROGRESS => {
                let token = self.token.as_ref();
                token.and_then(|(ours, theirs)| ids::progressing(&read, ours, theirs))
            }
            MessageKind::Notification(name) if name == method::MESSAGE && self.logs => {
                Some(Vec::new())
            }
            MessageKind::Notification(_) => None,
            MessageKind::Response | MessageKind::Error => {
                match ids::answering(&read, &self.id, client_id) {
                    None => None,
                    Some(edit) => {
                        let extra = Extra {
                            hints: self.hints,
                            server_info: &self.server_info,
                        };
                        let edits = result::to_modern(&read, extra);
                        let mut edits = edits.map_err(|_| UnreadableMessage::NotOneMessage)?;
                        edits.push(edit);
                        Some(edits)
                    }
                }
            }
        };
        let Some(edits) = edits else {
            return Ok(Translated::Kept(None));
        };
        let is_error = matches!(read.kind, MessageKind::Error);
        Ok(Translated::On {
            answers: is_error || matches!(read.kind, MessageKind::Response),
            is_error,
            text: read.edited(edits),
        })
    }
}

/// What a server is told that asks what nobody is there to answer.
fn refused(name: &str, id: &str) -> Vec<u8> {
    let outcome = if name == method::PING {
        r#""result":{}"#.to_owned()
    } else {
        let message = json::quoted(&format!(
            "Method not found: {name}: this client declared no such capability"
        ));
        format!(r#""error":{{"code":-32601,"message":{message}}}"#)
    };
    format!(r#"{{"jsonrpc":"2.0","id":{id},{outcome}}}"#).into_bytes()
}
