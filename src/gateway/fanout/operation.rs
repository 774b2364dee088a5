//! What a client's request asks of servers, and who asks.

use crate::gateway::session::SessionPart;
use crate::gateway::upstream::client_context::ClientContext;
use crate::mcp::list::ListKind;

/// What is to come of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Each server has said what it can do: `server/discover`, `initialize`.
    Greet,
    /// Each can be sent a request.
    Open,
    /// A list, whole.
    List(ListKind),
    /// `logging/setLevel`, with the JSON text of the level.
    SetLevel(String),
    /// The client's session is over.
    End,
}

/// What tells callers apart (`session.identity`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerIdentity {
    /// Nothing does.
    Anyone,
    /// This.
    Known(String),
    /// Something should, and the request does not say it.
    Nobody,
}

/// Who wants it, and what ties the client to servers already.
#[derive(Debug)]
pub struct Requester {
    /// Who asks.
    pub caller: ClientContext,
    /// The servers' parts of the client's session, by place; empty where it has
    /// none.
    pub parts: Vec<SessionPart>,
    /// Whose the gateway's own sessions are, where it needs some.
    pub who: CallerIdentity,
}
