//! The aliases that a legacy client gets for the names that a legacy server uses.

use crate::config::ServerId;
use crate::gateway::session::alias::{self, AliasKind};
use crate::gateway::translate::sent_message::SentMessage;
use crate::seal::Keys;

/// Makes aliases for the names of one server in the session of one client.
pub struct SessionAliases {
    /// The keys that authenticate an alias.
    pub keys: Keys,
    /// The id of the client's session.
    pub session: [u8; 16],
    /// The server.
    pub server: ServerId,
    /// The server's name.
    pub server_name: String,
    /// Whether the server gave the gateway a session id.
    pub has_session: bool,
    /// Whether the server joined the client's session after it began. Then the client does not know
    /// of the session with this server.
    pub has_joined: bool,
    /// The kind of message that the client sent.
    pub sent: SentMessage,
}

impl SessionAliases {
    /// The alias for what the server calls `original`.
    pub(super) fn alias(&self, kind: AliasKind, original: &str) -> String {
        alias::make(&self.keys, kind, &self.session, &self.server_name, original)
    }
}
