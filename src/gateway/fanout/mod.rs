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
    pub(super) goal: Operation,
    pub(super) asker: Requester,
    next_call: u32,
    legs: Vec<Branch>,
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
        goal: Operation,
        servers: &[ServerId],
        asker: Requester,
        gateway: &Gateway,
        worker: &mut Worker,
    ) -> (Self, Vec<Call>) {
        let mut fanout = Self {
            goal,
            asker,
            next_call: 0,
            legs: Vec::with_capacity(servers.len()),
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
            let scope = ground.worker.scope(fanout.asker.caller.headers.passed(*id));
            let Some(mut leg) = fanout.leg(*id, deadline, scope) else {
                continue;
            };
            let capabilities = &fanout.asker.caller.capabilities;
            let next = leg.first(&fanout.goal, server, capabilities, ground.worker);
            calls.extend(fanout.go_on(&mut leg, next, &mut ground));
            fanout.legs.push(leg);
        }
        (fanout, calls)
    }

    /// The part of the server at this place; `None` where it has none in the
    /// client's session.
    fn leg(&self, server: ServerId, deadline: Duration, scope: Option<Scope>) -> Option<Branch> {
        let lease = match self.asker.caller.era {
            Era::Legacy => SessionOwner::Clients,
            Era::Modern => SessionOwner::Gateways,
        };
        let mut leg = Branch::new(server, deadline, lease, scope);
        if lease == SessionOwner::Gateways || self.goal == Operation::Greet {
            return Some(leg);
        }
        let part = self.asker.parts.get(server.index())?;
        let voice = part.voice()?;
        // A modern server knows neither sessions nor levels that outlast a request.
        let concerned = match self.goal {
            Operation::SetLevel(_) => voice != UpstreamProtocol::Modern,
            Operation::End => voice.link().is_some_and(|link| link.session.is_some()),
            Operation::Greet | Operation::Open | Operation::List(_) => true,
        };
        if !concerned {
            return None;
        }
        leg.offers = Some(part.offers());
        leg.voice = Some(voice);
        Some(leg)
    }

    /// Takes the answer to a call; gives the next one, if any.
    pub fn answered(
        &mut self,
        call: CallId,
        answer: CallResult,
        gateway: &Gateway,
        worker: &mut Worker,
    ) -> Option<Call> {
        let waits = |leg: &Branch| matches!(leg.state, State::Waiting { call: waiting, .. } if waiting == call);
        let mut legs = std::mem::take(&mut self.legs);
        let call = legs.iter_mut().find(|leg| waits(leg)).and_then(|leg| {
            let server = gateway.server(leg.server)?;
            let had = leg.link().cloned();
            let to = (&self.goal, self.asker.caller.capabilities.as_str());
            let next = leg.take(to, server, answer, gateway, worker);
            if let (Some(had), None, Some(key)) = (had, leg.link(), self.key(leg, server)) {
                worker.pool.drop(&key, &had);
            }
            self.go_on(leg, next, &mut Context { gateway, worker })
        });
        self.legs = legs;
        call
    }

    /// Takes `leg` as far as it goes without asking; gives the call it then needs.
    fn go_on(
        &mut self,
        leg: &mut Branch,
        next: NextStep,
        ground: &mut Context<'_>,
    ) -> Option<Call> {
        let mut next = next;
        loop {
            let (mut question, mut cursor) = match next {
                NextStep::Ask(question, cursor) => (question, cursor),
                NextStep::Done => {
                    leg.state = State::Done;
                    self.release(leg, ground);
                    return None;
                }
                NextStep::Failed(failure) => {
                    leg.state = State::Failed(failure);
                    self.release(leg, ground);
                    return None;
                }
            };
            let server = ground.gateway.server(leg.server)?;
            let share = self.share(leg, &question, cursor.as_deref(), server, ground);
            if let (Some(share), UpstreamRequest::List(kind)) = (&share, &question) {
                let now = ground.worker.now();
                let read = |result: &str| ListPage::read(*kind, server, result).ok();
                if let Some((page, freshness)) = ground.worker.pages.get(share.key, now, read) {
                    self.hits = self.hits.saturating_add(1);
                    next = leg.add(question, page, freshness, ground.gateway);
                    continue;
                }
                self.misses = self.misses.saturating_add(1);
            }
            if leg.voice.as_ref().is_some_and(UpstreamProtocol::is_silent)
                && question != UpstreamRequest::Initialize
            {
                let key = self.key(leg, server);
                let now = ground.worker.now();
                match key.and_then(|key| ground.worker.pool.get(&key, now)) {
                    Some(found) => leg.voice = Some(UpstreamProtocol::Legacy(Some(found.link))),
                    // It is asked again when there is a session.
                    None => (question, cursor) = (UpstreamRequest::Initialize, None),
                }
            } else if question == UpstreamRequest::Initialize
                && let Some(known) = self.known(leg, server, ground)
            {
                next = known;
                continue;
            }
            if question == UpstreamRequest::Initialize && self.asker.who == CallerIdentity::Nobody {
                next = NextStep::Failed(Failure::Anonymous);
                continue;
            }
            let left = leg.deadline.saturating_sub(ground.worker.now());
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
            let voice = leg.voice.as_ref().unwrap_or(&silent);
            let call = self.asker.caller.call(ground.gateway, server, voice, put);
            leg.state = State::Waiting {
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
        leg: &mut Branch,
        server: &Server,
        ground: &mut Context<'_>,
    ) -> Option<NextStep> {
        let caller = &self.asker.caller;
        if caller.era == Era::Modern && self.goal == Operation::Greet {
            let known = {
                let worker = &ground.worker;
                worker.known(&server.name, &caller.capabilities, leg.scope)?
            };
            leg.discovered = Some(known);
            return Some(NextStep::Done);
        }
        let now = ground.worker.now();
        let found = ground.worker.pool.get(&self.key(leg, server)?, now)?;
        leg.voice = Some(UpstreamProtocol::Legacy(Some(found.link)));
        leg.offers = Some(found.offers);
        leg.is_sure = found.is_sure;
        Some(leg.onward(&self.goal))
    }

    /// The key of the gateway's own sessions with `server`, that of `leg`.
    fn key(&self, leg: &Branch, server: &Server) -> Option<PoolKey> {
        (self.asker.caller.era == Era::Modern)
            .then(|| {
                let identity = match &self.asker.who {
                    CallerIdentity::Known(identity) => Some(identity.as_str()),
                    CallerIdentity::Anyone | CallerIdentity::Nobody => None,
                };
                let capabilities = &self.asker.caller.capabilities;
                PoolKey::new(server, identity, capabilities, leg.scope)
            })
            .flatten()
    }

    /// Keeps the gateway's own session for others, or ends it; unless the
    /// request goes on with it.
    fn release(&self, leg: &Branch, ground: &mut Context<'_>) {
        if self.goal == Operation::Open && matches!(leg.state, State::Done) {
            return;
        }
        if let Some(held) = self.held(leg, ground.gateway) {
            if matches!(leg.state, State::Done) {
                let now = ground.worker.now();
                ground.worker.pool.heard(&held, Some(now));
            }
            ground.worker.release(&held, ground.gateway);
        }
    }

    /// The gateway's own session with the server of `leg`.
    fn held(&self, leg: &Branch, gateway: &Gateway) -> Option<SessionLease> {
        let link = leg.link().filter(|_| leg.lease == SessionOwner::Gateways)?;
        Some(SessionLease {
            server: leg.server,
            key: self.key(leg, gateway.server(leg.server)?),
            link: Rc::clone(link),
            offers: leg.offers.unwrap_or_default(),
            headers: self.asker.caller.headers.clone(),
        })
    }

    /// Nobody waits for what is under way any more: sessions that were opened
    /// for it are kept for others, or ended.
    pub fn given_up(&self, gateway: &Gateway, worker: &mut Worker) {
        let is_begun = self.goal == Operation::Greet && self.asker.caller.era == Era::Legacy;
        for leg in &self.legs {
            let is_waiting = matches!(leg.state, State::Waiting { .. });
            match (leg.link(), self.held(leg, gateway)) {
                (_, Some(held)) if is_waiting => worker.release(&held, gateway),
                // The client's session, which it never got.
                (Some(link), None) if is_begun => {
                    let passed = self.asker.caller.headers.passed(leg.server);
                    worker.end(gateway, leg.server, link, passed);
                }
                _ => {}
            }
        }
    }

    /// How the answer to a question is shared, if it may be.
    fn share(
        &self,
        leg: &Branch,
        question: &UpstreamRequest,
        cursor: Option<&str>,
        server: &Server,
        ground: &Context<'_>,
    ) -> Option<Share> {
        let UpstreamRequest::List(kind) = question else {
            return None;
        };
        // What a caller's credentials show is that caller's.
        if leg.scope.is_some() {
            return None;
        }
        // What is said in a session is that session's, unless the configuration
        // says that it is everyone's.
        let is_stateless = leg.voice == Some(UpstreamProtocol::Modern);
        let version = if is_stateless {
            self.asker.caller.modern_version()
        } else {
            "legacy"
        };
        let may_be = is_stateless || server.list_ttl.is_some();
        (ground.gateway.caches && may_be && !leg.alone).then(|| Share {
            key: PageKey::new(
                &ground.worker.plugin,
                server,
                *kind,
                cursor,
                version,
                &self.asker.caller.capabilities,
            ),
            ttl: server.list_ttl,
            joins: is_stateless
                && (server.list_ttl.is_some() || ground.worker.is_shared(leg.server, *kind)),
        })
    }

    /// Each server's place, and how it failed if it did; for those that are
    /// done with.
    pub fn states(&self) -> impl Iterator<Item = (ServerId, Option<&Failure>)> {
        self.legs.iter().filter_map(|leg| match &leg.state {
            State::Waiting { .. } => None,
            State::Done => Some((leg.server, None)),
            State::Failed(failure) => Some((leg.server, Some(failure))),
        })
    }

    /// Pages that were there, and that had to be asked for, though they might be.
    pub fn cached(&self) -> (u64, u64) {
        (self.hits, self.misses)
    }

    /// Whether all servers have answered or failed.
    pub fn is_done(&self) -> bool {
        !self
            .legs
            .iter()
            .any(|leg| matches!(leg.state, State::Waiting { .. }))
    }

    /// Who asked.
    pub fn caller(&self) -> &ClientContext {
        &self.asker.caller
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::gateway::routing::forwarding::CallerHeaders;
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

    fn asker(gateway: &Gateway, key: Option<&str>) -> Requester {
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
                freshness: page.freshness,
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
            let goal = Operation::List(ListKind::Tools);
            let asker = asker(&gateway, key);
            let (mut fanout, calls) =
                Fanout::start(goal, &[gateway.servers[0].id], asker, &gateway, &mut worker);
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
            pool_keys.push(fanout.key(&fanout.legs[0], &gateway.servers[0]).unwrap());
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
        let asker = Requester {
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
            asker,
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
