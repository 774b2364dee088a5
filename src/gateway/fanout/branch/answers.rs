//! How a branch changes when its server answers a call.

use std::rc::Rc;
use std::time::Duration;

use super::{Branch, Knowledge, NextStep, Progress, SessionOwner};
use crate::config::{Gateway, Server};
use crate::gateway::fanout::context::Context;
use crate::gateway::fanout::operation::Operation;
use crate::gateway::upstream::call::{CallContent, UpstreamRequest};
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::list_page::ListPage;
use crate::gateway::upstream::protocol::UpstreamSession;
use crate::gateway::upstream::server_description::ServerDescription;
use crate::gateway::upstream::session_loss::{SESSION_NOT_FOUND, names_session};
use crate::mcp::cache_hints::CacheHints;
use crate::mcp::era::Era;
use crate::mcp::list::ListKind;
use crate::mcp::response::JsonRpcError;
use crate::mcp::version;

impl Branch {
    /// Takes the answer to the call that the branch waits for.
    pub(super) fn take(
        &mut self,
        answer: CallResult,
        server: &Server,
        context: &mut Context<'_>,
    ) -> NextStep {
        let Progress::Waiting { content, .. } =
            std::mem::replace(&mut self.progress, Progress::Done)
        else {
            return NextStep::Done;
        };
        if self.session.is_offered() && refuses_session(&answer) {
            return self.session_refused(&answer, server, context);
        }
        if !matches!(answer, CallResult::Failed(_)) {
            let key = (server.name.clone(), self.scope);
            context.worker.failed.answered(&key);
        }
        match answer {
            CallResult::Discovered(description) => self.discovered(description, server, context),
            CallResult::OtherVersion(version) => self.other_version(version, server, context),
            CallResult::Legacy => self.legacy(server, context),
            CallResult::Opened(description, session) => {
                self.opened(description, session, server, context)
            }
            CallResult::Done => self.accepted(&content, server, context),
            CallResult::Page {
                page, cache_hints, ..
            } => match content {
                CallContent::Mcp(UpstreamRequest::List(kind, _)) => {
                    self.add_page(kind, page, cache_hints, context.gateway)
                }
                _ => NextStep::Done,
            },
            CallResult::NoMethod => self.no_method(content, server, context),
            CallResult::NotShared => {
                self.is_alone = true;
                NextStep::Send(content)
            }
            CallResult::AskAgain => NextStep::Send(content),
            CallResult::SessionLost => self.session_lost(content, server, context),
            CallResult::Failed(failure) => self.failed(failure, content, server, context),
        }
    }

    /// A modern server refused `initialize`, so it opens no session.
    fn session_refused(
        &mut self,
        answer: &CallResult,
        server: &Server,
        context: &mut Context<'_>,
    ) -> NextStep {
        // Only these answers show that the server has no sessions. Any other error may be about
        // what this client sent. Where the server gets headers of clients, these answers may be
        // about the headers, too.
        let is_own = matches!(
            answer,
            CallResult::NoMethod | CallResult::Failed(Failure::Status(404 | 405))
        );
        if is_own && !server.gets_client_headers() {
            context.worker.servers.remember_refusal(&server.name);
        }
        self.session.refuse();
        match self.description() {
            Some(_) => self.onward(context.operation),
            None => NextStep::request(UpstreamRequest::Discover),
        }
    }

    /// `server/discover` was answered.
    fn discovered(
        &mut self,
        description: Rc<ServerDescription>,
        server: &Server,
        context: &mut Context<'_>,
    ) -> NextStep {
        let client = &context.requester.caller;
        let servers = &mut context.worker.servers;
        let supported = &description.modern_versions;
        let spoken = servers.modern_versions;
        let Some(version) = version::negotiate(spoken, supported, client.modern_version()) else {
            return NextStep::Failed(Failure::Version);
        };
        servers.remember_modern(&server.name, supported);
        self.session.discovered(version);
        self.remember_description(description, server, context);
        self.offer_session(server, context);
        match self.session.is_offered() {
            true => NextStep::request(UpstreamRequest::Initialize),
            false => self.onward(context.operation),
        }
    }

    /// The server refused `server/discover` because of its protocol version. The gateway asks it
    /// again in `version`, but only once.
    fn other_version(
        &mut self,
        version: &'static str,
        server: &Server,
        context: &mut Context<'_>,
    ) -> NextStep {
        if !self.session.is_unknown() {
            self.doubt(server, context);
            return NextStep::Failed(Failure::Version);
        }
        self.session.discovered(version);
        NextStep::request(UpstreamRequest::Discover)
    }

    /// The server showed that it is a legacy one.
    fn legacy(&mut self, server: &Server, context: &mut Context<'_>) -> NextStep {
        self.is_legacy_news = true;
        if self.owner == SessionOwner::Client && *context.operation != Operation::Discover {
            // The server was a modern one when the client's session began.
            self.doubt(server, context);
            return NextStep::Failed(Failure::SessionLost);
        }
        self.session.legacy();
        NextStep::request(UpstreamRequest::Initialize)
    }

    /// `initialize` was answered.
    fn opened(
        &mut self,
        description: Rc<ServerDescription>,
        session: Rc<UpstreamSession>,
        server: &Server,
        context: &mut Context<'_>,
    ) -> NextStep {
        self.session.opened(session);
        // A server of both eras stays recorded as modern when it accepts `initialize`.
        if self.is_legacy_news {
            context.worker.servers.remember_legacy(&server.name);
        }
        // For a modern client the gateway asked with its own capabilities.
        let is_own = context.requester.caller.era == Era::Modern;
        if is_own && context.worker.servers.era(server) == Some(Era::Legacy) {
            self.remember_description(description, server, context);
        } else {
            self.knowledge = Knowledge::Description(description);
        }
        NextStep::request(UpstreamRequest::Initialized)
    }

    fn remember_description(
        &mut self,
        description: Rc<ServerDescription>,
        server: &Server,
        context: &mut Context<'_>,
    ) {
        let key = (&*server.name, self.scope);
        let now = context.worker.now();
        let servers = &mut context.worker.servers;
        servers.remember_description(key, Rc::clone(&description), now);
        self.knowledge = Knowledge::Description(description);
    }

    /// The server accepted a message that has no result, or an empty one.
    fn accepted(
        &mut self,
        content: &CallContent,
        server: &Server,
        context: &mut Context<'_>,
    ) -> NextStep {
        self.session.confirm();
        match content {
            CallContent::Mcp(UpstreamRequest::Initialized) => {
                self.join(server, context);
                self.onward(context.operation)
            }
            CallContent::Mcp(UpstreamRequest::Ping) => self.onward(context.operation),
            _ => NextStep::Done,
        }
    }

    /// Adds a page to the server's list of this kind.
    pub(super) fn add_page(
        &mut self,
        kind: ListKind,
        page: Rc<ListPage>,
        cache_hints: CacheHints,
        gateway: &Gateway,
    ) -> NextStep {
        // If the server gives the same cursor again, the list ends: otherwise the gateway would ask
        // this server without end.
        let cursor = page.cursor.clone();
        let cursor = cursor.filter(|cursor| !self.list.has_cursor(cursor));
        self.list.add(page, cache_hints);
        if self.list.bytes() > gateway.max_list_bytes {
            return NextStep::Failed(Failure::ListTooLong(gateway.max_list_bytes));
        }
        match cursor {
            Some(_) if self.list.pages() >= gateway.max_list_pages => {
                NextStep::Failed(Failure::TooManyPages(gateway.max_list_pages))
            }
            Some(cursor) => NextStep::request(UpstreamRequest::List(kind, Some(cursor))),
            None => NextStep::Done,
        }
    }

    /// The server does not know the method.
    fn no_method(
        &mut self,
        content: CallContent,
        server: &Server,
        context: &mut Context<'_>,
    ) -> NextStep {
        match content {
            CallContent::Mcp(UpstreamRequest::Ping) => self.session_lost(content, server, context),
            CallContent::Mcp(UpstreamRequest::SetLevel(_)) => {
                NextStep::Failed(Failure::Level("Method not found".to_owned()))
            }
            // The server's capabilities named this list, so the server may have been replaced.
            CallContent::Mcp(UpstreamRequest::List(..)) => {
                self.doubt(server, context);
                NextStep::Done
            }
            _ => {
                self.doubt(server, context);
                NextStep::Failed(Failure::Version)
            }
        }
    }

    /// The server failed.
    fn failed(
        &mut self,
        failure: Failure,
        content: CallContent,
        server: &Server,
        context: &mut Context<'_>,
    ) -> NextStep {
        // The server may have closed an idle connection at this moment. The gateway may send these
        // requests twice, since they change nothing at the server.
        let is_ping = content == CallContent::Mcp(UpstreamRequest::Ping);
        let is_lost = matches!(failure, Failure::Reset | Failure::Closed);
        if is_lost && !is_ping && !self.is_retried {
            self.is_retried = true;
            return NextStep::Send(content);
        }
        let is_lost = match &failure {
            // Only a good answer to a ping shows that the server has the session.
            _ if is_ping => failure != Failure::TimedOut && !failure.is_not_sent(),
            // Some servers report a lost session as a JSON-RPC error with another HTTP status.
            Failure::Error(JsonRpcError { code, message, .. }) => {
                self.owner == SessionOwner::Gateway { replaced: false }
                    && self.session.session().is_some()
                    && (code == SESSION_NOT_FOUND || names_session(message))
            }
            _ => false,
        };
        if is_lost {
            return self.session_lost(content, server, context);
        }
        // Some servers send an empty cursor on the last page, and refuse a request for the next
        // page.
        let is_last = matches!(&content, CallContent::Mcp(UpstreamRequest::List(_, Some(cursor))) if cursor.is_empty());
        if is_last && matches!(failure, Failure::Error(_) | Failure::Status(400..=499)) {
            return NextStep::Done;
        }
        if let (Failure::Error(error), Operation::SetLevel(_)) = (&failure, context.operation) {
            return NextStep::Failed(Failure::Level(error.message.clone()));
        }
        self.note_failure(&failure, content, server, context);
        NextStep::Failed(failure)
    }

    /// Remembers that the server failed this request. Where the client may be the reason, the
    /// gateway does not remember it, and asks the server with a request of its own.
    fn note_failure(
        &mut self,
        failure: &Failure,
        content: CallContent,
        server: &Server,
        context: &mut Context<'_>,
    ) {
        let CallContent::Mcp(request) = content else {
            return;
        };
        let is_own = match &request {
            UpstreamRequest::Discover => true,
            UpstreamRequest::Initialize => context.requester.caller.era == Era::Modern,
            _ => false,
        };
        self.failed_probing = request == UpstreamRequest::Discover && self.session.is_unknown();
        if !(failure.is_no_answer() || (is_own && failure.is_servers_own())) {
            self.doubt(server, context);
            return;
        }
        // Only failures in lists and in `server/discover` are remembered. If another call fails,
        // the next list shows whether the server works.
        let is_list = matches!(context.operation, Operation::List(_) | Operation::Discover);
        if !is_list || context.gateway.failed_server_ttl.is_zero() {
            return;
        }
        let request = match (request, self.session.modern_version()) {
            (UpstreamRequest::Discover, _) => UpstreamRequest::Discover,
            (UpstreamRequest::List(kind, _), Some(_)) => UpstreamRequest::List(kind, None),
            _ => UpstreamRequest::Initialize,
        };
        let key = (server.name.clone(), self.scope);
        let now = context.worker.now();
        context
            .worker
            .failed
            .fail(key, failure.clone(), request, now);
        // Perhaps only the client's session hangs, and others shall not lack the server for long.
        if self.owner == SessionOwner::Client && self.session.session().is_some() {
            let headers = &context.requester.caller.headers;
            let asker = (self.scope, headers.passthrough_headers(server.id));
            context
                .worker
                .ask_again(context.gateway, server, Duration::ZERO, asker);
        }
    }

    /// The server did not answer as expected. Perhaps another server has replaced it, so the
    /// gateway asks it for its era.
    fn doubt(&self, server: &Server, context: &mut Context<'_>) {
        let headers = &context.requester.caller.headers;
        let passed = headers.passthrough_headers(server.id);
        context.worker.doubt(context.gateway, server, passed);
    }
}

/// Whether this answer to `initialize` refuses the session.
fn refuses_session(answer: &CallResult) -> bool {
    match answer {
        CallResult::NoMethod | CallResult::Failed(Failure::Error(_)) => true,
        CallResult::Failed(Failure::Status(status)) => (400..500).contains(status),
        _ => false,
    }
}
