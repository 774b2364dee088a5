//! A modern request in a session of the gateway's own with a legacy server.

use std::rc::Rc;

use super::bridge::answer::{self, Extra};
use super::bridge::ids;
use super::exchange::Passed;
use super::pool::Held;
use super::rewrite::{Kind, Read, Unreadable};
use super::voice::Link;
use crate::mcp::{json, method};

/// A session of the gateway's own, in which a modern request is made.
#[derive(Debug)]
pub(super) struct Bridge {
    /// The JSON text of the request's id there.
    pub(super) id: String,
    /// The progress token there, and as the client has it; JSON texts.
    pub(super) token: Option<(String, String)>,
    /// The client wants to hear what the server logs.
    pub(super) logs: bool,
    /// The result has to say how long it may be kept.
    pub(super) hints: bool,
    pub(super) server_info: String,
    pub(super) held: Option<Held>,
}

impl Bridge {
    /// The session.
    pub(super) fn link(&self) -> Option<&Rc<Link>> {
        self.held.as_ref().map(|held| &held.link)
    }

    /// A message of a legacy server's for a modern client. Others may share the
    /// session: what is not known to be about this request is not passed on.
    ///
    /// # Errors
    /// It is none that every client reads the same way.
    pub(super) fn pass(&self, read: Read<'_>, client_id: &str) -> Result<Passed, Unreadable> {
        let edits = match &read.kind {
            Kind::Request(method) => {
                return Ok(Passed::Kept(read.id.map(|id| refused(method, id))));
            }
            Kind::Notification(name) if name == method::PROGRESS => {
                let token = self.token.as_ref();
                token.and_then(|(ours, theirs)| ids::progressing(&read, ours, theirs))
            }
            Kind::Notification(name) if name == method::MESSAGE && self.logs => Some(Vec::new()),
            Kind::Notification(_) => None,
            Kind::Response | Kind::Error => match ids::answering(&read, &self.id, client_id) {
                None => None,
                Some(edit) => {
                    let extra = Extra {
                        hints: self.hints,
                        server_info: &self.server_info,
                    };
                    let edits = answer::to_modern(&read, extra);
                    let mut edits = edits.map_err(|_| Unreadable::NotOneMessage)?;
                    edits.push(edit);
                    Some(edits)
                }
            },
        };
        let Some(edits) = edits else {
            return Ok(Passed::Kept(None));
        };
        let is_error = matches!(read.kind, Kind::Error);
        Ok(Passed::On {
            answers: is_error || matches!(read.kind, Kind::Response),
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
