//! Translates one message of a server for the client.

use crate::gateway::session::alias::AliasKind;
use crate::gateway::translate::ids;
use crate::gateway::translate::result::{self, UntranslatableResult};
use crate::gateway::translate::server_message::{MessageKind, ServerMessage, UnreadableMessage};
use crate::gateway::translate::translation::Translation;
use crate::gateway::translate::translation_kind::TranslationKind;
use crate::mcp::json;
use crate::mcp::json::edit::{self, Edit};

/// The translation of one message.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum Translated {
    /// The client gets the message.
    Forwarded {
        /// The message as the client gets it; `None` where it stays unchanged.
        changed: Option<Vec<u8>>,
        /// Whether it answers the client's request.
        is_answer: bool,
        /// Whether it is a JSON-RPC error.
        is_error: bool,
    },
    /// The client does not get the message.
    Withheld {
        /// The gateway's own answer to the server; `None` where the message needs no answer.
        reply: Option<Vec<u8>>,
    },
    /// The client's version of MCP has no form for the message.
    NotInVersion,
}

impl Translation {
    /// Translates `body`, the whole body of a response with this HTTP status.
    ///
    /// # Errors
    /// The same as of [`translate`](Self::translate).
    pub fn translate_body(
        &self,
        status: u16,
        body: &[u8],
    ) -> Result<Translated, UnreadableMessage> {
        match &self.kind {
            TranslationKind::PolicyMode(list) if !(200..=299).contains(&status) => {
                Ok(Translated::Forwarded {
                    changed: list.filter_error(body)?,
                    is_answer: true,
                    is_error: true,
                })
            }
            _ => {
                let text = simdutf8::basic::from_utf8(body);
                let text = text.map_err(|_| UnreadableMessage::NotOneMessage)?;
                // Some servers start the body with a byte order mark, and some clients skip it.
                self.translate(text.strip_prefix('\u{feff}').unwrap_or(text))
            }
        }
    }

    /// Translates the message `text` of the server.
    ///
    /// # Errors
    /// `text` is not a message that each client reads in the same way.
    pub fn translate(&self, text: &str) -> Result<Translated, UnreadableMessage> {
        let message = ServerMessage::read(text, self.shape, &self.uri_prefix)?;
        let tasks = self.tasks.as_ref();
        let Some(mut edits) = tasks.map_or_else(|| Some(Vec::new()), |it| it.edits(&message))
        else {
            return Ok(Translated::Withheld { reply: None });
        };
        match &self.kind {
            TranslationKind::BothModern => Ok(self.forwarded(message, edits)),
            TranslationKind::BothLegacy(aliases) => {
                let alias = |original: &str| aliases.alias(AliasKind::Request, original);
                let references = ids::alias_edits(&message, alias);
                edits.extend(references.ok_or(UnreadableMessage::NotAResponse)?);
                Ok(self.forwarded(message, edits))
            }
            TranslationKind::LegacyToModern => match (&message.kind, result::to_legacy(&message)) {
                // Modern servers send no requests.
                (MessageKind::Request(_), _) => Ok(Translated::Withheld { reply: None }),
                // The response answers no request of the client, whatever its result is.
                (MessageKind::Response, _) if !self.is_answer(&message) => {
                    Ok(Translated::Withheld { reply: None })
                }
                (_, Ok(edits)) => Ok(self.forwarded(message, edits)),
                (_, Err(UntranslatableResult::Incomplete)) => Ok(Translated::NotInVersion),
                (_, Err(UntranslatableResult::NotAnObject)) => {
                    Err(UnreadableMessage::NotOneMessage)
                }
            },
            TranslationKind::ModernToLegacy(pooled) => pooled.translate(message),
            TranslationKind::PolicyMode(list) => {
                let is_response = message.kind == MessageKind::Response;
                let filtered = is_response.then(|| list.filter(text)).transpose()?;
                Ok(Translated::Forwarded {
                    is_answer: self.is_answer(&message),
                    is_error: message.kind == MessageKind::Error,
                    changed: filtered.flatten(),
                })
            }
        }
    }

    /// `message` after these edits and its `uri_edits`.
    fn forwarded(&self, message: ServerMessage<'_>, mut edits: Vec<Edit>) -> Translated {
        // The client finds the request of an error by its id.
        if let (TranslationKind::LegacyToModern | TranslationKind::BothLegacy(_), Some(id)) =
            (&self.kind, &self.id)
            && self.expects_answer()
            && is_error_without_id(&message)
        {
            edits.extend(id_edits(&message, id));
        }
        Translated::Forwarded {
            is_answer: self.is_answer(&message),
            is_error: message.kind == MessageKind::Error,
            changed: message.edited(edits),
        }
    }

    /// Whether `message` answers the client's request. An error without an id counts as an answer:
    /// the server could not read the request.
    fn is_answer(&self, message: &ServerMessage<'_>) -> bool {
        let has_id = || self.id.as_ref().is_some_and(|id| message.answers(id));
        self.expects_answer() && (is_error_without_id(message) || has_id())
    }
}

/// Whether `message` is a JSON-RPC error without an id. A server's error of another form
/// (`{"error":"overloaded"}`) does not count.
pub(super) fn is_error_without_id(message: &ServerMessage<'_>) -> bool {
    message.kind == MessageKind::Error
        && matches!(message.id, None | Some("null"))
        && json::values(message.text, "error")
            .iter()
            .all(|error| error.starts_with('{'))
        && !json::values(message.text, "jsonrpc").is_empty()
}

/// The edits that give `message` the id `id`, a JSON text.
pub(super) fn id_edits(message: &ServerMessage<'_>, id: &str) -> Vec<Edit> {
    let object = message.text.trim();
    edit::set(message.text, object, &[("id", id)]).unwrap_or_default()
}
