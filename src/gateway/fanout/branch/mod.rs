//! One server's part of a fan-out: what the gateway knows of the server, what the gateway asked,
//! and what the server answered.

mod answers;
mod calls;
mod joining;
mod missing;
mod session;

use std::rc::Rc;
use std::time::Duration;

use session::{ServerSession, SessionState};

use crate::config::{Gateway, Protocol, Server, ServerId};
use crate::gateway::fanout::context::Context;
use crate::gateway::fanout::merged_list::ServerList;
use crate::gateway::fanout::operation::{Operation, Requester};
use crate::gateway::session::SessionPart;
use crate::gateway::upstream::call::{CallContent, CallId, UpstreamRequest};
use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::protocol::UpstreamProtocol;
use crate::gateway::upstream::server_description::ServerDescription;
use crate::gateway::worker::session_pool::{PoolKey, SessionLease};
use crate::gateway::worker::{Scope, Worker};
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::era::Era;

/// One server's part of a fan-out.
pub(super) struct Branch {
    server: ServerId,
    /// When the server's time to answer is over.
    deadline: Duration,
    /// Which of the client's headers the server gets.
    scope: Option<Scope>,
    owner: SessionOwner,
    session: ServerSession,
    progress: Progress,
    knowledge: Knowledge,
    list: ServerList,
    /// This branch shares no call with other clients: the answer to a shared call was for another
    /// caller only.
    is_alone: bool,
    /// A request was sent again after its connection broke.
    is_retried: bool,
    /// The server does not know `server/discover`, and the gateway learned this only now. The
    /// gateway remembers the server as a legacy one after the server has opened a session: a
    /// client's headers may cause one of these answers, but not both.
    is_legacy_news: bool,
    /// The last failed call was `server/discover`, sent to learn the server's era.
    failed_probing: bool,
}

/// Who owns the session with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SessionOwner {
    /// The client, which keeps it.
    Client,
    /// The client. Its session began without this server, and the server joins the session now.
    Joining,
    /// The gateway. When the server has forgotten the session, the gateway opens another one, but
    /// only once.
    Gateway { replaced: bool },
}

/// The progress of a branch.
enum Progress {
    /// The branch waits for the answer to a call.
    Waiting {
        call: CallId,
        content: CallContent,
    },
    Done,
    Failed(Failure),
    /// The server failed a moment ago, so the gateway does not ask it.
    LeftOut(Failure),
}

/// What the gateway knows of the server's capabilities.
enum Knowledge {
    Nothing,
    /// The capabilities were known before this request.
    Capabilities(ServerCapabilities),
    /// The server described itself for this request.
    Description(Rc<ServerDescription>),
}

/// What a branch does next.
enum NextStep {
    Send(CallContent),
    Done,
    Failed(Failure),
}

impl NextStep {
    fn request(request: UpstreamRequest) -> Self {
        Self::Send(CallContent::Mcp(request))
    }
}

impl Branch {
    /// The branch of `server`; `None` where the server has no part in the client's session, so that
    /// the operation does not concern it.
    pub(super) fn new(server: &Server, context: &Context<'_>) -> Option<Self> {
        let Context {
            requester, worker, ..
        } = context;
        let own = match requester.caller.era {
            Era::Legacy => SessionOwner::Client,
            Era::Modern => SessionOwner::Gateway { replaced: false },
        };
        let has_parts = own == SessionOwner::Client && *context.operation != Operation::Discover;
        let client_session = requester.session.as_ref().filter(|_| has_parts);
        let part = client_session.and_then(|session| session.part(server.id));
        let joins = matches!(context.operation, Operation::Open | Operation::List(_));
        let (owner, knowledge, session) = match part {
            Some(part) if !(joins && *part == SessionPart::Absent) => {
                let knowledge = Knowledge::Capabilities(part.offers());
                (own, knowledge, session_of(part, server, context)?)
            }
            _ => {
                let owner = if has_parts {
                    SessionOwner::Joining
                } else {
                    own
                };
                (owner, Knowledge::Nothing, known_session(server, context))
            }
        };
        Some(Self {
            server: server.id,
            deadline: worker.now().saturating_add(server.timeout),
            scope: worker.scope(requester.caller.headers.passthrough_headers(server.id)),
            owner,
            session,
            progress: Progress::Done,
            knowledge,
            list: ServerList::default(),
            is_alone: false,
            is_retried: false,
            is_legacy_news: false,
            failed_probing: false,
        })
    }

    /// How the server failed a moment ago, if it did.
    pub(super) fn recent_failure(&self, context: &Context<'_>) -> Option<Failure> {
        let server = context.gateway.server(self.server)?;
        let key = (server.name.clone(), self.scope);
        context.worker.failed.failure(&key).cloned()
    }

    /// Does not ask the server, which failed a moment ago. When it is time, the gateway asks the
    /// server again with a request of its own.
    pub(super) fn leave_out(&mut self, failure: Failure, context: &mut Context<'_>) {
        self.progress = Progress::LeftOut(failure);
        self.recall_capabilities(context);
        if let Some(server) = context.gateway.server(self.server) {
            let headers = &context.requester.caller.headers;
            let asker = (self.scope, headers.passthrough_headers(server.id));
            let ttl = context.gateway.failed_server_ttl;
            context
                .worker
                .ask_again(context.gateway, server, ttl, asker);
        }
    }

    /// Whether the last failed call was `server/discover`, sent to learn the server's era.
    pub(super) fn failed_probing(&self) -> bool {
        self.failed_probing && self.failure().is_some()
    }

    /// The first step.
    fn first(&mut self, server: &Server, context: &Context<'_>) -> NextStep {
        let operation = context.operation;
        if matches!(self.knowledge, Knowledge::Nothing) {
            let key = (&*server.name, self.scope);
            let worker = &context.worker;
            if let Some(known) = worker.servers.description(key, worker.now()) {
                self.knowledge = Knowledge::Capabilities(known.capabilities);
            }
        }
        self.offer_session(server, context);
        let needs_description = match operation {
            Operation::Discover => true,
            Operation::List(_) => self.capabilities().is_none(),
            Operation::Open | Operation::SetLevel(_) | Operation::End => false,
        };
        match self.session.state() {
            SessionState::Unknown => NextStep::request(UpstreamRequest::Discover),
            SessionState::Modern(_) | SessionState::Refused(_) if needs_description => {
                NextStep::request(UpstreamRequest::Discover)
            }
            SessionState::Offered(_) | SessionState::Closed if needs_description => {
                NextStep::request(UpstreamRequest::Initialize)
            }
            _ => self.onward(operation),
        }
    }

    /// When a legacy client's session begins, or a server joins it, the gateway sends `initialize`
    /// to a modern server, too. A server of both eras accepts, and then the gateway need not
    /// translate messages.
    fn offer_session(&mut self, server: &Server, context: &Context<'_>) {
        let is_new = match self.owner {
            SessionOwner::Client => *context.operation == Operation::Discover,
            SessionOwner::Joining => true,
            SessionOwner::Gateway { .. } => false,
        };
        let may_accept = is_new
            && server.protocol == Protocol::Auto
            && !context.worker.servers.refuses_sessions(&server.name);
        if may_accept {
            self.session.offer();
        }
    }

    /// The next step, once the gateway knows the server's protocol.
    fn onward(&self, operation: &Operation) -> NextStep {
        match operation {
            Operation::Discover => NextStep::Done,
            Operation::Open => match self.session.state() {
                SessionState::Offered(_) | SessionState::Closed => {
                    NextStep::request(UpstreamRequest::Initialize)
                }
                // The gateway checks the session first, since it cannot send a routed request again
                // when the server has lost the session.
                SessionState::Unconfirmed(_) | SessionState::Doubted(_) => {
                    NextStep::request(UpstreamRequest::Ping)
                }
                _ => NextStep::Done,
            },
            Operation::List(kind) if self.capabilities().is_some_and(|it| it.has(*kind)) => {
                match self.session.is_doubted() {
                    true => NextStep::request(UpstreamRequest::Ping),
                    false => NextStep::request(UpstreamRequest::List(*kind, None)),
                }
            }
            Operation::List(_) => NextStep::Done,
            Operation::SetLevel(level) => {
                NextStep::request(UpstreamRequest::SetLevel(level.clone()))
            }
            Operation::End => NextStep::Send(CallContent::Delete),
        }
    }

    /// The server.
    pub(super) fn server(&self) -> ServerId {
        self.server
    }

    /// Whether the branch waits for the answer to a call.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.progress, Progress::Waiting { .. })
    }

    /// Whether the branch waits for the answer to this call.
    pub(super) fn waits_for(&self, id: CallId) -> bool {
        matches!(self.progress, Progress::Waiting { call, .. } if call == id)
    }

    /// Whether the branch has ended without a failure.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.progress, Progress::Done)
    }

    /// How the server failed, if it did.
    pub(super) fn failure(&self) -> Option<&Failure> {
        match &self.progress {
            Progress::Failed(failure) | Progress::LeftOut(failure) => Some(failure),
            Progress::Waiting { .. } | Progress::Done => None,
        }
    }

    /// Whether the gateway left the server out, since it failed a moment ago.
    pub(super) fn is_left_out(&self) -> bool {
        matches!(self.progress, Progress::LeftOut(_))
    }

    /// Marks the server as failed.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.progress = Progress::Failed(failure);
    }

    /// The entries that the server listed.
    pub(super) fn list(&self) -> &ServerList {
        &self.list
    }

    /// The server's description of itself, if the server gave one for this request.
    pub(super) fn description(&self) -> Option<&Rc<ServerDescription>> {
        match &self.knowledge {
            Knowledge::Description(description) => Some(description),
            Knowledge::Nothing | Knowledge::Capabilities(_) => None,
        }
    }

    /// The server's capabilities, where they are known.
    pub(super) fn capabilities(&self) -> Option<ServerCapabilities> {
        match &self.knowledge {
            Knowledge::Nothing => None,
            Knowledge::Capabilities(capabilities) => Some(*capabilities),
            Knowledge::Description(description) => Some(description.capabilities),
        }
    }

    /// The protocol that the gateway speaks with the server, once that is known.
    pub(super) fn protocol(&self) -> Option<UpstreamProtocol> {
        self.session.protocol()
    }

    /// The key of the gateway's own sessions with `server`, which this branch is for.
    pub(super) fn pool_key(&self, requester: &Requester, server: &Server) -> Option<PoolKey> {
        requester.pool_key(server, self.scope)
    }

    /// The session with the server, where it is the gateway's own.
    pub(super) fn lease(&self, requester: &Requester, gateway: &Gateway) -> Option<SessionLease> {
        let session = self.session.session()?;
        if !matches!(self.owner, SessionOwner::Gateway { .. }) {
            return None;
        }
        Some(SessionLease {
            server: self.server,
            key: self.pool_key(requester, gateway.server(self.server)?),
            session: Rc::clone(session),
            capabilities: self.capabilities().unwrap_or_default(),
            headers: requester.caller.headers.clone(),
        })
    }

    /// The client does not wait for the answers any more. The gateway keeps a session that it
    /// opened for them for other requests, or ends it.
    pub(super) fn abandon(
        &self,
        operation: &Operation,
        requester: &Requester,
        gateway: &Gateway,
        worker: &mut Worker,
    ) {
        if let Some(lease) = self.lease(requester, gateway) {
            if self.is_waiting() {
                worker.release(&lease, gateway);
            }
            return;
        }
        // The client does not know of a session that was opened for this request.
        let is_new = match self.owner {
            SessionOwner::Client => *operation == Operation::Discover,
            SessionOwner::Joining => true,
            SessionOwner::Gateway { .. } => false,
        };
        if let (Some(session), true) = (self.session.session(), is_new) {
            let passed = requester.caller.headers.passthrough_headers(self.server);
            worker.end_session(gateway, self.server, session, passed);
        }
    }
}

/// The state for a server with this `part` in the client's session; `None` where the operation does
/// not concern the server.
fn session_of(part: &SessionPart, server: &Server, context: &Context<'_>) -> Option<ServerSession> {
    // Modern servers have no sessions, and a log level is set for one request only.
    let is_for_sessions = matches!(context.operation, Operation::SetLevel(_) | Operation::End);
    match part {
        SessionPart::Absent => None,
        SessionPart::Modern { .. } if is_for_sessions => None,
        SessionPart::Modern { .. } => {
            let version = context.worker.servers.modern_version(&server.name, None);
            Some(ServerSession::modern(version))
        }
        SessionPart::Legacy { .. } => {
            let session = part.link()?;
            let is_nameless = session.id.is_none();
            (*context.operation != Operation::End || !is_nameless)
                .then(|| ServerSession::open(Rc::new(session)))
        }
    }
}

/// The state for a server, from what the worker remembers of it.
fn known_session(server: &Server, context: &Context<'_>) -> ServerSession {
    let servers = &context.worker.servers;
    match servers.era(server) {
        Some(Era::Modern) => {
            let preferred = context.requester.caller.modern_version();
            ServerSession::modern(servers.modern_version(&server.name, preferred))
        }
        Some(Era::Legacy) => ServerSession::closed(),
        None => ServerSession::unknown(),
    }
}
