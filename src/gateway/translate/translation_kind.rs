//! The eras between which messages are translated.

use crate::gateway::translate::filtered_list::FilteredList;
use crate::gateway::translate::pooled_request::PooledRequest;
use crate::gateway::translate::session_aliases::SessionAliases;

/// The eras of client and server, with the data that the translation between them needs.
pub(super) enum TranslationKind {
    /// A modern client and a modern server.
    BothModern,
    /// A legacy client and a legacy server.
    BothLegacy(SessionAliases),
    /// A legacy client and a modern server.
    LegacyToModern,
    /// A modern client and a legacy server.
    ModernToLegacy(Box<PooledRequest>),
    /// Policy mode: any client and any server. Only lists are changed.
    PolicyMode(FilteredList),
}
