//! The calls of a branch. A branch makes a call only where neither the cache nor the pool of
//! sessions has the answer.

use std::time::Duration;

use super::{Branch, Knowledge, NextStep, Progress};
use crate::config::Server;
use crate::gateway::fanout::context::Context;
use crate::gateway::fanout::operation::Operation;
use crate::gateway::upstream::call::{Call, CallContent, Share, UpstreamRequest};
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::upstream::call_writer::CallSpec;
use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::list_page::ListPage;
use crate::gateway::upstream::page_key::PageKey;
use crate::gateway::upstream::protocol::UpstreamProtocol;
use crate::mcp::client_capabilities::ClientCapabilities;
use crate::mcp::era::Era;

impl Branch {
    /// Starts the branch. Gives the first call, if the branch needs one.
    pub(in crate::gateway::fanout) fn start(&mut self, context: &mut Context<'_>) -> Option<Call> {
        let server = context.gateway.server(self.server)?;
        let next = self.first(server, context);
        self.advance(next, server, context)
    }

    /// Takes the answer to the call that the branch waits for. Gives the next call, if the branch
    /// needs one.
    pub(in crate::gateway::fanout) fn answered(
        &mut self,
        answer: CallResult,
        context: &mut Context<'_>,
    ) -> Option<Call> {
        let server = context.gateway.server(self.server)?;
        let next = self.take(answer, server, context);
        self.advance(next, server, context)
    }

    /// Takes all steps that need no call. Gives the next call, or `None` when the branch has ended.
    fn advance(
        &mut self,
        mut next: NextStep,
        server: &Server,
        context: &mut Context<'_>,
    ) -> Option<Call> {
        loop {
            let content = match next {
                NextStep::Send(content) => content,
                NextStep::Done => {
                    self.finish(Progress::Done, context);
                    return None;
                }
                NextStep::Failed(failure) => {
                    self.finish(Progress::Failed(failure), context);
                    return None;
                }
            };
            let share = self.share(&content, server, context);
            next = match self.without_call(&content, share, server, context) {
                Some(step) => step,
                None => match self.call(content, share, server, context) {
                    Ok(call) => return Some(call),
                    Err(failure) => NextStep::Failed(failure),
                },
            };
        }
    }

    /// The next step, where the cache or the pool of sessions has the answer to `content` already.
    fn without_call(
        &mut self,
        content: &CallContent,
        share: Option<Share>,
        server: &Server,
        context: &mut Context<'_>,
    ) -> Option<NextStep> {
        match (content, share) {
            (CallContent::Mcp(UpstreamRequest::List(kind, _)), Some(share)) => {
                let now = context.worker.now();
                let longest = context.gateway.max_list_bytes;
                let read = |result: &str| ListPage::parse(*kind, server, result, longest).ok();
                let Some((page, hints)) = context.worker.pages.get(share.key, now, read) else {
                    context.counters.misses = context.counters.misses.saturating_add(1);
                    return None;
                };
                context.counters.hits = context.counters.hits.saturating_add(1);
                Some(self.add_page(*kind, page, hints, context.gateway))
            }
            (CallContent::Mcp(UpstreamRequest::Initialize), _) => {
                self.without_initialize(server, context)
            }
            _ => None,
        }
    }

    /// The next step, where the gateway need not send `initialize`.
    fn without_initialize(
        &mut self,
        server: &Server,
        context: &mut Context<'_>,
    ) -> Option<NextStep> {
        let client = &context.requester.caller;
        let worker = &mut context.worker;
        let now = worker.now();
        if client.era == Era::Modern && *context.operation == Operation::Discover {
            let key = (&*server.name, self.scope);
            let description = worker.servers.description(key, now)?;
            self.knowledge = Knowledge::Description(description);
            return Some(NextStep::Done);
        }
        let key = self.pool_key(context.requester, server)?;
        let found = worker.pool.get(&key, now)?;
        self.knowledge = Knowledge::Capabilities(found.capabilities);
        self.session.reuse(found);
        Some(self.onward(context.operation))
    }

    /// The call that sends `content`. Where `content` needs a session and there is none, the call
    /// opens the session first.
    fn call(
        &mut self,
        mut content: CallContent,
        share: Option<Share>,
        server: &Server,
        context: &mut Context<'_>,
    ) -> Result<Call, Failure> {
        let initialize = CallContent::Mcp(UpstreamRequest::Initialize);
        if self.session.is_closed() && content != initialize {
            let key = self.pool_key(context.requester, server);
            let now = context.worker.now();
            match key.and_then(|key| context.worker.pool.get(&key, now)) {
                Some(found) => {
                    self.session.reuse(found);
                    if self.session.is_doubted() {
                        // The ping comes first. After it the branch starts its operation again.
                        content = CallContent::Mcp(UpstreamRequest::Ping);
                    }
                }
                // After the session is open, the branch starts its operation again.
                None => content = initialize,
            }
        }
        let left = self.deadline.saturating_sub(context.worker.now());
        if left < Duration::from_millis(1) {
            return Err(Failure::TimedOut);
        }
        let is_list = matches!(content, CallContent::Mcp(UpstreamRequest::List(..)));
        let id = context.counters.next_call();
        let spec = CallSpec {
            id,
            rpc_id: context.worker.next_id(),
            content: &content,
            share: share.filter(|_| is_list),
            // The clock may have been set back.
            timeout: left.min(server.timeout),
        };
        let protocol = self.protocol();
        let protocol =
            protocol.unwrap_or_else(|| UpstreamProtocol::Modern(context.first_version()));
        let client = &context.requester.caller;
        let call = client.call(context.gateway, server, &protocol, spec);
        self.progress = Progress::Waiting { call: id, content };
        Ok(call)
    }

    /// How other clients may share the answer; `None` where they may not.
    fn share(
        &self,
        content: &CallContent,
        server: &Server,
        context: &mut Context<'_>,
    ) -> Option<Share> {
        let CallContent::Mcp(UpstreamRequest::List(kind, cursor)) = content else {
            return None;
        };
        // The answer in a session is for that session only, unless the configuration
        // says otherwise (`listTtl`).
        let version = self.session.modern_version();
        let may_be = version.is_some() || server.list_ttl.is_some();
        let is_personal = server.gets_client_headers();
        if !context.gateway.caches || !may_be || self.is_alone || is_personal {
            return None;
        }
        let client = &context.requester.caller;
        let capabilities = match version {
            // The gateway opens its own sessions without any capability.
            None if client.era == Era::Modern => ClientCapabilities::NONE,
            _ => client.capabilities.shared()?,
        };
        let is_shareable =
            server.list_ttl.is_some() || context.worker.calls.is_shareable(self.server, *kind);
        let worker = &mut *context.worker;
        let (plugin, keys) = (&worker.plugin, &mut worker.first_page_keys);
        let key = match cursor.as_deref() {
            None => keys.key(plugin, server, *kind, version, capabilities),
            cursor => PageKey::new(plugin, server, *kind, cursor, version, capabilities),
        };
        Some(Share {
            key,
            ttl: server.list_ttl,
            joins: version.is_some() && is_shareable,
        })
    }

    /// Ends the branch. The gateway keeps its own session for other requests, or ends it. But it
    /// keeps the session for this request where the client's request goes to the server in it.
    fn finish(&mut self, progress: Progress, context: &mut Context<'_>) {
        self.progress = progress;
        if *context.operation == Operation::Open && self.is_done() {
            return;
        }
        if let Some(lease) = self.lease(context.requester, context.gateway) {
            let worker = &mut *context.worker;
            worker.release(&lease, context.gateway);
            if self.is_done() {
                worker.pool.confirm(&lease, worker.now());
            } else {
                worker.pool.doubt(&lease);
            }
        }
        if self.failure().is_some() {
            self.recall_capabilities(context);
        }
    }
}
