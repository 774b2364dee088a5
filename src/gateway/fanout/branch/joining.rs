//! How a server joins a client's session that goes on, and how it loses its own session.

use std::rc::Rc;

use super::{Branch, NextStep, SessionOwner};
use crate::config::Server;
use crate::gateway::fanout::context::Context;
use crate::gateway::fanout::merged_list::ServerList;
use crate::gateway::session::SessionPart;
use crate::gateway::upstream::call::{CallContent, UpstreamRequest};
use crate::gateway::upstream::failure::Failure;

/// The server has just joined a client's session, and does not know its own new session.
const FORGOTTEN_AT_ONCE: Failure =
    Failure::Nonsense("the error that it does not know the session that it has just opened");

impl Branch {
    /// A server that joins the client's session has a session with the gateway now. The gateway
    /// keeps it for the client's next requests. If another request has opened such a session first,
    /// the gateway uses that one and ends this one.
    pub(super) fn join(&mut self, server: &Server, context: &mut Context<'_>) {
        let (SessionOwner::Joining, Some(client), Some(own)) = (
            self.owner,
            &context.requester.session,
            self.session.session().map(Rc::clone),
        ) else {
            return;
        };
        self.owner = SessionOwner::Client;
        let joined = context.worker.joined.part(&client.id, server);
        if let Some(other) = joined.and_then(|part| part.link()) {
            let passed = context
                .requester
                .caller
                .headers
                .passthrough_headers(server.id);
            let (gateway, worker) = (context.gateway, &mut context.worker);
            worker.end_session(gateway, server.id, &own, passed);
            self.session.opened(Rc::new(other));
            return;
        }
        let part = SessionPart::Legacy {
            offers: self.capabilities().unwrap_or_default(),
            version: own.version,
            session: own.id.clone(),
        };
        context.worker.joined.join(&client.id, server, &part);
    }

    /// The server has forgotten the session. If the client owns the session, the client has to open
    /// a new one. If the gateway owns it, the gateway opens a new one.
    pub(super) fn session_lost(
        &mut self,
        content: CallContent,
        server: &Server,
        context: &mut Context<'_>,
    ) -> NextStep {
        let client_session = context.requester.session.as_ref();
        let joined = client_session.filter(|session| session.joined.contains(&server.id));
        self.owner = match (self.owner, joined) {
            (SessionOwner::Gateway { replaced: false }, _) => {
                SessionOwner::Gateway { replaced: true }
            }
            // The client does not know of the session with this server, so the gateway opens a new
            // one.
            (SessionOwner::Client, Some(session)) => {
                context.worker.joined.leave(&session.id, server);
                SessionOwner::Joining
            }
            (SessionOwner::Joining, _) => return NextStep::Failed(FORGOTTEN_AT_ONCE),
            (SessionOwner::Client | SessionOwner::Gateway { .. }, _) => {
                return NextStep::Failed(Failure::SessionLost);
            }
        };
        let lost = self.session.lose();
        let key = self.pool_key(context.requester, server);
        if let (Some(session), Some(key)) = (lost, key) {
            context.worker.pool.give_up(&key, &session);
        }
        self.list = ServerList::default();
        match content {
            CallContent::Mcp(UpstreamRequest::Ping) => {
                NextStep::request(UpstreamRequest::Initialize)
            }
            // A cursor is valid in its session only.
            CallContent::Mcp(UpstreamRequest::List(kind, _)) => {
                NextStep::request(UpstreamRequest::List(kind, None))
            }
            content => NextStep::Send(content),
        }
    }
}
