//! One server's part of a fan-out: what is known of the server, what it was asked,
//! and what it answered.

mod answers;
mod calls;
mod joining;
mod missing;
mod session;

use std::rc::Rc;
use std::time::Duration;

use session::ServerSession;

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

/// One server's part.
#[derive(Debug)]
pub(super) struct Branch {
    server: ServerId,
    /// When the server's time is up.
    deadline: Duration,
    /// Which of the client's headers the server gets.
    scope: Option<Scope>,
    owner: SessionOwner,
    session: ServerSession,
    progress: Progress,
    knowledge: Knowledge,
    list: ServerList,
    /// An answer that was shared is for another caller only, so this branch shares
    /// no call.
    is_alone: bool,
    /// A request was sent again after its connection broke.
    is_retried: bool,
    /// The server did not know `server/discover`, which was not known before: it is
    /// remembered as a legacy one when it has opened a session. A client's headers may
    /// cause the one, and not both.
    is_legacy_news: bool,
    /// What failed last was `server/discover`, sent to learn the server's era.
    failed_probing: bool,
}

/// Who owns the session with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SessionOwner {
    /// The client, which keeps it.
    Client,
    /// The client, whose session began without this server: the server joins it.
    Joining,
    /// The gateway. When the server has forgotten the session, the gateway opens
    /// another, but only once.
    Gateway { replaced: bool },
}

/// How far a branch is.
#[derive(Debug)]
enum Progress {
    /// It waits for the answer to a call.
    Waiting {
        call: CallId,
        content: CallContent,
    },
    Done,
    Failed(Failure),
    /// It failed a moment ago, and is not asked.
    LeftOut(Failure),
}

/// What is known of the server's capabilities.
#[derive(Debug)]
enum Knowledge {
    Nothing,
    /// From before this request.
    Capabilities(ServerCapabilities),
    /// The server described itself for this request.
    Description(Rc<ServerDescription>),
}

/// What a branch does next.
#[derive(Debug)]
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
    /// The branch of `server`; `None` where the client's session has nothing to do
    /// with that server.
    pub(super) fn new(server: &Server, context: &Context<'_>) -> Option<Self> {
        let Context {
            requester, worker, ..
        } = context;
        let now = worker.now();
        let mut branch = Self {
            server: server.id,
            deadline: now.saturating_add(server.timeout),
            scope: worker.scope(requester.caller.headers.passthrough_headers(server.id)),
            owner: match requester.caller.era {
                Era::Legacy => SessionOwner::Client,
                Era::Modern => SessionOwner::Gateway { replaced: false },
            },
            session: ServerSession::Unknown,
            progress: Progress::Done,
            knowledge: Knowledge::Nothing,
            list: ServerList::default(),
            is_alone: false,
            is_retried: false,
            is_legacy_news: false,
            failed_probing: false,
        };
        let has_parts =
            branch.owner == SessionOwner::Client && *context.operation != Operation::Discover;
        let session = requester.session.as_ref().filter(|_| has_parts);
        let part = session.and_then(|session| session.part(server.id));
        let joins = matches!(context.operation, Operation::Open | Operation::List(_));
        if let Some(part) = part
            && !(joins && *part == SessionPart::Absent)
        {
            branch.knowledge = Knowledge::Capabilities(part.offers());
            branch.session = session_of(part, server, context)?;
        } else {
            if has_parts {
                branch.owner = SessionOwner::Joining;
            }
            branch.session = known_session(server, context);
        }
        Some(branch)
    }

    /// How the server failed a moment ago, if it did.
    pub(super) fn recent_failure(&self, context: &Context<'_>) -> Option<Failure> {
        let server = context.gateway.server(self.server)?;
        let key = (server.name.clone(), self.scope);
        context.worker.failed.failure(&key).cloned()
    }

    /// Does not ask the server, which failed a moment ago. The gateway asks it again
    /// beside the traffic, when it is time.
    pub(super) fn leave_out(&mut self, failure: Failure, context: &mut Context<'_>) {
        self.progress = Progress::LeftOut(failure);
        self.recall_capabilities(context);
        if let Some(server) = context.gateway.server(self.server) {
            let headers = &context.requester.caller.headers;
            let passed = headers.passthrough_headers(server.id);
            let worker = &mut *context.worker;
            worker.ask_again(context.gateway, server, self.scope, passed);
        }
    }

    /// Whether `server/discover` failed, sent to learn the server's era.
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
        match self.session {
            ServerSession::Unknown => NextStep::request(UpstreamRequest::Discover),
            ServerSession::Modern(_) | ServerSession::Refused(_) if needs_description => {
                NextStep::request(UpstreamRequest::Discover)
            }
            ServerSession::Offered(_) | ServerSession::Closed if needs_description => {
                NextStep::request(UpstreamRequest::Initialize)
            }
            _ => self.onward(operation),
        }
    }

    /// When a legacy client's session begins, or a server joins it, a modern server is
    /// asked for a session, too: a server of both eras accepts, and then nothing has to be translated.
    fn offer_session(&mut self, server: &Server, context: &Context<'_>) {
        let is_new = match self.owner {
            SessionOwner::Client => *context.operation == Operation::Discover,
            SessionOwner::Joining => true,
            SessionOwner::Gateway { .. } => false,
        };
        let may_accept = is_new
            && server.protocol == Protocol::Auto
            && !context.worker.servers.refuses_sessions(&server.name);
        if let (ServerSession::Modern(version), true) = (&self.session, may_accept) {
            self.session = ServerSession::Offered(version);
        }
    }

    /// The next step, once the gateway knows how to speak with the server.
    fn onward(&self, operation: &Operation) -> NextStep {
        match operation {
            Operation::Discover => NextStep::Done,
            Operation::Open => match self.session {
                ServerSession::Offered(_) | ServerSession::Closed => {
                    NextStep::request(UpstreamRequest::Initialize)
                }
                // A routed request cannot be sent again when the session is lost.
                ServerSession::Unconfirmed(_) | ServerSession::Doubted(_) => {
                    NextStep::request(UpstreamRequest::Ping)
                }
                _ => NextStep::Done,
            },
            Operation::List(kind) if self.capabilities().is_some_and(|it| it.has(*kind)) => {
                match self.session {
                    ServerSession::Doubted(_) => NextStep::request(UpstreamRequest::Ping),
                    _ => NextStep::request(UpstreamRequest::List(*kind, None)),
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

    /// Whether the client's headers say something to the server.
    pub(super) fn has_scope(&self) -> bool {
        self.scope.is_some()
    }

    /// Whether it waits for the answer to a call.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.progress, Progress::Waiting { .. })
    }

    /// Whether it waits for the answer to this call.
    pub(super) fn waits_for(&self, id: CallId) -> bool {
        matches!(self.progress, Progress::Waiting { call, .. } if call == id)
    }

    /// Whether the server has answered all that it was asked.
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

    /// Whether the server was not asked, since it failed a moment ago.
    pub(super) fn is_left_out(&self) -> bool {
        matches!(self.progress, Progress::LeftOut(_))
    }

    /// Lets the server count as failed.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.progress = Progress::Failed(failure);
    }

    /// The entries that the server listed.
    pub(super) fn list(&self) -> &ServerList {
        &self.list
    }

    /// What the server said of itself for this request.
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

    /// Nobody waits for the answers any more: a session that was opened for them is
    /// kept for other requests, or ended.
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
        // The client never got the session that was opened for it.
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

/// The state for a server with this `part` in the client's session; `None` where the
/// operation does not concern it.
fn session_of(part: &SessionPart, server: &Server, context: &Context<'_>) -> Option<ServerSession> {
    // Modern servers have no sessions, and no log level that outlasts a request.
    let is_for_sessions = matches!(context.operation, Operation::SetLevel(_) | Operation::End);
    match part {
        SessionPart::Absent => None,
        SessionPart::Modern { .. } if is_for_sessions => None,
        SessionPart::Modern { .. } => {
            let version = context.worker.servers.modern_version(&server.name, None);
            Some(version.map_or(ServerSession::Unknown, ServerSession::Modern))
        }
        SessionPart::Legacy { .. } => {
            let session = part.link()?;
            let is_nameless = session.id.is_none();
            (*context.operation != Operation::End || !is_nameless)
                .then(|| ServerSession::Open(Rc::new(session)))
        }
    }
}

/// The state for a server by what the worker remembers of it.
fn known_session(server: &Server, context: &Context<'_>) -> ServerSession {
    let servers = &context.worker.servers;
    match servers.era(server) {
        Some(Era::Modern) => {
            let preferred = context.requester.caller.modern_version();
            let version = servers.modern_version(&server.name, preferred);
            version.map_or(ServerSession::Unknown, ServerSession::Modern)
        }
        Some(Era::Legacy) => ServerSession::Closed,
        None => ServerSession::Unknown,
    }
}
