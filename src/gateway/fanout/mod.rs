//! One question to several servers at once: each server's calls, page after
//! page, until all have answered or failed. The order of the outcome is that of
//! the configuration, whatever the order of the answers.

mod branch;
pub mod merged_capabilities;
pub mod merged_list;
pub mod operation;
pub mod outcome;

use operation::{CallerIdentity, Operation, Requester};
use std::rc::Rc;
use std::time::Duration;

use crate::config::{Gateway, Server, ServerId};
use crate::gateway::fanout::branch::{Branch, NextStep, SessionOwner, State};
use crate::gateway::upstream::call::{Call, CallId, Share, UpstreamRequest};
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::upstream::client_context::{CallSpec, ClientContext};
use crate::gateway::upstream::failure::Failure;
use crate::gateway::upstream::list_page::ListPage;
use crate::gateway::upstream::page_key::PageKey;
use crate::gateway::upstream::protocol::UpstreamProtocol;
use crate::gateway::worker::session_pool::{PoolKey, SessionLease};
use crate::gateway::worker::{Scope, Worker};
use crate::mcp::era::Era;

/// A question under way.
#[derive(Debug)]
pub struct Fanout {
    pub(super) operation: Operation,
    pub(super) requester: Requester,
    next_call: u32,
    branches: Vec<Branch>,
    /// Pages that were there, and that were not.
    hits: u64,
    misses: u64,
}

/// What a leg needs of the world.
struct Context<'g> {
    gateway: &'g Gateway,
    worker: &'g mut Worker,
}

impl Fanout {
    /// Asks the servers at these `places`; the calls are to be made at once.
    /// Where no call is needed, it [is done](Fanout::is_done) already. Servers
    /// that have no part in the client's session are left out.
    pub fn start(
        operation: Operation,
        servers: &[ServerId],
        requester: Requester,
        gateway: &Gateway,
        worker: &mut Worker,
    ) -> (Self, Vec<Call>) {
        let mut fanout = Self {
            operation,
            requester,
            next_call: 0,
            branches: Vec::with_capacity(servers.len()),
            hits: 0,
            misses: 0,
        };
        let mut calls = Vec::with_capacity(servers.len());
        let mut ground = Context { gateway, worker };
        let now = ground.worker.now();
        for id in servers {
            let Some(server) = gateway.server(*id) else {
                continue;
            };
            let deadline = now.saturating_add(server.timeout);
            let scope = ground
                .worker
                .scope(fanout.requester.caller.headers.passthrough_headers(*id));
            let Some(mut branch) = fanout.branch(*id, deadline, scope) else {
                continue;
            };
            let capabilities = &fanout.requester.caller.capabilities;
            let next = branch.first(&fanout.operation, server, capabilities, ground.worker);
            calls.extend(fanout.go_on(&mut branch, next, &mut ground));
            fanout.branches.push(branch);
        }
        (fanout, calls)
    }

    /// The part of the server at this place; `None` where it has none in the
    /// client's session.
    fn branch(&self, server: ServerId, deadline: Duration, scope: Option<Scope>) -> Option<Branch> {
        let lease = match self.requester.caller.era {
            Era::Legacy => SessionOwner::Clients,
            Era::Modern => SessionOwner::Gateways,
        };
        let mut branch = Branch::new(server, deadline, lease, scope);
        if lease == SessionOwner::Gateways || self.operation == Operation::Greet {
            return Some(branch);
        }
        let part = self.requester.parts.get(server.index())?;
        let protocol = part.protocol()?;
        // A modern server knows neither sessions nor levels that outlast a request.
        let concerned = match self.operation {
            Operation::SetLevel(_) => protocol != UpstreamProtocol::Modern,
            Operation::End => protocol.link().is_some_and(|link| link.session.is_some()),
            Operation::Greet | Operation::Open | Operation::List(_) => true,
        };
        if !concerned {
            return None;
        }
        branch.offers = Some(part.offers());
        branch.protocol = Some(protocol);
        Some(branch)
    }

    /// Takes the answer to a call; gives the next one, if any.
    pub fn answered(
        &mut self,
        call: CallId,
        answer: CallResult,
        gateway: &Gateway,
        worker: &mut Worker,
    ) -> Option<Call> {
        let waits = |branch: &Branch| matches!(branch.state, State::Waiting { call: waiting, .. } if waiting == call);
        let mut branches = std::mem::take(&mut self.branches);
        let call = branches
            .iter_mut()
            .find(|branch| waits(branch))
            .and_then(|branch| {
                let server = gateway.server(branch.server)?;
                let had = branch.link().cloned();
                let to = (&self.operation, self.requester.caller.capabilities.as_str());
                let next = branch.take(to, server, answer, gateway, worker);
                if let (Some(had), None, Some(key)) = (had, branch.link(), self.key(branch, server))
                {
                    worker.pool.drop(&key, &had);
                }
                self.go_on(branch, next, &mut Context { gateway, worker })
            });
        self.branches = branches;
        call
    }

    /// Takes `leg` as far as it goes without asking; gives the call it then needs.
    fn go_on(
        &mut self,
        branch: &mut Branch,
        next: NextStep,
        ground: &mut Context<'_>,
    ) -> Option<Call> {
        let mut next = next;
        loop {
            let (mut question, mut cursor) = match next {
                NextStep::Ask(question, cursor) => (question, cursor),
                NextStep::Done => {
                    branch.state = State::Done;
                    self.release(branch, ground);
                    return None;
                }
                NextStep::Failed(failure) => {
                    branch.state = State::Failed(failure);
                    self.release(branch, ground);
                    return None;
                }
            };
            let server = ground.gateway.server(branch.server)?;
            let share = self.share(branch, &question, cursor.as_deref(), server, ground);
            if let (Some(share), UpstreamRequest::List(kind)) = (&share, &question) {
                let now = ground.worker.now();
                let read = |result: &str| ListPage::read(*kind, server, result).ok();
                if let Some((page, cache_hints)) = ground.worker.pages.get(share.key, now, read) {
                    self.hits = self.hits.saturating_add(1);
                    next = branch.add(question, page, cache_hints, ground.gateway);
                    continue;
                }
                self.misses = self.misses.saturating_add(1);
            }
            if branch
                .protocol
                .as_ref()
                .is_some_and(UpstreamProtocol::is_silent)
                && question != UpstreamRequest::Initialize
            {
                let key = self.key(branch, server);
                let now = ground.worker.now();
                match key.and_then(|key| ground.worker.pool.get(&key, now)) {
                    Some(found) => {
                        branch.protocol = Some(UpstreamProtocol::Legacy(Some(found.link)))
                    }
                    // It is asked again when there is a session.
                    None => (question, cursor) = (UpstreamRequest::Initialize, None),
                }
            } else if question == UpstreamRequest::Initialize
                && let Some(known) = self.known(branch, server, ground)
            {
                next = known;
                continue;
            }
            if question == UpstreamRequest::Initialize
                && self.requester.who == CallerIdentity::Nobody
            {
                next = NextStep::Failed(Failure::Anonymous);
                continue;
            }
            let left = branch.deadline.saturating_sub(ground.worker.now());
            if left < Duration::from_millis(1) {
                next = NextStep::Failed(Failure::TimedOut);
                continue;
            }
            let id = CallId(self.next_call);
            self.next_call = self.next_call.saturating_add(1);
            let silent = UpstreamProtocol::Legacy(None);
            let put = CallSpec {
                id,
                rpc_id: ground.worker.next_id(),
                question: &question,
                cursor: cursor.as_deref(),
                share: share.filter(|_| matches!(question, UpstreamRequest::List(_))),
                // The clock may jump.
                timeout: left.min(server.timeout),
            };
            let protocol = branch.protocol.as_ref().unwrap_or(&silent);
            let call = self
                .requester
                .caller
                .call(ground.gateway, server, protocol, put);
            branch.state = State::Waiting {
                call: id,
                question,
                cursor,
            };
            return Some(call);
        }
    }

    /// What is known already, in place of a new session.
    fn known(
        &self,
        branch: &mut Branch,
        server: &Server,
        ground: &mut Context<'_>,
    ) -> Option<NextStep> {
        let caller = &self.requester.caller;
        if caller.era == Era::Modern && self.operation == Operation::Greet {
            let known = {
                let worker = &ground.worker;
                worker.known(&server.name, &caller.capabilities, branch.scope)?
            };
            branch.discovered = Some(known);
            return Some(NextStep::Done);
        }
        let now = ground.worker.now();
        let found = ground.worker.pool.get(&self.key(branch, server)?, now)?;
        branch.protocol = Some(UpstreamProtocol::Legacy(Some(found.link)));
        branch.offers = Some(found.offers);
        branch.is_sure = found.is_sure;
        Some(branch.onward(&self.operation))
    }

    /// The key of the gateway's own sessions with `server`, that of `leg`.
    fn key(&self, branch: &Branch, server: &Server) -> Option<PoolKey> {
        (self.requester.caller.era == Era::Modern)
            .then(|| {
                let identity = match &self.requester.who {
                    CallerIdentity::Known(identity) => Some(identity.as_str()),
                    CallerIdentity::Anyone | CallerIdentity::Nobody => None,
                };
                let capabilities = &self.requester.caller.capabilities;
                PoolKey::new(server, identity, capabilities, branch.scope)
            })
            .flatten()
    }

    /// Keeps the gateway's own session for others, or ends it; unless the
    /// request goes on with it.
    fn release(&self, branch: &Branch, ground: &mut Context<'_>) {
        if self.operation == Operation::Open && matches!(branch.state, State::Done) {
            return;
        }
        if let Some(held) = self.held(branch, ground.gateway) {
            if matches!(branch.state, State::Done) {
                let now = ground.worker.now();
                ground.worker.pool.heard(&held, Some(now));
            }
            ground.worker.release(&held, ground.gateway);
        }
    }

    /// The gateway's own session with the server of `leg`.
    fn held(&self, branch: &Branch, gateway: &Gateway) -> Option<SessionLease> {
        let link = branch
            .link()
            .filter(|_| branch.lease == SessionOwner::Gateways)?;
        Some(SessionLease {
            server: branch.server,
            key: self.key(branch, gateway.server(branch.server)?),
            link: Rc::clone(link),
            offers: branch.offers.unwrap_or_default(),
            headers: self.requester.caller.headers.clone(),
        })
    }

    /// Nobody waits for what is under way any more: sessions that were opened
    /// for it are kept for others, or ended.
    pub fn given_up(&self, gateway: &Gateway, worker: &mut Worker) {
        let is_begun =
            self.operation == Operation::Greet && self.requester.caller.era == Era::Legacy;
        for branch in &self.branches {
            let is_waiting = matches!(branch.state, State::Waiting { .. });
            match (branch.link(), self.held(branch, gateway)) {
                (_, Some(held)) if is_waiting => worker.release(&held, gateway),
                // The client's session, which it never got.
                (Some(link), None) if is_begun => {
                    let passed = self
                        .requester
                        .caller
                        .headers
                        .passthrough_headers(branch.server);
                    worker.end(gateway, branch.server, link, passed);
                }
                _ => {}
            }
        }
    }

    /// How the answer to a question is shared, if it may be.
    fn share(
        &self,
        branch: &Branch,
        question: &UpstreamRequest,
        cursor: Option<&str>,
        server: &Server,
        ground: &Context<'_>,
    ) -> Option<Share> {
        let UpstreamRequest::List(kind) = question else {
            return None;
        };
        // What a caller's credentials show is that caller's.
        if branch.scope.is_some() {
            return None;
        }
        // What is said in a session is that session's, unless the configuration
        // says that it is everyone's.
        let is_stateless = branch.protocol == Some(UpstreamProtocol::Modern);
        let version = if is_stateless {
            self.requester.caller.modern_version()
        } else {
            "legacy"
        };
        let may_be = is_stateless || server.list_ttl.is_some();
        (ground.gateway.caches && may_be && !branch.alone).then(|| Share {
            key: PageKey::new(
                &ground.worker.plugin,
                server,
                *kind,
                cursor,
                version,
                &self.requester.caller.capabilities,
            ),
            ttl: server.list_ttl,
            joins: is_stateless
                && (server.list_ttl.is_some() || ground.worker.is_shared(branch.server, *kind)),
        })
    }

    /// Each server's place, and how it failed if it did; for those that are
    /// done with.
    pub fn states(&self) -> impl Iterator<Item = (ServerId, Option<&Failure>)> {
        self.branches
            .iter()
            .filter_map(|branch| match &branch.state {
                State::Waiting { .. } => None,
                State::Done => Some((branch.server, None)),
                State::Failed(failure) => Some((branch.server, Some(failure))),
            })
    }

    /// Pages that were there, and that had to be asked for, though they might be.
    pub fn cached(&self) -> (u64, u64) {
        (self.hits, self.misses)
    }

    /// Whether all servers have answered or failed.
    pub fn is_done(&self) -> bool {
        !self
            .branches
            .iter()
            .any(|branch| matches!(branch.state, State::Waiting { .. }))
    }

    /// Who asked.
    pub fn caller(&self) -> &ClientContext {
        &self.requester.caller
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::gateway::routing::call_headers::CallerHeaders;
    use crate::gateway::upstream::call::CallResponse;
    use crate::gateway::upstream::discovered::ServerDescription;
    use crate::gateway::upstream::list_page::ListPage;
    use crate::gateway::worker::page_cache::Store;
    use crate::http::Headers;
    use crate::mcp::list::ListKind;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[derive(Debug)]
    struct Nothing;

    impl Store for Nothing {
        fn get(&self, _: &str) -> Option<Vec<u8>> {
            None
        }
        fn set(&self, _: &str, _: &[u8]) {}
    }

    fn requester(gateway: &Gateway, key: Option<&str>) -> Requester {
        let headers = Headers::from_pairs(key.map(|key| ("x-key", key)));
        Requester {
            caller: ClientContext {
                era: Era::Modern,
                version: "2026-07-28".into(),
                capabilities: "{}".into(),
                info: None,
                headers: CallerHeaders::of(&headers, gateway, &[gateway.servers[0].id]).unwrap(),
            },
            parts: Vec::new(),
            who: CallerIdentity::Known("ada".into()),
        }
    }

    fn value<'c>(call: &'c Call, name: &str) -> Option<&'c str> {
        let mut fields = call.headers.iter();
        fields
            .find(|(field, _)| field == name)
            .map(|(_, value)| &**value)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_one_callers_header_shows_is_for_nobody_else() {
        let config = br#"{"servers":[{"name":"a","protocol":"MODERN","passthroughHeaders":["x-key"],"headers":[{"name":"x-own","value":"own"}]}]}"#;
        let gateway = Config::parse(config).unwrap().gateway.unwrap();
        let mut worker = Worker::new(
            || Duration::from_secs(1000),
            |bytes| bytes.fill(1),
            Box::new(Nothing),
        );
        let result = r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":1000,"cacheScope":"public"}"#;
        let discovered =
            || CallResult::Discovered(Rc::new(ServerDescription::read(result).unwrap()));
        let page = || {
            let result = r#"{"tools":[],"ttlMs":1000,"cacheScope":"public"}"#;
            let page = ListPage::read(ListKind::Tools, &gateway.servers[0], result).unwrap();
            CallResult::Page {
                cache_hints: page.cache_hints,
                page: Rc::new(page),
                private: false,
            }
        };
        let mut pool_keys = Vec::new();
        for (key, scope, knows) in [
            (Some("one"), "private", false),
            (Some("two"), "private", false),
            (None, "public", false),
            (Some("one"), "private", true),
            (Some("two"), "private", true),
            (None, "public", true),
        ] {
            let operation = Operation::List(ListKind::Tools);
            let requester = requester(&gateway, key);
            let (mut fanout, calls) = Fanout::start(
                operation,
                &[gateway.servers[0].id],
                requester,
                &gateway,
                &mut worker,
            );
            let mut call = calls.into_iter().next().unwrap();
            assert_eq!(
                call.question == UpstreamRequest::Discover,
                !knows,
                "{key:?}"
            );
            if !knows {
                assert_eq!((value(&call, "x-key"), call.share), (key, None));
                let next = fanout.answered(call.id, discovered(), &gateway, &mut worker);
                call = next.unwrap();
            }
            assert_eq!(call.question, UpstreamRequest::List(ListKind::Tools));
            assert_eq!(
                (value(&call, "x-key"), value(&call, "x-own")),
                (key, Some("own"))
            );
            assert_eq!(call.share.is_some(), key.is_none(), "{key:?}");
            let next = fanout.answered(call.id, page(), &gateway, &mut worker);
            assert_eq!(next, None);
            pool_keys.push(
                fanout
                    .key(&fanout.branches[0], &gateway.servers[0])
                    .unwrap(),
            );
            let list = String::from_utf8(fanout.outcome(&gateway, None).result.unwrap()).unwrap();
            assert!(
                list.contains(&format!(r#""cacheScope":"{scope}""#)),
                "{list}"
            );
        }
        let (first, again) = pool_keys.split_at(3);
        assert_eq!(first, again);
        assert!(first[0] != first[1] && first[1] != first[2] && first[0] != first[2]);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_dual_server_stays_modern_when_it_is_forgotten_meanwhile() {
        let config = Config::parse(br#"{"servers":[{"name":"d"}]}"#).unwrap();
        let gateway = config.gateway.unwrap();
        let mut worker = Worker::new(|| Duration::from_secs(1), |b| b.fill(1), Box::new(Nothing));
        let requester = Requester {
            caller: ClientContext {
                era: Era::Legacy,
                version: "2025-11-25".into(),
                capabilities: "{}".into(),
                info: None,
                headers: CallerHeaders::of(&Headers::default(), &gateway, &[]).unwrap(),
            },
            parts: Vec::new(),
            who: CallerIdentity::Anyone,
        };
        let answer = |call: &Call, session: Option<&str>, result: &str| {
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":"{}","result":{result}}}"#,
                call.rpc_id
            );
            let response = CallResponse::Http {
                status: 200,
                content_type: Some("application/json".into()),
                session: session.map(str::to_owned),
                body: body.into_bytes(),
            };
            call.answer(&response, &gateway).0
        };
        let (mut fanout, calls) = Fanout::start(
            Operation::Greet,
            &[gateway.servers[0].id],
            requester,
            &gateway,
            &mut worker,
        );
        let it = answer(
            &calls[0],
            None,
            r#"{"supportedVersions":["2026-07-28","2025-11-25"],"capabilities":{}}"#,
        );
        let call = fanout
            .answered(calls[0].id, it, &gateway, &mut worker)
            .unwrap();
        assert_eq!(call.question, UpstreamRequest::Initialize);
        assert_eq!(worker.era("d"), Some(Era::Modern));
        // Another client gets a 404 for what it asked.
        worker.forget("d");
        let it = answer(
            &call,
            Some("s"),
            r#"{"protocolVersion":"2025-11-25","capabilities":{}}"#,
        );
        fanout.answered(call.id, it, &gateway, &mut worker);
        assert_ne!(
            worker.era("d"),
            Some(Era::Legacy),
            "it has shown itself modern"
        );
    }
}
