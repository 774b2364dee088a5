//! One question to several servers at once: each server's calls, page after
//! page, until all have answered or failed. The order of the outcome is that of
//! the configuration, whatever the order of the answers.

use std::time::Duration;

use super::answer::Answer;
use super::call::{Call, CallId, Caller, Question, Share};
use super::discover;
use super::failure::Failure;
use super::freshness::Freshness;
use super::kind::Kind;
use super::leg::{Leg, Next, State};
use super::list::{self, Entries};
use super::page::Page;
use super::pages::Key;
use super::worker::Worker;
use crate::config::{FailureMode, Gateway, Server};
use crate::policy::Refusal;

/// A question under way.
#[derive(Debug)]
pub struct Fanout {
    question: Question,
    caller: Caller,
    next_call: u32,
    legs: Vec<Leg>,
    /// Pages that were there, and that were not.
    hits: u64,
    misses: u64,
}

/// All servers' answers together.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The JSON-RPC result, or why there is none.
    pub result: Result<Vec<u8>, Refusal>,
    /// How many entries were left out, see [`list::merge`].
    pub left_out: usize,
}

/// What a leg needs of the world.
struct Ground<'g> {
    gateway: &'g Gateway,
    worker: &'g mut Worker,
}

impl Fanout {
    /// Asks the servers at these `places`; the calls are to be made at once.
    /// Where no call is needed, it [is done](Fanout::is_done) already.
    pub fn start(
        question: Question,
        places: &[usize],
        caller: Caller,
        gateway: &Gateway,
        worker: &mut Worker,
    ) -> (Self, Vec<Call>) {
        let mut fanout = Self {
            question,
            caller,
            next_call: 0,
            legs: Vec::with_capacity(places.len()),
            hits: 0,
            misses: 0,
        };
        let mut calls = Vec::with_capacity(places.len());
        let mut ground = Ground { gateway, worker };
        let now = ground.worker.now();
        for at in places {
            let Some(server) = gateway.servers.get(*at) else {
                continue;
            };
            let mut leg = Leg {
                server: *at,
                state: State::Done,
                deadline: now.saturating_add(server.timeout),
                entries: Entries::default(),
                discovered: ground
                    .worker
                    .known(&server.name, &fanout.caller.capabilities),
                alone: false,
            };
            let next = match question {
                Question::Discover => Next::Ask(Question::Discover, None),
                Question::List(kind) => match &leg.discovered {
                    None => Next::Ask(Question::Discover, None),
                    Some(known) if known.has(kind) => Next::Ask(question, None),
                    Some(_) => Next::Done,
                },
            };
            calls.extend(fanout.go_on(&mut leg, next, &mut ground));
            fanout.legs.push(leg);
        }
        (fanout, calls)
    }

    /// Takes the answer to a call; gives the next one, if any.
    pub fn answered(
        &mut self,
        call: CallId,
        answer: Answer,
        gateway: &Gateway,
        worker: &mut Worker,
    ) -> Option<Call> {
        let waits = |leg: &Leg| matches!(leg.state, State::Waiting { call: waiting, .. } if waiting == call);
        let mut legs = std::mem::take(&mut self.legs);
        let call = legs.iter_mut().find(|leg| waits(leg)).and_then(|leg| {
            let server = gateway.servers.get(leg.server)?;
            let asked = (self.question, self.caller.capabilities.as_str());
            let next = leg.take(asked, server, answer, gateway, worker);
            self.go_on(leg, next, &mut Ground { gateway, worker })
        });
        self.legs = legs;
        call
    }

    /// Takes `leg` as far as it goes without asking; gives the call it then needs.
    fn go_on(&mut self, leg: &mut Leg, next: Next, ground: &mut Ground<'_>) -> Option<Call> {
        let mut next = next;
        loop {
            let (question, cursor) = match next {
                Next::Ask(question, cursor) => (question, cursor),
                Next::Done => {
                    leg.state = State::Done;
                    return None;
                }
                Next::Failed(failure) => {
                    leg.state = State::Failed(failure);
                    return None;
                }
            };
            let server = ground.gateway.servers.get(leg.server)?;
            let share = self.share(leg, question, cursor.as_deref(), server, ground);
            if let (Some(share), Question::List(kind)) = (&share, question) {
                let now = ground.worker.now();
                let read = |result: &str| Page::read(kind, server, result).ok();
                if let Some((page, freshness)) = ground.worker.pages.get(share.key, now, read) {
                    self.hits = self.hits.saturating_add(1);
                    next = leg.add(question, page, freshness, ground.gateway);
                    continue;
                }
                self.misses = self.misses.saturating_add(1);
            }
            let left = leg.deadline.saturating_sub(ground.worker.now());
            if left < Duration::from_millis(1) {
                leg.state = State::Failed(Failure::TimedOut);
                return None;
            }
            let id = CallId(self.next_call);
            self.next_call = self.next_call.saturating_add(1);
            let call = self.caller.call(
                id,
                (leg.server, server),
                question,
                ground.worker.next_id(),
                (cursor.as_deref(), share),
                // The clock may jump.
                left.min(server.timeout),
            );
            leg.state = State::Waiting {
                call: id,
                question,
                cursor,
            };
            return Some(call);
        }
    }

    /// How the answer to a question is shared, if it may be.
    fn share(
        &self,
        leg: &Leg,
        question: Question,
        cursor: Option<&str>,
        server: &Server,
        ground: &Ground<'_>,
    ) -> Option<Share> {
        let Question::List(kind) = question else {
            return None;
        };
        (ground.gateway.caches && !leg.alone).then(|| Share {
            key: Key::new(
                &ground.worker.plugin,
                server,
                kind,
                cursor,
                &self.caller.protocol_version,
                &self.caller.capabilities,
            ),
            ttl: server.list_ttl,
            joins: server.list_ttl.is_some() || ground.worker.is_shared(leg.server, kind),
        })
    }

    /// Each server's place, and how it failed if it did; for those that are
    /// done with.
    pub fn states(&self) -> impl Iterator<Item = (usize, Option<&Failure>)> {
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

    /// A merged list is complete or there is none: the server whose entries
    /// would make it too long fails. To be called once, when all is answered.
    pub fn bound(&mut self, gateway: &Gateway) {
        let mut total = 0_usize;
        for leg in &mut self.legs {
            if matches!(leg.state, State::Failed(_)) {
                continue;
            }
            let with = total.saturating_add(leg.entries.bytes());
            if with > gateway.max_list_bytes {
                leg.state = State::Failed(Failure::ListTooLong(gateway.max_list_bytes));
            } else {
                total = with;
            }
        }
    }

    /// A sentence for each server that failed.
    fn failures(&self, gateway: &Gateway) -> Vec<String> {
        let failed = |(at, failure): (usize, Option<&Failure>)| {
            Some(format!(
                "server {} {}",
                gateway.servers.get(at)?.name,
                failure?
            ))
        };
        self.states().filter_map(failed).collect()
    }

    /// Why there is no outcome, if there is none.
    fn refused(&self, gateway: &Gateway) -> Option<Refusal> {
        let failures = self.failures(gateway);
        let all_failed = !failures.is_empty() && failures.len() == self.legs.len();
        let refused =
            all_failed || (gateway.failure_mode == FailureMode::Fail && !failures.is_empty());
        refused.then_some(Refusal::Servers(failures))
    }

    /// What the servers answered together; when [`Fanout::is_done`].
    pub fn outcome(self, gateway: &Gateway) -> Outcome {
        if let Some(refusal) = self.refused(gateway) {
            return Outcome {
                result: Err(refusal),
                left_out: 0,
            };
        }
        // Who keeps a list that lacks a server would not see it come back.
        let start = if self.states().all(|(_, failure)| failure.is_none()) {
            Freshness::ALL
        } else {
            Freshness::NONE
        };
        let answered = self
            .legs
            .into_iter()
            .filter(|leg| matches!(leg.state, State::Done));
        let (result, left_out) = match self.question {
            Question::Discover => {
                let servers: Vec<_> = answered
                    .filter_map(|leg| {
                        let server = gateway.servers.get(leg.server)?;
                        Some((server.name.as_str(), leg.discovered?))
                    })
                    .collect();
                let sole = gateway.sole().is_some();
                (
                    discover::merge(&servers, sole, start, &gateway.server_info),
                    0,
                )
            }
            Question::List(kind) => {
                let lists: Vec<_> = answered.map(|leg| (leg.server, leg.entries)).collect();
                list::merge(kind, &lists, start, gateway)
            }
        };
        Outcome {
            result: Ok(result),
            left_out,
        }
    }

    /// The first server whose list has what clients call `name`, or may have it;
    /// when [`Fanout::is_done`].
    ///
    /// # Errors
    /// A server before it failed.
    pub fn owner(
        &self,
        kind: Kind,
        name: &str,
        gateway: &Gateway,
    ) -> Result<Option<usize>, Refusal> {
        if let Some(refusal) = self.refused(gateway) {
            return Err(refusal);
        }
        for leg in &self.legs {
            if matches!(leg.state, State::Failed(_)) {
                // It may be what the client means: nobody takes its place.
                return Err(Refusal::Servers(self.failures(gateway)));
            }
            let has = leg.entries.has(name)
                || (kind == Kind::Templates && leg.entries.has_template_of(name));
            if has {
                return Ok(Some(leg.server));
            }
        }
        Ok(None)
    }

    /// Whose question it is.
    pub fn into_caller(self) -> Caller {
        self.caller
    }
}
